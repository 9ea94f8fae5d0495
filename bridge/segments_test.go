package bridge_test

import (
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// segments has routes that hand packets of segment routing to an interface of their own
// (End.DX2), by the NIC and by another one.
var segments = network{name: "segments", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth1", "lan1", "00:16:3e:00:00:02") + `
ip addr add 2001:db8::2/64 dev eth0
ip -6 route add 2001:db8:9::1 encap seg6local action End.DX2 oif eth0 dev eth0
ip -6 route add 2001:db8:9::2 encap seg6local action End.DX2 oif eth0 dev eth1
ip -6 route add 2001:db8:9::3 encap seg6local action End.DX2 oif eth1 dev eth0
` + careful, specs: []bridge.Spec{specOf(0, "eth0")}}

// TestSegments starts and stops it: each sends by the interface of the same name.
func TestSegments(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(segments) {
		for _, live := range []bool{true, false} {
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, live)
				routes := func() string {
					var lines []string
					for line := range strings.Lines(nstest.Run(t, "ip", "-6", "route", "show")) {
						if strings.Contains(line, "End.DX2") {
							lines = append(lines, line)
						}
					}
					return strings.Join(lines, "")
				}
				before, was := nstest.Rest(t), routes()
				l.mustRun(true)
				if is := routes(); is != was || strings.Count(is, "oif eth0") != 2 {
					t.Errorf("there are\n%sand there were\n%s", is, was)
				}
				l.mustRun(false)
				if diff := nstest.Settled(t, before, nstest.Whole); diff != "" || routes() != was {
					t.Errorf("after stop it differs:\n%s%s", diff, routes())
				}
			})
		}
	}
}
