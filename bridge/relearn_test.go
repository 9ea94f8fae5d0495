package bridge_test

import (
	"fmt"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// TestRelearned has whoever configures dom0's interface begin anew at the end of a
// change: what it has from routers is away until they tell again, and its nexthops have
// other numbers then.
func TestRelearned(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(network{name: "routers", specs: []bridge.Spec{specOf(0, "eth0")}, script: `
		ip link add eth0 address 00:16:3e:00:00:01 type veth peer name far0
		ip link set eth0 up
		ip link set far0 up
		ip addr add 2001:db8::2/64 dev eth0 nodad
		ip nexthop add id 77 via fe80::1 dev eth0 protocol ra
		ip -6 route add default nhid 77 proto ra metric 1024 expires 1800
		ip -6 route add 2001:db8:1::/64 dev eth0 proto ra metric 1024 expires 1800`}) {
		for _, again := range []bool{true, false} {
			if testing.Short() && !again {
				continue // it waits as long as it may
			}
			t.Run(fmt.Sprintf("%s, told again %t", n.name, again), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, true)
				pl := l.plan(true)
				r := l.runner()
				r.Hook = func(step int, after bool) error {
					if pl.Steps[step].Title == "find the network as planned" && !after {
						nstest.Run(t, "ip", "nexthop", "del", "id", "77")
						nstest.Run(t, "ip", "-6", "route", "del", "2001:db8:1::/64", "dev", "eth0")
						if again {
							nstest.Script(t, `(sleep 1; ip nexthop add id 78 via fe80::1 dev eth0 protocol ra; ip -6 route add default nhid 78 proto ra metric 1024 expires 1800; ip -6 route add 2001:db8:1::/64 dev eth0 proto ra metric 1024 expires 1700) >/dev/null 2>&1 &`)
						}
					}
					return nil
				}
				if err := r.Run(t.Context(), pl); (err == nil) != again {
					t.Errorf("it ended with %v", err)
				}
			})
		}
	}
}
