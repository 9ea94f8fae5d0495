package divert

import (
	"net"
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the form of the operation.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, Kinds(), &Op{On: true, Index: 7, To: Target{Index: 10, Into: true}, MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}})
}
