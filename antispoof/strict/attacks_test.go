package strict

import (
	"fmt"
	"net"
	"net/netip"
)

// attack is what somebody may try: frames that must not arrive anywhere.
type attack struct {
	name   string
	from   *box
	frames [][]byte
}

// groupMAC is the MAC address of a group of IPv6.
func groupMAC(a netip.Addr) net.HardwareAddr {
	b := a.As16()
	return net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// attacks are all of them.
func (l *lab) attacks() (list []attack) {
	for _, more := range [][]attack{l.byMAC(), l.byType(), l.byARP(), l.byIPv4(), l.byOptions4(), l.byIPv6(), l.byND(), l.byHeaders6(), l.byOthers()} {
		list = append(list, more...)
	}
	return list
}

// one is an attack of mallory's with one frame.
func (l *lab) one(name string, f []byte) attack { return attack{name, l.mallory, [][]byte{f}} }

func (l *lab) byMAC() (list []attack) {
	m := l.mallory
	for name, src := range map[string]net.HardwareAddr{
		"the gateway's": l.gw.mac, "another guest's": l.victim.mac, "dom0's": l.dom0.mac, "the bridge's": mac("fe:ff:ff:ff:ff:ff"), "a stranger's": mac("02:00:00:00:00:77"), "the router's": l.router.mac,
	} {
		typ, p := udpPacket(m.v4, l.gw.v4)
		list = append(list, l.one("MAC: "+name+", own IPv4", frame(l.gw.mac, src, typ, p)))
		typ, p = udpPacket(m.v6, l.victim.v6)
		list = append(list, l.one("MAC: "+name+", own IPv6", frame(l.victim.mac, src, typ, p)))
		list = append(list, l.one("MAC: "+name+", own ARP", frame(broadcast, src, 0x0806, arpPacket(1, m.mac, m.v4, zeros(6), l.gw.v4))))
	}
	return list
}

func (l *lab) byType() (list []attack) {
	m, v := l.mallory, l.victim
	typ, own := udpPacket(m.v4, v.v4)
	right := frame(v.mac, m.mac, typ, own)
	for name, tags := range map[string][][2]int{
		"VLAN 7": {{0x8100, 7}}, "VLAN 0": {{0x8100, 0}}, "VLAN 0 with priority": {{0x8100, 7 << 13}}, "802.1ad": {{0x88a8, 7}}, "802.1ad 0": {{0x88a8, 0}},
		"VLAN 0 in VLAN 0": {{0x8100, 0}, {0x8100, 0}}, "VLAN in 802.1ad": {{0x8100, 7}, {0x88a8, 8}}, "VLAN in VLAN 0": {{0x8100, 7}, {0x8100, 0}}, "three tags": {{0x8100, 1}, {0x8100, 0}, {0x88a8, 0}}, "old QinQ": {{0x9100, 7}},
	} {
		f := right
		for _, t := range tags {
			f = tag(f, t[0], t[1])
		}
		list = append(list, l.one("type: "+name, f))
	}
	for name, t := range map[string]int{
		"PPPoE discovery": 0x8863, "PPPoE session": 0x8864, "MPLS": 0x8847, "MPLS multicast": 0x8848, "EAPOL": 0x888e, "LLDP": 0x88cc, "slow protocols": 0x8809, "PROFINET": 0x8892, "loopback": 0x9000,
		"jumbo": 0x8870, "wake on LAN": 0x0842, "B.A.T.M.A.N.": 0x4305, "MACsec": 0x88e5, "TRILL": 0x22f3, "NSH": 0x894f, "PTP": 0x88f7, "bridged Ethernet": 0x6558, "IPX": 0x8137, "AppleTalk": 0x809b, "HomePlug": 0x88e1, "FCoE": 0x8906, "ATA": 0x88a2, "IPv4 trailer": 0x1000,
	} {
		list = append(list, l.one("type: "+name, frame(v.mac, m.mac, t, own)))
	}
	stp := cat([]byte{0x42, 0x42, 3}, zeros(35))
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0}
	_, forged := udpPacket(v.v4, l.gw.v4)
	return append(list,
		l.one("type: LLC, spanning tree", frame(mac("01:80:c2:00:00:00"), m.mac, len(stp), stp)),
		l.one("type: LLC, to a guest", frame(v.mac, m.mac, len(stp), stp)),
		l.one("type: SNAP around forged IPv4", frame(l.gw.mac, m.mac, 8+len(forged), snap, be16(0x0800), forged)),
		l.one("type: SNAP around forged ARP", frame(v.mac, m.mac, 36, snap, be16(0x0806), arpPacket(2, m.mac, l.gw.v4, v.mac, v.v4))),
		l.one("type: raw 802.3", frame(v.mac, m.mac, 40, zeros(40))),
		l.one("type: length 0", frame(v.mac, m.mac, 0, zeros(40))),
		l.one("type: PPPoE around forged IPv4", frame(l.gw.mac, m.mac, 0x8864, []byte{0x11, 0, 0, 1}, be16(2+len(forged)), []byte{0, 0x21}, forged)),
		l.one("type: LLDP in the gateway's name", frame(mac("01:80:c2:00:00:0e"), l.gw.mac, 0x88cc, zeros(40))),
		l.one("type: LACP in the gateway's name", frame(mac("01:80:c2:00:00:02"), l.gw.mac, 0x8809, zeros(40))),
		l.one("type: EAPOL in the gateway's name", frame(mac("01:80:c2:00:00:03"), l.gw.mac, 0x888e, zeros(40))),
	)
}

func (l *lab) byARP() []attack {
	m, v, gw := l.mallory, l.victim, l.gw
	zero := ip("0.0.0.0")
	arp := func(name string, dst net.HardwareAddr, packet []byte) attack {
		return l.one("ARP: "+name, frame(dst, m.mac, 0x0806, packet))
	}
	short := arpPacket(2, m.mac, gw.v4, v.mac, v.v4)
	hlen := arpPacket(2, m.mac, gw.v4, v.mac, v.v4)
	hlen[4] = 8
	ptype := arpPacket(2, m.mac, gw.v4, v.mac, v.v4)
	ptype[2], ptype[3] = 0x86, 0xdd
	htype := arpPacket(2, m.mac, gw.v4, v.mac, v.v4)
	htype[1] = 6
	return []attack{
		arp("the gateway is here", v.mac, arpPacket(2, m.mac, gw.v4, v.mac, v.v4)),
		arp("the gateway is here, to all", broadcast, arpPacket(2, m.mac, gw.v4, broadcast, gw.v4)),
		arp("the gateway asks", v.mac, arpPacket(1, m.mac, gw.v4, zeros(6), v.v4)),
		arp("the gateway announces itself", broadcast, arpPacket(1, m.mac, gw.v4, zeros(6), gw.v4)),
		arp("another guest is here", gw.mac, arpPacket(2, m.mac, v.v4, gw.mac, gw.v4)),
		arp("dom0 is here", v.mac, arpPacket(2, m.mac, l.dom0.v4, v.mac, v.v4)),
		arp("a stranger is here (proxy ARP)", v.mac, arpPacket(2, m.mac, ip("10.0.0.200"), v.mac, v.v4)),
		arp("the gateway is at the gateway", v.mac, arpPacket(2, gw.mac, gw.v4, v.mac, v.v4)),
		arp("I am at the gateway", gw.mac, arpPacket(2, gw.mac, m.v4, gw.mac, gw.v4)),
		arp("I am at another guest", gw.mac, arpPacket(2, v.mac, m.v4, gw.mac, gw.v4)),
		arp("0.0.0.0 answers", v.mac, arpPacket(2, m.mac, zero, v.mac, v.v4)),
		arp("0.0.0.0 probes for another guest's", broadcast, arpPacket(1, m.mac, zero, zeros(6), v.v4)),
		arp("0.0.0.0 probes for the gateway's", broadcast, arpPacket(1, m.mac, zero, zeros(6), gw.v4)),
		arp("0.0.0.0 probes for dom0's, to one", v.mac, arpPacket(1, m.mac, zero, zeros(6), l.dom0.v4)),
		arp("0.0.0.0 probes for a stranger's", broadcast, arpPacket(1, m.mac, zero, zeros(6), ip("10.0.0.200"))),
		arp("0.0.0.0 probes as another", broadcast, arpPacket(1, v.mac, zero, zeros(6), gw.v4)),
		arp("255.255.255.255 is here", v.mac, arpPacket(2, m.mac, ip("255.255.255.255"), v.mac, v.v4)),
		arp("inverse", v.mac, arpPacket(8, m.mac, gw.v4, v.mac, v.v4)),
		arp("operation 0", v.mac, arpPacket(0, m.mac, m.v4, v.mac, v.v4)),
		arp("RARP's answer in ARP", v.mac, arpPacket(4, m.mac, m.v4, v.mac, gw.v4)),
		arp("cut short", v.mac, short[:12]),
		arp("with long addresses", v.mac, hlen),
		arp("about IPv6", v.mac, ptype),
		arp("of another network", v.mac, htype),
		l.one("RARP: with the gateway's address", frame(broadcast, m.mac, 0x8035, arpPacket(3, m.mac, gw.v4, m.mac, zero))),
		l.one("RARP: about another guest", frame(broadcast, m.mac, 0x8035, arpPacket(3, m.mac, zero, v.mac, zero))),
		l.one("RARP: an answer", frame(v.mac, m.mac, 0x8035, arpPacket(4, m.mac, gw.v4, v.mac, gw.v4))),
		l.one("RARP: another guest has moved here", frame(broadcast, m.mac, 0x8035, arpPacket(3, v.mac, zero, v.mac, zero))),
	}
}

// sources are addresses that are not mallory's.
func (l *lab) sources() map[string][2]netip.Addr {
	return map[string][2]netip.Addr{
		"the gateway": {l.gw.v4, l.gw.v6}, "another guest": {l.victim.v4, l.victim.v6}, "another guest's network": {ip("10.1.12.5"), ip("fd01:12::5")}, "dom0": {l.dom0.v4, l.dom0.v6},
		"a stranger": {ip("192.0.2.1"), ip("2001:db8::1")}, "beside its network": {ip("10.1.10.255"), ip("fd01:11:0:1::1")}, "loopback": {ip("127.0.0.1"), ip("::1")}, "a group": {ip("224.0.0.1"), ip("ff02::1")}, "everybody or a mapped address": {ip("255.255.255.255"), ip("::ffff:10.0.0.11")},
	}
}

func (l *lab) byIPv4() (list []attack) {
	m := l.mallory
	for name, src := range l.sources() {
		for _, to := range []*box{l.gw, l.victim, l.dom0} {
			list = append(list, l.one(fmt.Sprintf("IPv4: as %s, to %s", name, to.v4), frame(to.mac, m.mac, 0x0800, udp4Packet(src[0], to.v4, 4242, 4243))))
		}
		data := udpData(src[0], l.gw.v4, 4242, 4243, zeros(48))
		list = append(list, attack{"IPv4: as " + name + ", in fragments", m, [][]byte{
			frame(l.gw.mac, m.mac, 0x0800, packet4(src[0], l.gw.v4, 17, 0x2000, nil, data[:32])),
			frame(l.gw.mac, m.mac, 0x0800, packet4(src[0], l.gw.v4, 17, 4, nil, data[32:])),
		}})
	}
	zero, all := ip("0.0.0.0"), ip("255.255.255.255")
	offer := udpData(m.v4, all, 67, 68, zeros(240))
	return append(list,
		l.one("IPv4: broadcast as another guest", frame(broadcast, m.mac, 0x0800, udp4Packet(l.victim.v4, ip("10.0.0.255"), 4242, 4243))),
		l.one("IPv4: from nowhere", frame(l.victim.mac, m.mac, 0x0800, udp4Packet(zero, l.victim.v4, 68, 67))),
		l.one("IPv4: from nowhere to all, not DHCP", frame(broadcast, m.mac, 0x0800, udp4Packet(zero, all, 4242, 4243))),
		l.one("DHCP: an offer to all", frame(broadcast, m.mac, 0x0800, packet4(m.v4, all, 17, 0, nil, offer))),
		l.one("DHCP: an offer to one", frame(l.victim.mac, m.mac, 0x0800, udp4Packet(m.v4, l.victim.v4, 67, 68))),
		l.one("DHCP: an offer from another port", frame(broadcast, m.mac, 0x0800, udp4Packet(m.v4, all, 4242, 68))),
		l.one("DHCP: an offer to another port", frame(broadcast, m.mac, 0x0800, udp4Packet(m.v4, all, 67, 4242))),
		l.one("DHCP: an offer from nowhere", frame(broadcast, m.mac, 0x0800, udp4Packet(zero, all, 67, 68))),
		l.one("DHCP: an offer as the gateway", frame(broadcast, m.mac, 0x0800, udp4Packet(l.gw.v4, all, 67, 68))),
		l.one("DHCP: the first fragment of an offer", frame(broadcast, m.mac, 0x0800, packet4(m.v4, all, 17, 0x2000, nil, offer[:64]))),
		l.one("ICMP: a redirect", frame(l.victim.mac, m.mac, 0x0800, packet4(m.v4, l.victim.v4, 1, 0, nil, cat([]byte{5, 1, 0, 0}, m.v4.AsSlice(), udp4Packet(l.victim.v4, ip("192.0.2.1"), 1, 2))))),
		l.one("ICMP: a router advertisement", frame(broadcast, m.mac, 0x0800, packet4(m.v4, ip("224.0.0.1"), 1, 0, nil, cat([]byte{9, 0, 0, 0, 1, 2, 0, 60}, m.v4.AsSlice(), zeros(4))))),
		l.one("IGMP: a query to one, without Router Alert", frame(l.victim.mac, m.mac, 0x0800, packet4(m.v4, l.victim.v4, 2, 0, nil, []byte{0x11, 100, 0xee, 0x9b, 0, 0, 0, 0}))),
		l.one("IGMP: a query from nowhere", frame(mac("01:00:5e:00:00:01"), m.mac, 0x0800, packet4(zero, ip("224.0.0.1"), 2, 0, nil, []byte{0x11, 100, 0xee, 0x9b, 0, 0, 0, 0}))),
		l.one("IGMP: a router for multicast is here", frame(mac("01:00:5e:00:00:6a"), m.mac, 0x0800, packet4(m.v4, ip("224.0.0.106"), 2, 0, []byte{0x94, 4, 0, 0}, []byte{0x30, 20, 0, 0, 0, 125, 0, 2}))),
		l.one("IGMP: DVMRP", frame(mac("01:00:5e:00:00:04"), m.mac, 0x0800, packet4(m.v4, ip("224.0.0.4"), 2, 0, nil, []byte{0x13, 1, 0, 0, 0, 0, 0, 0}))),
		l.one("PIM: a router for multicast is here", frame(mac("01:00:5e:00:00:0d"), m.mac, 0x0800, packet4(m.v4, ip("224.0.0.13"), 103, 0, nil, []byte{0x20, 0, 0xde, 0xff, 0, 1, 0, 2, 0, 105}))),
		l.one("IGMP: a report as another guest", frame(mac("01:00:5e:00:00:fb"), m.mac, 0x0800, packet4(l.victim.v4, ip("224.0.0.251"), 2, 0, []byte{0x94, 4, 0, 0}, []byte{0x16, 0, 9, 4, 224, 0, 0, 251}))),
		l.one("DHCP: a question from nowhere in a later fragment", frame(broadcast, m.mac, 0x0800, packet4(zero, all, 17, 4, nil, udpData(zero, all, 68, 67, zeros(8))))),
		l.one("IGMP: a query", frame(mac("01:00:5e:00:00:01"), m.mac, 0x0800, packet4(m.v4, ip("224.0.0.1"), 2, 0, []byte{0x94, 4, 0, 0}, []byte{0x11, 100, 0xee, 0x9b, 0, 0, 0, 0}))),
	)
}

func (l *lab) byOptions4() (list []attack) {
	m, v := l.mallory, l.victim
	u := udpData(m.v4, v.v4, 4242, 4243, zeros(8))
	via := l.gw.v4.AsSlice()
	for name, options := range map[string][]byte{
		"loose source route": cat([]byte{131, 7, 4}, via, []byte{0}), "strict source route": cat([]byte{137, 7, 4}, via, []byte{0}), "record route": cat([]byte{7, 7, 4}, zeros(4), []byte{0}),
		"timestamp": {68, 8, 5, 0, 0, 0, 0, 0}, "source route behind Router Alert": cat([]byte{0x94, 4, 0, 0, 131, 7, 4}, via, []byte{0}), "source route behind no-ops": cat([]byte{1, 1, 1, 1, 1, 131, 7, 4}, via),
		"security": {130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "an end and then a source route": cat([]byte{0, 131, 7, 4}, via), "a broken option": {131, 200, 4, 0},
	} {
		list = append(list, l.one("IPv4 options: "+name, frame(v.mac, m.mac, 0x0800, packet4(m.v4, v.v4, 17, 0, options, u))))
	}
	broken := func(name string, typ int, change func(p []byte) []byte) {
		list = append(list, l.one("IPv4 broken: "+name, frame(v.mac, m.mac, typ, change(udp4Packet(m.v4, v.v4, 4242, 4243)))))
	}
	set := func(at int, to ...byte) func([]byte) []byte {
		return func(p []byte) []byte { copy(p[at:], to); return p }
	}
	broken("a header of 16 bytes", 0x0800, set(0, 0x44))
	broken("version 5", 0x0800, set(0, 0x55))
	broken("version 6", 0x0800, set(0, 0x65))
	broken("longer than the frame", 0x0800, set(2, 0x05, 0xff))
	broken("shorter than its header", 0x0800, set(2, 0, 10))
	broken("as IPv6", 0x86dd, set(0, 0x45))
	return list
}

func (l *lab) byIPv6() (list []attack) {
	m := l.mallory
	for name, src := range l.sources() {
		for _, to := range []*box{l.gw, l.victim, l.dom0} {
			list = append(list, l.one(fmt.Sprintf("IPv6: as %s, to %s", name, to.v6), frame(to.mac, m.mac, 0x86dd, udp6Packet(src[1], to.v6, 4242, 4243))))
		}
		data := udpData(src[1], l.gw.v6, 4242, 4243, zeros(48))
		list = append(list, attack{"IPv6: as " + name + ", in fragments", m, [][]byte{
			frame(l.gw.mac, m.mac, 0x86dd, packet6(src[1], l.gw.v6, 44, 64, fragHeader(17, 0, true), data[:32])),
			frame(l.gw.mac, m.mac, 0x86dd, packet6(src[1], l.gw.v6, 44, 64, fragHeader(17, 32, false), data[32:])),
		}})
	}
	for name, src := range map[string]netip.Addr{"the gateway": l.gw.local, "another guest": l.victim.local, "dom0": l.dom0.local, "fe80::1": ip("fe80::1"), "one that it chose": ip("fe80::1234:5678:9abc:def0")} {
		list = append(list, l.one("IPv6: link-local, as "+name, frame(l.victim.mac, m.mac, 0x86dd, udp6Packet(src, l.victim.local, 4242, 4243))))
	}
	servers, all := ip("ff02::1:2"), ip("ff02::1")
	return append(list,
		l.one("IPv6: from nowhere", frame(l.victim.mac, m.mac, 0x86dd, udp6Packet(ip("::"), l.victim.v6, 4242, 4243))),
		l.one("DHCPv6: an advertisement", frame(l.victim.mac, m.mac, 0x86dd, udp6Packet(m.local, l.victim.local, 547, 546))),
		l.one("DHCPv6: from another port", frame(l.victim.mac, m.mac, 0x86dd, udp6Packet(m.local, l.victim.local, 4242, 546))),
		l.one("DHCPv6: a relay", frame(groupMAC(servers), m.mac, 0x86dd, udp6Packet(m.local, servers, 547, 547))),
		l.one("DHCPv6: behind an extension header", frame(l.victim.mac, m.mac, 0x86dd, packet6(m.local, l.victim.local, 60, 64, optionsHeader(17), udpData(m.local, l.victim.local, 547, 546, zeros(8))))),
		l.one("DHCPv6: in a fragment", frame(l.victim.mac, m.mac, 0x86dd, packet6(m.v6, l.victim.local, 44, 64, fragHeader(17, 0, true), udpData(m.v6, l.victim.local, 547, 546, zeros(24))))),
		l.one("MLD: a query", frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, all, 0, 1, alertHeader(58), icmp6Data(m.local, all, 130, zeros(20))))),
		l.one("MLD: a query without Router Alert", frame(groupMAC(all), m.mac, 0x86dd, icmp6Packet(m.local, all, 130, zeros(20)))),
		l.one("a multicast router's advertisement", frame(groupMAC(all), m.mac, 0x86dd, packet6(m.local, ip("ff02::6a"), 0, 1, alertHeader(58), icmp6Data(m.local, ip("ff02::6a"), 151, zeros(4))))),
		l.one("IPv6 as IPv4", frame(l.victim.mac, m.mac, 0x0800, udp6Packet(m.v6, l.victim.v6, 4242, 4243))),
		l.one("IPv6 longer than the frame", frame(l.victim.mac, m.mac, 0x86dd, packet6(m.v6, l.victim.v6, 17, 64, zeros(100))[:40])),
	)
}
