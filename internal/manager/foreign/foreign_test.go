package foreign

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ifname"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

const world = `sysctl -qw net/ipv6/conf/all/accept_dad=0 net/ipv6/conf/default/accept_dad=0
	ip link add eth0 address 02:00:00:00:00:01 type veth peer name lan0
	ip link set lan0 up
	ip link set eth0 up
	ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900
	ip addr add 192.0.2.77/24 dev eth0 label eth0:a
	ip addr add 198.51.100.7/32 dev eth0
	ip -6 addr add 2001:db8::5/64 dev eth0 nodad
	ip -6 addr add 2001:db8:1::5/64 dev eth0 nodad valid_lft 900 preferred_lft 800 noprefixroute
	ip nexthop add id 7 via 192.0.2.254 dev eth0
	ip route add 10.7.0.0/16 via 192.0.2.254
	ip route add 10.8.0.0/16 dev eth0 table 77
	ip route add 10.9.0.0/16 nhid 7
	ip route add local 198.51.100.99 dev eth0 proto 66
	ip route add default via 192.0.2.254 proto dhcp
	ip route add 10.10.0.0/16 via 192.0.2.254 proto static
	ip -6 route add 2001:db8:7::/48 via 2001:db8::1
	ip -6 route add default via 2001:db8::1 proto ra
	ip rule add from 198.51.100.7 lookup 77 pref 5000
	ip rule add iif eth0 lookup 77 pref 5001
	ip -6 rule add fwmark 0x80000 lookup 52 pref 5210`

// quick does not wait for what may yet be taken off.
func quick(t *testing.T) {
	quiet := Quiet
	t.Cleanup(func() { Quiet = quiet })
	Quiet = 0
}

func show(t *testing.T) string {
	t.Helper()
	return nstest.Script(t, "ip -o addr show eth0\nip route show table all\nip -6 route\nip rule\nip -6 rule\nip nexthop")
}

// TestReturn gives everything back that a manager takes off, and only that which nobody
// learns of anew.
func TestReturn(t *testing.T) {
	quick(t)
	nstest.New(t)
	nstest.Script(t, world)
	f, err := Taker{}.Look()
	if err != nil {
		t.Fatal(err)
	}
	before := show(t)
	if err := f.Return(t.Context()); err != nil || nameless(show(t)) != nameless(before) {
		t.Errorf("nothing was lost: %v, was\n%s\nis\n%s", err, before, show(t))
	}
	nstest.Script(t, `ip addr add 192.0.2.99/24 dev eth0`)
	if f, err = (Taker{}).Look(); err != nil {
		t.Fatal(err)
	}
	nstest.Script(t, `ip addr flush dev eth0
		ip addr add 192.0.2.99/24 dev eth0 valid_lft 900 preferred_lft 900
		ip nexthop flush
		ip rule del pref 5000
		ip rule del pref 5001
		ip -6 rule del pref 5210
		ip route flush table 77 || true
		ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900`)
	if err := f.Return(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := show(t)
	if !strings.Contains(after, "192.0.2.99/24 scope global dynamic") { // a lease that had no lifetime for a while
		t.Errorf("a lease:\n%s", after)
	}
	for _, want := range []string{
		"192.0.2.77/24", "eth0:a", "198.51.100.7/32", "2001:db8::5/64", "10.7.0.0/16 via 192.0.2.254", "10.8.0.0/16 dev eth0 table 77", "10.9.0.0/16 nhid 7",
		"local 198.51.100.99 dev eth0", "10.10.0.0/16", "2001:db8:7::/48 via 2001:db8::1", "id 7 via 192.0.2.254",
		"from 198.51.100.7 lookup 77", "iif eth0 lookup 77", "fwmark 0x80000 lookup 52",
	} {
		if !strings.Contains(after, want) {
			t.Errorf("without %s:\n%s", want, after)
		}
	}
	for _, other := range []string{"default via 192.0.2.254", "2001:db8:1::5"} {
		if strings.Contains(after, other) {
			t.Errorf("with %s, which others learn of:\n%s", other, after)
		}
	}
}

// nameless is the text without lifetimes, which pass.
func nameless(text string) string {
	var words []string
	for _, w := range strings.Fields(text) {
		if !strings.HasSuffix(w, "sec") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// TestReturnAgain gives back what is taken off again; what does not stay is an error in the
// end, which names it.
func TestReturnAgain(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, world)
	f, err := Taker{}.Look()
	if err != nil {
		t.Fatal(err)
	}
	nstest.Script(t, "ip link del eth0")
	err = f.Return(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it has taken off what cannot be given back: ip ") {
		t.Errorf("%v", err)
	}
	if err := (*Found)(nil).Return(t.Context()); err != nil {
		t.Errorf("nothing was looked for: %v", err)
	}
}

// TestReturnLate waits for a manager that takes its time.
func TestReturnLate(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, world)
	f, err := Taker{}.Look()
	if err != nil {
		t.Fatal(err)
	}
	ended := nstest.Beside(t, func() {
		time.Sleep(2 * pause)
		nstest.Script(t, "ip rule del pref 5000\nip addr del 198.51.100.7/32 dev eth0")
	})
	for range 3 { // a busy machine may be later still
		if err := f.Return(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	if err := f.Return(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := show(t); !strings.Contains(after, "from 198.51.100.7 lookup 77") || !strings.Contains(after, "198.51.100.7/32") {
		t.Errorf("it was not given back:\n%s", after)
	}
}

// TestReturnTold leaves to a manager what it has been told of and cannot give yet, and says
// of anything else that it is missing.
func TestReturnTold(t *testing.T) {
	for name, c := range map[string]struct {
		route string
		fails bool
	}{
		"it may have been told": {"10.10.0.0/16 via 192.0.2.254 proto static", false},
		"somebody has added it": {"10.7.0.0/16 via 192.0.2.254", true},
	} {
		t.Run(name, func(t *testing.T) {
			quick(t)
			nstest.New(t)
			nstest.Script(t, `ip link add eth0 type bridge
				ip link set eth0 up
				ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900
				ip addr add 198.51.100.7/24 dev eth0 noprefixroute
				ip route add 198.51.100.0/24 dev eth0 proto kernel metric 100
				ip route add `+c.route)
			index, err := ifname.IndexOf("eth0")
			if err != nil {
				t.Fatal(err)
			}
			f, err := Taker{Index: index, Leases: true, Protocol: unix.RTPROT_STATIC}.Look()
			if err != nil {
				t.Fatal(err)
			}
			if all := f.Addresses(); len(all) != 1 || all[0].String() != "198.51.100.7/24" {
				t.Errorf("addresses: %v", all)
			}
			nstest.Script(t, "ip addr flush dev eth0") // there is no lease yet, and so no way to the gateway
			if err := f.Return(t.Context()); (err != nil) != c.fails {
				t.Error(err)
			}
			if after := show(t); !strings.Contains(after, "198.51.100.7/24") || !strings.Contains(after, "198.51.100.0/24 dev eth0 proto kernel scope link metric 100") {
				t.Errorf("it was not given back:\n%s", after)
			}
		})
	}
}

// TestStays knows what is learnt on the way from what somebody has added.
func TestStays(t *testing.T) {
	route := func(table, proto byte, flags uint32) rtnl.Msg {
		m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: make([]byte, unix.SizeofRtMsg)}
		m.Body[4], m.Body[5] = table, proto
		binary.NativeEndian.PutUint32(m.Body[8:], flags)
		return m
	}
	for name, c := range map[string]struct {
		route rtnl.Msg
		want  bool
	}{
		"by hand":               {route(unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, 0), true},
		"a local one":           {route(unix.RT_TABLE_LOCAL, 66, 0), true},
		"the kernel's":          {route(unix.RT_TABLE_MAIN, unix.RTPROT_KERNEL, 0), true},
		"the kernel's to us":    {route(unix.RT_TABLE_LOCAL, unix.RTPROT_KERNEL, 0), false},
		"an MTU on the way":     {route(unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RTM_F_CLONED), false},
		"told by a router":      {route(unix.RT_TABLE_MAIN, unix.RTPROT_RA, 0), false},
		"told by a DHCP server": {route(unix.RT_TABLE_MAIN, unix.RTPROT_DHCP, 0), false},
	} {
		if got := routeStays(Taker{}, c.route); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
