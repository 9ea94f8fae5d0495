package networkmanager

import (
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &Release{Dev: "eth0", Index: 7}, &Take{Dev: "eth0", Index: 7, NIC: "peth0", Profile: "5e1f6d4c-0000-4000-8000-000000000000"})
}
