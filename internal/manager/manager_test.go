package manager

import (
	"testing"

	"xbr-script/internal/host"
)

// TestKeeper says who configures an interface, in a line.
func TestKeeper(t *testing.T) {
	for want, k := range map[string]Keeper{
		"dhcpcd": {Manager: "dhcpcd"},
		"systemd-networkd, 10-netplan-eth0.network":            {Manager: "systemd-networkd", By: "10-netplan-eth0.network"},
		"systemd-networkd, 10-netplan-eth0.network, by a copy": {"systemd-networkd", "10-netplan-eth0.network", "by a copy"},
	} {
		if got := k.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestAtRest: what stays where it is does not move.
func TestAtRest(t *testing.T) {
	nic := &host.Link{Index: 2, Name: "eth0"}
	m := Move{From: nic, NIC: nic, To: Interface{Name: "eth0", Index: 9}, New: []Interface{{Name: "peth0"}}}
	if !m.Moves() {
		t.Error("a start does not move the addresses")
	}
	if m = AtRest(m); m.Moves() || m.To != (Interface{Name: "eth0", Index: 2}) || m.New != nil {
		t.Errorf("%+v", m)
	}
	if m = AtRest(Move{NIC: nic}); m.Moves() || m.To != (Interface{}) {
		t.Errorf("without dom0's interface: %+v", m)
	}
}
