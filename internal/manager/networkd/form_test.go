package networkd

import (
	"testing"
	"time"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	heir := Heir{Was: Link{State: "configured", File: "/etc/systemd/network/eth0.network"}, From: "eth0", Dev: "veth0", Index: 7, Others: []string{"peth0"}}
	formtest.Ops(t, (Manager{}).Kinds(), &Restart{Heirs: []Heir{heir}, Limit: time.Minute}, &Freeze{"systemd-networkd.service"}, &Thaw{"systemd-networkd.service"})
}
