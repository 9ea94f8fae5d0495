package bridge_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// TestExpiredMeanwhile has an address expire while a change is carried out, which then
// fails. Routes that need that address cannot be made again: the rest can, and nothing
// is left to be done by hand.
func TestExpiredMeanwhile(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"the only one": "",
		"one of two":   "ip addr add 192.0.2.9/24 dev eth0\nip route add 198.18.0.0/16 via 192.0.2.1 src 192.0.2.9 table 100",
	} {
		for _, n := range shapes(network{name: name, specs: []bridge.Spec{specOf(0, "eth0")}, script: `
			ip link add eth0 address 00:16:3e:00:00:01 type veth peer name far0
			ip link set eth0 up
			ip link set far0 up
			ip addr add 10.0.0.2/24 dev eth0 valid_lft 5 preferred_lft 5
			ip addr add 2001:db8::2/64 dev eth0 nodad valid_lft 5 preferred_lft 5
			` + script + `
			ip route add default via 10.0.0.1 proto dhcp src 10.0.0.2 metric 100
			ip route add 198.51.100.0/24 via 10.0.0.1
			ip -6 route add 2001:db8:8::/48 via 2001:db8::1
			ip -6 route add 2001:db8:9::/48 via fe80::1 dev eth0 src 2001:db8::2
			ip nexthop add id 5 via 10.0.0.1 dev eth0
			ip nexthop add id 6 group 5
			ip route add 198.18.5.0/24 nhid 5
			ip route add 198.18.6.0/24 nhid 6
			ip route add 203.0.113.0/24 dev eth0 scope link src 10.0.0.2 table 100`}) {
			for _, live := range []bool{true, false} {
				if testing.Short() && (live == n.onBridge() || script == "") {
					continue
				}
				t.Run(fmt.Sprintf("%s, live %t", n.name, live), func(t *testing.T) {
					t.Parallel()
					l := newLab(t, n, live)
					pl := l.plan(true)
					r := l.runner()
					r.Hook = func(step int, after bool) error {
						if pl.Steps[step].Title != "find the network as planned" || after {
							return nil
						}
						expire(t)
						return errors.New("injected")
					}
					err := r.Run(t.Context(), pl)
					var failed *plan.Failed
					if !errors.As(err, &failed) || len(failed.Left) > 0 {
						t.Errorf("it ended with %v, and left %q", err, failed.Left)
					}
					names := nstest.Run(t, "ip", "-br", "link")
					if !strings.Contains(names, "eth0@far0") || strings.Contains(names, "xenbr0") || strings.Contains(names, "peth0") {
						t.Errorf("not as before:\n%s", names)
					}
					if strings.Contains(script, "192.0.2.9") {
						if got := nstest.Run(t, "ip", "route", "show", "table", "100"); !strings.Contains(got, "198.18.0.0/16 via 192.0.2.1 dev eth0 src 192.0.2.9") {
							t.Errorf("without the route of the other address:\n%s", got)
						}
					}
				})
			}
		}
	}
}

// expire waits until the addresses have expired.
func expire(t *testing.T) {
	for end := time.Now().Add(time.Minute); leased(t); {
		if time.Now().After(end) {
			t.Error("the addresses do not expire")
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// leased says whether one of the addresses is there.
func leased(t *testing.T) bool {
	addrs := nstest.Run(t, "ip", "addr")
	return strings.Contains(addrs, "10.0.0.2") || strings.Contains(addrs, "2001:db8::2")
}
