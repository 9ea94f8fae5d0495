package cloudinit

import (
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the form of the operation.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &Leave{Dev: "eth0", Gone: true})
}
