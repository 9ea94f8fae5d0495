package strict

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
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

// cat joins bytes.
func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

func zeros(n int) []byte { return make([]byte, n) }

func frame(dst, src net.HardwareAddr, typ int, payload ...[]byte) []byte {
	return cat(dst, src, be16(typ), cat(payload...))
}

func sum(b []byte, start uint32) []byte {
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		start += word
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return be16(int(^uint16(start)))
}

// packet4 has options, which make a multiple of four bytes; frag is the field with the
// flags and the offset.
func packet4(src, dst netip.Addr, proto byte, frag int, options, payload []byte) []byte {
	size := 20 + len(options)
	h := cat([]byte{0x40 | byte(size/4), 0}, be16(size+len(payload)), be16(0x4242), be16(frag), []byte{64, proto, 0, 0}, src.AsSlice(), dst.AsSlice(), options)
	copy(h[10:], sum(h, 0))
	return cat(h, payload)
}

// packet6 has what follows the header as its payload.
func packet6(src, dst netip.Addr, next, hops byte, payload ...[]byte) []byte {
	p := cat(payload...)
	return cat([]byte{0x60, 0, 0, 0}, be16(len(p)), []byte{next, hops}, src.AsSlice(), dst.AsSlice(), p)
}

// pseudo is the sum of the pseudo-header.
func pseudo(src, dst netip.Addr, proto byte, n int) uint32 {
	s := uint32(proto) + uint32(n)
	all := cat(src.AsSlice(), dst.AsSlice())
	for i := 0; i < len(all); i += 2 {
		s += uint32(all[i])<<8 | uint32(all[i+1])
	}
	return s
}

func udpData(src, dst netip.Addr, from, to int, data []byte) []byte {
	b := cat(be16(from), be16(to), be16(8+len(data)), []byte{0, 0}, data)
	copy(b[6:], sum(b, pseudo(src, dst, 17, len(b))))
	return b
}

func udp4Packet(src, dst netip.Addr, from, to int) []byte {
	return packet4(src, dst, 17, 0, nil, udpData(src, dst, from, to, []byte("12345678")))
}

func udp6Packet(src, dst netip.Addr, from, to int) []byte {
	return packet6(src, dst, 17, 64, udpData(src, dst, from, to, []byte("12345678")))
}

// udpPacket is of either family, with its type.
func udpPacket(src, dst netip.Addr) (typ int, packet []byte) {
	if src.Is4() {
		return 0x0800, udp4Packet(src, dst, 4242, 4243)
	}
	return 0x86dd, udp6Packet(src, dst, 4242, 4243)
}

// icmp6Data is a message with its checksum.
func icmp6Data(src, dst netip.Addr, typ byte, body ...[]byte) []byte {
	b := cat([]byte{typ, 0, 0, 0}, cat(body...))
	copy(b[2:], sum(b, pseudo(src, dst, 58, len(b))))
	return b
}

func icmp6Packet(src, dst netip.Addr, typ byte, body ...[]byte) []byte {
	return packet6(src, dst, 58, 255, icmp6Data(src, dst, typ, body...))
}

// lladdr is an option of neighbour discovery.
func lladdr(typ byte, m net.HardwareAddr) []byte { return cat([]byte{typ, 1}, m) }

// Extension headers of eight bytes: the header that follows comes first.
func optionsHeader(next byte) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }
func alertHeader(next byte) []byte   { return []byte{next, 0, 5, 2, 0, 0, 1, 0} } // for MLD
func routeHeader(next, typ byte, via netip.Addr) []byte {
	return cat([]byte{next, 2, typ, 1, 0, 0, 0, 0}, via.AsSlice())
}

func fragHeader(next byte, offset int, more bool) []byte {
	field := offset
	if more {
		field |= 1
	}
	return cat([]byte{next, 0}, be16(field), []byte{0x42, 0x42, 0x42, 0x42})
}

func arpPacket(op int, sha net.HardwareAddr, spa netip.Addr, tha net.HardwareAddr, tpa netip.Addr) []byte {
	return cat([]byte{0, 1, 8, 0, 6, 4}, be16(op), sha, spa.AsSlice(), tha, tpa.AsSlice())
}

// tag puts a VLAN tag into a frame.
func tag(f []byte, typ, id int) []byte { return cat(f[:12], be16(typ), be16(id), f[12:]) }
