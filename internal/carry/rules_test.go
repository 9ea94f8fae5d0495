package carry

import (
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/sockets"
	"xbr-script/internal/testing/formtest"
	"xbr-script/internal/testing/nstest"
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
		&Labelled{From: 2, To: 7, Name: "eth0"},
		&Endpoints{From: 2, To: 7, Name: "eth0", Endpoints: []Endpoint{{netip.MustParseAddr("192.0.2.2"), 3, 2}}},
		&Late{Start: true, OnBridge: true, Bridge: "xenbr0", From: Place{"eth0", 7}, To: Place{"eth0", 2}, Kinds: []string{lateRules, lateSockets}, After: true},
		&Connections{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}})
}

// TestOwnForms holds the form of the record of what was there before start.
func TestOwnForms(t *testing.T) {
	formtest.Records(t, "own", ownForms, &holders.Own{
		Rules: []nfrule.Kept{{Family: 1, Table: "filter", Handle: 5, Set: "wired"}}, Policy: true, Labels: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
		Redirects: []uint32{3}, Bound: []uint64{1 << 60}, Packet: []int{7}, Members: []holders.Membership{{Cookie: 9, Group: netip.MustParseAddr("ff02::fb")}},
	}, nil)
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
		{strings.Join((&Endpoints{Name: "eth0", Endpoints: []Endpoint{{netip.MustParseAddr("192.0.2.2"), 3, 1 | 2 | 8}}}).Commands(), "\n"),
			"ip mptcp endpoint delete id 3\nip mptcp endpoint add 192.0.2.2 id 3 signal subflow fullmesh dev eth0"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestPlan changes nothing where there is nothing. Only if that is taken back, what has come
// to hold on to the interface since is turned, each kind of which it had none.
func TestPlan(t *testing.T) {
	m := holders.Move{Start: true, From: holders.Interface{Name: "eth0", Index: 2}, To: holders.Interface{Name: "eth0", Index: 7}}
	for _, d := range []*holders.Data{{Host: &host.Host{}}, {Host: &host.Host{}, Ruleset: &nfrule.Ruleset{}}} {
		p := Plan(d, []holders.Move{m})
		if len(p.First) != 1 || len(p.Host) != 1 || len(p.Network) > 0 || len(p.First[0].Do)+len(p.Host[0].Do) > 0 {
			t.Fatalf("%+v", p)
		}
		after, late := p.First[0].Undo[0].(*Late), p.Host[0].Undo[0].(*Late)
		kinds := []string{lateRules, lateTunnels, lateRedirects, lateLabels, lateSockets, lateEndpoints, lateLabelled}
		if d.Ruleset == nil {
			kinds = kinds[1:]
		}
		want := Late{Bridge: m.Bridge, From: Place(m.To), To: Place(m.From), Kinds: kinds}
		if !reflect.DeepEqual(*late, want) {
			t.Errorf("%+v, want %+v", *late, want)
		}
		if want.After = true; !reflect.DeepEqual(*after, want) {
			t.Errorf("%+v, want %+v", *after, want)
		}
	}
}

// TestUntracked makes the table again where it is, and does not fail where there can be
// none (here, because its name is too long), unless something needs it.
func TestUntracked(t *testing.T) {
	nstest.New(t)
	mac := net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}
	for name, can := range map[string]bool{"xenbr0": true, strings.Repeat("x", 300): false} {
		on, off := &Untracked{On: true, Bridge: name, MAC: mac}, &Untracked{Bridge: name, MAC: mac}
		for range 2 {
			if err := on.Do(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if err := on.there(t.Context()); (err == nil) != can {
				t.Errorf("the table is there: %v, want %v", err, can)
			}
		}
		for _, u := range []*Untracked{on, off} {
			if err := u.Do(t.Context(), true); (err == nil) != can {
				t.Errorf("taking back: %v, want success: %v", err, can)
			}
		}
	}
	if list := nstest.Run(t, "nft", "list", "ruleset"); list != "" {
		t.Errorf("it is still there: %s", list)
	}
}

// TestTracking is without the table only where something is known to be in the way of it.
func TestTracking(t *testing.T) {
	asks := []holders.Rule{{Family: 2, Table: "filter", Chain: "FORWARD", States: true}}
	passes, translates := []holders.Bridged{{Setting: "s"}}, []holders.Bridged{{Setting: "s", Masks: true}}
	kernel := &nfrule.Ruleset{}
	start := holders.Move{Start: true, Bridge: "xenbr0", MAC: "00:16:3e:00:00:01"}
	with := func(f func(*holders.Move)) holders.Move { m := start; f(&m); return m }
	for _, c := range []struct {
		what          string
		data          holders.Data
		move          holders.Move
		made, checked bool
	}{
		{"nothing", holders.Data{Ruleset: kernel, MayPass: true}, start, true, false},
		{"bridged packets that are kept out", holders.Data{Ruleset: kernel}, start, false, false},
		{"no nftables", holders.Data{MayPass: true}, start, false, false},
		{"something to translate", holders.Data{Ruleset: kernel, Bridged: translates}, start, true, true},
		{"rules that no bridged packet meets", holders.Data{Ruleset: kernel, Rules: asks, MayPass: true}, start, true, false},
		{"rules that ask bridged packets", holders.Data{Ruleset: kernel, Rules: asks, Bridged: passes, MayPass: true}, start, false, false},
		{"rules that ask others", holders.Data{Ruleset: kernel, Rules: asks, Bridged: passes, MayPass: true, Local: []holders.Hook{{Family: 2, Table: "filter", Name: "FORWARD"}}}, start, true, false},
		{"rules that are not read", holders.Data{Ruleset: kernel, Legacy: []string{"filter of iptables"}, Bridged: passes, MayPass: true}, start, false, false},
		{"both", holders.Data{Ruleset: kernel, Rules: asks, Bridged: translates}, start, true, true},
		{"dom0 on the bridge", holders.Data{Ruleset: kernel, Bridged: translates}, with(func(m *holders.Move) { m.OnBridge = true }), false, false},
		{"antispoof", holders.Data{Ruleset: kernel, Bridged: translates}, with(func(m *holders.Move) { m.Guarded = true }), false, false},
		{"stop", holders.Data{Ruleset: kernel, Bridged: translates}, with(func(m *holders.Move) { m.Start = false }), false, false},
	} {
		if first, _ := tracking(&c.data, c.move); first.Empty() == c.made || (first.Check != nil) != c.checked {
			t.Errorf("%s: made %t, checked %t, want %t and %t", c.what, !first.Empty(), first.Check != nil, c.made, c.checked)
		}
	}
}
