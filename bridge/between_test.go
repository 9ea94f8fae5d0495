package bridge_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// reachable is a host with a neighbour who answers, in a namespace of its own.
var reachable = network{name: "reachable", script: quick + `
netns lan
ip -n lan link add lan0 type veth peer name eth0 address 00:16:3e:00:00:01 netns $$
ip netns exec lan sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.lan0.accept_dad=0
ip -n lan addr add 10.0.0.1/24 dev lan0
ip -n lan addr add 2001:db8::1/64 dev lan0
ip -n lan addr add 10.9.0.1/32 dev lo
ip -n lan link set lo up
ip -n lan link set lan0 up
ip link set eth0 up
ip addr add 10.0.0.2/24 dev eth0
ip addr add 10.0.0.3/24 dev eth0
ip addr add 2001:db8::2/64 dev eth0
ip route add default via 10.0.0.1
until ping -qc1 -W1 10.9.0.1 && ping -qc1 -W1 2001:db8::1; do sleep 0.1; done
`, specs: []bridge.Spec{specOf(0, "eth0")}}

// TestBetween pauses start and stop after each step, and checks whether dom0
// and its neighbours reach each other there: no step may leave a path that is
// broken. (On kernels without live rename the NIC is off for a while.)
func TestBetween(t *testing.T) {
	t.Parallel()
	for i, n := range slices.Concat(shapes(reachable), shapes(reachable)) {
		strict := strconv.Itoa(i / 2)
		t.Run(n.name+" rp_filter="+strict, func(t *testing.T) {
			t.Parallel()
			n.script = strings.ReplaceAll(n.script, "ip route add default", "sysctl -qw net/ipv4/conf/eth0/rp_filter="+strict+"\nip route add default")
			l := newLab(t, n, true)
			nstest.Run(t, "sh", "-ec", "sysctl -qw net/ipv4/conf/all/rp_filter=0")
			for _, start := range []bool{true, false} {
				pl := l.plan(start)
				shielded := false
				r := l.runner()
				r.Hook = func(step int, after bool) error {
					if !after {
						return nil
					}
					come := received(t, "eth0")
					for _, ask := range []string{
						"ping -qc2 -i0.02 -W5 10.9.0.1", "ping -qc2 -i0.02 -W5 2001:db8::1",
						"ip netns exec lan ping -qc2 -i0.02 -W5 10.0.0.2", "ip netns exec lan ping -qc2 -i0.02 -W5 10.0.0.3",
						"ip netns exec lan ping -qc2 -i0.02 -W5 2001:db8::2",
					} {
						if out, err := nstest.Try(t, "sh", "-c", ask); err != nil || !strings.Contains(out, " 0% packet loss") {
							t.Errorf("%s, after step %d (%s): %s: %v\n%s", verb(start), step, pl.Steps[step].Title, ask, err, out)
						}
					}
					if start && strings.HasPrefix(pl.Steps[step].Title, "hand dom0's frames") {
						shielded = received(t, "eth0") > come // the NIC is not in the bridge yet
					}
					return nil
				}
				if err := r.Run(t.Context(), pl); err != nil {
					t.Fatal(err)
				}
				if start && !shielded {
					t.Error("the shield was not up") // the kernel has it from Linux 6.6 on
				}
				if v := nstest.Run(t, "cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter"); strings.TrimSpace(v) != strict {
					t.Errorf("%s left rp_filter=%s", verb(start), fmt.Sprint(v))
				}
			}
		})
	}
}

// received is how many IPv6 packets an interface has received.
func received(t *testing.T, name string) (n int) {
	t.Helper()
	out, err := nstest.Try(t, "sed", "-n", "s/^Ip6InReceives//p", "/proc/net/dev_snmp6/"+name)
	if err == nil {
		_, err = fmt.Sscan(out, &n)
	}
	if err != nil {
		return 0 // it does not exist at this step
	}
	return n
}
