package ipcmd

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// ruleCommands have each selector and each action.
var ruleCommands = []string{
	"ip rule add pref 0 to 192.0.2.1/32 iif lo lookup main",
	"ip rule add pref 10 not iif eth0 prohibit",
	"ip rule add pref 11 from 10.0.0.0/8 to 192.0.2.0/24 tos 0x10 iif lo oif eth0 blackhole",
	"ip rule add pref 12 fwmark 0x7 lookup 100",
	"ip rule add pref 13 not fwmark 0x10/0xf0 lookup 51820",
	"ip rule add pref 14 lookup main suppress_prefixlength 0",
	"ip rule add pref 15 lookup main suppress_ifgroup 7",
	"ip rule add pref 16 l3mdev",
	"ip rule add pref 17 uidrange 1000-2000 unreachable",
	"ip rule add pref 18 ipproto 6 sport 1-80 dport 443-443 lookup default",
	"ip rule add pref 19 tun_id 4096 lookup local protocol static",
	"ip rule add pref 20 goto 21",
	"ip rule add pref 21 nop",
	"ip rule add pref 22 lookup 100 realms 3/4",
	"ip -6 rule add pref 10 not iif eth0 prohibit",
	"ip -6 rule add pref 11 from fd00::/8 to 2001:db8::/32 tos 0x10 lookup 100",
}

// TestRules gives rules to the kernel, and compares how what it tells of them is
// printed.
func TestRules(t *testing.T) {
	nstest.New(t)
	for _, command := range ruleCommands {
		nstest.Script(t, command)
	}
	c := dial(t)
	var got []string
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		rules, err := c.Dump(unix.RTM_GETRULE, append([]byte{family}, make([]byte, 11)...))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range rules {
			got = append(got, Names(nil).Command(m.As(unix.RTM_NEWRULE, rtnl.Add)))
		}
	}
	for _, usual := range []string{"pref 0 lookup local", "pref 32766 lookup main", "pref 32767 lookup default"} {
		got = slices.DeleteFunc(got, func(s string) bool {
			return s == "ip rule add "+usual+" protocol kernel" || s == "ip -6 rule add "+usual+" protocol kernel"
		})
	}
	if !slices.Equal(got, ruleCommands) {
		t.Errorf("printed as\n%q\nand given as\n%q", got, ruleCommands)
	}
}
