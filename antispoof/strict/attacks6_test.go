package strict

import "net"

// advert is a router advertisement that offers itself.
func advert(rest ...[]byte) []byte {
	return cat(append([][]byte{{64, 0, 0x07, 0x08}, zeros(8)}, rest...)...)
}

func (l *lab) byND() []attack {
	m, v, gw := l.mallory, l.victim, l.gw
	all, routers, none := ip("ff02::1"), ip("ff02::2"), ip("::")
	override, solicited := []byte{0x20, 0, 0, 0}, []byte{0x60, 0, 0, 0}
	solicitV := ip("ff02::1:ff00:12")
	to := func(name string, dst net.HardwareAddr, packet []byte) attack {
		return l.one("ND: "+name, frame(dst, m.mac, 0x86dd, packet))
	}
	nonce := []byte{14, 1, 1, 2, 3, 4, 5, 6}
	return []attack{
		to("a router is here", groupMAC(all), icmp6Packet(m.local, all, 134, advert())),
		to("a router is here, with its MAC address", groupMAC(all), icmp6Packet(m.local, all, 134, advert(lladdr(1, m.mac)))),
		to("the gateway is a router here", groupMAC(all), icmp6Packet(gw.local, all, 134, advert(lladdr(1, m.mac)))),
		to("the gateway is no router any more", groupMAC(all), icmp6Packet(gw.local, all, 134, []byte{64, 0, 0, 0}, zeros(8))),
		to("a router is here, to one", v.mac, icmp6Packet(m.local, v.local, 134, advert())),
		to("a redirect", v.mac, icmp6Packet(m.local, v.v6, 137, zeros(4), m.local.AsSlice(), ip("2001:db8::1").AsSlice())),
		to("a redirect as the gateway", v.mac, icmp6Packet(gw.local, v.v6, 137, zeros(4), m.local.AsSlice(), ip("2001:db8::1").AsSlice(), lladdr(2, m.mac))),
		to("the gateway is here", v.mac, icmp6Packet(m.v6, v.v6, 136, solicited, gw.v6.AsSlice(), lladdr(2, m.mac))),
		to("the gateway is here, to all", groupMAC(all), icmp6Packet(m.v6, all, 136, override, gw.v6.AsSlice(), lladdr(2, m.mac))),
		to("the gateway's link-local address is here", v.mac, icmp6Packet(m.local, v.local, 136, solicited, gw.local.AsSlice(), lladdr(2, m.mac))),
		to("the gateway is here, as the gateway", v.mac, icmp6Packet(gw.v6, v.v6, 136, solicited, gw.v6.AsSlice(), lladdr(2, m.mac))),
		to("another guest is here", gw.mac, icmp6Packet(m.v6, gw.v6, 136, solicited, v.v6.AsSlice(), lladdr(2, m.mac))),
		to("another guest is here, without an option", gw.mac, icmp6Packet(m.v6, gw.v6, 136, solicited, v.v6.AsSlice())),
		to("dom0 is here", v.mac, icmp6Packet(m.v6, v.v6, 136, solicited, l.dom0.v6.AsSlice(), lladdr(2, m.mac))),
		to("I am at the gateway", v.mac, icmp6Packet(m.v6, v.v6, 136, solicited, m.v6.AsSlice(), lladdr(2, gw.mac))),
		to("I am here, and then at the gateway", v.mac, icmp6Packet(m.v6, v.v6, 136, solicited, m.v6.AsSlice(), lladdr(2, m.mac), lladdr(2, gw.mac))),
		to("I am here, with another option first", v.mac, icmp6Packet(m.v6, v.v6, 136, solicited, m.v6.AsSlice(), nonce, lladdr(2, gw.mac))),
		to("a long option", v.mac, icmp6Packet(m.v6, v.v6, 136, solicited, m.v6.AsSlice(), []byte{2, 2}, m.mac, zeros(8))),
		to("I am here, says another", v.mac, icmp6Packet(v.v6, gw.v6, 136, solicited, m.v6.AsSlice(), lladdr(2, m.mac))),
		to("the gateway asks", groupMAC(solicitV), icmp6Packet(gw.v6, solicitV, 135, zeros(4), v.v6.AsSlice(), lladdr(1, m.mac))),
		to("the gateway's link-local address asks", groupMAC(solicitV), icmp6Packet(gw.local, solicitV, 135, zeros(4), v.v6.AsSlice(), lladdr(1, m.mac))),
		to("I ask as the gateway's MAC address", groupMAC(solicitV), icmp6Packet(m.v6, solicitV, 135, zeros(4), v.v6.AsSlice(), lladdr(1, gw.mac))),
		to("I ask, with the other option", groupMAC(solicitV), icmp6Packet(m.v6, solicitV, 135, zeros(4), v.v6.AsSlice(), lladdr(2, gw.mac))),
		to("I take another guest's address", groupMAC(solicitV), icmp6Packet(none, solicitV, 135, zeros(4), v.v6.AsSlice())),
		to("I take another guest's address, with a nonce", groupMAC(solicitV), icmp6Packet(none, solicitV, 135, zeros(4), v.v6.AsSlice(), nonce)),
		to("I take the gateway's address", groupMAC(all), icmp6Packet(none, all, 135, zeros(4), gw.v6.AsSlice())),
		to("nobody asks, with a MAC address", groupMAC(solicitV), icmp6Packet(none, solicitV, 135, zeros(4), m.v6.AsSlice(), lladdr(1, gw.mac))),
		to("I ask for routers as the gateway", groupMAC(routers), icmp6Packet(gw.local, routers, 133, zeros(4), lladdr(1, m.mac))),
		to("I ask for routers with the gateway's MAC address", groupMAC(routers), icmp6Packet(m.local, routers, 133, zeros(4), lladdr(1, gw.mac))),
		to("inverse, an answer", v.mac, icmp6Packet(m.v6, v.v6, 142, zeros(4), lladdr(1, gw.mac), lladdr(2, m.mac))),
		to("inverse, a question", v.mac, icmp6Packet(m.v6, v.v6, 141, zeros(4), lladdr(1, gw.mac), lladdr(2, m.mac))),
		to("renumbering", groupMAC(all), icmp6Packet(m.local, all, 138, zeros(12))),
	}
}

// byHeaders6 hides what is forbidden behind extension headers, in every order.
func (l *lab) byHeaders6() (list []attack) {
	m, v, gw := l.mallory, l.victim, l.gw
	all := ip("ff02::1")
	ra := icmp6Data(m.local, all, 134, advert())
	na := icmp6Data(m.v6, v.v6, 136, []byte{0x60, 0, 0, 0}, gw.v6.AsSlice(), lladdr(2, m.mac))
	type headers struct {
		name  string
		first byte
		bytes func(last byte) []byte
	}
	for _, h := range []headers{
		{"hop-by-hop options", 0, optionsHeader},
		{"destination options", 60, optionsHeader},
		{"both kinds of options", 0, func(last byte) []byte { return cat(optionsHeader(60), optionsHeader(last)) }},
		{"two destination options", 60, func(last byte) []byte { return cat(optionsHeader(60), optionsHeader(last)) }},
		{"a whole fragment", 44, func(last byte) []byte { return fragHeader(last, 0, false) }},
		{"a first fragment", 44, func(last byte) []byte { return fragHeader(last, 0, true) }},
		{"destination options in a fragment", 44, func(last byte) []byte { return cat(fragHeader(60, 0, false), optionsHeader(last)) }},
		{"a fragment behind options", 60, func(last byte) []byte { return cat(optionsHeader(44), fragHeader(last, 0, false)) }},
		{"two fragments", 44, func(last byte) []byte { return cat(fragHeader(44, 0, false), fragHeader(last, 0, false)) }},
		{"AH", 51, func(last byte) []byte { return cat([]byte{last, 4, 0, 0}, zeros(20)) }},
		{"AH and options", 51, func(last byte) []byte { return cat([]byte{60, 4, 0, 0}, zeros(20), optionsHeader(last)) }},
		{"options and AH", 60, func(last byte) []byte { return cat(optionsHeader(51), []byte{last, 4, 0, 0}, zeros(20)) }},
		{"AH and a fragment", 51, func(last byte) []byte { return cat([]byte{44, 4, 0, 0}, zeros(20), fragHeader(last, 0, false)) }},
		{"three headers", 0, func(last byte) []byte { return cat(optionsHeader(60), optionsHeader(44), fragHeader(last, 0, false)) }},
		{"a routing header", 43, func(last byte) []byte { return routeHeader(last, 0, v.v6) }},
	} {
		list = append(list,
			l.one("behind "+h.name+": a router is here", frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, all, h.first, 255, h.bytes(58), ra))),
			l.one("behind "+h.name+": the gateway is here", frame(v.mac, m.mac, 0x86dd, packet6(m.v6, v.v6, h.first, 255, h.bytes(58), na))),
			l.one("behind "+h.name+": as another guest", frame(gw.mac, m.mac, 0x86dd, packet6(v.v6, gw.v6, h.first, 64, h.bytes(17), udpData(v.v6, gw.v6, 4242, 4243, zeros(16))))),
		)
	}
	u := udpData(m.v6, v.v6, 4242, 4243, zeros(16))
	for name, typ := range map[string]byte{"type 0": 0, "type 2": 2, "segments": 4} {
		list = append(list, l.one("a routing header, "+name, frame(v.mac, m.mac, 0x86dd, packet6(m.v6, v.v6, 43, 64, routeHeader(17, typ, gw.v6), u))))
	}
	home := cat([]byte{17, 2, 1, 2, 0, 0, 0xc9, 16}, v.v6.AsSlice())
	behind := func(name string, first byte, headers ...[]byte) attack {
		return l.one(name, frame(gw.mac, m.mac, 0x86dd, packet6(m.v6, gw.v6, first, 64, cat(headers...), udpData(m.v6, gw.v6, 4242, 4243, zeros(8)))))
	}
	return append(list,
		behind("a home address", 60, home),
		behind("a home address behind hop-by-hop options", 0, optionsHeader(60), home),
		behind("a home address behind destination options", 60, optionsHeader(60), home),
		behind("a home address in a fragment", 44, fragHeader(60, 0, false), home),
		behind("a home address behind a fragment and options", 0, optionsHeader(44), fragHeader(60, 0, false), home),
		behind("a home address behind long hop-by-hop options", 0, []byte{60, 1, 1, 12}, zeros(12), home),
		behind("four headers", 0, optionsHeader(60), optionsHeader(44), fragHeader(60, 0, false), optionsHeader(17)),
		l.one("a fragment without a header of the protocol", frame(v.mac, m.mac, 0x86dd, packet6(m.v6, v.v6, 44, 255, fragHeader(60, 0, true), []byte{58, 1, 1, 12, 0, 0, 0, 0}))),
		attack{"the gateway is here, in two fragments", m, [][]byte{
			frame(v.mac, m.mac, 0x86dd, packet6(m.v6, v.v6, 44, 255, fragHeader(60, 0, true), []byte{58, 1, 1, 12, 0, 0, 0, 0})),
			frame(v.mac, m.mac, 0x86dd, packet6(m.v6, v.v6, 44, 255, fragHeader(60, 8, false), zeros(8), na)),
		}},
		l.one("PIM of IPv6", frame(groupMAC(ip("ff02::d")), m.mac, 0x86dd, packet6(m.local, ip("ff02::d"), 103, 1, []byte{0x20, 0, 0, 0, 0, 1, 0, 2, 0, 105}))),
		l.one("no router for multicast is here any more", frame(groupMAC(ip("ff02::6a")), m.mac, 0x86dd, packet6(m.local, ip("ff02::6a"), 0, 1, alertHeader(58), icmp6Data(m.local, ip("ff02::6a"), 153, zeros(4))))),
		l.one("a jumbogram as another guest", frame(gw.mac, m.mac, 0x86dd, cat([]byte{0x60, 0, 0, 0, 0, 0, 0, 64}, v.v6.AsSlice(), gw.v6.AsSlice(), []byte{17, 0, 0xc2, 4, 0, 0, 0, 16}, udpData(v.v6, gw.v6, 1, 2, nil)))),
		l.one("a routing header behind options", frame(v.mac, m.mac, 0x86dd, packet6(m.v6, v.v6, 60, 64, optionsHeader(43), routeHeader(17, 0, gw.v6), u))),
		attack{"a router is here, in two fragments", m, [][]byte{
			frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, all, 44, 255, fragHeader(60, 0, true), optionsHeader(58))),
			frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, all, 44, 255, fragHeader(60, 8, false), ra)),
		}},
		attack{"a router is here, in two fragments without options", m, [][]byte{
			frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, all, 44, 255, fragHeader(58, 0, true), ra[:8])),
			frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, all, 44, 255, fragHeader(58, 8, false), ra[8:])),
		}},
	)
}

// byOthers are those of others than mallory.
func (l *lab) byOthers() []attack {
	x, loose, v, gw := l.x, l.loose, l.victim, l.gw
	typ, own := udpPacket(x.v4, gw.v4)
	list := []attack{
		{"not admitted: IPv4", x, [][]byte{frame(gw.mac, x.mac, typ, own)}},
		{"not admitted: ARP", x, [][]byte{frame(broadcast, x.mac, 0x0806, arpPacket(1, x.mac, x.v4, zeros(6), gw.v4))}},
		{"not admitted: IPv6", x, [][]byte{frame(gw.mac, x.mac, 0x86dd, udp6Packet(x.v6, gw.v6, 4242, 4243))}},
		{"not admitted: DHCP", x, [][]byte{frame(broadcast, x.mac, 0x0800, udp4Packet(ip("0.0.0.0"), ip("255.255.255.255"), 68, 67))}},
		{"not admitted: as an admitted guest", x, [][]byte{frame(gw.mac, v.mac, 0x0800, udp4Packet(v.v4, gw.v4, 4242, 4243))}},
		{"the LAN: with a guest's MAC address", gw, [][]byte{frame(broadcast, v.mac, 0x0806, arpPacket(1, v.mac, v.v4, zeros(6), v.v4))}},
		{"the LAN: with dom0's MAC address", gw, [][]byte{frame(v.mac, l.dom0.mac, 0x0800, udp4Packet(l.dom0.v4, v.v4, 4242, 4243))}},
		{"a guest without ip=: ARP for the other's address", loose, [][]byte{frame(gw.mac, loose.mac, 0x0806, arpPacket(2, loose.mac, v.v4, gw.mac, gw.v4))}},
		{"a guest without ip=: ARP for dom0's", loose, [][]byte{frame(v.mac, loose.mac, 0x0806, arpPacket(2, loose.mac, l.dom0.v4, v.mac, v.v4))}},
		{"a guest without ip=: as another guest", loose, [][]byte{frame(gw.mac, loose.mac, 0x0800, udp4Packet(v.v4, gw.v4, 4242, 4243))}},
		{"a guest without ip=: as dom0, IPv6", loose, [][]byte{frame(v.mac, loose.mac, 0x86dd, udp6Packet(l.dom0.v6, v.v6, 4242, 4243))}},
		{"a guest without ip=: another's link-local address", loose, [][]byte{frame(gw.mac, loose.mac, 0x86dd, icmp6Packet(loose.v6, gw.v6, 136, []byte{0x60, 0, 0, 0}, v.local.AsSlice(), lladdr(2, loose.mac)))}},
		{"a guest without ip=: a router is here", loose, [][]byte{frame(groupMAC(ip("ff02::1")), loose.mac, 0x86dd, icmp6Packet(loose.local, ip("ff02::1"), 134, advert()))}},
		{"a guest without ip=: an offer of DHCP", loose, [][]byte{frame(broadcast, loose.mac, 0x0800, udp4Packet(loose.v4, ip("255.255.255.255"), 67, 68))}},
		{"a router: as another guest", l.router, [][]byte{frame(gw.mac, l.router.mac, 0x0800, udp4Packet(v.v4, gw.v4, 4242, 4243))}},
		{"a router: as dom0", l.router, [][]byte{frame(v.mac, l.router.mac, 0x0800, udp4Packet(l.dom0.v4, v.v4, 4242, 4243))}},
		{"a router: as the gateway", l.router, [][]byte{frame(v.mac, l.router.mac, 0x0800, udp4Packet(gw.v4, v.v4, 4242, 4243))}},
		{"a router: ARP for the gateway", l.router, [][]byte{frame(v.mac, l.router.mac, 0x0806, arpPacket(2, l.router.mac, gw.v4, v.mac, v.v4))}},
		{"a router: ARP for a stranger", l.router, [][]byte{frame(v.mac, l.router.mac, 0x0806, arpPacket(2, l.router.mac, ip("10.0.0.200"), v.mac, v.v4))}},
		{"a router: from a link-local address that it chose", l.router, [][]byte{frame(v.mac, l.router.mac, 0x86dd, udp6Packet(ip("fe80::1"), v.local, 4242, 4243))}},
		{"a router: a router is here, as fe80::1", l.router, [][]byte{frame(groupMAC(ip("ff02::1")), l.router.mac, 0x86dd, icmp6Packet(ip("fe80::1"), ip("ff02::1"), 134, advert()))}},
		{"a router: from a mapped address", l.router, [][]byte{frame(v.mac, l.router.mac, 0x86dd, udp6Packet(ip("::ffff:192.0.2.1"), v.v6, 4242, 4243))}},
		{"a router: a probe for the other's address", l.router, [][]byte{frame(broadcast, l.router.mac, 0x0806, arpPacket(1, l.router.mac, ip("0.0.0.0"), zeros(6), v.v4))}},
		{"a router: a VLAN", l.router, [][]byte{tag(frame(v.mac, l.router.mac, 0x0800, udp4Packet(l.router.v4, v.v4, 1, 2)), 0x8100, 7)}},
		{"a guest without ip=: a probe for the other's address", loose, [][]byte{frame(broadcast, loose.mac, 0x0806, arpPacket(1, loose.mac, ip("0.0.0.0"), zeros(6), v.v4))}},
		{"a guest without ip=: a probe for the gateway's", loose, [][]byte{frame(broadcast, loose.mac, 0x0806, arpPacket(1, loose.mac, ip("0.0.0.0"), zeros(6), gw.v4))}},
		{"a guest without ip=: it takes the gateway's address", loose, [][]byte{frame(groupMAC(ip("ff02::1")), loose.mac, 0x86dd, icmp6Packet(ip("::"), ip("ff02::1"), 135, zeros(4), gw.v6.AsSlice()))}},
		{"a guest without ip=: in the other's network", loose, [][]byte{frame(gw.mac, loose.mac, 0x0800, udp4Packet(ip("10.1.12.5"), gw.v4, 4242, 4243))}},
		{"a guest without ip=: from all", loose, [][]byte{frame(gw.mac, loose.mac, 0x0800, udp4Packet(ip("255.255.255.255"), gw.v4, 4242, 4243))}},
		{"a guest without ip=: a query", loose, [][]byte{frame(mac("01:00:5e:00:00:01"), loose.mac, 0x0800, packet4(loose.v4, ip("224.0.0.1"), 2, 0, nil, []byte{0x11, 100, 0xee, 0x9b, 0, 0, 0, 0}))}},
		{"a guest without ip=: another MAC address", loose, [][]byte{frame(gw.mac, mac("02:00:00:00:00:02"), 0x0800, udp4Packet(loose.v4, gw.v4, 4242, 4243))}},
		{"the LAN: a guest has moved away, while it is here", gw, [][]byte{frame(broadcast, v.mac, 0x8035, arpPacket(3, v.mac, ip("0.0.0.0"), v.mac, ip("0.0.0.0")))}},
		{"the LAN: a VLAN with a guest's MAC address", gw, [][]byte{tag(frame(broadcast, v.mac, 0x0806, arpPacket(1, v.mac, v.v4, zeros(6), v.v4)), 0x8100, 7)}},
		{"a router: another MAC address", l.router, [][]byte{frame(v.mac, mac("02:00:00:00:00:01"), 0x0800, udp4Packet(ip("192.0.2.1"), v.v4, 4242, 4243))}},
	}
	return list
}
