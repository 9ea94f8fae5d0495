package udev

import (
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the form of the operation.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &Guard{Port: "peth0", Names: []string{"peth0", "veth0", "vif0.0", "xenbr0"}})
}
