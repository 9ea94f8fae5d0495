package host

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestEachProcRoute reads a line of the kernel's, and refuses one that it does
// not know instead of skipping it.
func TestEachProcRoute(t *testing.T) {
	const zero = "00000000000000000000000000000000"
	line := "20010db8000000000000000000000000 20 " + zero + " 00 fe800000000000000000000000000001 00000400 00000001 00000000 10c40003 enx001122334455\n"
	var got routeID
	var dev string
	var flags uint32
	if err := eachProcRoute(strings.NewReader(line), func(p routeID, d string, f uint32) { got, dev, flags = p, d, f }); err != nil {
		t.Fatal(err)
	}
	if got.bits != 32 || got.metric != 1024 || got.dst[3] != 0xb8 || got.gateway[15] != 1 || dev != "enx001122334455" || flags != 0x10c40003 {
		t.Errorf("%+v, %s, %x", got, dev, flags)
	}
	for _, torn := range []string{line[:60] + "\n", strings.Replace(line, "0400", "04x0", 1)} {
		if err := eachProcRoute(strings.NewReader(torn), func(routeID, string, uint32) {}); err == nil {
			t.Errorf("%q is taken", torn)
		}
	}
}

// TestMarkOwn tells the kernel's own routes from similar ones.
func TestMarkOwn(t *testing.T) {
	c := dial(t, `sysctl -qw net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.default.accept_ra_rt_info_max_plen=64
ip link add dev eth0 type veth peer name lan0
ip link set lan0 up
ip link set eth0 up
ip addr add 2001:db8:5::2/64 dev eth0
ip -6 route add default via fe80::1 dev eth0 proto ra table 100
ip -6 route add default via fe80::1 dev eth0 metric 7
ip -6 route add default via fe80::2 dev eth0 proto ra expires 900`)
	nstest.Rest(t)
	nstest.Advertise(t, "lan0", nstest.Advert{
		Lifetime:    1800 * time.Second,
		Prefixes:    []nstest.AdvertPrefix{{Prefix: "2001:db8:1::/64", Valid: nstest.Forever, Preferred: nstest.Forever}},
		Information: []nstest.AdvertRoute{{Prefix: "2001:db8:8::/48", Lifetime: nstest.Forever}},
	})
	h, err := Read(c)
	if err != nil {
		t.Fatal(err)
	}
	on, err := ReadOn(c, h.Name("eth0").Index)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint32]int{
		rtnl.OwnAnnounce | rtnl.OwnDefault: 1, rtnl.OwnAnnounce | rtnl.OwnInfo: 1, rtnl.OwnAnnounce | rtnl.OwnPrefix: 1,
	}
	for name, h := range map[string]*Host{"Read": h, "ReadOn": on} {
		own, default6 := map[uint32]int{}, 0
		for _, m := range h.Routes {
			if flags := m.Own(); flags != 0 {
				own[flags]++
			}
			if m.Family() == unix.AF_INET6 && m.Get(unix.RTA_GATEWAY) != nil {
				default6++
			}
		}
		if len(own) != len(want) || default6 != 5 {
			t.Errorf("%s: the kernel's own are %x of %d by a router, want %x", name, own, default6, want)
		}
		for flags, n := range want {
			if own[flags] != n {
				t.Errorf("%s: %d routes are %x", name, own[flags], flags)
			}
		}
	}
}
