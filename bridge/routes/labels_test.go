package routes

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// TestLabels has the labels that addresses get and lose with an interface's
// name.
func TestLabels(t *testing.T) {
	for _, c := range []struct{ label, to, want string }{
		{"eth0", "br0", "br0"},
		{"eth0:web", "br0", "br0:web"},
		{"eth0x", "br0", "eth0x"},
		{"other", "br0", "other"},
		{"eth0", "eth0", "eth0"},
	} {
		m := address(t, "10.0.0.2/24 dev eth0 label "+c.label)
		if got := LabelOn(c.to, m, "eth0"); got != c.want {
			t.Errorf("%s on %s is %s, not %s", c.label, c.to, got, c.want)
		}
		if s := Relabeled(host.State{Addrs4: []rtnl.Msg{m}}, "eth0", c.to); LabelOn("", s.Addrs4[0], "-") != c.want {
			t.Errorf("%s on %s: %v", c.label, c.to, s.Addrs4)
		}
	}
	for _, c := range []struct {
		labels []string
		want   int
	}{
		{nil, 0},
		{[]string{"eth0", "eth0:a"}, 2},
		{[]string{"peth0", "eth0:a"}, 0},
		{[]string{"eth0", "eth0:a", "plain"}, 2},
	} {
		var addrs []rtnl.Msg
		for _, l := range c.labels {
			addrs = append(addrs, address(t, "10.0.0.2/24 dev eth0 label "+l))
		}
		if got := FirstLost("eth0", addrs); got != c.want {
			t.Errorf("%q: the first that is lost is number %d, not %d", c.labels, got, c.want)
		}
	}
}

// TestRelabel gives addresses their labels again, with no moment at which the
// interface has none of them, or at which nobody has one.
func TestRelabel(t *testing.T) {
	addrs := []rtnl.Msg{
		address(t, "10.0.0.2/24 dev eth0").As(unix.RTM_NEWADDR, rtnl.Add),
		address(t, "10.0.0.3/24 dev eth0 label eth0:web").As(unix.RTM_NEWADDR, rtnl.Add),
	}
	for name, c := range map[string]struct {
		spare, first int
		want         string
	}{
		"none": {new0, 2, ""},
		"the last": {0, 1, `
addr del 10.0.0.3/24 dev eth0
addr add 10.0.0.3/24 dev eth0 label eth0:web`},
		"all": {0, 0, `
addr add 127.255.255.254/32 dev eth0 noprefixroute
addr del 10.0.0.3/24 dev eth0
addr del 10.0.0.2/24 dev eth0
addr add 10.0.0.2/24 dev eth0
addr add 10.0.0.3/24 dev eth0 label eth0:web
addr del 127.255.255.254/32 dev eth0`},
		"all, by spare": {new0, 0, `
addr add 10.0.0.2/24 dev new0 noprefixroute
addr add 10.0.0.3/24 dev new0 noprefixroute
addr add 127.255.255.254/32 dev eth0 noprefixroute
addr del 10.0.0.3/24 dev eth0
addr del 10.0.0.2/24 dev eth0
addr add 10.0.0.2/24 dev eth0
addr add 10.0.0.3/24 dev eth0 label eth0:web
addr del 127.255.255.254/32 dev eth0
addr del 10.0.0.3/24 dev new0
addr del 10.0.0.2/24 dev new0`},
	} {
		compare(t, name, rtnl.Pack(Relabel(eth0, c.spare, addrs, c.first)...), c.want)
	}
}

// TestAddresses compares the messages for addresses.
func TestAddresses(t *testing.T) {
	h := aHost(t, `
addr 10.0.0.2/24 dev eth0
addr 10.0.0.3/24 dev eth0 secondary
addr 2001:db8::3/64 dev eth0 mngtmpaddr
addr 2001:db8::2/64 dev eth0
addr 2001:db8::77/64 dev eth0 spent`)
	s := Unspent(h, h.State(eth0))
	compare(t, "add", rtnl.Pack(AddState(s)...), `
addr add 10.0.0.2/24 dev eth0
addr add 10.0.0.3/24 dev eth0
addr add 2001:db8::2/64 dev eth0 noprefixroute nodad
addr add 2001:db8::3/64 dev eth0 noprefixroute nodad`)
	compare(t, "delete", rtnl.Pack(DelState(s)...), `
addr del 2001:db8::3/64 dev eth0 mngtmpaddr
addr del 2001:db8::2/64 dev eth0
addr del 10.0.0.3/24 dev eth0
addr del 10.0.0.2/24 dev eth0`)
	compare(t, "final", rtnl.Pack(Final(s.Addrs6[1])), "addr replace 2001:db8::3/64 dev eth0 mngtmpaddr")
}

// TestReaddress has addresses that others take away, add and reorder.
func TestReaddress(t *testing.T) {
	v4 := func(list string) (addrs []rtnl.Msg) {
		for _, a := range strings.Fields(list) {
			addrs = append(addrs, address(t, a+"/24 dev eth0"))
		}
		return addrs
	}
	v6 := []rtnl.Msg{address(t, "2001:db8::2/64 dev eth0"), address(t, "2001:db8::3/64 dev eth0 mngtmpaddr")}
	for name, c := range map[string]struct {
		was, now []rtnl.Msg
		wrong    int
		want     string
	}{
		"none":      {nil, v4("10.0.0.9"), 0, ""},
		"all there": {v4("10.0.0.2 10.0.0.3"), v4("10.0.0.2 10.0.0.9 10.0.0.3"), 0, ""},
		"one gone": {v4("10.0.0.2 10.0.0.3"), v4("10.0.0.2 10.0.0.9"), 1, `
addr del 10.0.0.3/24 dev eth0
addr add 10.0.0.3/24 dev eth0`},
		"another order": {v4("10.0.0.2 10.0.0.3"), v4("10.0.0.3 10.0.0.2"), 2, `
addr add 127.255.255.254/32 dev eth0 noprefixroute
addr del 10.0.0.3/24 dev eth0
addr del 10.0.0.2/24 dev eth0
addr add 10.0.0.2/24 dev eth0
addr add 10.0.0.3/24 dev eth0
addr del 127.255.255.254/32 dev eth0`},
		"one of IPv6": {v6, v6[:1], 1, `
addr del 2001:db8::3/64 dev eth0 mngtmpaddr
addr add 2001:db8::3/64 dev eth0 noprefixroute nodad
addr replace 2001:db8::3/64 dev eth0 mngtmpaddr`},
	} {
		wrong, msgs := Readdress(c.was, c.now)
		compare(t, name, rtnl.Pack(msgs...), c.want)
		if len(wrong) != c.wrong {
			t.Errorf("%s: %d addresses are wrong, not %d", name, len(wrong), c.wrong)
		}
	}
}
