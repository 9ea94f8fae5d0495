package operate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// linkLocal are addresses for those whose own would be others each time.
const linkLocal = `
	sysctl -qw net.bridge.bridge-nf-call-iptables=0
	sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	ip addr add fe80::42/64 dev eth0 nodad
	ip -n lan addr add fe80::1/64 dev lan0 nodad
	ip -n lan route add 224.0.0.0/4 dev lan0
	ip link set eth1 up`

// back and forth over a connection, with patience: segments are sent again.
func alive(t *testing.T, a, b net.Conn) func() bool {
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	over := func(from, to net.Conn) bool {
		buf := make([]byte, 1)
		_ = to.SetReadDeadline(time.Now().Add(patience))
		_, err1 := from.Write([]byte("x"))
		_, err2 := to.Read(buf)
		return err1 == nil && err2 == nil
	}
	return func() bool { return over(a, b) && over(b, a) }
}

// accepts is the other end of a connection to a listener.
func accepts(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	must0(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return c
}

// loggedIn is a session that somebody on the LAN has over the link-local address.
func loggedIn(t *testing.T) func() bool {
	l, err := net.Listen("tcp6", "[::]:4030")
	must0(t, err)
	var c net.Conn
	nstest.Inside(t, "lan", func() error { c, err = net.Dial("tcp6", "[fe80::42%lan0]:4030"); return err })
	return alive(t, accepts(t, l), c)
}

// went is one that this host has to the LAN.
func went(t *testing.T) func() bool {
	var l net.Listener
	nstest.Inside(t, "lan", func() (err error) { l, err = net.Listen("tcp6", "[::]:4031"); return err })
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)) // net asks for the index on another thread
	to := &unix.SockaddrInet6{Port: 4031, ZoneId: uint32(nicIndex(t))}
	to.Addr = [16]byte{0xfe, 0x80, 15: 1}
	must0(t, unix.Connect(fd, to))
	c := accepts(t, l)
	t.Cleanup(func() { _, _ = unix.Close(fd), c.Close() })
	must0(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience / time.Second)}))
	return func() bool {
		buf := make([]byte, 1)
		_, err1 := unix.Write(fd, []byte("x"))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err2 := c.Read(buf)
		_, err3 := c.Write([]byte("x"))
		n, err4 := unix.Read(fd, buf)
		return err1 == nil && err2 == nil && err3 == nil && err4 == nil && n == 1
	}
}

// boundListener takes connections by one interface.
func boundListener(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
	must0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4032}))
	must0(t, unix.Listen(fd, 5))
	return func() bool {
		var err error
		nstest.Inside(t, "lan", func() error {
			var c net.Conn
			if c, err = net.DialTimeout("tcp4", "192.168.0.2:4032", patience); err == nil {
				err = c.Close()
			}
			return nil
		})
		if err == nil {
			var c int
			if c, _, err = unix.Accept(fd); err == nil {
				err = unix.Close(c)
			}
		}
		return err == nil
	}
}

// peered is a socket of UDP with a peer that is link-local.
func peered(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	addr := func(last byte, port int) *unix.SockaddrInet6 {
		return &unix.SockaddrInet6{Addr: [16]byte{0xfe, 0x80, 15: last}, Port: port, ZoneId: uint32(nicIndex(t))}
	}
	must0(t, unix.Bind(fd, addr(0x42, 4033)))
	must0(t, unix.Connect(fd, addr(1, 4034)))
	return hears(t, fd, func() error {
		from := &net.UDPAddr{IP: net.ParseIP("fe80::1"), Zone: "lan0", Port: 4034}
		c, err := net.DialUDP("udp6", from, &net.UDPAddr{IP: net.ParseIP("fe80::42"), Zone: "lan0", Port: 4033})
		if err == nil {
			_, _ = c.Write([]byte("hello"))
			err = c.Close()
		}
		return err
	})
}

// chosen is a member that hears only one source.
func chosen(source [4]byte) func(t *testing.T) func() bool {
	return func(t *testing.T) func() bool {
		fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
		must0(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		group := []byte{239, 1, 2, 4, 192, 168, 0, 2} // struct ip_mreq_source
		must0(t, unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_ADD_SOURCE_MEMBERSHIP, string(append(group, source[:]...))))
		must0(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{239, 1, 2, 4}, Port: 4035}))
		return hears(t, fd, datagram("239.1.2.4:4035"))
	}
}

// chosen6 is one of IPv6.
func chosen6(t *testing.T) func() bool {
	const joinSource = 46 // MCAST_JOIN_SOURCE_GROUP
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	req := make([]byte, 8+2*128) // struct group_source_req: an index, and two struct sockaddr_storage
	binary.NativeEndian.PutUint32(req, uint32(nicIndex(t)))
	for at, addr := range map[int]string{8: "ff35::107", 136: "2001:db8::1"} {
		binary.NativeEndian.PutUint16(req[at:], unix.AF_INET6)
		copy(req[at+8:], net.ParseIP(addr))
	}
	must0(t, unix.SetsockoptString(fd, unix.IPPROTO_IPV6, joinSource, string(req)))
	must0(t, unix.Bind(fd, &unix.SockaddrInet6{Port: 4039}))
	return hears(t, fd, func() error {
		far, err := net.DialUDP("udp6", &net.UDPAddr{IP: net.ParseIP("2001:db8::1")}, &net.UDPAddr{IP: net.ParseIP("ff35::107"), Zone: "lan0", Port: 4039})
		if err == nil {
			_, err = far.Write([]byte("x"))
			_ = far.Close()
		}
		return err
	})
}

// leaver is a member that leaves its group, by the address that it has joined by, and joins
// again: it knows nothing of what happened.
func leaver(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	m := &unix.IPMreq{Multiaddr: [4]byte{239, 1, 2, 5}, Interface: [4]byte{192, 168, 0, 2}}
	must0(t, unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m))
	must0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4037})) // the kernel tells of none that has no port
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() bool {
		return unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_DROP_MEMBERSHIP, m) == nil &&
			unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m) == nil
	}
}

// speaker is a member that sends to a group of which somebody on the LAN is one, too.
func speaker(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	must0(t, unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{Multiaddr: [4]byte{239, 1, 2, 6}, Interface: [4]byte{192, 168, 0, 2}}))
	must0(t, unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Address: [4]byte{192, 168, 0, 2}}))
	var far int
	nstest.Inside(t, "lan", func() (err error) {
		if far, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		m := &unix.IPMreq{Multiaddr: [4]byte{239, 1, 2, 6}, Interface: [4]byte{192, 168, 0, 1}}
		if err := unix.SetsockoptIPMreq(far, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m); err != nil {
			return err
		}
		return unix.Bind(far, &unix.SockaddrInet4{Port: 4036})
	})
	return hears(t, far, func() error {
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{239, 1, 2, 6}, Port: 4036})
	})
}

// pinging is ping -I eth0, as ordinary users have it (icmp(7)), which sock_diag does not know.
func pinging(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP))
	must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
	return hears(t, fd, func() error {
		const echo = 8
		return unix.Sendto(fd, []byte{echo, 7: 1}, 0, &unix.SockaddrInet4{Addr: [4]byte{192, 168, 0, 1}})
	})
}

// boundRaw is a raw socket of OSPF's protocol. Not every kernel has sock_diag tell of such.
func boundRaw(t *testing.T) func() bool {
	const ospf = 89
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, ospf))
	must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
	return hears(t, fd, func() error {
		far, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, ospf)
		if err == nil {
			err = unix.Sendto(far, make([]byte, 24), 0, &unix.SockaddrInet4{Addr: [4]byte{192, 168, 0, 2}})
			_ = unix.Close(far)
		}
		return err
	})
}

// boundLite is a socket of UDP-Lite, on kernels that have that.
func boundLite(t *testing.T) func() bool {
	socket := func() (int, error) {
		return unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDPLITE)
	}
	fd, err := socket()
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return func() bool { return true }
	}
	must0(t, err)
	must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
	must0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4038}))
	return hears(t, fd, func() error {
		far, err := socket()
		if err == nil {
			err = unix.Sendto(far, []byte("x"), 0, &unix.SockaddrInet4{Addr: [4]byte{192, 168, 0, 2}, Port: 4038})
			_ = unix.Close(far)
		}
		return err
	})
}

// programs have sockets that know eth0 by its index.
var programs = []struct {
	name  string
	begin func(t *testing.T) (works func() bool)
	not   bool // it does not work, and shall not
}{
	{"somebody is logged in over the link-local address", loggedIn, false},
	{"a connection to a link-local address", went, false},
	{"UDP with a link-local peer", peered, false},
	{"SO_BINDTODEVICE", boundSocket, false},
	{"SO_BINDTODEVICE, listening", boundListener, false},
	{"bound to the link-local address", linkLocalSocket, false},
	{"ping -I", pinging, false},
	{"a raw socket", boundRaw, false},
	{"UDP-Lite", boundLite, false},
	{"a member", member4, false},
	{"a member, IPv6", member6, false},
	{"a member that hears one source", chosen([4]byte{192, 168, 0, 1}), false},
	{"a member that hears another source", chosen([4]byte{192, 168, 0, 9}), true},
	{"a member that hears one source, IPv6", chosen6, false},
	{"a member that leaves and joins", leaver, false},
	{"a member that sends", speaker, false},
}

// TestSockets has programs with sockets that know eth0 by its index go on after start and
// after stop, as if nothing had happened.
func TestSockets(t *testing.T) {
	for i, shape := range []string{"", " dom0=bridge"} {
		for _, live := range []bool{true, false} {
			if testing.Short() && live != (i == 0) {
				continue // each once is enough
			}
			t.Run(fmt.Sprintf("start%s, live %v", shape, live), func(t *testing.T) {
				t.Parallel()
				newHost(t, lan+linkLocal)
				c := calls{t, live}
				works := make([]func() bool, len(programs))
				for i, p := range programs {
					works[i] = p.begin(t)
				}
				try := func(when string) {
					for i, p := range programs {
						if works[i]() == p.not {
							t.Errorf("%s: %s it works: %v", p.name, when, p.not)
						}
					}
				}
				try("before start")
				for range 2 {
					must0(t, c.do("start netdev=eth0 check=no"+shape))
					try("after start")
					must0(t, c.do("stop check=no"))
					try("after stop")
				}
			})
		}
	}
}

// TestLeavesSilently has a switch hear that a member joins, and never that anybody leaves:
// neither when the network comes and goes, nor when that is taken back.
func TestLeavesSilently(t *testing.T) {
	for _, shape := range []string{"", " dom0=bridge"} {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprintf("start%s, live %v", shape, live), func(t *testing.T) {
				t.Parallel()
				newHost(t, lan+linkLocal)
				c := calls{t, live}
				member4(t)
				reports := reportsOn(t, "lan0")
				for _, call := range []string{"start netdev=eth0 check=no" + shape, "stop check=no", "start netdev=eth0 check=no confirm=600" + shape, "recover"} {
					reports()
					if call == "recover" {
						must(t, call)
					} else {
						must0(t, c.run(call, func(v *view) { v.host.LiveRename = live })) // without a timer
					}
					time.Sleep(1500 * time.Millisecond) // each report is sent twice within a second (IGMPV3_UNSOLICITED_REPORT_INTERVAL)
					joined, left := reports()
					if joined == 0 || left > 0 {
						t.Errorf("%s: the switch has heard %d times that a member has joined, %d times that one has left", call, joined, left)
					}
				}
			})
		}
	}
}

// reportsOn counts what the LAN has heard of members of 239.1.2.3 since it was called last
// (RFC 3376, 4.2).
func reportsOn(t *testing.T, name string) func() (joined, left int) {
	const toInclude, isExclude, toExclude = 3, 2, 4
	fd := -1
	nstest.Inside(t, "lan", func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: order(unix.ETH_P_IP), Ifindex: i.Index})
	})
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() (joined, left int) {
		buf := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return joined, left
			}
			if n < 20 || buf[9] != unix.IPPROTO_IGMP {
				continue
			}
			message := buf[int(buf[0]&15)*4 : n]
			if message[0] != 0x22 || message[7] != 1 || net.IP(message[12:16]).String() != "239.1.2.3" {
				t.Errorf("another message of IGMP: %x", message)
				continue
			}
			switch message[8] {
			case toInclude:
				left++
			case isExclude, toExclude:
				joined++
			}
		}
	}
}

// TestHeldDeaths lets start and stop die at each step: whatever comes next turns sockets,
// tunnels and what redirects back, too. In a short run only at every sixth.
func TestHeldDeaths(t *testing.T) {
	newHost(t, lan+tunnels+linkLocal)
	works := make([]func() bool, len(programs))
	for i, p := range programs {
		works[i] = p.begin(t)
	}
	through := newStream(t, "10.77.1.1:4020")
	d := &deaths{T: t}
	const line = " netdev=eth0 check=no"
	for _, command := range []string{"start", "stop"} {
		nstest.Rest(t)
		before := socketState(t) + tunnelState(t)
		for step, total := 0, 1; step < total; step++ {
			if testing.Short() && step%6 != 0 {
				continue
			}
			total = d.die(command+line, step, step%12 == 0)
			d.next(fmt.Sprintf("%s, step %d", command, step), next[d.cases%len(next)])
			if now := socketState(t) + tunnelState(t); now != before {
				t.Fatalf("%s, step %d: before\n%s\nnow\n%s", command, step, before, now)
			}
			d.cases++
		}
		must(t, command+line)
		if command == "start" {
			nstest.Script(t, `
			tc qdisc add dev eth1 clsact
			tc filter add dev eth1 ingress prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0`)
		}
		through.echo(command)
		for i, p := range programs {
			if works[i]() == p.not {
				t.Errorf("%s: after %s it works: %v", p.name, command, p.not)
			}
		}
	}
	t.Logf("%d cases", d.cases)
}

// socketState is which interfaces sockets are bound to, and which groups are joined where.
func socketState(t *testing.T) string {
	t.Helper()
	return nstest.Script(t, `
	ss -Hantu | grep -v TIME-WAIT | awk '{print $1, $2, $5, $6}' | sort
	tc actions ls action mirred | grep -o 'mirred.*to device.*' || true
	for i in eth0 eth1; do ip maddr show dev $i | grep -v link | sort; sysctl -n net.ipv4.conf.$i.force_igmp_version; done`)
}
