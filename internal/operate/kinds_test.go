package operate

import (
	"maps"
	"slices"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/manager/bound"
	"xbr-script/internal/manager/cloudinit"
	"xbr-script/internal/manager/dhcpcd"
	"xbr-script/internal/manager/ifupdown"
	"xbr-script/internal/manager/networkd"
	"xbr-script/internal/manager/networkmanager"
	"xbr-script/internal/manager/udev"
	"xbr-script/internal/plan"
)

// TestKinds merges the kinds of operations of all packages, which panics if two
// have the same name.
func TestKinds(t *testing.T) {
	if n := len((&Call{Request: &config.Request{}}).kinds()); n < 23 {
		t.Errorf("%d kinds of operations", n)
	}
}

// TestWaits has what is said when a manager takes its time: each operation of one says
// what it waits for, but for those that only write a file.
func TestWaits(t *testing.T) {
	heirs := []networkd.Heir{{Dev: "eth0"}, {Dev: "eth1"}}
	said := map[string]string{
		(&networkd.File{}).Kind(): "", (&networkd.Lasting{}).Kind(): "", (&cloudinit.Leave{}).Kind(): "",
	}
	for _, c := range []struct {
		op   plan.Patient
		want string
	}{
		{&networkmanager.Release{Dev: "eth0"}, "NetworkManager to let eth0 go"},
		{&networkmanager.Take{Dev: "eth0"}, "NetworkManager to configure eth0"},
		{&networkmanager.ReleaseBridge{Dev: "xenbr0"}, "NetworkManager to let xenbr0 go"},
		{&networkmanager.TakeBridge{Dev: "xenbr0"}, "NetworkManager to configure xenbr0"},
		{&networkd.Freeze{}, "systemd to hold systemd-networkd still"},
		{&networkd.Resume{}, "systemd-networkd"},
		{&networkd.Resume{Heirs: heirs}, "systemd-networkd to configure eth0, eth1"},
		{&networkd.Restart{Heirs: heirs}, "systemd-networkd to configure eth0, eth1"},
		{&networkd.Keep{Leases: []networkd.Lease{{Dev: "eth0"}}}, "systemd-networkd to have a lease for eth0"},
		{&networkd.Passing{Leases: []networkd.Lease{{Dev: "eth0"}}, Wait: true}, "systemd-networkd to have a lease for eth0"},
		{&dhcpcd.End{}, "dhcpcd to end"},
		{&dhcpcd.Run{}, "dhcpcd to begin"},
		{&dhcpcd.Supervise{}, "dhcpcd's supervisor"},
		{&ifupdown.Unit{Name: "ifup@eth0.service"}, "systemd to read ifup@eth0.service"},
		{&bound.Units{Files: []bound.File{{Path: "/run/systemd/system.control/network@eth0.service"}}}, "systemd to read network@eth0.service"},
		{&udev.Guard{Port: "peth0"}, "udev to read its rules"},
	} {
		w := c.op.Await()
		said[c.op.Kind()] = w.For
		if w.For != c.want || w.Limit <= 0 {
			t.Errorf("%s: %q for %v, want %q", c.op.Kind(), w.For, w.Limit, c.want)
		}
	}
	kinds := map[string]bool{}
	for _, m := range (&Call{Request: &config.Request{}}).managers() {
		for name := range maps.Keys(m.Kinds()) {
			kinds[name] = true
		}
	}
	if !slices.Equal(slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(said))) {
		t.Errorf("managers have the operations %v; of these it is known what they wait for: %v", kinds, said)
	}
}
