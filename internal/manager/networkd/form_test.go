package networkd

import (
	"testing"
	"time"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	heir := Heir{Was: Link{State: "configured", File: "/etc/systemd/network/eth0.network"}, From: "eth0", Dev: "veth0", Index: 7, Others: []string{"peth0"}}
	content := "[Match]\nName=eth0\n"
	formtest.Ops(t, (Manager{}).Kinds(), &Restart{Heirs: []Heir{heir}, Limit: time.Minute}, &Freeze{"systemd-networkd.service"}, &Resume{Unit: "systemd-networkd.service", Ran: true, Heirs: []Heir{heir}, Limit: time.Minute},
		&File{Path: "/run/systemd/network/0-xbr-script-eth0.network", Content: &content, Mode: 0o640, Group: 998},
		&Keep{Unit: "systemd-networkd.service", Leases: []Lease{{Path: "/run/systemd/network/eth0.network.d/zz-xbr-script-eth0.conf", Dev: "eth0"}}, On: true},
		&Lasting{Unit: "systemd-networkd.service", Leases: []Lease{{Path: "/run/systemd/network/eth0.network.d/zz-xbr-script-eth0.conf", Dev: "eth0"}}, IPv6: true},
		&Passing{Leases: []Lease{{Path: "/run/systemd/network/eth0.network.d/zz-xbr-script-eth0.conf", Dev: "eth0"}}, IPv6: true, Wait: true})
}
