package host

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestBelonging has addresses come, go and come anew between the dumps of a snapshot. It
// must have each address with its route, and no route without its address.
func TestBelonging(t *testing.T) {
	c := dial(t, `
		sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
		ip link add eth0 type veth peer name lan0
		ip link set eth0 up
		ip link set lan0 up`)
	changes := map[string][2]string{ // the second one two dumps later
		"one comes":       {"ip addr add OTHER dev eth0", "true"},
		"one goes":        {"ip addr del ADDR dev eth0", "true"},
		"one is made new": {"ip addr del ADDR dev eth0", "ip addr add ADDR dev eth0"},
		"another instead": {"ip addr del ADDR dev eth0", "ip addr add OTHER dev eth0"},
	}
	for _, kind := range [][2]string{{"10.0.1.2/24", "10.0.2.2/24"}, {"2001:db8:1::2/64", "2001:db8:2::2/64"}} {
		fill := strings.NewReplacer("ADDR", kind[0], "OTHER", kind[1]).Replace
		for _, what := range slices.Sorted(maps.Keys(changes)) {
			for after := range 3 {
				nstest.Script(t, fill("ip addr flush dev eth0 scope global\nip addr add ADDR dev eth0"))
				time.Sleep(30 * time.Millisecond) // the kernel tells when one was made in hundredths
				scripts := changes[what]
				addrs, routes := belonging(t, c, map[int]string{after: fill(scripts[0]), after + 2: fill(scripts[1])})
				if len(routes) == 0 && what == "one comes" || !slices.Equal(addrs, routes) {
					t.Errorf("%s, after dump %d %s: addresses of %q, routes to %q", kind[0], after, what, addrs, routes)
				}
			}
		}
	}
}

// belonging reads addresses and routes, with scripts that run after dumps. It gives the
// prefixes of the addresses, and those that the kernel has made routes to.
func belonging(t *testing.T, c *rtnl.Conn, after map[int]string) (addrs, routes []string) {
	t.Helper()
	h, dumps := &Host{}, 0
	err := h.dumpBelonging(func(typ uint16, body []byte) ([]rtnl.Msg, error) {
		msgs, err := c.Dump(typ, body)
		nstest.Script(t, after[dumps])
		dumps++
		return msgs, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range h.Addrs {
		if a.Body[3] == unix.RT_SCOPE_UNIVERSE { // ifa_scope
			addrs = append(addrs, a.Prefix().Masked().String())
		}
	}
	for _, m := range h.Routes {
		if dst := m.Get(unix.RTA_DST); m.ByKernel() && m.Table() == unix.RT_TABLE_MAIN && dst[0] != 0xfe {
			routes = append(routes, fmt.Sprintf("%s/%d", net.IP(dst), m.Fixed()[1]))
		}
	}
	return slices.Sorted(slices.Values(addrs)), slices.Sorted(slices.Values(routes))
}
