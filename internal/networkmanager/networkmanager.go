// Package networkmanager has NetworkManager follow dom0's addresses to another
// interface. It looks after interfaces by their index: to a card that is called
// peth0 now and is a port it would give its addresses back, and let the lease of
// dom0's eth0 run out (seen with 1.42). So it lets the card go before the change,
// which keeps addresses and routes, and takes the other interface after it, by
// the profile that the card had.
package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"xbr-script/internal/keyfile"
	"xbr-script/internal/plan"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// runDir is where NetworkManager has a file for each interface, by its index,
// and the profiles that are not for good.
const runDir = "/run/NetworkManager"

// Runs tells whether NetworkManager does.
func Runs() (bool, error) { return systemd.Up("NetworkManager.service") }

// Released tells whether it was told to leave an interface alone, by its index.
// A name that its configuration excludes is not enough: names change.
func Released(index int) (bool, error) {
	d, err := entry(index)
	return d["managed"] == "false", err
}

// Profile is the UUID of the profile by which it configures an interface; empty
// if it does not.
func Profile(index int) (string, error) {
	d, err := entry(index)
	if err != nil || d["managed"] != "true" {
		return "", err
	}
	if is, err := external(d["connection-uuid"]); err != nil || is {
		return "", err
	}
	return d["connection-uuid"], nil
}

// external tells whether a profile only describes what was found on an interface.
func external(uuid string) (bool, error) {
	const dir = runDir + "/system-connections"
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".nmconnection" {
			continue
		}
		values, err := keyfile.Read(filepath.Join(dir, file.Name()))
		if err != nil || values["uuid"] == uuid {
			return values["external"] == "true", err
		}
	}
	return false, nil
}

// entry is what it says of an interface.
func entry(index int) (map[string]string, error) {
	return keyfile.Read(filepath.Join(runDir, "devices", strconv.Itoa(index)))
}

// Follow gives the steps around a change after which dev has the addresses that
// from had, and with them the profile. The NIC has two names, of which one is
// there at a time: nic is its name as a port.
func Follow(from, dev, nic, profile string) (first, last plan.Step) {
	first = plan.Step{
		Title: "have NetworkManager let " + from + " go",
		Do:    []plan.Op{&Release{from}}, Undo: []plan.Op{&Take{from, nic, profile}},
	}
	last = plan.Step{
		Title: "have NetworkManager take " + dev,
		Do:    []plan.Op{&Take{dev, nic, profile}}, Undo: []plan.Op{&Release{dev}},
	}
	return first, last
}

// Leave is the step by which it leaves an interface alone that it does not
// configure, also under its next name. That needs no undoing.
func Leave(dev string) plan.Step {
	return plan.Step{Title: "have NetworkManager leave " + dev + " alone", Do: []plan.Op{&Release{dev}}}
}

// Kinds are the operations of this package.
func Kinds() plan.Kinds {
	return plan.Kinds{
		(&Release{}).Kind(): func() plan.Op { return &Release{} },
		(&Take{}).Kind():    func() plan.Op { return &Take{} },
	}
}

// Release has it let an interface go, and leave it alone whatever it is called
// later, also when it is restarted, until the next boot.
type Release struct {
	Dev string `json:"Dev"`
}

// Kind is its name in the journal.
func (*Release) Kind() string { return "networkmanager release" }

// Commands are those that do the same.
func (r *Release) Commands() []string {
	return []string{"nmcli device set " + shell.Quote(r.Dev) + " managed no"}
}

// Ready tells whether it can be asked.
func (*Release) Ready(ctx context.Context) error { return ready(ctx) }

// Do carries it out. What it does not know it leaves alone.
func (r *Release) Do(ctx context.Context, _ bool) error {
	return ask(ctx, func(ctx context.Context, m *manager) error {
		devices, err := m.devices(ctx)
		for _, d := range devices[r.Dev] {
			if err := d.set(ctx, "Managed", false); err != nil {
				return err
			}
		}
		return err
	})
}

// Take has it configure an interface by a profile.
type Take struct {
	Dev     string `json:"Dev"`
	NIC     string `json:"NIC"`     // the NIC's name as a port, to know that it has seen the renaming
	Profile string `json:"Profile"` // its UUID
}

// Kind is its name in the journal.
func (*Take) Kind() string { return "networkmanager take" }

// Commands are those that do the same.
func (t *Take) Commands() []string {
	return []string{
		"nmcli device set " + shell.Quote(t.Dev) + " managed yes",
		"nmcli connection up uuid " + shell.Quote(t.Profile) + " ifname " + shell.Quote(t.Dev),
	}
}

// Ready tells whether it can be asked.
func (*Take) Ready(ctx context.Context) error { return ready(ctx) }

const (
	// takeLimit is how long it may take until an interface is configured: the
	// link has to come up, and 45 s is its own patience with a DHCP server.
	takeLimit = 75 * time.Second
	// askAgain is how long it may take to begin with what was asked.
	askAgain = 5 * time.Second
	// pause is between two looks.
	pause = 50 * time.Millisecond
)

// States of a device (NMDeviceState).
const (
	stateDisconnected = 30 // it could be configured
	stateActivated    = 100
)

// Do carries it out: a profile that the interface is configured by already is
// not activated again, and none while the machine is being switched off.
func (t *Take) Do(ctx context.Context, _ bool) error {
	return ask(ctx, func(ctx context.Context, m *manager) error {
		if stopping(ctx) {
			return nil
		}
		d, err := m.known(ctx, t.Dev, t.NIC)
		if err != nil {
			return err
		}
		if err := d.set(ctx, "Managed", true); err != nil {
			return err
		}
		return t.activate(ctx, m, d)
	})
}

// stopping tells whether the machine is being switched off.
func stopping(ctx context.Context) bool {
	conn, err := systemd.Dial(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	is, _ := conn.Stopping(ctx)
	return is
}

// activate asks for the profile as soon as the interface is ready for it, and
// waits until it is configured.
func (t *Take) activate(ctx context.Context, m *manager, d *device) error {
	var asked time.Time
	for {
		var state uint32
		if err := d.get(ctx, "State", &state); err != nil {
			return err
		}
		if state == stateActivated {
			if on, err := d.profile(ctx); err != nil || on == t.Profile {
				return err
			}
		}
		if (state == stateActivated || state == stateDisconnected) && time.Since(asked) > askAgain {
			if err := m.activate(ctx, t.Profile, d); err != nil {
				return err
			}
			asked = time.Now()
		}
		if err := wait(ctx); err != nil {
			return fmt.Errorf("it has not configured %s after %v", t.Dev, takeLimit)
		}
	}
}

func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
