package antispoof

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// port is the UDP port of the attacks.
const port = 4243

// box is one end of a cable: a namespace that is connected to dom0's bridge, as
// a guest or as the LAN with the gateway; or an interface of dom0's.
type box struct {
	name  string // of the namespace, "" for dom0
	link  string // its interface there
	mac   net.HardwareAddr
	v4    netip.Addr
	v6    netip.Addr // made from the MAC address
	local netip.Addr // the link-local one
	fd    int        // a socket that sees all incoming frames, and sends
}

// testbed is dom0 with one bridge, the LAN and guests, which can all reach one
// another.
type testbed struct {
	*dom0
	b             Bridge
	bridgeMAC     net.HardwareAddr
	gw, mallory   *box          // mallory attacks, and Xen knows its address
	victim, loose *box          // loose has no ip= in its configuration
	dom0box, nic  *box          // dom0's interface, and the NIC, where its VLANs branch off
	container     *box          // routed by dom0
	listen        int           // dom0's UDP socket
	home          int           // dom0's namespace
	vlan          bool          // the kernel has VLAN interfaces
	limit         time.Duration // how long to wait for a flow
}

var (
	dom0MAC   = mac("00:16:3e:00:00:00")
	dom0IPv4  = ip("10.0.0.1")
	dom0IPv6  = ip("fd00::1")
	dom0Local = eui64("fe80::", dom0MAC)
	dom0Lease = ip("10.0.0.9") // what DHCP has given it since start
)

func newTestbed(t *testing.T, backend string, onBridge bool) *testbed {
	s := &testbed{dom0: newDom0(t, backend), bridgeMAC: bridgeMAC}
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = home.Close() })
	s.home = int(home.Fd())
	// An address that is still being checked is not dom0's yet.
	nstest.Script(t, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
	link := "eth0" // dom0's interface
	if onBridge {
		s.b = s.dom0Bridge(0)
		link, s.bridgeMAC = s.b.Name, dom0MAC
	} else {
		s.b = s.bridge(0)
	}
	s.b.Addrs = []netip.Prefix{prefix("10.0.0.1/24"), prefix("fd00::1/64"), prefix("fe80::1/64")}
	nstest.Script(t, `
		sysctl -qw net.ipv4.ip_forward=1
		for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done
		sysctl -qw net.ipv6.conf.all.forwarding=1
		for p in peth0 vif0.0; do [ ! -e /proc/sys/net/ipv6/conf/$p ] || echo 1 >/proc/sys/net/ipv6/conf/$p/disable_ipv6; done
		ip addr add 10.0.0.1/24 dev `+link+`
		ip addr add 10.0.0.9/24 dev `+link+` valid_lft 3000 preferred_lft 3000
		ip addr add fd00::1/64 dev `+link+` nodad
		ip link set lan0 down`)
	s.gw = s.box("gw", "lan0", "00:16:3e:00:00:fe", 254)
	s.mallory = s.guest("vif1.0", "00:16:3e:00:00:11", 11)
	s.victim = s.guest("vif2.0", "00:16:3e:00:00:12", 12)
	s.loose = s.guest("vif3.0", "00:16:3e:00:00:13", 13)
	s.dom0box = &box{link: link, mac: dom0MAC, v4: dom0IPv4}
	s.nic = &box{link: "peth0", mac: dom0MAC, v4: dom0IPv4}
	s.listenIn(s.dom0box)
	s.listenIn(s.nic)
	s.limit = patience
	s.listen = s.udpSocket(port)
	t.Cleanup(func() { _ = unix.Close(s.listen) })
	return s
}

// udpSocket listens on every address.
func (s *testbed) udpSocket(port int) int {
	s.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	// A process that is being forked elsewhere may still hold a socket that was
	// closed here.
	for range 50 {
		if err = unix.Bind(fd, &unix.SockaddrInet6{Port: port}); !errors.Is(err, unix.EADDRINUSE) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		s.Fatal(err)
	}
	return fd
}

// guest makes a guest with its port in the bridge, as vif-bridge would.
func (s *testbed) guest(port, mac string, n int) *box {
	s.Helper()
	end := "end" + fmt.Sprint(n)
	nstest.Script(s, fmt.Sprintf(`
		ip link add %[1]s address fe:ff:ff:ff:ff:ff type veth peer name %[2]s
		ip link set %[1]s arp off multicast off
		echo 1 >/proc/sys/net/ipv6/conf/%[1]s/disable_ipv6
		ip link set %[1]s master xenbr0 up`, port, end))
	return s.box("guest"+fmt.Sprint(n), end, mac, n)
}

// box moves an interface into a namespace of its own, and gives it addresses.
func (s *testbed) box(name, link, hw string, n int) *box {
	s.Helper()
	b := &box{name: name, link: "eth0", mac: mac(hw), v4: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})}
	b.v6, b.local = eui64("fd00::", b.mac), eui64("fe80::", b.mac)
	nstest.Script(s, fmt.Sprintf(`
		netns %[1]s
		ip link set %[2]s netns %[1]s
		ip -n %[1]s link set %[2]s name eth0 address %[3]s
		ip netns exec %[1]s sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
		ip -n %[1]s link set eth0 up
		ip -n %[1]s link set lo up
		ip -n %[1]s addr add %[4]s/24 dev eth0
		ip -n %[1]s addr add %[5]s/64 dev eth0 nodad`, name, link, hw, b.v4, b.v6))
	s.listenIn(b)
	return b
}

// listenIn opens the socket that sees all frames of the box's interface.
func (s *testbed) listenIn(b *box) {
	s.Helper()
	s.in(b, func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, allFrames)
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = unix.Close(fd) })
		b.fd = fd
	})
	if err := unix.Bind(b.fd, &unix.SockaddrLinklayer{Protocol: allFrames, Ifindex: s.index(b)}); err != nil {
		s.Fatal(err)
	}
}

// in runs a function in the box's namespace, or in dom0 if it has none.
func (s *testbed) in(b *box, f func()) {
	s.Helper()
	if b.name == "" {
		f()
		return
	}
	fd, err := unix.Open("/run/netns/"+b.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		s.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(s.home, unix.CLONE_NEWNET); err != nil {
			s.Fatal(err)
		}
	}()
	f()
}

// allFrames is ETH_P_ALL in network byte order.
const allFrames = unix.ETH_P_ALL << 8

// send lets a box send a frame.
func (s *testbed) send(b *box, frame []byte) {
	s.Helper()
	if err := unix.Sendto(b.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: s.index(b), Protocol: allFrames}); err != nil {
		s.Fatal(err)
	}
}

// index is the index of the box's interface.
func (s *testbed) index(b *box) int {
	s.Helper()
	index := 0
	s.in(b, func() {
		link, err := net.InterfaceByName(b.link)
		if err != nil {
			s.Fatal(err)
		}
		index = link.Index
	})
	return index
}

// came reads everything that a socket has received.
func came(fd int) []byte {
	var all []byte
	buf := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return all
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		all = append(append(all, buf[:n]...), '\n')
	}
}

// attack is what a guest may try. Its frames carry the marker, and it has
// worked if they arrive at the target.
type attack struct {
	name   string
	from   *box
	to     *box // nil for dom0
	frames func(marker string) [][]byte
	then   func(marker string) // what others send afterwards
}

// tried is the outcome of an attack or a flow.
type tried struct {
	name string
	got  bool
}

// settle is how long a frame may take from one end to another; patience is how
// long to wait for one on a busy machine.
const (
	settle   = 150 * time.Millisecond
	patience = 10 * time.Second
)

// try carries out all attacks and tells which have arrived.
func (s *testbed) try(attacks []attack) []tried {
	s.Helper()
	seen := map[*box][]byte{nil: nil}
	for _, a := range attacks {
		seen[a.to] = nil
	}
	// Some attacks mislead the bridge: it learns again who is where.
	s.announce("READY")
	s.receive(seen, "READY")
	for i, a := range attacks {
		for _, f := range a.frames(mark(i)) {
			s.send(a.from, f)
		}
		if a.then != nil {
			a.then(mark(i))
		}
	}
	// This is sent after every attack: once it has come, all frames that nobody
	// stops have come.
	s.announce("ENOUGH")
	s.receive(seen, "ENOUGH")
	var out []tried
	for i, a := range attacks {
		out = append(out, tried{a.name, bytes.Contains(seen[a.to], []byte(mark(i)))})
	}
	return out
}

// announce lets everybody tell everybody who they are.
func (s *testbed) announce(marker string) {
	s.Helper()
	for _, b := range []*box{s.dom0box, s.gw, s.mallory, s.victim, s.loose} {
		s.send(b, ethernet(everybody, b.mac, unix.ETH_P_ARP, arp(b.mac, b.v4, everybody, b.v4, marker)))
	}
	typ, p := datagram(s.gw.v4, dom0IPv4, marker) // dom0 listens for UDP
	s.send(s.gw, ethernet(dom0MAC, s.gw.mac, typ, p))
}

// receive adds what comes to each end, until the announcement has come to
// everybody on the bridge.
func (s *testbed) receive(seen map[*box][]byte, marker string) {
	s.Helper()
	for begin, settled := time.Now(), false; ; time.Sleep(settle) {
		missing := false
		for b := range seen {
			fd := s.listen
			if b != nil {
				fd = b.fd
			}
			seen[b] = append(seen[b], came(fd)...)
			missing = missing || b != s.container && !bytes.Contains(seen[b], []byte(marker))
		}
		switch {
		case !missing && settled:
			return
		case time.Since(begin) > patience:
			s.Fatal("what everybody may send does not arrive")
		}
		settled = !missing
	}
}

func mark(i int) string { return fmt.Sprintf("MARK%03d.", i) }

// udpAttack is one packet from mallory to a box, or to dom0, with that source.
func (s *testbed) udpAttack(name string, to *box, src netip.Addr) attack {
	return attack{name: name, from: s.mallory, to: to, frames: func(marker string) [][]byte {
		hw, dst := dom0MAC, dom0IPv4
		if src.Is6() {
			dst = dom0IPv6
		}
		if to != nil {
			hw, dst = to.mac, to.v4
			if src.Is6() {
				dst = to.v6
			}
		}
		if src.IsLinkLocalUnicast() {
			dst = to.local
		}
		typ, payload := datagram(src, dst, marker)
		return [][]byte{ethernet(hw, s.mallory.mac, typ, payload)}
	}}
}

// frame is an attack of one frame.
func (s *testbed) frame(name string, to *box, f func(marker string) []byte) attack {
	return attack{name: name, from: s.mallory, to: to, frames: func(marker string) [][]byte { return [][]byte{f(marker)} }}
}

// vifRules are the commands by which vif-bridge adds (-I) or removes (-D) a
// guest's rules, and by which it added them before 2009 (-A).
func vifRules(op, port string, addrs ...netip.Addr) string {
	var out strings.Builder
	add := func(match string) {
		if op == "-A" {
			fmt.Fprintf(&out, "iptables -A FORWARD -m physdev --physdev-in %s %s -j ACCEPT\n", port, match)
			return
		}
		fmt.Fprintf(&out, "iptables %s FORWARD -m physdev --physdev-is-bridged --physdev-in %s %s -j ACCEPT\n", op, port, match)
		fmt.Fprintf(&out, "iptables %s FORWARD -m physdev --physdev-is-bridged --physdev-out %s -j ACCEPT\n", op, port)
	}
	for _, a := range addrs {
		add("-s " + a.String())
	}
	if len(addrs) == 0 {
		add("")
	} else {
		add("-p udp --sport 68 --dport 67")
	}
	return out.String()
}
