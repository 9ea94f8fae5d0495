package carry

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/sockets"
	"xbr-script/internal/testing/formtest"
)

func example() *Rules {
	return &Rules{
		Of: [2]int{2, 7}, By: []int{2, 7},
		Kept:  []nfrule.Kept{{Family: 1, Table: "filter", Handle: 5, Set: "wired"}},
		Names: ipcmd.Names{2: "eth0", 7: "eth0"},
	}
}

// TestForms holds the form of the operation in a journal.
func TestForms(t *testing.T) {
	formtest.Ops(t, Kinds(), example(), &Untracked{On: true, Bridge: "xenbr0", MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}},
		&Labels{From: 2, To: 7, Name: "eth0", Labels: []Label{{netip.MustParsePrefix("2001:db8::/32"), 99}}},
		&Tunnels{From: 2, To: 7, Name: "eth0", Which: []Tunnel{{"vx0", "vxlan"}, {"gre1", "gretap"}}},
		&Sockets{From: 2, To: 7, Name: "eth0", Addr4: []netip.Addr{netip.MustParseAddr("192.0.2.2")}, Which: []Socket{
			{Program: "sshd", Cookie: 1 << 60, Places: []sockets.Place{{PID: 9, FD: 3}, {PID: 10, FD: 4}}, Bound: true, Connected: true,
				Groups: []netip.Addr{netip.MustParseAddr("ff02::fb")}}}},
		&Redirects{From: 7, To: 2, Name: "eth0", Actions: []uint32{1, 9}},
		&Connections{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}})
}

// TestCommands says what no command does.
func TestCommands(t *testing.T) {
	r := example()
	both := strings.Join(r.Commands(), "\n")
	r.By = []int{7}
	for _, c := range []struct{ got, want string }{
		{both, "# no command does this: the rules of nftables with the index of eth0 (iif, oif) mean 2 and 7"},
		{strings.Join(r.Commands(), "\n"), "# no command does this: the rules of nftables with the index of eth0 (iif, oif) mean 7"},
		{strings.Join((&Tunnels{Name: "eth0", Which: []Tunnel{{"vx0", "vxlan"}, {"gre1", "gretap"}}}).Commands(), "\n"),
			"ip link set dev vx0 type vxlan dev eth0\n" +
				"# and entries that bridge fdb show dev vx0 prints with another interface after via get eth0\n" +
				"ip link set dev gre1 type gretap dev eth0"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestPlan plans nothing where there are no rules.
func TestPlan(t *testing.T) {
	m := holders.Move{Start: true, From: holders.Interface{Name: "eth0", Index: 2}, To: holders.Interface{Name: "eth0", Index: 7}}
	for _, d := range []*holders.Data{{Host: &host.Host{}}, {Host: &host.Host{}, Ruleset: &nfrule.Ruleset{}}} {
		if p := Plan(d, []holders.Move{m}); len(p.First)+len(p.Host) > 0 {
			t.Errorf("%+v", p)
		}
	}
}
