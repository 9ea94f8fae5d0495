// Package networkmanager makes NetworkManager follow dom0's addresses to another
// interface. It looks after interfaces by their index: it would give its addresses back
// to a NIC that is called peth0 now and is a port, and let the lease of dom0's eth0 run
// out (seen with 1.42). So it lets the NIC go before the change, which keeps addresses
// and routes, and takes the other interface after it, by the profile that the NIC had.
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

	"xbr-script/internal/host"
	"xbr-script/internal/keyfile"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// unit is what systemd calls it.
const unit = "NetworkManager.service"

// runDir is where NetworkManager has a file for each interface, by its index, and the
// temporary profiles.
const runDir = "/run/NetworkManager"

// Manager is NetworkManager.
type Manager struct {
	Up   func(unit string) (bool, error) // says whether a unit of systemd is up
	Root string                          // where the host's files are; "" is /
}

// released says whether it was told to leave an interface alone, by its index. A name
// that its configuration excludes is not enough, because names change.
func (m Manager) released(index int) (bool, error) {
	d, err := m.entry(index)
	return d["managed"] == "false", err
}

// Profile is the UUID of the profile by which it configures an interface; empty
// if it does not.
func (m Manager) Profile(index int) (string, error) {
	d, err := m.entry(index)
	if err != nil || d["managed"] != "true" {
		return "", err
	}
	if is, err := m.external(d["connection-uuid"]); err != nil || is {
		return "", err
	}
	return d["connection-uuid"], nil
}

// external says whether a profile only describes what was found on an interface.
func (m Manager) external(uuid string) (bool, error) {
	dir := m.Root + runDir + "/system-connections"
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
func (m Manager) entry(index int) (map[string]string, error) {
	return keyfile.Read(filepath.Join(m.Root+runDir, "devices", strconv.Itoa(index)))
}

// Around gives the steps around a change for the NICs that NetworkManager configures,
// and for those that it might.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	if runs, err := m.Up(unit); err != nil || !runs {
		return nil, nil, err
	}
	for _, move := range moves {
		if move.From == nil || move.NIC == nil {
			continue
		}
		first, last, failed := m.around(move)
		before, after, err = append(before, first...), append(after, last...), errors.Join(err, failed)
	}
	return before, after, err
}

func (m Manager) around(move manager.Move) (before, after []plan.Step, err error) {
	if err := m.refuse(move); err != nil {
		return nil, nil, err
	}
	profile, err := m.Profile(move.From.Index)
	if err != nil {
		return nil, nil, err
	}
	released, err := m.released(move.NIC.Index)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case profile != "":
		first, last := follow(move, profile)
		before, after = []plan.Step{first}, []plan.Step{last}
	case move.From == move.NIC && !released:
		before = []plan.Step{leave(move.NIC)}
	}
	return before, after, nil
}

// refuse refuses what NetworkManager could not follow: a NIC's profile does not fit a
// bridge, nor a bridge's profile a NIC.
func (m Manager) refuse(move manager.Move) error {
	links := []*host.Link{move.Bridge}
	if move.OnBridge {
		links = append(links, move.From)
	}
	for _, l := range links {
		if l == nil {
			continue
		}
		profile, err := m.Profile(l.Index)
		if err != nil {
			return err
		}
		if profile != "" {
			hint := "nmcli device set " + shell.Quote(l.Name) + " managed no lets it go and keeps its addresses, but a lease is not renewed then"
			if l == move.From && move.Moves() {
				hint = "without dom0=bridge, and with a bridge that is not called " + shell.Quote(move.NetDev) + ", NetworkManager goes on"
			}
			return refusal.New(hint, "cannot %s: NetworkManager configures %s, and cannot go on with it", move.Undertaking, l.Name)
		}
	}
	return nil
}

// follow gives the steps around a change after which another interface has the
// addresses, and with them the profile.
func follow(m manager.Move, profile string) (first, last plan.Step) {
	first = plan.Step{
		Title: "have NetworkManager let " + m.From.Name + " go",
		Do:    []plan.Op{&Release{m.From.Name, m.From.Index}},
		Undo:  []plan.Op{&Take{m.From.Name, m.From.Index, m.Port, profile}},
	}
	last = plan.Step{
		Title: "have NetworkManager take " + m.To.Name,
		Do:    []plan.Op{&Take{m.To.Name, m.To.Index, m.Port, profile}},
		Undo:  []plan.Op{&Release{m.To.Name, m.To.Index}},
	}
	return first, last
}

// leave is the step by which NetworkManager leaves alone an interface that it does not
// configure, also under its next name. That needs no undoing.
func leave(l *host.Link) plan.Step {
	return plan.Step{Title: "have NetworkManager leave " + l.Name + " alone", Do: []plan.Op{&Release{l.Name, l.Index}}}
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{
		(&Release{}).Kind(): func() plan.Op { return &Release{} },
		(&Take{}).Kind():    func() plan.Op { return &Take{} },
	}
}

// Release makes NetworkManager let an interface go, and leave it alone until the next
// boot, whatever its name is later, and even if NetworkManager is restarted.
type Release struct {
	Dev   string `json:"Dev"`
	Index int    `json:"Index,omitempty"` // 0 in a journal of an earlier version
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
	return ask(ctx, func(ctx context.Context, c *conn) error {
		devices, err := c.called(ctx, r.Dev, r.Index)
		for _, d := range devices {
			if err := d.set(ctx, "Managed", false); err != nil {
				return err
			}
		}
		return err
	})
}

// Take makes NetworkManager configure an interface by a profile.
type Take struct {
	Dev     string `json:"Dev"`
	Index   int    `json:"Index,omitempty"` // 0 in a journal of an earlier version
	NIC     string `json:"NIC"`             // the NIC's name as a port, to know that it has seen the renaming
	Profile string `json:"Profile"`         // its UUID
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
	// askAgain is how long it may take to begin with what it was asked for.
	askAgain = 5 * time.Second
	// pause is the time between two looks.
	pause = 50 * time.Millisecond
)

// States of a device (NMDeviceState).
const (
	stateDisconnected = 30 // it could be configured
	stateActivated    = 100
)

// Do carries it out. A profile that configures the interface already is not activated
// again, and none is while the machine is being switched off.
func (t *Take) Do(ctx context.Context, undoing bool) error {
	return ask(ctx, func(ctx context.Context, c *conn) error {
		if stopping(ctx) {
			return nil
		}
		d, err := c.known(ctx, t)
		switch {
		case err != nil:
			return err
		case d == nil && undoing:
			return nil
		case d == nil:
			return fmt.Errorf("%s is gone", t.Dev)
		}
		if err := d.set(ctx, "Managed", true); err != nil {
			return err
		}
		return t.activate(ctx, c, d)
	})
}

// stopping says whether the machine is being switched off.
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
func (t *Take) activate(ctx context.Context, c *conn, d *device) error {
	var asked time.Time
	for {
		var state uint32
		if err := d.get(ctx, "State", &state); err != nil {
			return err
		}
		if state == stateActivated {
			if on, _, err := d.profile(ctx); err != nil || on == t.Profile {
				return err
			}
		}
		if (state == stateActivated || state == stateDisconnected) && time.Since(asked) > askAgain {
			if err := c.activate(ctx, t.Profile, d); err != nil {
				return err
			}
			asked = time.Now()
		}
		if err := wait(ctx, fmt.Sprintf("it has not configured %s after %v", t.Dev, takeLimit)); err != nil {
			return err
		}
	}
}

// wait waits between two looks. When the time is over it returns what is missing.
func wait(ctx context.Context, missing string) error {
	select {
	case <-ctx.Done():
		return errors.New(missing)
	case <-time.After(pause):
		return nil
	}
}
