package antispoof

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// flow is something that has to work: a ping, as a shell command, or a test.
type flow struct {
	name string
	ping string
	test func() bool
}

// own is a static IPv6 address of the guest loose, not made from its MAC
// address.
var own = ip("fd00::13")

// world adds what a host has besides bridges for guests: containers that are
// routed and publish a port, containers on a bridge of their own, a VPN, a VLAN
// on the NIC, and the rules that Docker makes for all that.
func (s *testbed) world() {
	s.Helper()
	if _, err := nstest.Try(s, "ip", "link", "add", "link", "peth0", "name", "peth0.100", "type", "vlan", "id", "100"); err == nil {
		s.vlan = true
		nstest.Script(s, `
			ip link set peth0.100 arp on up
			ip addr add 10.100.0.1/24 dev peth0.100
			ip -n gw link add link eth0 name eth0.100 type vlan id 100
			ip -n gw link set eth0.100 up
			ip -n gw addr add 10.100.0.254/24 dev eth0.100`)
	}
	nstest.Script(s, `
		ip link add docker0 type bridge
		ip link set docker0 up
		ip addr add 172.17.0.1/16 dev docker0
		netns c1
		ip link add c1 master docker0 up type veth peer name eth0 netns c1
		ip -n c1 link set eth0 up
		ip -n c1 addr add 172.17.0.2/16 dev eth0
		ip -n c1 route add default via 172.17.0.1
		ip link add br-c type bridge
		ip link set br-c up
		netns c2
		netns c3
		for c in c2 c3; do ip link add $c master br-c up type veth peer name eth0 netns $c; ip -n $c link set eth0 up; done
		ip -n c2 addr add 172.18.0.2/16 dev eth0
		ip -n c3 addr add 172.18.0.3/16 dev eth0
		netns vpn
		ip link add tun0 type veth peer name eth0 netns vpn
		ip link set tun0 up
		ip addr add 10.8.0.1/24 dev tun0
		ip -n vpn link set eth0 up
		ip -n vpn addr add 10.8.0.2/24 dev eth0
		ip -n vpn route add default via 10.8.0.1
		ip -n gw route add 10.8.0.0/24 via 10.0.0.1
		ip -n guest13 addr add fd00::13/64 dev eth0 nodad
		netns c4
		ip link add c4 master xenbr0 up type veth peer name eth0 netns c4
		ip -n c4 link set eth0 up
		ip -n c4 addr add 10.0.0.44/24 dev eth0
		iptables -P FORWARD DROP
		iptables -N DOCKER
		iptables -N DOCKER-USER
		iptables -A DOCKER-USER -j RETURN
		iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p udp --dport 80 -j ACCEPT
		iptables -A FORWARD -j DOCKER-USER
		iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A FORWARD -o docker0 -j DOCKER
		iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
		iptables -A FORWARD -i tun0 -j ACCEPT
		iptables -A FORWARD -o tun0 -j ACCEPT
		iptables -t nat -N DOCKER
		iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
		iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
		iptables -t nat -A DOCKER ! -i docker0 -p udp --dport 8080 -j DNAT --to-destination 172.17.0.2:80`)
	s.container = &box{name: "c1", link: "eth0", v4: ip("172.17.0.2")}
	s.listenIn(s.container)
}

func ping(from *box, to any, options ...string) string {
	return fmt.Sprintf("ip netns exec %s ping -n -c1 %s %v", from.name, strings.Join(options, " "), to)
}

// flows are those between guests, the LAN and dom0, and those of everything
// else on the host.
func (s *testbed) flows() []flow {
	m, gw, victim, loose := s.mallory, s.gw, s.victim, s.loose
	plain := func(to any) string { return fmt.Sprintf("ping -n -c1 %v", to) }
	in := func(ns string, to any) string { return ping(&box{name: ns}, to) }
	list := []flow{
		{name: "IPv4 with ARP: guest to gateway", ping: ping(m, gw.v4)},
		{name: "IPv4 with ARP: gateway to guest", ping: ping(gw, m.v4)},
		{name: "IPv4 with ARP: guest to dom0", ping: ping(m, dom0IPv4)},
		{name: "IPv4 with ARP: dom0 to guest", ping: plain(m.v4)},
		{name: "IPv4 with ARP: guest to guest", ping: ping(m, victim.v4)},
		{name: "IPv4: guest without ip= to gateway", ping: ping(loose, gw.v4)},
		{name: "IPv4: gateway to dom0", ping: ping(gw, dom0IPv4)},
		{name: "IPv4: guest to gateway, in fragments", ping: ping(m, gw.v4, "-s", "4000")},
		{name: "IPv6 with ND: guest to gateway", ping: ping(m, gw.v6)},
		{name: "IPv6 with ND: gateway to guest", ping: ping(gw, m.v6)},
		{name: "IPv6 with ND: guest to dom0", ping: ping(m, dom0IPv6)},
		{name: "IPv6 with ND: dom0 to guest", ping: plain(m.v6)},
		{name: "IPv6 with ND: guest to guest", ping: ping(m, victim.v6)},
		{name: "IPv6: link-local, guest to gateway", ping: ping(m, gw.local.WithZone("eth0"))},
		{name: "IPv6: guest to gateway, in fragments", ping: ping(m, gw.v6, "-s", "4000")},
		{name: "IPv6: static address of a guest, with a rule", ping: ping(loose, gw.v6, "-I", own.String())},
		{name: "DHCP: question of a guest", test: s.dhcp},
		{name: "DHCP: answer to a guest", test: s.dhcpAnswer},
		{name: "DHCPv6: question of a guest", test: s.dhcp6},
		{name: "IPv4 multicast (mDNS) of a guest", test: s.multicast},
		{name: "container, routed, to gateway", ping: in("c1", gw.v4)},
		{name: "container, routed, to guest", ping: in("c1", m.v4)},
		{name: "container's published port, from gateway", test: func() bool { return s.published(gw) }},
		{name: "container's published port, from guest", test: func() bool { return s.published(m) }},
		{name: "containers on a bridge of their own", ping: in("c2", "172.18.0.3")},
		{name: "container in the guests' bridge, with a rule, to gateway", ping: in("c4", gw.v4)},
		{name: "container in the guests' bridge, with a rule, from guest", ping: ping(m, "10.0.0.44")},
		{name: "VPN to gateway", ping: in("vpn", gw.v4)},
		{name: "gateway to VPN", ping: ping(gw, "10.8.0.2")},
		{name: "VLAN tags: dom0 to gateway, across the bridge", test: func() bool { return s.tagged(s.dom0box, gw) }},
		{name: "VLAN tags: gateway to dom0, across the bridge", test: func() bool { return s.tagged(gw, s.dom0box) }},
		{name: "VLAN tags: guest to gateway", test: func() bool { return s.tagged(m, gw) }},
		{name: "VLAN tags: gateway to guest", test: func() bool { return s.tagged(gw, m) }},
		{name: "VLAN tags: the NIC to gateway, as its VLAN sends", test: func() bool { return s.tagged(s.nic, gw) }},
		{name: "VLAN tags: gateway to the NIC, as its VLAN receives", test: func() bool { return s.tagged(gw, s.nic) }},
	}
	if s.vlan {
		list = append(list, flow{name: "VLAN on the NIC: dom0 to gateway", ping: plain("10.100.0.254")})
	}
	return list
}

// work tries all flows and tells which work. It is patient with those that
// must.
func (s *testbed) work(flows []flow, column int) []tried {
	s.Helper()
	var script strings.Builder
	// Everybody has to ask again who has which address.
	for _, ns := range []string{"", "-n gw", "-n guest11", "-n guest12", "-n guest13"} {
		fmt.Fprintf(&script, "ip %s neigh flush all; ip %s -6 neigh flush all\n", ns, ns)
	}
	for i, f := range flows {
		if f.ping != "" {
			fmt.Fprintf(&script, "{ %s -W%v >/dev/null 2>&1 && echo 'works %d.'; } &\n", f.ping, s.wait(f.name, column).Seconds(), i)
		}
	}
	script.WriteString("wait")
	out := nstest.Run(s, "sh", "-c", script.String())
	var results []tried
	for i, f := range flows {
		ok := strings.Contains(out, fmt.Sprintf("works %d.", i))
		if f.test != nil {
			s.limit = s.wait(f.name, column)
			ok = f.test()
		}
		results = append(results, tried{f.name, ok})
	}
	return results
}

// wait is how long to wait for an answer.
func (s *testbed) wait(flow string, column int) time.Duration {
	if works(flow, column) {
		return patience
	}
	return settle
}

// within says whether something comes true in time.
func (s *testbed) within(limit time.Duration, done func() bool) bool {
	for begin := time.Now(); time.Since(begin) < limit; time.Sleep(settle / 20) {
		if done() {
			return true
		}
	}
	return false
}

// arrives sends a frame and tells whether the other end receives it.
func (s *testbed) arrives(from, to *box, frame func(marker string) []byte) bool {
	s.Helper()
	came(to.fd)
	s.send(from, frame(mark(999)))
	return s.within(s.limit, func() bool { return bytes.Contains(came(to.fd), []byte(mark(999))) })
}

func (s *testbed) dhcp() bool {
	return s.arrives(s.mallory, s.gw, func(mk string) []byte {
		src, dst := ip("0.0.0.0"), ip("255.255.255.255")
		return ethernet(everybody, s.mallory.mac, 0x0800, ipv4Packet(src, dst, udp(src, dst, 68, 67, mk), 0, false))
	})
}

func (s *testbed) dhcpAnswer() bool {
	return s.arrives(s.gw, s.mallory, func(mk string) []byte {
		src, dst := s.gw.v4, ip("255.255.255.255")
		return ethernet(everybody, s.gw.mac, 0x0800, ipv4Packet(src, dst, udp(src, dst, 67, 68, mk), 0, false))
	})
}

func (s *testbed) dhcp6() bool {
	return s.arrives(s.mallory, s.gw, func(mk string) []byte {
		src, dst := ip("fe80::1234"), ip("ff02::1:2") // like a stable private address
		return ethernet(mac("33:33:00:01:00:02"), s.mallory.mac, 0x86dd, ipv6Packet(src, dst, 17, 1, udp(src, dst, 546, 547, mk)))
	})
}

func (s *testbed) multicast() bool {
	return s.arrives(s.mallory, s.gw, func(mk string) []byte {
		src, dst := s.mallory.v4, ip("224.0.0.251")
		return ethernet(mac("01:00:5e:00:00:fb"), s.mallory.mac, 0x0800, ipv4Packet(src, dst, udp(src, dst, 5353, 5353, mk), 0, false))
	})
}

// tagged sends as a VLAN interface at either end would.
func (s *testbed) tagged(from, to *box) bool {
	s.Helper()
	return s.arrives(from, to, func(mk string) []byte {
		typ, p := datagram(from.v4, to.v4, mk)
		return tagged(ethernet(to.mac, from.mac, typ, p), 0x8100, 7)
	})
}

// published sends to the container's port on dom0, and the container answers.
func (s *testbed) published(from *box) bool {
	s.Helper()
	server, client := -1, -1
	s.in(s.container, func() { server = s.udpSocket(80) })
	s.in(from, func() { client = s.udpSocket(0) })
	defer func() { _, _ = unix.Close(server), unix.Close(client) }()
	dom0 := &unix.SockaddrInet6{Port: 8080, Addr: mapped(dom0IPv4)}
	if err := unix.Sendto(client, []byte("question"), 0, dom0); err != nil {
		return false
	}
	buf := make([]byte, 64)
	return s.within(s.limit, func() bool {
		_, sender, err := unix.Recvfrom(server, buf, 0)
		return err == nil && unix.Sendto(server, []byte("answer"), 0, sender) == nil
	}) && s.within(s.limit, func() bool {
		n, _, err := unix.Recvfrom(client, buf, 0)
		return err == nil && string(buf[:n]) == "answer"
	})
}

func mapped(a netip.Addr) [16]byte { return netip.AddrFrom16(a.As16()).As16() }
