package bridge_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// TestCheck takes something away after the plan's last step, without the plan's
// knowledge: the check that ends a plan must find that, and everything be put
// back.
func TestCheck(t *testing.T) {
	t.Parallel()
	n := seed002
	n.script += `
ip addr add 2001:db8::2/64 dev eth0
for i in $(seq 100); do ip route add 10.99.$i.0/24 via 10.23.1.254; done
for i in $(seq 40); do ip route add 2001:db8:99:$i::/64 via 2001:db8::1; done
ip route add 10.98.0.0/16 nexthop via 10.23.1.1 dev eth0 nexthop via 10.23.1.3 dev eth0
`
	for what, c := range map[string]struct{ script, lacks string }{
		"route":            {"ip route del 10.99.50.0/24", "eth0 lacks ip route add 10.99.50.0/24 via 10.23.1.254 dev eth0"},
		"several routes":   {"for i in $(seq 30 60); do ip route del 10.99.$i.0/24; done", "and 26 more"},
		"IPv6 route":       {"ip route del 2001:db8:99:7::/64", "eth0 lacks ip -6 route add 2001:db8:99:7::/64 via 2001:db8::1 dev eth0"},
		"route with paths": {"ip route del 10.98.0.0/16", "eth0 lacks ip route add 10.98.0.0/16"},
		"another gateway":  {"ip route replace 10.99.50.0/24 via 10.23.1.9", "eth0 lacks ip route add 10.99.50.0/24 via 10.23.1.254 dev eth0"},
		"address":          {"ip addr del 2001:db8::2/64 dev eth0", "eth0 lacks ip addr add 2001:db8::2/64 dev eth0"},
		"route on the NIC": {"ip route add 10.97.0.0/16 dev peth0", "peth0 still has ip route add 10.97.0.0/16 dev peth0"},
	} {
		for _, start := range []bool{true, false} {
			if !start && what == "route on the NIC" {
				continue
			}
			t.Run(verb(start)+" "+what, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, true)
				if !start {
					l.mustRun(true)
					nstest.Rest(t)
				}
				before := nstest.ReadState(t)
				pl := l.plan(start)
				last := slices.IndexFunc(pl.Steps, func(s plan.Step) bool { return s.Title == "find the network as planned" })
				r := l.runner()
				r.Hook = func(step int, after bool) error {
					if step == last && !after {
						nstest.Script(t, c.script)
					}
					return nil
				}
				err := r.Run(t.Context(), pl)
				var failed *plan.Failed
				if !errors.As(err, &failed) || len(failed.Left) > 0 || !strings.Contains(err.Error(), c.lacks) {
					t.Errorf("it ended with %v", err)
				}
				nstest.Script(t, "ip route del 10.97.0.0/16 || true")
				if d := nstest.Settled(t, before, nstest.Whole); d != "" {
					t.Errorf("not as before:\n%s", d)
				}
			})
		}
	}
}
