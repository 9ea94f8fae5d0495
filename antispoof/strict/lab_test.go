package strict

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

const runDir = "/run/xbr-script"

// box is a host at the bridge: a namespace of its own, or dom0.
type box struct {
	name, link, port string
	mac              net.HardwareAddr
	v4, v6, local    netip.Addr
	fd, index        int
}

// lab is dom0 with a bridge, a LAN with a gateway, and guests.
type lab struct {
	*testing.T
	b                                           Bridge
	conn                                        *rtnl.Conn
	home                                        int
	gw, dom0, mallory, victim, loose, router, x *box // loose has no ip=; nobody admits x
	runner                                      *plan.Runner
}

// newLab makes it in one of the two shapes.
func newLab(t *testing.T, onBridge bool) *lab {
	t.Helper()
	nstest.New(t)
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = home.Close() })
	conn, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	l := &lab{T: t, home: int(home.Fd()), conn: conn, runner: &plan.Runner{Dir: runDir, Kinds: plan.Merge(Kinds()), Command: "test"}}
	l.b = Bridge{Name: "xenbr0", NIC: "peth0", Port: "vif0.0", MAC: "00:16:3e:00:00:01", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")}, Want: config.AntiSpoofStrict}
	nstest.Script(t, `
		mkdir -p /run/xbr-script
		sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
		for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done
		ip link add xenbr0 type bridge mcast_snooping 0
		ip link add peth0 type veth peer name lan0`)
	link := "xenbr0"
	if onBridge {
		l.b.Port = ""
		nstest.Script(t, "ip link set xenbr0 address 00:16:3e:00:00:01")
	} else {
		link = "eth0"
		nstest.Script(t, `
			ip link set xenbr0 address fe:ff:ff:ff:ff:ff
			ip link add eth0 address 00:16:3e:00:00:01 type veth peer name vif0.0
			echo 1 >/proc/sys/net/ipv6/conf/vif0.0/disable_ipv6
			echo 1 >/proc/sys/net/ipv6/conf/xenbr0/disable_ipv6
			ip link set vif0.0 master xenbr0 up
			ip link set eth0 up`)
	}
	nstest.Script(t, fmt.Sprintf(`
		echo 1 >/proc/sys/net/ipv6/conf/peth0/disable_ipv6
		ip link set peth0 master xenbr0 up
		ip link set xenbr0 up
		ip addr add 10.0.0.1/24 dev %[1]s
		ip addr add fd00::1/64 dev %[1]s nodad
		ip route add default via 10.0.0.254
		ip route add default via fd00::254 dev %[1]s
		bridge fdb replace 00:16:3e:00:00:01 dev vif0.0 master static 2>/dev/null || true`, link))
	l.dom0 = &box{link: link, mac: mac("00:16:3e:00:00:01"), v4: ip("10.0.0.1"), v6: ip("fd00::1")}
	l.dom0.local = Guest{MAC: l.dom0.mac.String()}.linkLocal()
	l.listen(l.dom0)
	l.gw = l.box("gw", "lan0", "", 254)
	l.mallory = l.guest("vif1.0", 11)
	l.victim = l.guest("vif2.0", 12)
	l.loose = l.guest("vif3.0", 13)
	l.router = l.guest("vif4.0", 14)
	l.x = l.guest("vif9.0", 19)
	link0, err := net.InterfaceByName("xenbr0")
	if err != nil {
		t.Fatal(err)
	}
	l.b.Index = link0.Index
	return l
}

// guest makes a guest with its port in the bridge.
func (l *lab) guest(port string, n int) *box {
	l.Helper()
	end := fmt.Sprint("end", n)
	nstest.Script(l, fmt.Sprintf(`
		ip link add %[1]s address fe:ff:ff:ff:ff:ff type veth peer name %[2]s
		echo 1 >/proc/sys/net/ipv6/conf/%[1]s/disable_ipv6
		ip link set %[1]s master xenbr0 up`, port, end))
	return l.box(fmt.Sprint("guest", n), end, port, n)
}

// box moves an interface into a namespace of its own.
func (l *lab) box(name, link, port string, n int) *box {
	l.Helper()
	b := &box{name: name, link: "eth0", port: port, mac: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, byte(n)}, v4: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), v6: ip(fmt.Sprintf("fd00::%d", n))}
	b.local = Guest{MAC: b.mac.String()}.linkLocal()
	nstest.Script(l, fmt.Sprintf(`
		netns %[1]s
		ip link set %[2]s netns %[1]s
		ip -n %[1]s link set %[2]s name eth0 address %[3]s mtu 1500
		ip netns exec %[1]s sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.router_solicitations=0
		ip -n %[1]s link set lo up
		ip -n %[1]s link set eth0 up
		ip -n %[1]s addr add %[4]s/24 dev eth0
		ip -n %[1]s addr add %[5]s/64 dev eth0 nodad`, name, link, b.mac, b.v4, b.v6))
	l.listen(b)
	return b
}

// in runs a function in a box's namespace.
func (l *lab) in(b *box, f func()) {
	l.Helper()
	if b.name == "" {
		f()
		return
	}
	fd, err := unix.Open("/run/netns/"+b.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		l.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		l.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(l.home, unix.CLONE_NEWNET); err != nil {
			l.Fatal(err)
		}
	}()
	f()
}

// allFrames is ETH_P_ALL in network byte order.
const allFrames = unix.ETH_P_ALL << 8

// listen opens the socket of a box that sees all frames, and sends.
func (l *lab) listen(b *box) {
	l.Helper()
	l.in(b, func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, allFrames)
		if err != nil {
			l.Fatal(err)
		}
		l.Cleanup(func() { _ = unix.Close(fd) })
		link, err := net.InterfaceByName(b.link)
		if err != nil {
			l.Fatal(err)
		}
		b.fd, b.index = fd, link.Index
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	})
	if err := unix.Bind(b.fd, &unix.SockaddrLinklayer{Protocol: allFrames, Ifindex: b.index}); err != nil {
		l.Fatal(err)
	}
}

// send lets a box send a frame.
func (l *lab) send(b *box, f []byte) {
	l.Helper()
	if err := unix.Sendto(b.fd, f, 0, &unix.SockaddrLinklayer{Ifindex: b.index, Protocol: allFrames}); err != nil {
		l.Fatal(err)
	}
}

// came is all that a box has received since.
func came(b *box) []byte {
	var all []byte
	buf := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(b.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return all
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype != unix.PACKET_OUTGOING {
			all = append(append(all, buf[:n]...), '\n')
		}
	}
}

// everybody is all boxes.
func (l *lab) everybody() []*box {
	return []*box{l.gw, l.dom0, l.mallory, l.victim, l.loose, l.router, l.x}
}

// prompt is how long to wait for what certainly comes.
const prompt = 20 * time.Second

// heard tells what has come to each box; last is a marker that comes from the gateway
// after everything else.
func (l *lab) heard(last string) map[*box][]byte {
	l.Helper()
	seen := map[*box][]byte{}
	for begin, round := time.Now(), 0; ; round++ {
		if round%200 == 0 { // it may have been dropped where others send very much
			l.send(l.gw, frame(broadcast, l.gw.mac, 0x0806, arpPacket(1, l.gw.mac, l.gw.v4, l.gw.mac, l.gw.v4), []byte(last)))
		}
		time.Sleep(time.Millisecond)
		missing := 0
		for _, b := range l.everybody() {
			if b == l.gw {
				continue
			}
			if seen[b] = append(seen[b], came(b)...); !bytes.Contains(seen[b], []byte(last)) {
				missing++
			}
		}
		if missing == 0 {
			seen[l.gw] = came(l.gw)
			return seen
		}
		if time.Since(begin) > prompt {
			l.Fatal("what the gateway sends to all does not arrive")
		}
	}
}

var broadcast = mac("ff:ff:ff:ff:ff:ff")

// overflown is how many frames the machine's processors have dropped because too many
// were waiting (the second column of softnet_stat), whoever had sent them.
func (l *lab) overflown() (n int) {
	l.Helper()
	list, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		l.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		dropped, err := strconv.ParseInt(strings.Fields(line)[1], 16, 64)
		if err != nil {
			l.Fatal(err)
		}
		n += int(dropped)
	}
	return n
}

// undisturbed does something again if the machine has dropped frames meanwhile.
func (l *lab) undisturbed(f func() []string) (wrong []string) {
	l.Helper()
	for range 20 {
		before := l.overflown()
		if wrong = f(); len(wrong) == 0 || l.overflown() == before {
			break
		}
	}
	return wrong
}

// planner reads the host.
func (l *lab) planner() *Planner {
	l.Helper()
	h, err := host.Read(l.conn)
	if err != nil {
		l.Fatal(err)
	}
	records, err := plan.ReadRecords(runDir)
	if err != nil {
		l.Fatal(err)
	}
	return &Planner{Records: records, Host: h, Seen: Look(true, "xenbr0")}
}

// carryOut plans and does.
func (l *lab) carryOut(part Part, err error) {
	l.Helper()
	if err == nil {
		err = l.runner.Run(context.Background(), stepsOf(part))
	}
	if err != nil {
		l.Fatal(err)
	}
}

func stepsOf(part Part) *plan.Plan {
	p := &plan.Plan{}
	p.Add(part.Before...)
	p.Add(part.After...)
	return p
}

func (l *lab) admit(b *box, more func(*config.Guest), addrs ...string) {
	l.Helper()
	l.carryOut(l.planner().Admit(guestFor(b, more, addrs...)))
}

func guestFor(b *box, more func(*config.Guest), addrs ...string) config.Guest {
	g := config.Guest{Port: b.port, MAC: b.mac}
	for _, a := range addrs {
		g.Addresses = append(g.Addresses, netip.MustParsePrefix(a))
	}
	if more != nil {
		more(&g)
	}
	return g
}

// start admits all but x, and switches strict on.
func (l *lab) start() {
	l.Helper()
	for _, b := range []*box{l.mallory, l.victim} {
		l.admit(b, nil, b.v4.String()+"/32", b.v6.String()+"/128", fmt.Sprintf("10.1.%d.0/24", b.v4.As4()[3]), fmt.Sprintf("fd01:%d::/64", b.v4.As4()[3]))
	}
	l.admit(l.loose, nil)
	l.admit(l.router, func(g *config.Guest) { g.Router, g.RA, g.DHCP = true, true, true }, l.router.v4.String()+"/32", l.router.v6.String()+"/128")
	nstest.Script(l, "ip link set vif9.0 nomaster")
	l.carryOut(l.planner().Start([]Bridge{l.b}, nil))
	nstest.Script(l, "ip link set vif9.0 master xenbr0")
}

func (l *lab) stop() {
	l.Helper()
	l.carryOut(l.planner().Stop([]Bridge{l.b}))
}
