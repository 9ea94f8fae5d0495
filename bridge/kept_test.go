package bridge

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// everythingKept is one of everything that the file can hold.
func everythingKept() kept {
	vlans := []vlan{{VID: 10, Last: 20}, {VID: 200, Flags: rtnl.VLANPVID | rtnl.VLANUntagged}, {VID: 10, Tunnel: 77}}
	set := settings{
		Attrs: attr(rtnl.Attr{Type: unix.IFLA_BRPORT_ISOLATED, Value: []byte{1}}).Serialize(), Backup: 5, VLANs: &vlans,
		VLANOptions: rtnl.Pack(bridgeMsg(unix.RTM_NEWVLAN, 0, 8)), FDB: rtnl.Pack(fdb(unix.RTM_NEWNEIGH, rtnl.Replace, 8, portMAC)),
		MDB: rtnl.Pack(bridgeMsg(unix.RTM_NEWMDB, 0, 4)), Group: 3, Alias: "it's",
	}
	port := keptPort{Index: 8, Name: "vif1.0", Kind: "veth", Settings: set}
	return kept{Version: keptVersion, Index: 4, Dom0Is: "veth", Bridge: set, NIC: port, Dom0: port, Guests: []keptPort{port, {Index: 9, Name: "vif2.0"}}}
}

// TestKeptForm holds the form of the file in which stop keeps a network for the
// next start: if this fails, what an older version wrote is not read any more,
// and the form needs another number.
func TestKeptForm(t *testing.T) {
	const golden = "testdata/kept.json"
	got, err := json.MarshalIndent(everythingKept(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(bytes.TrimSpace(want), got) {
		t.Fatalf("%s (%v) is not:\n%s", golden, err, got)
	}
	var k kept
	err = json.Unmarshal(want, &k)
	if again, _ := json.MarshalIndent(k, "", "  "); err != nil || !bytes.Equal(again, got) {
		t.Errorf("it is read as (%v):\n%s", err, again)
	}
	for in, want := range map[string]string{
		`["vif1.0", "tap2.0"]`:                         "vif1.0 tap2.0",
		`{"version": 2, "guests": [{"name": "tap1"}]}`: "tap1",
		`{"version": 2, "colour": "red"}`:              `error: json: unknown field "colour"`,
		`{"version": 3}`:                               "error: it has the form 3, and this version knows 2",
		`{}`:                                           "error: it has the form 0, and this version knows 2",
		`[1]`:                                          "error: json: cannot unmarshal number into Go value of type string",
		``:                                             "error: unexpected end of JSON input",
	} {
		var k kept
		err := json.Unmarshal([]byte(in), &k)
		got := strings.Join(k.names(), " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "guests.br.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Store{dir}).kept("br"); err == nil {
		t.Error("a file of no form is read")
	}
}

// TestNoGuest tells guests' ports from others by what they are.
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
	} {
		if got := noGuest(&host.Link{Name: c.name, Kind: c.kind, Bus: c.bus}); got != c.want {
			t.Errorf("%s of kind %q on %q: %q", c.name, c.kind, c.bus, got)
		}
	}
}
