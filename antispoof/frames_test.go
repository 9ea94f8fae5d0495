package antispoof

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
)

// Frames are made by hand: the tests send what no socket would.

func mac(text string) net.HardwareAddr {
	m, err := net.ParseMAC(text)
	if err != nil {
		panic(err)
	}
	return m
}

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

var (
	bridgeMAC = mac("fe:ff:ff:ff:ff:ff")
	everybody = mac("ff:ff:ff:ff:ff:ff")
	allNodes  = mac("33:33:00:00:00:01")
)

func ethernet(dst, src net.HardwareAddr, typ uint16, payload []byte) []byte {
	f := append(append(bytes.Clone(dst), src...), 0, 0)
	binary.BigEndian.PutUint16(f[12:], typ)
	return append(f, payload...)
}

// tagged puts a VLAN tag into a frame.
func tagged(frame []byte, typ, vlan uint16) []byte {
	f := append(bytes.Clone(frame[:12]), 0, 0, 0, 0)
	binary.BigEndian.PutUint16(f[12:], typ)
	binary.BigEndian.PutUint16(f[14:], vlan)
	return append(f, frame[12:]...)
}

// pppoe puts an IPv4 packet into a PPPoE session.
func pppoe(packet []byte) []byte {
	b := []byte{0x11, 0, 0, 1, 0, 0, 0, 0x21} // PPP's number for IPv4
	binary.BigEndian.PutUint16(b[4:], uint16(2+len(packet)))
	return append(b, packet...)
}

func checksum(sum uint32, b []byte) uint16 {
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// pseudo is the sum of the pseudo-header that transport checksums begin with.
func pseudo(src, dst netip.Addr, proto uint8, length int) uint32 {
	sum := uint32(proto) + uint32(length)
	for _, a := range []netip.Addr{src, dst} {
		b := a.AsSlice()
		for i := 0; i < len(b); i += 2 {
			sum += uint32(b[i])<<8 | uint32(b[i+1])
		}
	}
	return sum
}

func udp(src, dst netip.Addr, sport, dport uint16, data string) []byte {
	b := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(b, sport)
	binary.BigEndian.PutUint16(b[2:], dport)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(data)))
	b = append(b, data...)
	sum := checksum(pseudo(src, dst, 17, len(b)), b)
	binary.BigEndian.PutUint16(b[6:], sum)
	return b
}

// ipv4Packet is a UDP packet, or a fragment of one; offset is in bytes.
func ipv4Packet(src, dst netip.Addr, payload []byte, offset int, more bool) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	binary.BigEndian.PutUint16(b[4:], 0x4242)
	flags := uint16(offset / 8)
	if more {
		flags |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], flags)
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(0, b))
	return append(b, payload...)
}

func ipv6Packet(src, dst netip.Addr, next, hops uint8, payload []byte) []byte {
	b := make([]byte, 40, 40+len(payload))
	b[0], b[6], b[7] = 0x60, next, hops
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return append(b, payload...)
}

// fragment6 is the header of an IPv6 fragment with a part of a payload.
func fragment6(next uint8, offset int, more bool, part []byte) []byte {
	b := make([]byte, 8, 8+len(part))
	b[0] = next
	field := uint16(offset)
	if more {
		field |= 1
	}
	binary.BigEndian.PutUint16(b[2:], field)
	binary.BigEndian.PutUint32(b[4:], 0x42424242)
	return append(b, part...)
}

// datagram is a UDP packet of either family.
func datagram(src, dst netip.Addr, data string) (typ uint16, payload []byte) {
	u := udp(src, dst, 4242, port, data)
	if src.Is4() {
		return 0x0800, ipv4Packet(src, dst, u, 0, false)
	}
	return 0x86dd, ipv6Packet(src, dst, 17, 64, u)
}

func icmpv6(src, dst netip.Addr, typ uint8, body []byte) []byte {
	b := append([]byte{typ, 0, 0, 0}, body...)
	binary.BigEndian.PutUint16(b[2:], checksum(pseudo(src, dst, 58, len(b)), b))
	return ipv6Packet(src, dst, 58, 255, b)
}

// advert6 is a neighbour advertisement which says that target has this MAC
// address. The marker follows in an unknown option.
func advert6(src, dst, target netip.Addr, m net.HardwareAddr, marker string) []byte {
	body := append([]byte{0x20, 0, 0, 0}, target.AsSlice()...)
	body = append(append(body, 2, 1), m...)
	return icmpv6(src, dst, 136, append(body, option(marker)...))
}

// routerAdvert is a router advertisement that offers no default route.
func routerAdvert(src netip.Addr, marker string) []byte {
	body := []byte{64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	return icmpv6(src, ip("ff02::1"), 134, append(body, option(marker)...))
}

func option(marker string) []byte {
	b := []byte{254, 0}
	b = append(b, marker...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	b[1] = byte(len(b) / 8)
	return b
}

// arp is a reply that nobody has asked for.
func arp(src net.HardwareAddr, who netip.Addr, dst net.HardwareAddr, whom netip.Addr, marker string) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 2}
	b = append(append(b, src...), who.AsSlice()...)
	b = append(append(b, dst...), whom.AsSlice()...)
	return append(b, marker...)
}

// eui64 is the address in a network that is made from a MAC address.
func eui64(prefix string, m net.HardwareAddr) netip.Addr {
	a := ip(prefix).As16()
	copy(a[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(a)
}
