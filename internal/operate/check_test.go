package operate

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/testing/nstest"
)

// holding is something that holds on to eth0.
type holding struct {
	name  string
	setup string // by nstest.Script
	// begin begins it, and gives a function that tries whether it works.
	begin   func(t *testing.T) (works func() bool)
	find    string // what the holder's line begins with
	outcome holders.Outcome
	from    [2]int // the version of Linux from which on it is so
	gone    bool   // it does not come back with stop
}

// shows says whether a command's output has a text.
func shows(command, text string) func(t *testing.T) func() bool {
	return func(t *testing.T) func() bool {
		return func() bool { return strings.Contains(nstest.Script(t, command), text) }
	}
}

// hears says whether a socket gets what the LAN sends, within a moment.
func hears(t *testing.T, fd int, send func() error) func() bool {
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() bool {
		buf := make([]byte, 2048)
		for {
			if _, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); err != nil {
				break
			}
		}
		for range 20 {
			nstest.Inside(t, "lan", send)
			time.Sleep(10 * time.Millisecond)
			if n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); err == nil && n > 0 {
				return true
			}
		}
		return false
	}
}

// datagram is a UDP datagram to that address.
func datagram(addr string) func() error {
	return func() error {
		c, err := net.Dial("udp", addr)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Write([]byte("hello")) // it may be refused
		return nil
	}
}

// frame is one of that protocol to everybody.
func frame(protocol uint16) func() error {
	return func() error {
		lan, err := net.InterfaceByName("lan0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		to := &unix.SockaddrLinklayer{Protocol: order(protocol), Ifindex: lan.Index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
		switch protocol {
		case unix.ETH_P_LLDP:
			to.Addr = [8]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}
		case unix.ETH_P_PAE:
			to.Addr = [8]byte{0x01, 0x80, 0xc2, 0, 0, 0x03}
		}
		return unix.Sendto(fd, make([]byte, 60), 0, to)
	}
}

// order is a protocol in network order.
func order(protocol uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
}

func packetSocket(protocol uint16) func(t *testing.T) func() bool {
	return func(t *testing.T) func() bool {
		fd := must2(t)(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0))
		must0(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: order(protocol), Ifindex: nicIndex(t)}))
		sent := protocol
		if sent == unix.ETH_P_ALL {
			sent = unix.ETH_P_TEB // one of them
		}
		return hears(t, fd, frame(sent))
	}
}

func must0(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must2(t *testing.T) func(fd int, err error) int {
	return func(fd int, err error) int {
		t.Helper()
		must0(t, err)
		return fd
	}
}

// nicIndex is eth0's index.
func nicIndex(t *testing.T) int { return linkIndex(t, "eth0") }

// linkIndex is an interface's; net.InterfaceByName would ask on another thread.
func linkIndex(t *testing.T, name string) int {
	t.Helper()
	var i int
	_, err := fmt.Sscan(nstest.Run(t, "cat", "/sys/class/net/"+name+"/ifindex"), &i)
	must0(t, err)
	return i
}

func boundSocket(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
	must0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4011}))
	return hears(t, fd, datagram("192.168.0.2:4011"))
}

func linkLocalSocket(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	to := &unix.SockaddrInet6{Port: 4012, ZoneId: uint32(nicIndex(t))}
	to.Addr = [16]byte{0xfe, 0x80, 15: 0x42}
	must0(t, unix.Bind(fd, to))
	return hears(t, fd, datagram("[fe80::42%lan0]:4012"))
}

func member4(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must0(t, unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{
		Multiaddr: [4]byte{239, 1, 2, 3}, Interface: [4]byte{192, 168, 0, 2}}))
	must0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4013}))
	return hears(t, fd, datagram("239.1.2.3:4013"))
}

func member6(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	group := [16]byte{0xff, 2, 14: 1, 15: 2}
	must0(t, unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group, Interface: uint32(nicIndex(t))}))
	must0(t, unix.Bind(fd, &unix.SockaddrInet6{Port: 4014}))
	return hears(t, fd, datagram("[ff02::102%lan0]:4014"))
}

// counts says whether the rules of a chain count what the LAN sends.
func counts(chain string) func(t *testing.T) func() bool {
	return func(t *testing.T) func() bool {
		list := append([]string{"list", "chain"}, strings.Fields(chain)...)
		count := func() string {
			return fmt.Sprint(regexp.MustCompile(`packets [0-9]+`).FindAllString(nstest.Run(t, "nft", list...), -1))
		}
		return func() bool {
			before := count()
			_, _ = nstest.Try(t, "ip", "netns", "exec", "lan", "ping", "-qc1", "-W1", "192.168.0.2") // the rules tell
			return count() != before
		}
	}
}

// nft is a line that makes a table with one chain.
func nft(table, hook, rule string) string {
	return fmt.Sprintf("printf '%%s\\n' 'table %s {' ' chain c {' '%s' '%s' ' }' '}' | nft -f -", table, hook, rule)
}

const input = "type filter hook input priority 0;"

// masked is a connection of a container to the LAN, behind this host.
func masked(t *testing.T) func() bool {
	var server net.Listener
	var client net.Conn
	nstest.Inside(t, "lan", func() (err error) {
		server, err = net.Listen("tcp4", "192.168.0.1:0")
		return err
	})
	nstest.Inside(t, "con", func() (err error) {
		client, err = net.Dial("tcp4", server.Addr().String())
		return err
	})
	peer, err := server.Accept()
	must0(t, err)
	t.Cleanup(func() { _, _, _ = server.Close(), client.Close(), peer.Close() })
	if host, _, _ := net.SplitHostPort(peer.RemoteAddr().String()); host != "192.168.0.2" {
		t.Fatalf("it is not masqueraded: %s", host)
	}
	return func() bool {
		buf := make([]byte, 1)
		_, err1 := peer.Write([]byte("x")) // the other way the connection is taken up again
		_ = client.SetReadDeadline(time.Now().Add(time.Second))
		_, err2 := client.Read(buf)
		return err1 == nil && err2 == nil
	}
}

// routesMulticast is a multicast router with eth0 as an interface (struct vifctl).
func routesMulticast(t *testing.T) func() bool {
	const mrtInit, mrtAddVIF, useIndex = 200, 202, 8 // linux/mroute.h
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP))
	t.Cleanup(func() { _ = unix.Close(fd) })
	must0(t, unix.SetsockoptInt(fd, unix.IPPROTO_IP, mrtInit, 1))
	vif := make([]byte, 16)
	vif[2], vif[3] = useIndex, 1
	binary.NativeEndian.PutUint32(vif[8:], uint32(nicIndex(t)))
	must0(t, unix.SetsockoptString(fd, unix.IPPROTO_IP, mrtAddVIF, string(vif)))
	return shows("cat /proc/thread-self/net/ip_mr_vif", " eth0 ")(t)
}

// sender is a program that sends to a group of which it is no member; and another does so
// over IPv4, by the interface's address.
func sender(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must0(t, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, nicIndex(t)))
	must0(t, unix.Bind(fd, &unix.SockaddrInet6{Port: 4018}))
	fd4 := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must0(t, unix.SetsockoptInet4Addr(fd4, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, [4]byte{192, 168, 0, 2}))
	must0(t, unix.Bind(fd4, &unix.SockaddrInet4{Port: 4019}))
	lan := -1
	nstest.Inside(t, "lan", func() (err error) {
		lan, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(order(unix.ETH_P_ALL)))
		return err
	})
	t.Cleanup(func() { _, _, _ = unix.Close(fd), unix.Close(fd4), unix.Close(lan) })
	mac := nstest.Run(t, "cat", "/sys/class/net/eth0/address")
	return func() bool {
		var seen [2]bool
		for round := 0; round < 50 && seen != [2]bool{true, true}; round++ {
			_ = unix.Sendto(fd, []byte("to a group"), 0, &unix.SockaddrInet6{Addr: [16]byte{0xff, 2, 14: 1, 15: 7}, Port: 4018})
			_ = unix.Sendto(fd4, []byte("to a group"), 0, &unix.SockaddrInet4{Addr: [4]byte{224, 0, 1, 7}, Port: 4019})
			time.Sleep(10 * time.Millisecond)
			buf := make([]byte, 2048)
			for {
				n, _, err := unix.Recvfrom(lan, buf, 0)
				if err != nil {
					break
				}
				if n > 14 && strings.HasSuffix(string(buf[:n]), "to a group") && net.HardwareAddr(buf[6:12]).String() == strings.TrimSpace(mac) {
					seen[map[byte]int{0x08: 0, 0x86: 1}[buf[12]]] = true
				}
			}
		}
		return seen == [2]bool{true, true}
	}
}

// dhcp6c is a client of DHCPv6 that has taken note of the index, as wide-dhcpv6's does.
func dhcp6c(t *testing.T) func() bool {
	servers := [16]byte{0xff, 2, 13: 1, 15: 2} // ff02::1:2
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	must0(t, unix.Bind(fd, &unix.SockaddrInet6{Port: 546}))
	index, far := uint32(nicIndex(t)), -1
	nstest.Inside(t, "lan", func() error {
		lan, err := net.InterfaceByName("lan0")
		if err != nil {
			return err
		}
		if far, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.SetsockoptIPv6Mreq(far, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: servers, Interface: uint32(lan.Index)}); err != nil {
			return err
		}
		return unix.Bind(far, &unix.SockaddrInet6{Port: 547})
	})
	return hears(t, far, func() error {
		_ = unix.Sendto(fd, []byte("renew"), 0, &unix.SockaddrInet6{Addr: servers, Port: 547, ZoneId: index}) // the network may be unreachable
		return nil
	})
}

// anycast is a program that has joined an anycast address.
func anycast(t *testing.T) func() bool {
	fd := must2(t)(unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	must0(t, unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_ANYCAST, &unix.IPv6Mreq{
		Multiaddr: [16]byte{0x20, 1, 0xd, 0xb8, 5: 8, 15: 0x99}, Interface: uint32(nicIndex(t))}))
	return shows("ip -6 route show table local", "anycast 2001:db8:8::99 dev eth0 ")(t)
}

// dropsByTCX is a BPF program on eth0 that drops what is for 192.168.0.44.
func dropsByTCX(t *testing.T) func() bool {
	ins := func(code, regs, off uint8, imm uint32) uint64 { // struct bpf_insn; the destination in the low half of regs
		return uint64(code) | uint64(regs)<<8 | uint64(off)<<16 | uint64(imm)<<32
	}
	const (
		mov, leave   = unix.BPF_ALU64 | unix.BPF_MOV, unix.BPF_JMP | unix.BPF_EXIT
		load, differ = unix.BPF_LD | unix.BPF_ABS, unix.BPF_JMP32 | unix.BPF_JNE
		drop, next   = 2, 0xffffffff // TCX_DROP, TCX_NEXT
	)
	insns := []uint64{
		ins(mov|unix.BPF_X, 0x16, 0, 0),
		ins(load|unix.BPF_H, 0, 0, 12), ins(differ, 0, 4, unix.ETH_P_IP),
		ins(load|unix.BPF_W, 0, 0, 30), ins(differ, 0, 2, 192<<24|168<<16|44),
		ins(mov, 0, 0, drop), ins(leave, 0, 0, 0),
		ins(mov, 0, 0, next), ins(leave, 0, 0, 0),
	}
	nstest.Run(t, "ip", "netns", "exec", "lan", "ping", "-qc1", "-W5", "192.168.0.44")
	license := []byte("GPL\x00")
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&insns[0])
	pin.Pin(&license[0])
	program := [16]uint64{unix.BPF_PROG_TYPE_SCHED_CLS | uint64(len(insns))<<32, // union bpf_attr, little end first
		uint64(uintptr(unsafe.Pointer(&insns[0]))), uint64(uintptr(unsafe.Pointer(&license[0])))}
	attach := [32]uint32{0, uint32(nicIndex(t)), unix.BPF_TCX_INGRESS}
	prog := bpf(t, unix.BPF_PROG_LOAD, unsafe.Pointer(&program))
	attach[0] = uint32(prog)
	link := bpf(t, unix.BPF_LINK_CREATE, unsafe.Pointer(&attach))
	t.Cleanup(func() { _, _ = unix.Close(prog), unix.Close(link) })
	return func() bool {
		_, err := nstest.Try(t, "ip", "netns", "exec", "lan", "ping", "-qc1", "-W0.3", "192.168.0.44")
		return err != nil
	}
}

func bpf(t *testing.T, command uintptr, attr unsafe.Pointer) int {
	t.Helper()
	fd, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attr), 128)
	if errno != 0 {
		t.Fatal(errno)
	}
	return int(fd)
}

// holdings are all kinds that can be made here, beside each other.
var holdings = []holding{
	{name: "nftables by index", begin: counts("inet a c"), find: "nftables: 1 rule by the index of eth0 (iif, oif) in table inet a, chain c", outcome: holders.Moves,
		setup: nft("inet a", input, `iif "eth0" counter`)},
	{name: "nftables by index in a set", begin: counts("inet b c"), find: "nftables: 1 rule by the index of eth0 (iif, oif) in table inet b, chain c", outcome: holders.Moves,
		setup: nft("inet b", input, `iif . ip saddr { "eth0" . 192.168.0.1 } counter`)},
	{name: "nftables by index, which cannot be changed", begin: counts("inet o c"), find: "nftables: 1 rule by the index of eth0 (iif, oif) in table inet o, chain c", outcome: holders.Breaks,
		setup: nft("inet o", input, `iif "eth0" counter jump { accept; }`)},
	{name: "nftables set that no rule uses", begin: shows("nft list set inet u s", `{ "eth0" . 22 }`),
		find: "nftables: the set s in table inet u, by the index of eth0, which no rule uses", outcome: holders.Moves,
		setup: `printf '%s\n' 'table inet u {' ' set s {' ' type iface_index . inet_service' ' elements = { "eth0" . 22 }' ' }' '}' | nft -f -`},
	{name: "nftables by name", begin: counts("inet d c"), find: "nftables: 1 rule by the name eth0 in table inet d, chain c", outcome: holders.Moves,
		setup: nft("inet d", input, `iifname "eth0" counter`)},
	{name: "iptables by name", begin: counts("ip filter INPUT"), find: "nftables: 1 rule by the name eth0 in table ip filter, chain INPUT", outcome: holders.Moves,
		setup: "iptables-nft -A INPUT -i eth0 -j ACCEPT"},
	{name: "nftables on the interface", begin: counts("netdev n c"), find: "nftables: the chain c in table netdev n, on eth0", outcome: holders.Moves, from: [2]int{6, 16},
		setup: nft("netdev n", "type filter hook ingress device eth0 priority 0;", "counter")},
	{name: "packet socket", begin: packetSocket(unix.ETH_P_ARP), find: "packet socket: ARP", outcome: holders.Breaks},
	{name: "packet socket of LLDP", begin: packetSocket(unix.ETH_P_LLDP), find: "packet socket: LLDP", outcome: holders.Stays},
	{name: "packet socket of 802.1X", begin: packetSocket(unix.ETH_P_PAE), find: "packet socket: 802.1X", outcome: holders.Stays},
	{name: "packet socket for all protocols", begin: packetSocket(unix.ETH_P_ALL), find: "packet socket: all protocols", outcome: holders.Stays, from: [2]int{6, 2}},
	{name: "SO_BINDTODEVICE", begin: boundSocket, find: "UDP socket bound to it: 0.0.0.0:4011", outcome: holders.Moves},
	{name: "link-local", begin: linkLocalSocket, find: "UDP socket bound to it: 0.0.0.0:4011, [fe80::42]:4012", outcome: holders.Moves,
		setup: "ip addr add fe80::42/64 dev eth0 nodad"},
	{name: "multicast member", begin: member4, find: "multicast group: 239.1.2.3", outcome: holders.Moves,
		setup: "ip -n lan route add 224.0.0.0/4 dev lan0"},
	{name: "multicast member, IPv6", begin: member6, find: "multicast group: 239.1.2.3, ff02::102", outcome: holders.Moves},
	{name: "address label", begin: shows("ip addrlabel", "dev eth0 label 99"), find: "address label: label 99 for 2001:db8:7::/48", outcome: holders.Moves,
		setup: "ip addrlabel add prefix 2001:db8:7::/48 dev eth0 label 99"},
	{name: "masquerade", begin: masked, find: "masquerade: 1 connection", outcome: holders.Moves,
		setup: behind + `
		sysctl -qw net.ipv4.ip_forward=1
		iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/24 ! -o con0 -j MASQUERADE`},
	{name: "multicast routing", begin: routesMulticast, find: "multicast routing: interface 0 in ip_mr_vif of", outcome: holders.Breaks},
	{name: "sender to groups", begin: sender, find: "socket that sends by it: of datagrams of", outcome: holders.Moves},
	{name: "DHCPv6", begin: dhcp6c, find: "DHCPv6 client: its socket at port 546", outcome: holders.Breaks},
	{name: "anycast member", begin: anycast, find: "anycast address: 2001:db8:8::99", outcome: holders.Breaks, gone: true,
		setup: "ip addr add 2001:db8:8::2/64 dev eth0 nodad"},
	{name: "IPsec", begin: shows("ip xfrm policy", "dev eth0"), find: "IPsec: policy from 10.1.0.0/16 to 10.2.0.0/16", outcome: holders.Breaks,
		setup: "ip xfrm policy add dir out src 10.1.0.0/16 dst 10.2.0.0/16 dev eth0 tmpl proto esp mode tunnel"},
	{name: "MPTCP", begin: shows("ip mptcp endpoint", "id 7 subflow dev eth0"), find: "MPTCP: endpoint 192.168.0.2, id 7", outcome: holders.Moves,
		setup: "ip mptcp endpoint add 192.168.0.2 id 7 subflow dev eth0"},
	{name: "MPTCP, for others", begin: shows("ip mptcp endpoint", "id 8 signal"), find: "MPTCP: endpoint 192.168.0.3, id 8", outcome: holders.Followed,
		setup: "ip mptcp endpoint add 192.168.0.3 id 8 signal dev eth0"},
	{name: "traffic control", begin: shows("tc qdisc", "htb 7:"), find: "traffic control: htb 7:", outcome: holders.Stays,
		setup: "tc qdisc add dev eth0 root handle 7: htb"},
	{name: "traffic control elsewhere", begin: shows("tc filter show dev eth1", "input dev eth0"),
		find: "traffic control: 1 filter of eth1 (u32) for what comes in by it (indev)", outcome: holders.Breaks,
		setup: `
		tc qdisc add dev eth1 root handle 7: htb
		tc filter add dev eth1 parent 7: protocol ip u32 match ip src 10.0.0.0/8 indev eth0 flowid 7:1`},
	{name: "tcx", begin: dropsByTCX, find: "tcx: 1 program for what comes in", outcome: holders.Stays, from: [2]int{6, 6},
		setup: "ip addr add 192.168.0.44/24 dev eth0"},
	{name: "ip rule", begin: shows("ip route get 203.0.113.7 from 192.168.0.1 iif eth0 || true", "dev eth1"), find: "ip rule: by the name eth0", outcome: holders.Moves,
		setup: `
		sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.all.rp_filter=0
		ip addr add 192.0.2.2/24 dev eth1
		ip route add 203.0.113.0/24 dev eth1 table 100
		ip rule add iif eth0 lookup 100`},
}

// TestHolders makes each kind of holder for real, has check name it, and proves it:
// what moves or stays works after start and after stop, and what will break does not.
func TestHolders(t *testing.T) {
	for _, shape := range []string{"", " dom0=bridge"} {
		t.Run("start"+shape, func(t *testing.T) {
			newHost(t, lan)
			works := make([]func() bool, len(holdings))
			for i, h := range holdings {
				if is, err := host.KernelAtLeast(h.from[0], h.from[1]); err != nil || !is {
					t.Logf("%s: not on this kernel, %v", h.name, err)
					continue
				}
				nstest.Script(t, h.setup)
				works[i] = h.begin(t)
			}
			try := func(when string, should func(holders.Outcome) bool) {
				for i, h := range holdings {
					if works[i] != nil && works[i]() != should(h.outcome) {
						t.Errorf("%s: %s it works: %v, and it is said that it %s", h.name, when, !should(h.outcome), h.outcome)
					}
				}
			}
			try("before start", func(holders.Outcome) bool { return true })
			found := doCall(t.Context(), t, "check netdev=eth0"+shape, nil)
			if found.err != nil || !found.Check.GoesThrough || len(found.Check.Unknown) > 0 {
				t.Fatalf("%v, %+v", found.err, found.Result)
			}
			for i, h := range holdings {
				if works[i] != nil {
					h.named(t, found.Check.Holders)
				}
			}
			must(t, "start netdev=eth0 check=no"+shape)
			try("after start", func(o holders.Outcome) bool { return o != holders.Breaks })
			must(t, "stop check=no")
			for i, h := range holdings {
				if works[i] != nil && works[i]() == h.gone {
					t.Errorf("%s: after stop it works: %v", h.name, !h.gone)
				}
			}
		})
	}
}

// named finds the holder's line.
func (h holding) named(t *testing.T, all []holders.Holder) {
	t.Helper()
	var lines []string
	for _, found := range all {
		text := found.String()
		lines = append(lines, string(found.Outcome)+": "+text)
		if found.Outcome != h.outcome || !strings.HasPrefix(text, h.find) {
			continue
		}
		if strings.Contains(found.Kind, "socket") || found.Kind == "multicast group" || strings.Contains(text, "ip_mr_vif of") {
			if len(found.Owners) != 1 || found.Owners[0].PID != os.Getpid() {
				t.Errorf("owners of %s: %v", text, found.Owners)
			}
		}
		return
	}
	t.Errorf("%s: nobody says that it %s, but\n%s", h.name, h.outcome, strings.Join(lines, "\n"))
}

// TestMemberWithoutPort has check find whose a group is that a socket has joined which no
// list of sockets has, as programs do that only want what others send to come in.
func TestMemberWithoutPort(t *testing.T) {
	newHost(t, lan)
	fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	must0(t, unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{
		Multiaddr: [4]byte{239, 1, 2, 4}, Interface: [4]byte{192, 168, 0, 2}}))
	found := doCall(t.Context(), t, "check netdev=eth0", nil)
	if found.err != nil {
		t.Fatal(found.err)
	}
	holding{name: "a member", find: "multicast group: 239.1.2.4 of", outcome: holders.Moves}.named(t, found.Check.Holders)
}

// TestHoldersWarn has start, stop and a dry run say what breaks, and nobody say
// anything where nothing does.
func TestHoldersWarn(t *testing.T) {
	newHost(t, lan)
	for _, line := range []string{"check", "start", "check stop", "stop"} {
		if r := doCall(t.Context(), t, line+" netdev=eth0 check=no", nil); r.err != nil || r.stderr != "" {
			t.Fatalf("%s: %v, %s", line, r.err, r.stderr)
		} else if r.Check != nil && (!r.Check.GoesThrough || r.Check.Breaks() || len(r.Check.Networks) != 1) {
			t.Errorf("%s: %+v", line, r.Check)
		}
	}
	nstest.Script(t, `printf '%s\n' 'table inet f {' ' chain c {' 'iif "eth0" jump { accept; }' ' }' '}' | nft -f -`)
	const want = "will break: nftables: 1 rule by the index of eth0"
	if r := doCall(t.Context(), t, "start -n netdev=eth0 confirm=60", nil); r.err != nil || strings.Contains(strings.Join(r.Lines, "\n"), "confirm=120") {
		t.Errorf("dry run: %v, %q", r.err, r.Lines[:min(3, len(r.Lines))])
	}
	if r := doCall(t.Context(), t, "start -n netdev=eth0", nil); r.err != nil || !strings.HasPrefix(r.Lines[0], "# "+want) {
		t.Errorf("dry run: %v, %q", r.err, r.Lines[:min(3, len(r.Lines))])
	}
	if r := doCall(t.Context(), t, "start netdev=eth0", nil); r.err != nil || !strings.HasPrefix(r.stderr, "xbr-script: "+want) ||
		!strings.Contains(r.stderr, "confirm=120") {
		t.Errorf("start: %v, %s", r.err, r.stderr)
	}
	nstest.Script(t, `printf '%s\n' 'table inet g {' ' chain c {' 'iif "eth0" jump { accept; }' ' }' '}' | nft -f -`)
	r := doCall(t.Context(), t, "stop", nil)
	if r.err != nil || strings.Count(r.stderr, want) != 1 || !strings.Contains(r.stderr, "table inet g") {
		t.Errorf("stop: %v, %s", r.err, r.stderr)
	}
}

// TestCheckRefused has check give the reasons that start gives.
func TestCheckRefused(t *testing.T) {
	newHost(t, lan+`
	ip link add vx0 type vxlan id 1 dev eth0 dstport 4789
	ip link add vx1 type vxlan id 2 dev eth0 dstport 4790
	ip link add vx2 mtu 1300 type vxlan id 3 dev eth0 dstport 4791 gbp
	ip link set eth0 mtu 1400
	netns box
	ip link add link eth0 name mac0 netns box type macvlan
	ip link add veth0 type ifb`)
	before := nstest.ReadState(t)
	reasons := 4
	if reserves, err := host.KernelAtLeast(6, 14); err == nil && reserves {
		reasons++ // the VXLAN with a group policy
	}
	const line = " netdev=eth0 vifnum=0"
	started, checked := doCall(t.Context(), t, "start"+line, nil), doCall(t.Context(), t, "check"+line, nil)
	if checked.err != nil || checked.Check.GoesThrough || len(checked.Check.Refused) != reasons {
		t.Fatalf("%v, %+v", checked.err, checked.Result)
	}
	said := ""
	for _, r := range checked.Check.Refused {
		said += "xbr-script: " + r.Reason + "\nhint: " + r.Hint + "\n"
	}
	if started.err == nil || said != started.stderr {
		t.Errorf("check says\n%s\nstart says\n%s", said, started.stderr)
	}
	inTheWay := 0
	for _, h := range checked.Check.Holders {
		if h.Outcome == holders.InTheWay {
			inTheWay++
		}
	}
	if inTheWay != reasons-1 {
		t.Errorf("in the way are %+v", checked.Check.Holders)
	}
	if diff := nstest.Settled(t, before, nstest.Whole); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
}

// TestCheckCutShort has check say so of a change that was cut short, and leave it alone.
func TestCheckCutShort(t *testing.T) {
	newHost(t, quiet)
	const line = " netdev=eth0 check=no"
	(&deaths{T: t}).die("start"+line, 3, true)
	half := nstest.ReadState(t)
	for _, command := range []string{"check", "check stop"} {
		r := doCall(t.Context(), t, command+line, nil)
		if r.err != nil || r.Check.GoesThrough || len(r.Check.Refused) != 1 || !strings.Contains(r.Check.Refused[0].Reason, "did not end") {
			t.Errorf("%s: %v, %+v", command, r.err, r.Check)
		}
	}
	if diff := nstest.Settled(t, half, nstest.Whole); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
	must(t, "recover")
	if r := doCall(t.Context(), t, "check"+line, nil); r.err != nil || !r.Check.GoesThrough {
		t.Errorf("%v, %+v", r.err, r.Check)
	}
}
