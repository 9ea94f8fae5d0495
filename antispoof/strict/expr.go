package strict

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// part is a piece of a rule: the text that nft would read, and the expressions that
// the kernel gets for it.
type part struct {
	text  string
	exprs []*nl.RtAttr
}

// A rule is its parts, one after another.
type rule []part

func (r rule) String() string {
	var words []string
	for _, p := range r {
		words = append(words, p.text)
	}
	return strings.Join(words, " ")
}

func (r rule) exprs() []*nl.RtAttr {
	var all []*nl.RtAttr
	for _, p := range r {
		all = append(all, p.exprs...)
	}
	return all
}

// field is a part of a frame, or of what is known about it.
type field struct {
	text         string
	meta         uint32 // NFT_META_…, if it is not in the frame itself
	base         uint32 // NFT_PAYLOAD_…
	offset, size uint32 // in bytes
	kind         kind
}

// kind is what a field holds. nft needs to know it to show a set.
type kind struct {
	name string
	id   uint32 // the number that nft has for it (include/datatype.h)
	size int    // in bytes
}

var (
	ifname = kind{"ifname", 41, unix.IFNAMSIZ}
	ether  = kind{"ether_addr", 9, 6}
	ip4    = kind{"ipv4_addr", 7, 4}
	ip6    = kind{"ipv6_addr", 8, 16}
)

const (
	link      = unix.NFT_PAYLOAD_LL_HEADER
	network   = unix.NFT_PAYLOAD_NETWORK_HEADER
	transport = unix.NFT_PAYLOAD_TRANSPORT_HEADER
)

// Fields of frames. Where nft has a name for one that would make it look at the type of
// the frame as well, which the chains have done before, the bytes are named instead.
var (
	port    = field{text: "iifname", meta: unix.NFT_META_IIFNAME, size: unix.IFNAMSIZ, kind: ifname}
	bridge  = field{text: "meta ibrname", meta: unix.NFT_META_BRI_IIFNAME, size: unix.IFNAMSIZ, kind: ifname}
	l4proto = field{text: "meta l4proto", meta: unix.NFT_META_L4PROTO, size: 1, kind: kind{"inet_proto", 12, 1}}

	source    = field{text: "ether saddr", base: link, offset: 6, size: 6, kind: ether}
	dest      = field{text: "ether daddr", base: link, offset: 0, size: 6, kind: ether}
	etherType = field{text: "ether type", base: link, offset: 12, size: 2, kind: kind{"ether_type", 10, 2}}

	source4 = field{text: "ip saddr", base: network, offset: 12, size: 4, kind: ip4}
	dest4   = field{text: "ip daddr", base: network, offset: 16, size: 4, kind: ip4}
	source6 = field{text: "ip6 saddr", base: network, offset: 8, size: 16, kind: ip6}

	arpIP     = field{text: "arp saddr ip", base: network, offset: 14, size: 4, kind: ip4}
	arpTarget = field{text: "arp daddr ip", base: network, offset: 24, size: 4, kind: ip4}
)

// at is a field that has no name; the size is in bytes.
func at(base uint32, offset, size uint32) field {
	name := map[uint32]string{link: "@ll", network: "@nh", transport: "@th"}[base]
	return field{text: fmt.Sprintf("%s,%d,%d", name, 8*offset, 8*size), base: base, offset: offset, size: size}
}

// load takes a field into a register.
func (f field) load(reg uint32) *nl.RtAttr {
	if f.meta != 0 {
		return expr("meta", nfnetlink.U32(unix.NFTA_META_DREG, reg), nfnetlink.U32(unix.NFTA_META_KEY, f.meta))
	}
	return expr("payload", nfnetlink.U32(unix.NFTA_PAYLOAD_DREG, reg), nfnetlink.U32(unix.NFTA_PAYLOAD_BASE, f.base),
		nfnetlink.U32(unix.NFTA_PAYLOAD_OFFSET, f.offset), nfnetlink.U32(unix.NFTA_PAYLOAD_LEN, f.size))
}

// expr is one expression of a rule.
func expr(name string, attrs ...*nl.RtAttr) *nl.RtAttr {
	return nfnetlink.Nest(unix.NFTA_LIST_ELEM, nfnetlink.Text(unix.NFTA_EXPR_NAME, name), nfnetlink.Nest(unix.NFTA_EXPR_DATA, attrs...))
}

func value(typ int, b []byte) *nl.RtAttr {
	return nfnetlink.Nest(typ, nl.NewRtAttr(unix.NFTA_DATA_VALUE, b))
}

func compare(op uint32, b []byte) *nl.RtAttr {
	return expr("cmp", nfnetlink.U32(unix.NFTA_CMP_SREG, unix.NFT_REG_1), nfnetlink.U32(unix.NFTA_CMP_OP, op), value(unix.NFTA_CMP_DATA, b))
}

// number is a number of so many bytes, in network order.
func number(v uint64, size uint32) []byte {
	return binary.BigEndian.AppendUint64(nil, v)[8-size:]
}

// is matches a field that has this value. A frame that is too short for the field does
// not match, whatever is compared (NFT_BREAK).
func is(f field, v uint64) part {
	text := fmt.Sprintf("%s %d", f.text, v)
	switch {
	case f.text == etherType.text:
		text = fmt.Sprintf("%s 0x%04x", f.text, v)
	case f.size > 2:
		text = fmt.Sprintf("%s 0x%0*x", f.text, 2*f.size, v)
	}
	return part{text, []*nl.RtAttr{f.load(unix.NFT_REG_1), compare(unix.NFT_CMP_EQ, number(v, f.size))}}
}

// isNot matches a field that is there and has another value.
func isNot(f field, v uint64) part {
	return part{fmt.Sprintf("%s != %d", f.text, v), []*nl.RtAttr{f.load(unix.NFT_REG_1), compare(unix.NFT_CMP_NEQ, number(v, f.size))}}
}

// isText matches a field whose value nft writes like that.
func isText(f field, text string, v []byte) part {
	return part{f.text + " " + text, []*nl.RtAttr{f.load(unix.NFT_REG_1), compare(unix.NFT_CMP_EQ, v)}}
}

// begins matches an interface's name that begins like that.
func begins(f field, name string) part {
	return part{fmt.Sprintf("%s %q", f.text, name+"*"), []*nl.RtAttr{f.load(unix.NFT_REG_1), compare(unix.NFT_CMP_EQ, []byte(name))}}
}

// masked matches a field that has this value where the mask has ones.
func masked(f field, mask, v uint64) part {
	return part{
		fmt.Sprintf("%s & 0x%0*x == 0x%0*x", f.text, 2*f.size, mask, 2*f.size, v),
		[]*nl.RtAttr{f.load(unix.NFT_REG_1), and(number(mask, f.size)), compare(unix.NFT_CMP_EQ, number(v, f.size))},
	}
}

// maskedNot matches a field that is there and has another value where the mask has ones.
func maskedNot(f field, mask, v uint64) part {
	return part{
		fmt.Sprintf("%s & 0x%0*x != 0x%0*x", f.text, 2*f.size, mask, 2*f.size, v),
		[]*nl.RtAttr{f.load(unix.NFT_REG_1), and(number(mask, f.size)), compare(unix.NFT_CMP_NEQ, number(v, f.size))},
	}
}

// present matches a field that is there, whatever it has.
func present(f field) part { return masked(f, 0, 0) }

// maskedMAC is masked for a MAC address.
func maskedMAC(f field, mask, v []byte) part {
	text := func(b []byte) string { return strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ":") }
	return part{f.text + " & " + text(mask) + " == " + text(v), []*nl.RtAttr{f.load(unix.NFT_REG_1), and(mask), compare(unix.NFT_CMP_EQ, v)}}
}

func and(mask []byte) *nl.RtAttr {
	return expr("bitwise", nfnetlink.U32(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1), nfnetlink.U32(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1),
		nfnetlink.U32(unix.NFTA_BITWISE_LEN, uint32(len(mask))), value(unix.NFTA_BITWISE_MASK, mask), value(unix.NFTA_BITWISE_XOR, make([]byte, len(mask))))
}

// has matches a packet of IPv6 with an extension header.
func has(name string, header byte) part {
	return part{"exthdr " + name + " exists", []*nl.RtAttr{
		expr("exthdr", nfnetlink.U32(unix.NFTA_EXTHDR_DREG, unix.NFT_REG_1), nl.NewRtAttr(unix.NFTA_EXTHDR_TYPE, []byte{header}),
			nfnetlink.U32(unix.NFTA_EXTHDR_OFFSET, 0), nfnetlink.U32(unix.NFTA_EXTHDR_LEN, 1), nfnetlink.U32(unix.NFTA_EXTHDR_FLAGS, unix.NFT_EXTHDR_F_PRESENT)),
		compare(unix.NFT_CMP_EQ, []byte{1}),
	}}
}

// in matches fields whose values are together in a set.
func in(s *set, fields ...field) part { return lookup(s, "", 0, fields) }

// notIn matches fields that are there and whose values are not in a set.
func notIn(s *set, fields ...field) part { return lookup(s, "!= ", unix.NFT_LOOKUP_F_INV, fields) }

func lookup(s *set, not string, flags uint32, fields []field) part {
	text, exprs := take(fields)
	attrs := []*nl.RtAttr{nfnetlink.Text(unix.NFTA_LOOKUP_SET, s.name), nfnetlink.U32(unix.NFTA_LOOKUP_SREG, unix.NFT_REG_1)}
	if flags != 0 {
		attrs = append(attrs, nfnetlink.U32(unix.NFTA_LOOKUP_FLAGS, flags))
	}
	return part{text + " " + not + "@" + s.name, append(exprs, expr("lookup", attrs...))}
}

// take puts fields one behind another, each where a register of four bytes begins. The
// kernel calls such a register by the number of a larger one where one begins.
func take(fields []field) (text string, exprs []*nl.RtAttr) {
	var names []string
	at := uint32(0)
	for _, f := range fields {
		reg := unix.NFT_REG32_00 + at
		if at%4 == 0 {
			reg = unix.NFT_REG_1 + at/4
		}
		names = append(names, f.text)
		exprs = append(exprs, f.load(reg))
		at += (f.size + 3) / 4
	}
	return strings.Join(names, " . "), exprs
}

// decide does what a map says for fields, and goes on if it says nothing.
func decide(s *set, fields ...field) part {
	text, exprs := take(fields)
	return part{text + " vmap @" + s.name, append(exprs,
		expr("lookup", nfnetlink.Text(unix.NFTA_LOOKUP_SET, s.name), nfnetlink.U32(unix.NFTA_LOOKUP_SREG, unix.NFT_REG_1), nfnetlink.U32(unix.NFTA_LOOKUP_DREG, unix.NFT_REG_VERDICT)))}
}

// countBy counts a frame with the counter that a map has for a field, if it has one.
func countBy(s *set, f field) part {
	return part{"counter name " + f.text + " map @" + s.name, []*nl.RtAttr{f.load(unix.NFT_REG_1),
		expr("objref", nfnetlink.U32(unix.NFTA_OBJREF_SET_SREG, unix.NFT_REG_1), nfnetlink.Text(unix.NFTA_OBJREF_SET_NAME, s.name))}}
}

// count counts a frame.
func count(counter string) part {
	return part{fmt.Sprintf("counter name %q", counter), []*nl.RtAttr{
		expr("objref", nfnetlink.U32(unix.NFTA_OBJREF_IMM_TYPE, unix.NFT_OBJECT_COUNTER), nfnetlink.Text(unix.NFTA_OBJREF_IMM_NAME, counter))}}
}

// NF_DROP and NF_ACCEPT, linux/netfilter.h.
const nfDrop, nfAccept = 0, 1

// Verdicts.
var (
	accept = part{"accept", []*nl.RtAttr{immediate(verdict(nfAccept, ""))}}
	drop   = part{"drop", []*nl.RtAttr{immediate(verdict(nfDrop, ""))}}
)

// to goes on with another chain, for good.
func to(chain string) part {
	return part{"goto " + chain, []*nl.RtAttr{immediate(verdict(unix.NFT_GOTO, chain))}}
}

func immediate(data *nl.RtAttr) *nl.RtAttr {
	return expr("immediate", nfnetlink.U32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT), nfnetlink.Nest(unix.NFTA_IMMEDIATE_DATA, data))
}

func verdict(code int, chain string) *nl.RtAttr {
	attrs := []*nl.RtAttr{nfnetlink.U32(unix.NFTA_VERDICT_CODE, uint32(int32(code)))}
	if chain != "" {
		attrs = append(attrs, nfnetlink.Text(unix.NFTA_VERDICT_CHAIN, chain))
	}
	return nfnetlink.Nest(unix.NFTA_DATA_VERDICT, attrs...)
}

// hexText writes bytes as nft writes a number.
func hexText(b []byte) string { return "0x" + hex.EncodeToString(b) }
