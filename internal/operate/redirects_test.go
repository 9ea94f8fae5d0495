package operate

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/holders"
	"xbr-script/internal/testing/nstest"
)

// redirected are links to another host of which traffic control takes what comes in: it
// leaves by eth0, or comes in by it.
const redirected = `
	netns con
	sysctl -qw net.bridge.bridge-nf-call-iptables=0
	ip link add out0 type veth peer name c0 netns con
	ip link add in0 address 00:16:3e:00:00:01 type veth peer name c1 netns con
	ip link add late0 type veth peer name c2 netns con
	for i in out0 in0 late0; do ip link set $i up; tc qdisc add dev $i clsact; done
	for i in c0 c1 c2; do ip -n con link set $i up; done
	tc filter add dev out0 ingress prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0
	tc filter add dev in0 ingress prio 1 u32 match u32 0 0 action mirred ingress redirect dev eth0
	ip -n con addr add 192.168.0.77/24 dev c1
	ip -n con neigh add 192.168.0.2 lladdr 00:16:3e:00:00:01 dev c1`

// local is a protocol for experiments.
const local = 0x88b5

// raw is a socket for one protocol on an interface.
func raw(name string) (fd int, to *unix.SockaddrLinklayer, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, nil, err
	}
	r, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r)
	}
	if err != nil {
		return -1, nil, err
	}
	to = &unix.SockaddrLinklayer{Protocol: order(local), Ifindex: int(r.Uint32()), Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	return fd, to, nil
}

// gets says whether a socket gets what somebody in the namespace con sends.
func gets(t *testing.T, fd int, send func() error) bool {
	t.Helper()
	buf := make([]byte, 2048)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		nstest.Inside(t, "con", send)
		if n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); err == nil && n > 0 {
			for err == nil {
				_, _, err = unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			}
			return true
		}
	}
	return false
}

// TestRedirects: what is redirected to the NIC reaches the wire and dom0 after start and
// after stop, and what is redirected to dom0's interface reaches the wire after stop.
func TestRedirects(t *testing.T) {
	for _, shape := range []string{"", " dom0=bridge"} {
		if testing.Short() && shape != "" {
			continue // for the everyday test one is enough
		}
		t.Run("start"+shape, func(t *testing.T) {
			t.Parallel()
			newHost(t, lan+redirected)
			var far int
			nstest.Inside(t, "lan", func() error {
				fd, on, err := raw("lan0")
				if err == nil {
					far, err = fd, unix.Bind(fd, on)
				}
				return err
			})
			here := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
			must0(t, unix.Bind(here, &unix.SockaddrInet4{Port: 4040}))
			t.Cleanup(func() { _, _ = unix.Close(far), unix.Close(here) })
			from := func(name string) func() error {
				return func() error {
					fd, to, err := raw(name)
					if err == nil {
						err = unix.Sendto(fd, make([]byte, 60), 0, to)
						_ = unix.Close(fd)
					}
					return err
				}
			}
			try := func(when string) {
				t.Helper()
				if !gets(t, far, from("c0")) {
					t.Errorf("%s: what is redirected does not reach the wire", when)
				}
				if !gets(t, here, datagram("192.168.0.2:4040")) {
					t.Errorf("%s: what is redirected does not reach dom0", when)
				}
			}
			try("before start")
			checked(t, "check netdev=eth0"+shape, holders.Stays, "which sends to it: it goes on sending to the wire", "whose packets come in by it: they come to dom0 by the bridge")
			must(t, "start netdev=eth0 check=no"+shape)
			try("after start")
			nstest.Script(t, "tc filter add dev late0 ingress prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0")
			if !gets(t, far, from("c2")) {
				t.Error("what is redirected to dom0's interface does not reach the wire")
			}
			checked(t, "check stop", holders.Moves, "which sends to it: it sends to eth0")
			must(t, "stop check=no")
			try("after stop")
			if !gets(t, far, from("c2")) {
				t.Error("after stop: what is redirected to dom0's interface does not reach the wire")
			}
			if is := nstest.Run(t, "tc", "filter", "show", "dev", "late0", "ingress"); !strings.Contains(is, "Egress Redirect to device eth0") {
				t.Error(is)
			}
		})
	}
}

// checked finds these texts among the holders of that outcome.
func checked(t *testing.T, line string, outcome holders.Outcome, texts ...string) {
	t.Helper()
	r := doCall(t.Context(), t, line, nil)
	must0(t, r.err)
	var lines []string
	for _, h := range r.Check.Holders {
		if h.Outcome == outcome {
			lines = append(lines, h.String())
		}
	}
	for _, text := range texts {
		if !strings.Contains(strings.Join(lines, "\n"), text) {
			t.Errorf("%s: nobody says that it %s: %q, but %q", line, outcome, text, lines)
		}
	}
}
