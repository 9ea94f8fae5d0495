package ifupdown

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
)

// TestAround refuses the NICs whose unit is up, all of them at once. It is the name of
// the NIC outside of a bridge that counts, also for stop.
func TestAround(t *testing.T) {
	for name, c := range map[string]struct {
		up      []string // units
		refused []string // NICs
	}{
		"none":                 {nil, nil},
		"one":                  {[]string{"ifup@eth0.service"}, []string{"eth0"}},
		"both":                 {[]string{"ifup@eth0.service", "ifup@eth1.service"}, []string{"eth0", "eth1"}},
		"another interface's":  {[]string{"ifup@eth2.service", "ifup@peth0.service", "ifup@eth0.1.service"}, nil},
		"ifupdown as a whole":  {[]string{"networking.service"}, nil},
		"a device of the name": {[]string{"sys-subsystem-net-devices-eth0.device"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Up: func(unit string) (bool, error) { return slices.Contains(c.up, unit), nil }}
			before, after, err := m.Around([]manager.Move{{NetDev: "eth0", Port: "peth0"}, {NetDev: "eth1", Port: "peth1"}})
			if len(before)+len(after) > 0 {
				t.Errorf("steps: %v, %v", before, after)
			}
			want := ""
			for _, nic := range c.refused {
				want += "xbr-script: cannot rename " + nic + ": systemd would run ifdown " + nic + " then, as the unit ifup@" + nic +
					".service ends with the NIC's name\nhint: in /etc/network/interfaces write \"auto " + nic + "\" in place of \"allow-hotplug " + nic + "\", and reboot\n"
			}
			if (err == nil) != (want == "") || err != nil && refusal.Text(err) != want {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestUnknown refuses a NIC if nobody can say whether its unit is up.
func TestUnknown(t *testing.T) {
	m := Manager{Up: func(string) (bool, error) { return false, errors.New("it is not said") }}
	if _, _, err := m.Around([]manager.Move{{NetDev: "eth0"}}); err == nil || !strings.Contains(err.Error(), "it is not said") {
		t.Error(err)
	}
	if m.Kinds() != nil {
		t.Error("it has operations")
	}
}
