package operate

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// tunnels are VXLANs to the LAN, one that knows the other end and one that finds it by a
// group, with entries that leave by eth0; and one over IPv6.
const tunnels = `
	sysctl -qw net.bridge.bridge-nf-call-iptables=0
	ip -n lan route add 239.0.0.0/8 dev lan0
	ip link add vx1 address 02:00:00:00:01:01 type vxlan id 1 dev eth0 local 192.168.0.2 remote 192.168.0.1 dstport 4789 ageing 200
	ip link add vx2 address 02:00:00:00:02:01 type vxlan id 2 dev eth0 group 239.1.1.1 dstport 4790
	ip link add vx6 address 02:00:00:00:03:01 type vxlan id 6 dev eth0 local 2001:db8::2 remote 2001:db8::1 dstport 4793
	ip link add vx4 type vxlan id 4 dstport 4794
	bridge fdb append 00:00:00:00:00:00 dev vx4 dst 192.168.0.12 via eth0
	ip -n lan link add vx1 type vxlan id 1 dev lan0 local 192.168.0.1 remote 192.168.0.2 dstport 4789
	ip -n lan link add vx2 type vxlan id 2 dev lan0 group 239.1.1.1 dstport 4790
	ip -n lan link add vx6 type vxlan id 6 dev lan0 local 2001:db8::1 remote 2001:db8::2 dstport 4793
	ip addr add 10.77.1.2/24 dev vx1
	ip addr add 10.77.2.2/24 dev vx2
	ip addr add 10.77.3.2/24 dev vx6
	ip link set vx1 up
	ip link set vx2 up
	ip link set vx6 up
	ip route add 10.78.0.0/16 via 10.77.1.1
	ip neigh add 10.77.1.9 lladdr 02:00:00:00:00:09 dev vx1
	bridge fdb add 02:00:00:00:00:09 dev vx1 dst 192.168.0.9 via eth0
	bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.168.0.10 via eth0
	bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.168.0.11
	ip -n lan addr add 10.77.1.1/24 dev vx1
	ip -n lan addr add 10.77.2.1/24 dev vx2
	ip -n lan addr add 10.77.3.1/24 dev vx6
	ip -n lan link set vx1 up
	ip -n lan link set vx2 up
	ip -n lan link set vx6 up`

// tunnelState is all that there is to tell of the tunnels, but for what passes. Entries are
// in any order.
func tunnelState(t *testing.T) string {
	t.Helper()
	var all []string
	for _, dev := range []string{"vx1", "vx2", "vx6", "vx4"} {
		all = append(all, nstest.Run(t, "ip", "-d", "link", "show", "dev", dev), nstest.Run(t, "ip", "route", "show", "dev", dev),
			nstest.Run(t, "ip", "neigh", "show", "nud", "permanent", "dev", dev), nstest.Run(t, "ip", "-4", "addr", "show", "dev", dev))
		entries := strings.Split(nstest.Run(t, "bridge", "fdb", "show", "dev", dev), "\n")
		slices.Sort(entries)
		for _, line := range entries {
			if strings.Contains(line, "permanent") { // the others are learned
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(all, "\n")
}

// TestTunnels has connections go on through two VXLANs while start and stop give them
// dom0's interface and the NIC again. Nothing else of them changes.
func TestTunnels(t *testing.T) {
	for i, shape := range []string{"", " dom0=bridge"} {
		for _, live := range []bool{true, false} {
			if testing.Short() && live != (i == 0) {
				continue // each once is enough
			}
			t.Run(fmt.Sprintf("start%s, live %v", shape, live), func(t *testing.T) {
				t.Parallel()
				newHost(t, lan+tunnels)
				c := calls{t, live}
				before := tunnelState(t)
				var streams []*stream
				for _, addr := range []string{"10.77.1.1:4020", "10.77.2.1:4020", "10.77.3.1:4020"} {
					streams = append(streams, newStream(t, addr))
				}
				goOn := func(when string) {
					for _, s := range streams {
						s.echo(when)
					}
				}
				goOn("before start")
				must0(t, c.do("start netdev=eth0 check=no"+shape))
				goOn("after start")
				if up := tunnelState(t); up != before { // eth0 is dom0's
					t.Errorf("before\n%s\nup\n%s", before, up)
				}
				for _, file := range []string{"igmp", "igmp6"} {
					if groups := nstest.Run(t, "cat", "/proc/thread-self/net/"+file); regexp.MustCompile(`peth0[^\n]*\n\s+010101EF`).MatchString(groups) {
						t.Errorf("a group is joined on the NIC:\n%s", groups)
					}
				}
				must0(t, c.do("stop check=no"))
				goOn("after stop")
				if down := tunnelState(t); down != before {
					t.Errorf("before\n%s\nafter stop\n%s", before, down)
				}
			})
		}
	}
}

// stream is a connection to the LAN.
type stream struct {
	*testing.T
	net.Conn
}

func newStream(t *testing.T, addr string) *stream {
	t.Helper()
	nstest.Inside(t, "lan", func() error { (&traffic{T: t}).serve(addr); return nil })
	c, err := net.DialTimeout("tcp4", addr, patience)
	must0(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &stream{t, c}
}

// echo sends something to the other end and back.
func (s *stream) echo(when string) {
	s.Helper()
	if err := echo(s.Conn); err != nil {
		s.Errorf("%s: %v: %v", when, s.RemoteAddr(), err)
	}
}

// TestTunnelLate has a VXLAN that somebody makes on dom0's interface go to the NIC when a
// change that is not confirmed is taken back, though not the same as those that were there.
func TestTunnelLate(t *testing.T) {
	t.Parallel()
	newHost(t, lan+tunnels)
	must0(t, calls{T: t}.run("start netdev=eth0 check=no confirm=600", func(*view) {})) // without a timer
	nstest.Script(t, `
	ip link add vx3 type vxlan id 3 dev eth0 dstport 4791
	ip link set vx3 up`)
	index := nicIndex(t)
	must(t, "recover")
	if now := nicIndex(t); now == index || !strings.Contains(nstest.Run(t, "ip", "-d", "link", "show", "dev", "vx3"), "dev eth0") {
		t.Errorf("%d, %d", index, now)
	}
}
