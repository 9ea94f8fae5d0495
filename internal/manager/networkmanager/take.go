package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"xbr-script/internal/idle"
	"xbr-script/internal/plan"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// Release makes NetworkManager let an interface go, and leave it alone until the next
// boot, whatever its name is later, and even if NetworkManager is restarted.
type Release struct {
	Dev   string `json:"Dev"`
	Index int    `json:"Index,omitempty"` // 0 in a journal of an earlier version
}

// Kind is its name in the journal.
func (*Release) Kind() string { return "networkmanager release" }

// Await is what it waits for.
func (r *Release) Await() plan.Wait {
	return plan.Wait{For: "NetworkManager to let " + r.Dev + " go", Limit: takeLimit}
}

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

var (
	_ plan.Patient = (*Release)(nil)
	_ plan.Patient = (*Take)(nil)
	_ plan.Patient = (*TakeBridge)(nil)
	_ plan.Patient = (*ReleaseBridge)(nil)
)

// Take makes NetworkManager configure an interface by a profile, or when it can by one of
// its choice, if it had none for the NIC yet.
type Take struct {
	Dev     string `json:"Dev"`
	Index   int    `json:"Index,omitempty"` // 0 in a journal of an earlier version
	NIC     string `json:"NIC"`             // the NIC's name as a port, to know that it has seen the renaming
	Profile string `json:"Profile"`         // its UUID, "" for one of its choice
}

// Kind is its name in the journal.
func (*Take) Kind() string { return "networkmanager take" }

// Await is what it waits for.
func (t *Take) Await() plan.Wait { return toConfigure(t.Dev) }

func toConfigure(dev string) plan.Wait {
	return plan.Wait{For: "NetworkManager to configure " + dev, Limit: takeLimit}
}

// Commands are those that do the same.
func (t *Take) Commands() []string {
	lines := []string{"nmcli device set " + shell.Quote(t.Dev) + " managed yes"}
	if t.Profile != "" {
		lines = append(lines, "nmcli connection up uuid "+shell.Quote(t.Profile)+" ifname "+shell.Quote(t.Dev))
	}
	return lines
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
	stateUnavailable  = 20 // it has no carrier, say
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
		d, err := c.known(ctx, t.Dev, t.Index, t.NIC)
		switch {
		case err != nil:
			return err
		case d == nil && undoing:
			return nil
		case d == nil:
			return fmt.Errorf("%s is gone", t.Dev)
		}
		lost, err := lookAt(t.Index)
		if err != nil {
			return err
		}
		if err := d.set(ctx, "Managed", true); err != nil {
			return err
		}
		if t.Profile == "" {
			return nil
		}
		if err := t.activate(ctx, c, d); err != nil {
			return err
		}
		return lost.Return(ctx)
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
			if on, err := d.profile(ctx); err != nil || on == t.Profile {
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
	if idle.For(ctx, pause) != nil {
		return errors.New(missing)
	}
	return nil
}
