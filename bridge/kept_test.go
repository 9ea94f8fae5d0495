package bridge

import (
	"errors"
	"os"
	"strings"
	"testing"

	"xbr-script/internal/host"
)

// TestKeptRefused has files that stop cannot have written.
func TestKeptRefused(t *testing.T) {
	for in, want := range map[string]string{
		`["vif1.0", "tap2.0"]`:                         "vif1.0 tap2.0",
		`{"version": 2, "guests": [{"name": "tap1"}]}`: "tap1",
		`{"version": 2, "colour": "red"}`:              `error: json: unknown field "colour"`,
		`{"version": 2, "guests": [{"index": 4}]}`:     "error: a port in it has no name",
		`{"version": 3}`:                               "error: it has the form 3, and this version knows 2",
		`["vif1.0", ""]`:                               "error: a port in it has no name",
		`{"guests": []}`:                               "error: json: cannot unmarshal object into Go value of type []string",
		`{}`:                                           "error: it is cut short",
		`[1, 2]`:                                       "error: json: cannot unmarshal number into Go value of type string",
		``:                                             "error: unexpected end of JSON input",
	} {
		s := Store{Dir: t.TempDir()}
		if err := os.WriteFile(s.records().Path(guestsName("br")), []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := s.kept("br")
		got := strings.Join(k.names(), " ")
		if err != nil {
			got = "error: " + errors.Unwrap(err).Error()
		}
		if got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

// TestNoGuest tells guests' ports from other ports.
func TestNoGuest(t *testing.T) {
	for _, c := range []struct {
		name, kind, bus, want string
	}{
		{"vif1.0", "", "xen-backend", ""}, {"web-server", "", "xen-backend", ""}, {"vif1.0", "", "", ""},
		{"tap1.0", "tun", "", ""}, {"vif1.0-emu", "tun", "", ""}, {"vnet0", "tun", "", ""}, {"tap100i0", "tun", "", ""},
		{"veth1a2b", "veth", "", ""}, {"fwpr100p0", "veth", "", ""}, {"vif1.0", "veth", "", ""},
		{"eth2", "", "pci", "it is a NIC"}, {"vif1.0", "", "pci", "it is a NIC"}, {"eth1", "", "xen", "it is a NIC"},
		{"enp3s0", "", "usb", "it is a NIC"}, {"eth2", "veth", "", "it is called as a NIC is"}, {"peth1", "veth", "", "it is called as a NIC is"},
		{"enx001122334455", "veth", "", "it is called as a NIC is"}, {"engine0", "veth", "", ""},
		{"eth0.5", "vlan", "", "it is a vlan interface"}, {"vif1.0", "vlan", "", "it is a vlan interface"}, {"bond0", "bond", "", "it is a bond interface"},
		{"vx0", "vxlan", "", "it is a vxlan interface"}, {"dummy0", "dummy", "", "it is a dummy interface"}, {"odd0", "", "", "it is no guest's"},
		{"dummy0", "ifb", "", "it is an ifb interface"}, {"macvtap0", "macvtap", "", "it is a macvtap interface"}, {"pnx001122334455", "veth", "", "it is called as a NIC is"},
	} {
		if got := noGuest(&host.Link{Name: c.name, Kind: c.kind, Bus: c.bus}); got != c.want {
			t.Errorf("%s of kind %q on %q: %q", c.name, c.kind, c.bus, got)
		}
	}
}
