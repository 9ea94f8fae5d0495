package networkmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"xbr-script/bridge"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// TakeBridge makes NetworkManager configure a bridge as it did the NIC that is its port.
// To activate a profile, it would take the port out first. So it is made to count the
// port as one, and then the profile that it has made of what it found on the bridge gets
// the NIC's settings. All that is in memory, until the next boot.
type TakeBridge struct {
	Dev       string   `json:"dev"`
	Index     int      `json:"index,omitempty"` // 0: not known
	Port      string   `json:"port"`            // the NIC
	PortIndex int      `json:"portIndex"`
	Original  Original `json:"original"`
	Late      bool     `json:"-"` // NetworkManager had yet to configure the NIC when the plan was made
}

var _ plan.Prudent = (*TakeBridge)(nil)

// Kind is its name in the journal.
func (*TakeBridge) Kind() string { return "networkmanager take bridge" }

// Await is what it waits for.
func (t *TakeBridge) Await() plan.Wait { return toConfigure(t.Dev) }

// Commands are those that do the same, but for the metric of routes and the like.
func (t *TakeBridge) Commands() []string {
	dev := shell.Quote(t.Dev)
	return []string{
		"nmcli device set " + shell.Quote(t.Port) + " managed yes",
		"nmcli -t -e no -f ipv4,ipv6 connection show uuid " + shell.Quote(t.Original.Profile) +
			` | sed 's/:/\n/' | xargs -d '\n' nmcli connection modify --temporary ` + dev,
		"nmcli device reapply " + dev,
	}
}

// Ready tells whether it can be asked, and knows how.
func (t *TakeBridge) Ready(ctx context.Context) error {
	if err := ready(ctx); err != nil {
		return err
	}
	err := ask(ctx, func(ctx context.Context, c *conn) error {
		version, err := c.version(ctx)
		first := oldest
		if t.Late {
			first = oldestLate
		}
		if err == nil && before(version, first) {
			return fmt.Errorf("its version is %s, and %s is the first that was seen to do it", version, first)
		}
		if err != nil {
			return err
		}
		profile, err := c.profile(ctx, t.Original.Profile)
		if err != nil {
			return err
		}
		s, err := profile.settings(ctx)
		if misfit := s.misfit(); err == nil && misfit != "" {
			return fmt.Errorf("the profile %s %s", s.id(), misfit)
		}
		return cmp.Or(err, t.asPlanned(ctx, c))
	})
	if errors.Is(err, bridge.ErrChanged) {
		return err
	}
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; without dom0=bridge NetworkManager goes on with dom0's interface",
			"cannot have NetworkManager go on with the bridge %s", t.Dev)
	}
	return nil
}

// asPlanned is an error if NetworkManager has configured the NIC since the plan was made.
func (t *TakeBridge) asPlanned(ctx context.Context, c *conn) error {
	if !t.Late {
		return nil
	}
	ports, err := c.called(ctx, t.Port, t.PortIndex)
	for _, port := range ports {
		var state uint32
		failed := port.get(ctx, "State", &state)
		if failed == nil && state == stateActivated {
			failed = fmt.Errorf("%w: NetworkManager has configured the NIC of %s", bridge.ErrChanged, t.Dev)
		}
		err = cmp.Or(err, failed)
	}
	return err
}

// oldest is the first version of NetworkManager that was seen to do it. 1.30 takes the
// address off, and asks for no lease: it changes nothing on a bridge that it has only found
// (nm_device_sys_iface_state_is_external in ip_config_merge_and_apply), though its profile
// is an ordinary one by then. Versions in between were not tried.
const oldest = "1.42"

// oldestLate is that for a NIC which it has yet to configure. 1.42 was seen to leave a port
// without a cable unavailable, and not to take it up as it found it.
const oldestLate = "1.52"

// before says whether a version is an earlier one than another.
func before(version, other string) bool {
	var a, b [2]int
	_, _ = fmt.Sscanf(version, "%d.%d", &a[0], &a[1])
	_, _ = fmt.Sscanf(other, "%d.%d", &b[0], &b[1])
	return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
}

// Do carries it out. If the bridge has its profile already, that is applied again.
func (t *TakeBridge) Do(ctx context.Context, undoing bool) error {
	return ask(ctx, func(ctx context.Context, c *conn) error {
		if stopping(ctx) {
			return nil
		}
		d, err := c.known(ctx, t.Dev, t.Index, t.Port)
		switch {
		case err != nil:
			return err
		case d == nil && undoing:
			return nil
		case d == nil:
			return fmt.Errorf("%s is gone", t.Dev)
		}
		ports, err := c.called(ctx, t.Port, t.PortIndex)
		if err != nil {
			return err
		}
		for _, port := range ports {
			if err := port.asFound(ctx, t.Port, t.PortIndex); err != nil {
				return err
			}
		}
		if err := d.asFound(ctx, t.Dev, t.Index); err != nil {
			return err
		}
		return t.configure(ctx, c, d)
	})
}

// asFound makes it look after a device as it has found it. In the meantime no profile
// that fits the device may be activated there.
func (d *device) asFound(ctx context.Context, name string, index int) (err error) {
	var managed, auto bool
	if err := d.get(ctx, "Managed", &managed); err != nil {
		return err
	}
	if err := d.get(ctx, "Autoconnect", &auto); err != nil {
		return err
	}
	if !managed {
		if err := d.set(ctx, "Autoconnect", false); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.set(ctx, "Autoconnect", auto)) }()
		if err := d.set(ctx, "Managed", true); err != nil {
			return err
		}
	}
	return d.activated(ctx, name, index)
}

// activated waits until a device has a profile.
func (d *device) activated(ctx context.Context, name string, index int) error {
	for looks := 1; ; looks++ {
		var state uint32
		if err := d.get(ctx, "State", &state); err != nil || state == stateActivated {
			return err
		}
		if state == stateDisconnected && index != 0 && looks%nudgeEach == 0 {
			if err := nudge(index); err != nil {
				return err
			}
		}
		if err := wait(ctx, fmt.Sprintf("it has not taken up %s as it found it after %v", name, takeLimit)); err != nil {
			return err
		}
	}
}

// configure gives a bridge the copy, and waits until it has a lease if the NIC had one.
func (t *TakeBridge) configure(ctx context.Context, c *conn, d *device) error {
	uuid, err := d.profile(ctx)
	if err != nil {
		return err
	}
	profile, err := c.profile(ctx, uuid)
	if err != nil {
		return err
	}
	is, err := profile.settings(ctx)
	if err != nil {
		return err
	}
	external, err := profile.external(ctx)
	if err == nil && !external && !is.isCopyFor(t.Dev) {
		err = fmt.Errorf("%s has a profile already: %s", t.Dev, is.id())
	}
	if err != nil {
		return err
	}
	original, err := c.profile(ctx, t.Original.Profile)
	if err != nil {
		return err
	}
	nic, err := original.settings(ctx)
	if err != nil {
		return err
	}
	options, err := optionsOf(t.Dev)
	if err == nil {
		err = options.refusal(t.Dev)
	}
	if err != nil {
		return err
	}
	lost, err := lookAt(t.Index)
	if err != nil {
		return err
	}
	if err := profile.update(ctx, t.Original.copied(nic, is, lost.Addresses(), t.Dev)); err != nil {
		return err
	}
	if err := d.reapply(ctx); err != nil {
		return err
	}
	return errors.Join(cmp.Or(t.leased(ctx, d), lost.Return(ctx)), options.put(t.Dev))
}

// leased waits for the leases that the NIC had.
func (t *TakeBridge) leased(ctx context.Context, d *device) error {
	for _, l := range []struct{ property, had string }{{"Dhcp4Config", t.Original.ClientID}, {"Dhcp6Config", t.Original.IAID}} {
		for l.had != "" {
			has, err := d.hasLease(ctx, l.property)
			if err != nil {
				return err
			}
			if has {
				break
			}
			if err := wait(ctx, fmt.Sprintf("it has not got a lease for %s after %v", t.Dev, takeLimit)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReleaseBridge makes NetworkManager let a bridge and its port go, with their addresses,
// and forget the profile of the bridge.
type ReleaseBridge struct {
	Dev       string `json:"dev"`
	Index     int    `json:"index,omitempty"` // 0: not known
	Port      string `json:"port"`            // the NIC
	PortIndex int    `json:"portIndex"`
}

var _ plan.Prudent = (*ReleaseBridge)(nil)

// Kind is its name in the journal.
func (*ReleaseBridge) Kind() string { return "networkmanager release bridge" }

// Await is what it waits for.
func (r *ReleaseBridge) Await() plan.Wait { return (&Release{Dev: r.Dev}).Await() }

// Commands are those that do the same.
func (r *ReleaseBridge) Commands() []string {
	dev := shell.Quote(r.Dev)
	return []string{
		"profile=$(nmcli -g GENERAL.CON-UUID device show " + dev + ")",
		"nmcli device set " + dev + " managed no",
		"nmcli device set " + shell.Quote(r.Port) + " managed no",
		`nmcli connection delete uuid "$profile"`,
	}
}

// Ready tells whether it can be asked.
func (*ReleaseBridge) Ready(ctx context.Context) error { return ready(ctx) }

// Do carries it out. What it does not know it leaves alone.
func (r *ReleaseBridge) Do(ctx context.Context, _ bool) error {
	return ask(ctx, func(ctx context.Context, c *conn) error {
		for _, l := range []struct {
			name  string
			index int
		}{{r.Dev, r.Index}, {r.Port, r.PortIndex}} {
			devices, err := c.called(ctx, l.name, l.index)
			if err != nil {
				return err
			}
			for _, d := range devices {
				if err := d.set(ctx, "Managed", false); err != nil {
					return err
				}
			}
		}
		return c.forget(ctx, r.Dev)
	})
}
