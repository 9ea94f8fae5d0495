package ifupdown

import (
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	content := "# Of /usr/lib/systemd/system/ifup@.service\n[Unit]\n"
	formtest.Ops(t, (Manager{}).Kinds(), &Unit{Name: "ifup@eth0.service", Dev: "eth0", Content: &content})
}
