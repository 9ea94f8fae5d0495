package networkmanager

import (
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	const uuid = "5e1f6d4c-0000-4000-8000-000000000000"
	of := Original{Profile: uuid, Metric: 100, ClientID: "01:02:03:04:05:06:07", IAID: "16909060", Token: "::5"}
	formtest.Ops(t, (Manager{}).Kinds(), &Release{Dev: "eth0", Index: 7}, &Take{Dev: "eth0", Index: 7, NIC: "peth0", Profile: uuid},
		&TakeBridge{Dev: "xenbr0", Index: 8, Port: "peth0", PortIndex: 7, Original: of},
		&ReleaseBridge{Dev: "xenbr0", Index: 8, Port: "peth0", PortIndex: 7})
}
