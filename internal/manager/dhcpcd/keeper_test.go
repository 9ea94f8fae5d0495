package dhcpcd

import (
	"testing"

	"xbr-script/internal/manager"
)

// TestKeeper says which dhcpcd looks after eth0.
func TestKeeper(t *testing.T) {
	for name, c := range map[string]struct {
		files  files
		leased bool
		want   string
	}{
		"none":              {files{}, true, ""},
		"for it alone":      {files{"run/dhcpcd/eth0.pid": "77\n", "run/dhcpcd/pid": "77\n"}, true, "dhcpcd, for eth0 alone, run again"},
		"for all":           {files{"run/dhcpcd/pid": "77\n", "proc/77/cmdline": "dhcpcd\x00-b\x00"}, true, "dhcpcd, for all interfaces, run again"},
		"for all, no lease": {files{"run/dhcpcd/pid": "77\n", "proc/77/cmdline": "dhcpcd\x00"}, false, "dhcpcd, for all interfaces, run again"},
		"for several":       {files{"run/dhcpcd/pid": "77\n", "proc/77/cmdline": "dhcpcd\x00eth1\x00eth0\x00"}, true, "dhcpcd, for eth0 and others, run again"},
		"for others":        {files{"run/dhcpcd/pid": "77\n", "proc/77/cmdline": "dhcpcd\x00eth1\x00eth2\x00"}, true, ""},
		"not for this":      {files{"run/dhcpcd/pid": "77\n", "proc/77/cmdline": "dhcpcd\x00", "etc/dhcpcd.conf": "denyinterfaces eth0"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := move(false)
			if c.leased {
				m.Expiring = lease
			}
			keeper, err := (Manager{Root: c.files.root(t)}).Keeper(t.Context(), manager.AtRest(m))
			got := ""
			if keeper != nil {
				got = keeper.String()
			}
			if err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}
