package dhcpcd

import (
	"testing"

	"xbr-script/internal/testing/formtest"
)

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &End{PIDFile: "/run/dhcpcd/pid", Unit: "dhcpcd.service"},
		&Run{PIDFile: "/run/dhcpcd/pid", Path: "/usr/sbin/dhcpcd", Args: []string{"/usr/sbin/dhcpcd", "-q"}, Cgroup: "/system.slice/dhcpcd.service", Unit: "dhcpcd.service", Denies: true},
		&Supervise{Dir: "/etc/sv/dhcpcd", PIDFile: "/run/dhcpcd/pid", Up: true})
}
