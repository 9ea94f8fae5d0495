package strict

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// person is who a guest is, for a judgement that has nothing to do with the rules: it
// reads a frame as a receiver would that believes everything.
type person struct {
	mac          net.HardwareAddr
	addrs        []netip.Prefix // with the link-local one
	others       []netip.Prefix // that are known to be another's
	anyone       bool           // it may have any address that is nobody's
	forwards     bool           // it may send from any address that is nobody's
	router, dhcp bool
}

// why tells why a frame is not the guest's own; "" if it is.
func (w *person) why(f []byte, tagged bool) string {
	switch {
	case tagged:
		return "it has a VLAN tag"
	case len(f) < 14:
		return "it has no header"
	case !bytes.Equal(f[6:12], w.mac):
		return "another source MAC address"
	}
	body := f[14:]
	switch typ := binary.BigEndian.Uint16(f[12:]); typ {
	case 0x0800:
		return w.ipv4(body)
	case 0x0806, 0x8035:
		return w.arp(typ == 0x8035, body)
	case 0x86dd:
		return w.ipv6(body)
	default:
		return fmt.Sprintf("the type %04x", typ)
	}
}

// has says whether an address is the guest's to announce.
func (w *person) has(a netip.Addr) bool {
	return slices.ContainsFunc(w.addrs, func(p netip.Prefix) bool { return p.Contains(a) }) || w.anyone && w.free(a)
}

// sends says whether it may send from there.
func (w *person) sends(a netip.Addr) bool {
	return w.has(a) || w.forwards && w.free(a) && !a.IsLinkLocalUnicast()
}

// free says whether an address is one that somebody could have, and nobody is known to.
func (w *person) free(a netip.Addr) bool {
	if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4In6() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 224) {
		return false
	}
	return !slices.ContainsFunc(w.others, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (w *person) arp(reverse bool, b []byte) string {
	if len(b) < 28 || !bytes.Equal(b[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return "ARP that is not about IPv4 on Ethernet"
	}
	op, sender, target := binary.BigEndian.Uint16(b[6:]), netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	switch {
	case !bytes.Equal(b[8:14], w.mac):
		return "ARP from another MAC address"
	case reverse && (op != 3 || !bytes.Equal(b[18:24], w.mac)):
		return "RARP about somebody else"
	case reverse && sender.IsUnspecified():
		return ""
	case !reverse && op != 1 && op != 2:
		return "ARP with another operation"
	case !reverse && op == 1 && sender.IsUnspecified():
		if !w.has(target) {
			return "a probe for the address of another"
		}
	case !w.has(sender):
		return "ARP for the address of another"
	}
	return ""
}

func (w *person) ipv4(b []byte) string {
	if len(b) < 20 || b[0]>>4 != 4 || b[0]&15 < 5 {
		return "not a header of IPv4"
	}
	size, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < size || total < size || total > len(b) {
		return "IPv4 of another length"
	}
	for o := b[20:size]; len(o) > 0 && o[0] != 0; {
		switch {
		case o[0] == 1:
			o = o[1:]
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return "broken options"
		case o[0] != 148:
			return fmt.Sprintf("the option %d", o[0])
		default:
			o = o[o[1]:]
		}
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	data, first := b[size:total], binary.BigEndian.Uint16(b[6:])&0x1fff == 0
	if first {
		if why, fine := w.inside4(b[9], src, dst, data); why != "" || fine {
			return why
		}
	}
	return w.from(src)
}

// from judges by the source address alone.
func (w *person) from(a netip.Addr) string {
	if !w.sends(a) {
		return "it is from the address of another: " + a.String()
	}
	return ""
}

// inside4 judges what is in a packet; fine says that its source does not matter.
func (w *person) inside4(proto byte, src, dst netip.Addr, data []byte) (why string, fine bool) {
	nowhere := src.IsUnspecified()
	switch {
	case proto == 17 && len(data) < 8:
		return "", nowhere // nobody can make sense of it
	case proto == 17:
		from, to := binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:])
		if (from == 67 || to == 68) && !w.dhcp {
			return "the answer of a DHCP server", false
		}
		return "", nowhere && from == 68 && to == 67 && dst == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	case proto == 1 && len(data) >= 1 && (data[0] == 5 || data[0] == 9) && !w.router:
		return "ICMP of a router", false
	case proto == 2 && len(data) >= 1:
		report := data[0] == 0x12 || data[0] == 0x16 || data[0] == 0x17 || data[0] == 0x22
		if !report && !w.router {
			return "IGMP of a router", false
		}
		return "", nowhere && report
	case proto == 103 && !w.router:
		return "PIM", false
	}
	return "", false
}

// ipv6 goes through the headers.
func (w *person) ipv6(b []byte) string {
	if len(b) < 40 || b[0]>>4 != 6 {
		return "not a header of IPv6"
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n > len(b)-40 {
		return "IPv6 of another length"
	}
	src, data := netip.AddrFrom16([16]byte(b[8:24])), b[40:40+n]
	if n == 0 { // a jumbogram, or nothing
		data = b[40:]
	}
	next, behind := b[6], false
	for {
		size := 8
		switch next {
		case 0, 60, 43, 51, 44:
			if len(data) < 8 {
				return w.broken(src)
			}
		}
		switch next {
		case 0, 60:
			if size = 8 + int(data[1])*8; len(data) < size {
				return w.broken(src)
			}
			if next == 60 && homeAddress(data[2:size]) {
				return "a home address"
			}
		case 43:
			return "a routing header"
		case 51: // who cannot check it looks at nothing behind it
			switch {
			case data[0] == 0 || data[0] == 43 || data[0] == 44 || data[0] == 51 || data[0] == 60:
				return "headers behind AH"
			case data[0] == 58 && (b[7] == 255 || b[7] == 1):
				return "neighbour discovery or MLD behind AH"
			}
			return w.inside6(next, true, src, n, data)
		case 44:
			if src.IsLinkLocalUnicast() {
				return "a fragment from a link-local address"
			}
			if binary.BigEndian.Uint16(data[2:])&0xfff8 != 0 {
				return w.from(src)
			}
			if headers := []byte{0, 43, 44, 60}; slices.Contains(headers, data[0]) {
				return "headers in a fragment"
			}
		default:
			return w.inside6(next, behind, src, n, data)
		}
		next, data, behind = data[0], data[size:], true
	}
}

// broken is for packets of which nobody can make sense.
func (w *person) broken(src netip.Addr) string {
	if src.IsUnspecified() {
		return ""
	}
	return w.from(src)
}

// homeAddress looks for the option by which a packet says that it is from another source.
func homeAddress(o []byte) bool {
	for len(o) > 1 {
		switch {
		case o[0] == 0:
			o = o[1:]
		case o[0] == 0xc9 && len(o) >= 18:
			return true
		default:
			o = o[min(len(o), 2+int(o[1])):]
		}
	}
	return false
}

func (w *person) inside6(proto byte, behind bool, src netip.Addr, length int, data []byte) string {
	switch {
	case len(data) < 4:
		return w.broken(src)
	case proto == 17:
		if from, to := binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]); (from == 547 || to == 546) && !w.dhcp {
			return "the answer of a DHCPv6 server"
		}
	case proto == 103 && !w.router:
		return "PIM"
	case proto == 58:
		if why, fine := w.icmp6(behind, src, length, data); why != "" || fine {
			return why
		}
	}
	return w.from(src)
}

func (w *person) icmp6(behind bool, src netip.Addr, length int, b []byte) (why string, fine bool) {
	nowhere := src.IsUnspecified()
	if length > 0 {
		b = b[:min(len(b), length)]
	}
	switch typ := b[0]; typ {
	case 134, 137, 130, 138, 151, 153:
		if !w.router || behind && (typ == 134 || typ == 137) {
			return fmt.Sprintf("type %d of a router", typ), false
		}
	case 131, 132, 143:
		return "", nowhere
	case 141, 142:
		return "inverse neighbour discovery", false
	case 133, 135, 136:
		fixed := map[byte]int{133: 8, 135: 24, 136: 24}[typ]
		switch {
		case behind:
			return "neighbour discovery behind a header", false
		case len(b) < fixed:
			return "broken neighbour discovery", false
		}
		mine := typ == 133 || w.has(netip.AddrFrom16([16]byte(b[8:24])))
		if why := w.options(b[fixed:]); why != "" {
			return why, false
		}
		if (typ == 136 || typ == 135 && nowhere) && !mine {
			return "neighbour discovery for the address of another", false
		}
		return "", nowhere && typ != 136
	}
	return "", false
}

// options are those of neighbour discovery.
func (w *person) options(o []byte) string {
	for len(o) > 0 {
		if len(o) < 8 || o[1] == 0 || int(o[1])*8 > len(o) {
			return "broken options of neighbour discovery"
		}
		if (o[0] == 1 || o[0] == 2) && !bytes.Equal(o[2:8], w.mac) {
			return "the MAC address of another in neighbour discovery"
		}
		o = o[int(o[1])*8:]
	}
	return ""
}

// person is who is behind a port, as the test has made it.
func (s *silent) person(b *box) *person {
	w := &person{mac: b.mac, addrs: []netip.Prefix{netip.PrefixFrom(b.local, 128)}}
	switch b.port {
	case "vif1.0":
		w.addrs = append(w.addrs, netip.MustParsePrefix("10.0.0.11/32"), netip.MustParsePrefix("10.1.11.0/24"), netip.MustParsePrefix("fd00::11/128"), netip.MustParsePrefix("fd01:11::/64"))
	case "vif3.0":
		w.anyone, w.forwards = true, true
	case "vif4.0":
		w.addrs = append(w.addrs, netip.MustParsePrefix("10.0.0.14/32"), netip.MustParsePrefix("fd00::14/128"))
		w.forwards = true
	}
	l := onPaper()
	for _, o := range []*box{l.gw, l.dom0, l.mallory, l.victim, l.router, l.loose} {
		if o.port == b.port {
			continue
		}
		if o != l.loose {
			w.others = append(w.others, netip.PrefixFrom(o.v4, 32), netip.PrefixFrom(o.v6, 128))
		}
		if o != l.gw && o != l.dom0 {
			w.others = append(w.others, netip.PrefixFrom(o.local, 128))
		}
	}
	for _, p := range []string{"10.1.11.0/24", "fd01:11::/64", "10.1.12.0/24", "fd01:12::/64"} {
		w.others = append(w.others, netip.MustParsePrefix(p))
	}
	return w
}

// isPlain says whether a bridge forwards a frame that is sent by its source, and whether
// it is ARP, or a packet without options or extension headers, and not of ICMPv6.
func isPlain(f []byte) bool {
	if len(f) < 54 || bytes.Equal(f[:6], f[6:12]) || bytes.Equal(f[:5], []byte{1, 0x80, 0xc2, 0, 0}) {
		return false
	}
	switch binary.BigEndian.Uint16(f[12:]) {
	case 0x0800:
		return f[14] == 0x45 && f[23] != 255
	case 0x86dd:
		return slices.Contains([]byte{6, 17, 4, 41, 47, 50, 132}, f[20])
	}
	return true
}
