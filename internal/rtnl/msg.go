package rtnl

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nestMask removes the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER from an attribute's
// type.
const nestMask = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)

var native = binary.NativeEndian

// The library looks its byte order up when it is first needed, without a lock: so now,
// before there are goroutines.
var _ = nl.NativeEndian()

// Msg is one rtnetlink message: the parts of its header that have a meaning
// outside one exchange, and its body (the family's fixed struct, then
// attributes).
type Msg struct {
	Type  uint16
	Flags uint16
	Body  []byte
}

// Attr is one attribute. Type has no flag bits, Value aliases the message.
type Attr struct {
	Type  uint16
	Value []byte
}

// fixedLen is the length of the struct that begins a message of this type.
func fixedLen(typ uint16) int {
	switch typ {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_SETLINK, NewLinkProp, DelLinkProp:
		return unix.SizeofIfInfomsg
	case unix.RTM_NEWMDB, unix.RTM_DELMDB, unix.RTM_NEWVLAN, unix.RTM_DELVLAN:
		return 8 // struct br_port_msg and br_vlan_msg, linux/if_bridge.h
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return unix.SizeofIfAddrmsg
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		return 8 // struct nhmsg, linux/nexthop.h
	default: // struct rtmsg, ndmsg and fib_rule_hdr are of one size
		return unix.SizeofRtMsg
	}
}

// Family is the address family, the first byte of every rtnetlink body.
func (m Msg) Family() uint8 {
	if len(m.Body) == 0 {
		return unix.AF_UNSPEC
	}
	return m.Body[0]
}

// Fixed is the struct before the attributes; nil if the message is too short
// to hold one.
func (m Msg) Fixed() []byte {
	n := fixedLen(m.Type)
	if len(m.Body) < n {
		return nil
	}
	return m.Body[:n]
}

// Attrs is an iterator over the message's attributes, in order, which stops at the first
// malformed one. It allocates nothing, as it is called for each of a hundred thousand
// routes.
func (m Msg) Attrs(yield func(Attr) bool) {
	for a, b, ok := nextAttr(m.rest()); ok && yield(a); {
		a, b, ok = nextAttr(b)
	}
}

// rest is what follows the fixed struct: the attributes.
func (m Msg) rest() []byte {
	n := align(fixedLen(m.Type))
	if len(m.Body) < n {
		return nil
	}
	return m.Body[n:]
}

// ParseAttrs yields the attributes in b, for instance the value of a nested attribute.
func ParseAttrs(b []byte) iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		for a, b, ok := nextAttr(b); ok && yield(a); {
			a, b, ok = nextAttr(b)
		}
	}
}

// FindAttr is the value of the first of some attributes of that type, nil if it is
// missing.
func FindAttr(attrs []byte, typ uint16) []byte {
	for a, b, ok := nextAttr(attrs); ok; a, b, ok = nextAttr(b) {
		if a.Type == typ {
			return a.Value
		}
	}
	return nil
}

// nextAttr is the first attribute in b and what follows it.
func nextAttr(b []byte) (a Attr, rest []byte, ok bool) {
	if len(b) < unix.SizeofRtAttr {
		return Attr{}, nil, false
	}
	n := int(native.Uint16(b))
	if n < unix.SizeofRtAttr || n > len(b) {
		return Attr{}, nil, false
	}
	return Attr{native.Uint16(b[2:]) & nestMask, b[unix.SizeofRtAttr:n]}, b[min(align(n), len(b)):], true
}

// Whole says whether a message has its fixed struct, and then attributes to its
// end.
func (m Msg) Whole() bool { return m.Fixed() != nil && WholeAttrs(m.rest()) }

// WholeAttrs says whether b consists of attributes to its end.
func WholeAttrs(b []byte) bool {
	for len(b) > 0 {
		var ok bool
		if _, b, ok = nextAttr(b); !ok {
			return false
		}
	}
	return true
}

// Get is the value of the first attribute of that type, nil if there is none.
func (m Msg) Get(typ uint16) []byte { return FindAttr(m.rest(), typ) }

// HasAny says whether there is an attribute of one of these types.
func (m Msg) HasAny(types ...uint16) bool {
	for a, b, ok := nextAttr(m.rest()); ok; a, b, ok = nextAttr(b) {
		if slices.Contains(types, a.Type) {
			return true
		}
	}
	return false
}

// U32 is an attribute of four bytes in host order, 0 if it is missing.
func (m Msg) U32(typ uint16) uint32 { return U32(m.Get(typ)) }

// U32 reads four bytes in host order; anything else is 0.
func U32(b []byte) uint32 {
	if len(b) != 4 {
		return 0
	}
	return native.Uint32(b)
}

// String reads a NUL-terminated string attribute.
func String(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// U32Bytes is v in host order, as an attribute's value.
func U32Bytes(v uint32) []byte { return native.AppendUint32(nil, v) }

// Clone is a copy that shares no memory.
func (m Msg) Clone() Msg {
	m.Body = bytes.Clone(m.Body)
	return m
}

// As is the same body under another type and other flags.
func (m Msg) As(typ, flags uint16) Msg { return Msg{typ, flags, m.Body} }

// With is a copy that has exactly one attribute of that type, the last one.
// typ may carry NLA_F_NESTED.
func (m Msg) With(typ uint16, value []byte) Msg {
	attr := nl.NewRtAttr(int(typ), value).Serialize()
	m = m.without(len(attr), typ&nestMask)
	m.Body = append(m.Body, attr...)
	return m
}

// Without is a copy that lacks the attributes of these types.
func (m Msg) Without(types ...uint16) Msg { return m.without(0, types...) }

// without leaves room for that many more bytes, and no more: there may be very many
// routes.
func (m Msg) without(room int, types ...uint16) Msg {
	n := align(fixedLen(m.Type))
	if len(m.Body) < n {
		return m.Clone()
	}
	size := n + room
	for a, b, ok := nextAttr(m.Body[n:]); ok; a, b, ok = nextAttr(b) {
		if !slices.Contains(types, a.Type) {
			size += align(unix.SizeofRtAttr + len(a.Value))
		}
	}
	body := make([]byte, n, size)
	copy(body, m.Body)
	m.Body = appendWithout(body, m.Body[n:], types)
	return m
}

// appendWithout appends to dst the attributes in b that are of other types.
func appendWithout(dst, b []byte, types []uint16) []byte {
	for len(b) >= unix.SizeofRtAttr {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			break
		}
		padded := min(align(size), len(b))
		if !slices.Contains(types, native.Uint16(b[2:])&nestMask) {
			dst = append(dst, b[:padded]...)
			dst = append(dst, make([]byte, align(size)-padded)...) // the last one may lack its padding
		}
		b = b[padded:]
	}
	return dst
}

// Uses says whether an address, route, neighbour or nexthop message is about the
// interface with that index.
func (m Msg) Uses(index int) bool {
	found := false
	m.eachIndex(func(b []byte) { found = found || int(native.Uint32(b)) == index })
	return found
}

// UsesAny is Uses for any of several interfaces.
func (m Msg) UsesAny(indexes map[int]bool) bool {
	found := false
	m.eachIndex(func(b []byte) { found = found || indexes[int(native.Uint32(b))] })
	return found
}

// Retarget is a copy in which the interface index from has become to: the
// address's or neighbour's own, a route's RTA_OIF and each leg of its
// RTA_MULTIPATH, a nexthop's NHA_OIF, what segment routing sends by, the bridge and the port of an entry of the
// multicast database.
func (m Msg) Retarget(from, to int) Msg {
	m = m.Clone()
	m.retarget(from, to)
	return m
}

// Renumber is a copy in which every interface index that moved names has
// become what moved says.
func (m Msg) Renumber(moved map[int]int) Msg {
	m = m.Clone()
	m.eachIndex(func(b []byte) {
		if to, ok := moved[int(native.Uint32(b))]; ok {
			native.PutUint32(b, uint32(to))
		}
	})
	return m
}

func (m Msg) retarget(from, to int) {
	m.eachIndex(func(b []byte) {
		if int(native.Uint32(b)) == from {
			native.PutUint32(b, uint32(to))
		}
	})
}

// Indexes yields every interface index in the message.
func (m Msg) Indexes(yield func(int) bool) {
	more := true
	m.eachIndex(func(b []byte) { more = more && yield(int(native.Uint32(b))) })
}

// eachIndex calls f with every place of four bytes that holds an interface index.
func (m Msg) eachIndex(f func([]byte)) {
	switch m.Type {
	case unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH,
		unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_SETLINK, NewLinkProp, DelLinkProp,
		unix.RTM_NEWVLAN, unix.RTM_DELVLAN, unix.RTM_NEWMDB, unix.RTM_DELMDB:
		if len(m.Body) >= 8 {
			f(m.Body[4:8]) // ifa_index, ndm_ifindex, ifi_index and the others' ifindex are all there
		}
		if e := m.Get(MdbaSetEntry); (m.Type == unix.RTM_NEWMDB || m.Type == unix.RTM_DELMDB) && len(e) == SizeofMdbEntry {
			f(e[:4])
		}
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		for a, b, ok := nextAttr(m.rest()); ok; a, b, ok = nextAttr(b) {
			switch {
			case a.Type == unix.RTA_OIF && len(a.Value) == 4:
				f(a.Value)
			case a.Type == unix.RTA_ENCAP:
				eachEncapIndex(m.Get(unix.RTA_ENCAP_TYPE), a.Value, f)
			case a.Type == unix.RTA_MULTIPATH:
				for leg := range Legs(a.Value) {
					f(leg[4:8])
					attrs := leg[unix.SizeofRtNexthop:]
					eachEncapIndex(FindAttr(attrs, unix.RTA_ENCAP_TYPE), FindAttr(attrs, unix.RTA_ENCAP), f)
				}
			}
		}
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		if b := m.Get(unix.NHA_OIF); len(b) == 4 {
			f(b)
		}
		eachEncapIndex(m.Get(unix.NHA_ENCAP_TYPE), m.Get(unix.NHA_ENCAP), f)
	}
}

// eachEncapIndex is eachIndex for what a route does with packets of segment routing, some of
// which leave by an interface of their own (End.DX2), and for the interface below IPsec's by
// which a route has its packets leave.
func eachEncapIndex(typ, encap []byte, f func([]byte)) {
	const segmentLocal, iif, oif = 7, 6, 7 // LWTUNNEL_ENCAP_SEG6_LOCAL, SEG6_LOCAL_IIF, SEG6_LOCAL_OIF (linux/seg6_local.h)
	const ipsec, link = 10, 2              // LWTUNNEL_ENCAP_XFRM, LWT_XFRM_LINK (linux/lwtunnel.h)
	if len(typ) != 2 {
		return
	}
	t := native.Uint16(typ)
	for a := range ParseAttrs(encap) {
		if is := t == segmentLocal && (a.Type == iif || a.Type == oif) || t == ipsec && a.Type == link; is && len(a.Value) == 4 {
			f(a.Value)
		}
	}
}

// Legs yields each struct rtnexthop of an RTA_MULTIPATH value, with the attributes that
// follow it.
func Legs(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) >= unix.SizeofRtNexthop {
			n := int(native.Uint16(b))
			if n < unix.SizeofRtNexthop || n > len(b) {
				return
			}
			if !yield(b[:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// EachGateway calls f with every gateway that a route or nexthop has on the interface
// with that index, and with whether it counts as on the link even without a route to it
// (onlink).
func (m Msg) EachGateway(index int, f func(addr []byte, onlink bool)) {
	switch m.Type {
	case unix.RTM_NEWNEXTHOP:
		if int(m.U32(unix.NHA_OIF)) == index && m.Get(unix.NHA_GATEWAY) != nil {
			f(m.Get(unix.NHA_GATEWAY), U32(m.Fixed()[4:8])&unix.RTNH_F_ONLINK != 0) // nh_flags
		}
	case unix.RTM_NEWROUTE:
		if int(m.U32(unix.RTA_OIF)) == index {
			eachHop(m.rest(), U32(m.Fixed()[8:12])&unix.RTNH_F_ONLINK != 0, f) // rtm_flags
		}
		for leg := range Legs(m.Get(unix.RTA_MULTIPATH)) {
			if int(U32(leg[4:8])) == index { // rtnh_ifindex
				eachHop(leg[unix.SizeofRtNexthop:], leg[2]&unix.RTNH_F_ONLINK != 0, f) // rtnh_flags
			}
		}
	}
}

// eachHop finds the gateway among the attributes of a route or a leg. An
// RTA_VIA begins with the family of the address.
func eachHop(attrs []byte, onlink bool, f func([]byte, bool)) {
	for a, b, ok := nextAttr(attrs); ok; a, b, ok = nextAttr(b) {
		switch a.Type {
		case unix.RTA_GATEWAY:
			f(a.Value, onlink)
		case unix.RTA_VIA:
			f(a.Value[min(len(a.Value), 2):], onlink)
		}
	}
}

// append adds the message in wire form.
func (m Msg) append(b []byte, seq uint32, flags uint16) []byte {
	b = native.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(m.Body)))
	b = native.AppendUint16(b, m.Type)
	b = native.AppendUint16(b, m.Flags|flags)
	b = native.AppendUint32(b, seq)
	b = native.AppendUint32(b, 0)
	b = append(b, m.Body...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

// split yields the messages of a buffer in wire form, each with its header separate.
func split(b []byte) iter.Seq2[unix.NlMsghdr, []byte] {
	return func(yield func(unix.NlMsghdr, []byte) bool) {
		for len(b) >= unix.SizeofNlMsghdr {
			h := unix.NlMsghdr{
				Len: native.Uint32(b), Type: native.Uint16(b[4:]),
				Flags: native.Uint16(b[6:]), Seq: native.Uint32(b[8:]), Pid: native.Uint32(b[12:]),
			}
			n := int(h.Len)
			if n < unix.SizeofNlMsghdr || n > len(b) {
				return
			}
			if !yield(h, b[unix.SizeofNlMsghdr:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// align rounds up to netlink's boundary of four bytes.
func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
