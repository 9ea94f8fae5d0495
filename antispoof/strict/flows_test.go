package strict

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"xbr-script/internal/testing/nstest"
)

// flow is something that has to work: a ping, or a frame that has to arrive.
type flow struct {
	name  string
	ping  string // a shell command
	from  *box
	to    *box
	frame []byte
}

func (l *lab) flows() []flow { return append(append(l.pings(), l.flows4()...), l.flows6()...) }

func (l *lab) pings() []flow {
	ping := func(name string, from, _ *box, dst any, options string) flow {
		in := ""
		if from.name != "" {
			in = "ip netns exec " + from.name
		}
		return flow{name: "ping: " + name, ping: fmt.Sprintf("%s ping -n -c1 -W10 %s %v", in, options, dst)}
	}
	m, v, gw, dom0 := l.mallory, l.victim, l.gw, l.dom0
	return []flow{
		ping("guest to gateway", m, gw, gw.v4, ""), ping("gateway to guest", gw, m, m.v4, ""),
		ping("guest to dom0", m, dom0, dom0.v4, ""), ping("dom0 to guest", dom0, m, m.v4, ""),
		ping("guest to guest", m, v, v.v4, ""), ping("guest without ip= to gateway", l.loose, gw, gw.v4, ""),
		ping("gateway to dom0", gw, dom0, dom0.v4, ""), ping("dom0 to gateway", dom0, gw, gw.v4, ""),
		ping("guest to gateway, in fragments", m, gw, gw.v4, "-s 4000"), ping("gateway to router", gw, l.router, l.router.v4, ""),
		ping("IPv6, guest to gateway", m, gw, gw.v6, ""), ping("IPv6, gateway to guest", gw, m, m.v6, ""),
		ping("IPv6, guest to dom0", m, dom0, dom0.v6, ""), ping("IPv6, dom0 to guest", dom0, m, m.v6, ""),
		ping("IPv6, guest to guest", m, v, v.v6, ""), ping("IPv6, guest without ip= to gateway", l.loose, gw, gw.v6, ""),
		ping("IPv6, link-local", m, gw, gw.local.String()+"%eth0", ""), ping("IPv6, link-local, guest without ip=", l.loose, gw, gw.local.String()+"%eth0", ""),
		ping("IPv6, guest to gateway, in fragments", m, gw, gw.v6, "-s 4000"), ping("IPv6, gateway to dom0", gw, dom0, dom0.v6, ""),
	}
}

func (l *lab) flows4() []flow {
	m, v, gw, r := l.mallory, l.victim, l.gw, l.router
	zero, all := ip("0.0.0.0"), ip("255.255.255.255")
	own := func(name string, to *box, typ int, packet []byte) flow {
		return flow{name: name, from: m, to: to, frame: frame(to.mac, m.mac, typ, packet)}
	}
	group := func(name string, dst string, packet []byte) flow {
		return flow{name: name, from: m, to: gw, frame: frame(mac(dst), m.mac, 0x0800, packet)}
	}
	proto := func(name string, proto byte) flow {
		return own(name, v, 0x0800, packet4(m.v4, v.v4, proto, 0, nil, zeros(40)))
	}
	return []flow{
		group("DHCP: a question", "ff:ff:ff:ff:ff:ff", udp4Packet(zero, all, 68, 67)),
		own("DHCP: a lease is renewed", gw, 0x0800, udp4Packet(m.v4, gw.v4, 68, 67)),
		{"DHCP: an answer of the LAN", "", gw, m, frame(broadcast, gw.mac, 0x0800, udp4Packet(gw.v4, all, 67, 68))},
		{"DHCP: an answer of a guest with dhcp=yes", "", r, m, frame(broadcast, r.mac, 0x0800, udp4Packet(r.v4, all, 67, 68))},
		{"ARP: a probe", "", m, gw, frame(broadcast, m.mac, 0x0806, arpPacket(1, m.mac, zero, zeros(6), m.v4))},
		{"ARP: an announcement", "", m, gw, frame(broadcast, m.mac, 0x0806, arpPacket(1, m.mac, m.v4, zeros(6), m.v4))},
		{"ARP: an answer", "", m, v, frame(v.mac, m.mac, 0x0806, arpPacket(2, m.mac, m.v4, v.mac, v.v4))},
		{"ARP: an answer for a network of its own", "", m, v, frame(v.mac, m.mac, 0x0806, arpPacket(2, m.mac, ip("10.1.11.9"), v.mac, v.v4))},
		{"ARP: a guest without ip=", "", l.loose, v, frame(v.mac, l.loose.mac, 0x0806, arpPacket(2, l.loose.mac, ip("10.0.0.77"), v.mac, v.v4))},
		{"ARP: a probe in its network", "", m, gw, frame(broadcast, m.mac, 0x0806, arpPacket(1, m.mac, zero, zeros(6), ip("10.1.11.9")))},
		{"ARP: a guest without ip= probes", "", l.loose, gw, frame(broadcast, l.loose.mac, 0x0806, arpPacket(1, l.loose.mac, zero, zeros(6), ip("10.0.0.77")))},
		{"ARP: it asks the gateway, to one", "", m, gw, frame(gw.mac, m.mac, 0x0806, arpPacket(1, m.mac, m.v4, zeros(6), gw.v4))},
		{"RARP: a guest has moved here, with its address", "", m, gw, frame(broadcast, m.mac, 0x8035, arpPacket(3, m.mac, m.v4, m.mac, zero))},
		{"RARP: a guest has moved here", "", m, gw, frame(broadcast, m.mac, 0x8035, arpPacket(3, m.mac, zero, m.mac, zero))},
		own("IPv4: from a network of its own", v, 0x0800, udp4Packet(ip("10.1.11.77"), v.v4, 4242, 4243)),
		{"IPv4: routed by a guest", "", r, v, frame(v.mac, r.mac, 0x0800, udp4Packet(ip("192.0.2.55"), v.v4, 4242, 4243))},
		group("IPv4: multicast DNS", "01:00:5e:00:00:fb", udp4Packet(m.v4, ip("224.0.0.251"), 5353, 5353)),
		group("IPv4: broadcast", "ff:ff:ff:ff:ff:ff", udp4Packet(m.v4, ip("10.0.0.255"), 137, 137)),
		group("IGMP: a report before it has an address", "01:00:5e:00:00:16", packet4(zero, ip("224.0.0.22"), 2, 0, []byte{0x94, 4, 0, 0}, cat([]byte{0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0}, []byte{224, 0, 0, 251}))),
		group("IGMP: it leaves", "01:00:5e:00:00:02", packet4(m.v4, ip("224.0.0.2"), 2, 0, []byte{0x94, 4, 0, 0}, []byte{0x17, 0, 8, 4, 224, 0, 0, 251})),
		group("IGMP: a report with Router Alert", "01:00:5e:00:00:fb", packet4(m.v4, ip("224.0.0.251"), 2, 0, []byte{0x94, 4, 0, 0}, []byte{0x16, 0, 9, 4, 224, 0, 0, 251})),
		proto("TCP", 6), proto("ESP", 50), proto("AH", 51), proto("GRE", 47), proto("SCTP", 132), proto("IP in IP", 4),
		own("IPv4: a later fragment", v, 0x0800, packet4(m.v4, v.v4, 17, 4, nil, zeros(32))),
		own("IPv4: a later fragment that looks like an answer of DHCP", v, 0x0800, packet4(m.v4, v.v4, 17, 4, nil, cat(be16(67), be16(68), zeros(28)))),
		own("IPv4: a later fragment that looks like a redirect", v, 0x0800, packet4(m.v4, v.v4, 1, 4, nil, cat([]byte{5, 1}, zeros(30)))),
		own("IPv4: a later fragment that looks like a query", v, 0x0800, packet4(m.v4, v.v4, 2, 4, nil, cat([]byte{0x11, 1}, zeros(30)))),
		own("IPv4: UDP without a checksum", v, 0x0800, packet4(m.v4, v.v4, 17, 0, nil, cat(be16(1), be16(2), be16(16), zeros(10)))),
		own("ICMP: unreachable", v, 0x0800, packet4(m.v4, v.v4, 1, 0, nil, cat([]byte{3, 3, 0, 0}, zeros(32)))),
		{"the LAN: PPPoE to a guest", "", gw, v, frame(v.mac, gw.mac, 0x8863, zeros(40))},
		{"the LAN: a VLAN to a guest", "", gw, v, tag(frame(v.mac, gw.mac, 0x0800, udp4Packet(gw.v4, v.v4, 1, 2)), 0x8100, 7)},
		{"dom0: whatever it sends", "", l.dom0, gw, frame(gw.mac, l.dom0.mac, 0x88b5, zeros(40))},
	}
}

func (l *lab) flows6() []flow {
	m, v, gw, r := l.mallory, l.victim, l.gw, l.router
	none, all, routers, servers, reports := ip("::"), ip("ff02::1"), ip("ff02::2"), ip("ff02::1:2"), ip("ff02::16")
	own := func(name string, to *box, dst net.HardwareAddr, packet []byte) flow {
		return flow{name: name, from: m, to: to, frame: frame(dst, m.mac, 0x86dd, packet)}
	}
	solicit := func(a netip.Addr) netip.Addr {
		b, s := a.As16(), ip("ff02::1:ff00:0").As16()
		copy(s[13:], b[13:])
		return netip.AddrFrom16(s)
	}
	self, asked := solicit(m.v6), solicit(v.v6)
	u := udpData(m.v6, v.v6, 4242, 4243, zeros(32))
	report := zeros(24)
	return []flow{
		own("ND: it takes its address", gw, groupMAC(self), icmp6Packet(none, self, 135, zeros(4), m.v6.AsSlice())),
		own("ND: it takes its address, with a nonce", gw, groupMAC(self), icmp6Packet(none, self, 135, zeros(4), m.v6.AsSlice(), []byte{14, 1, 1, 2, 3, 4, 5, 6})),
		own("ND: it takes its link-local address", gw, groupMAC(self), icmp6Packet(none, self, 135, zeros(4), m.local.AsSlice())),
		own("ND: it takes an address in its network", gw, groupMAC(self), icmp6Packet(none, self, 135, zeros(4), ip("fd01:11::7").AsSlice())),
		own("ND: it asks", v, groupMAC(asked), icmp6Packet(m.v6, asked, 135, zeros(4), v.v6.AsSlice(), lladdr(1, m.mac))),
		own("ND: it asks one that it knows", v, v.mac, icmp6Packet(m.v6, v.v6, 135, zeros(4), v.v6.AsSlice())),
		own("ND: it answers", v, v.mac, icmp6Packet(m.v6, v.v6, 136, []byte{0x60, 0, 0, 0}, m.v6.AsSlice(), lladdr(2, m.mac))),
		own("ND: it answers without an option", v, v.mac, icmp6Packet(m.v6, v.v6, 136, []byte{0x60, 0, 0, 0}, m.v6.AsSlice())),
		own("ND: it announces itself", gw, groupMAC(all), icmp6Packet(m.v6, all, 136, []byte{0x20, 0, 0, 0}, m.v6.AsSlice(), lladdr(2, m.mac))),
		own("ND: it answers for its network", v, v.mac, icmp6Packet(m.v6, v.v6, 136, []byte{0x60, 0, 0, 0}, ip("fd01:11::7").AsSlice(), lladdr(2, m.mac))),
		own("ND: it asks for routers", gw, groupMAC(routers), icmp6Packet(m.local, routers, 133, zeros(4), lladdr(1, m.mac))),
		own("ND: it asks for routers before it has an address", gw, groupMAC(routers), icmp6Packet(none, routers, 133, zeros(4))),
		{"ND: a router advertisement of the LAN", "", gw, v, frame(groupMAC(all), gw.mac, 0x86dd, icmp6Packet(gw.local, all, 134, zeros(12), lladdr(1, gw.mac)))},
		{"ND: a router advertisement with ra=yes", "", r, m, frame(groupMAC(all), r.mac, 0x86dd, icmp6Packet(r.local, all, 134, zeros(12), lladdr(1, r.mac)))},
		{"ND: a guest without ip= takes an address", "", l.loose, gw, frame(groupMAC(self), l.loose.mac, 0x86dd, icmp6Packet(none, self, 135, zeros(4), ip("fe80::1234:5678:9abc:1").AsSlice()))},
		own("DHCPv6: a question", gw, groupMAC(servers), udp6Packet(m.local, servers, 546, 547)),
		{"DHCPv6: an answer of the LAN", "", gw, m, frame(m.mac, gw.mac, 0x86dd, udp6Packet(gw.local, m.local, 547, 546))},
		{"DHCPv6: an answer with dhcp=yes", "", r, m, frame(m.mac, r.mac, 0x86dd, udp6Packet(r.local, m.local, 547, 546))},
		own("MLD: a report", gw, groupMAC(reports), packet6(m.local, reports, 0, 1, alertHeader(58), icmp6Data(m.local, reports, 143, report))),
		own("MLD: a report before it has an address", gw, groupMAC(reports), packet6(none, reports, 0, 1, alertHeader(58), icmp6Data(none, reports, 143, report))),
		own("MLD: it leaves", gw, groupMAC(routers), packet6(m.local, routers, 0, 1, alertHeader(58), icmp6Data(m.local, routers, 132, zeros(20)))),
		own("IPv6: multicast DNS", gw, groupMAC(ip("ff02::fb")), udp6Packet(m.local, ip("ff02::fb"), 5353, 5353)),
		own("IPv6: from a network of its own", v, v.mac, udp6Packet(ip("fd01:11::99"), v.v6, 4242, 4243)),
		{"IPv6: routed by a guest", "", r, v, frame(v.mac, r.mac, 0x86dd, udp6Packet(ip("2001:db8::55"), v.v6, 4242, 4243))},
		own("IPv6: TCP", v, v.mac, packet6(m.v6, v.v6, 6, 64, zeros(20))),
		own("IPv6: ESP", v, v.mac, packet6(m.v6, v.v6, 50, 64, zeros(40))),
		own("IPv6: behind hop-by-hop options", v, v.mac, packet6(m.v6, v.v6, 0, 64, optionsHeader(17), u)),
		own("IPv6: behind both kinds of options", v, v.mac, packet6(m.v6, v.v6, 0, 64, optionsHeader(60), optionsHeader(17), u)),
		own("IPv6: a fragment behind hop-by-hop options", v, v.mac, packet6(m.v6, v.v6, 0, 64, optionsHeader(44), fragHeader(17, 0, true), u)),
		own("IPv6: a whole fragment", v, v.mac, packet6(m.v6, v.v6, 44, 64, fragHeader(17, 0, false), u)),
		own("IPv6: a tunnel with its limit", v, v.mac, packet6(m.v6, v.v6, 60, 64, []byte{41, 0, 4, 1, 4, 1, 1, 0}, udp6Packet(gw.v6, v.v6, 1, 2))),
		own("IPv6: behind AH", v, v.mac, packet6(m.v6, v.v6, 51, 64, []byte{17, 4, 0, 0}, zeros(20), u)),
		own("IPv6: a later fragment that looks like a router", v, v.mac, packet6(m.v6, v.v6, 44, 64, fragHeader(58, 40, false), []byte{134, 0}, zeros(22))),
		own("IPv6: a later fragment that looks like an answer of DHCPv6", v, v.mac, packet6(m.v6, v.v6, 44, 64, fragHeader(17, 40, false), be16(547), be16(546), zeros(20))),
		own("IPv6: behind destination options", v, v.mac, packet6(m.v6, v.v6, 60, 64, optionsHeader(17), u)),
		own("IPv6: a first fragment", v, v.mac, packet6(m.v6, v.v6, 44, 64, fragHeader(17, 0, true), u)),
		own("IPv6: a later fragment", v, v.mac, packet6(m.v6, v.v6, 44, 64, fragHeader(17, 40, false), zeros(16))),
		own("IPv6: no next header", v, v.mac, packet6(m.v6, v.v6, 59, 64)),
		own("ICMPv6: too big", v, v.mac, icmp6Packet(m.v6, v.v6, 2, zeros(48))),
	}
}

// ping carries out all pings at once and names those without an answer.
func (l *lab) ping(flows []flow) (silent []string) {
	l.Helper()
	var s strings.Builder
	for _, ns := range []string{"", "-n gw", "-n guest11", "-n guest12", "-n guest13", "-n guest14"} {
		fmt.Fprintf(&s, "ip %s neigh flush all; ip %s -6 neigh flush all\n", ns, ns) // everybody has to ask again
	}
	for i, f := range flows {
		if f.ping != "" {
			fmt.Fprintf(&s, "{ %s >/dev/null 2>&1 && echo 'works %d.'; } &\n", f.ping, i)
		}
	}
	out := nstest.Run(l, "sh", "-c", s.String()+"wait")
	for i, f := range flows {
		if f.ping != "" && !strings.Contains(out, fmt.Sprintf("works %d.", i)) {
			silent = append(silent, f.name)
		}
	}
	return silent
}
