package nfrule

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Values that golang.org/x/sys/unix does not name (linux/netfilter/nf_tables.h).
const (
	nftSetConcat       = 0x80 // NFT_SET_CONCAT
	nftaSetExpr        = 17
	nftaSetExpressions = 18
	nftaSetDescSize    = 1
)

// What nft itself writes for a set of indexes, so that it can print one.
const (
	typeIndex = 20 // TYPE_IFINDEX
	// hostOrder is NFTNL_UDATA_SET_KEYBYTEORDER with BYTEORDER_HOST_ENDIAN.
	hostOrder = "\x00\x04\x01\x00\x00\x00"
	// mark is of no type that nft knows, which it passes over. It marks a set that stands
	// for one comparison.
	mark = "\xdb\x04xbr\x00"
)

// marked says whether a set stands for one comparison.
func (s *set) marked() bool {
	return s.anonymous() && bytes.HasSuffix(rtnl.FindAttr(s.attrs, unix.NFTA_SET_USERDATA), []byte(mark))
}

// newName is the pattern that the kernel makes a name for an anonymous set from.
func newName(s *set) string {
	if s.flags&(unix.NFT_SET_MAP|unix.NFT_SET_OBJECT) != 0 {
		return "__map%d"
	}
	return "__set%d"
}

// both makes a set of both indexes, and gives its number in the transaction.
func (w *writer) both(a *anew) uint32 {
	s := &set{flags: unix.NFT_SET_ANONYMOUS | unix.NFT_SET_CONSTANT}
	for _, attr := range []*nl.RtAttr{
		nfnetlink.U32(unix.NFTA_SET_FLAGS, s.flags), nfnetlink.U32(unix.NFTA_SET_KEY_TYPE, typeIndex), nfnetlink.U32(unix.NFTA_SET_KEY_LEN, 4),
		nfnetlink.Nest(unix.NFTA_SET_DESC, nfnetlink.U32(nftaSetDescSize, 2)), nl.NewRtAttr(unix.NFTA_SET_USERDATA, []byte(hostOrder+mark)),
	} {
		s.attrs = append(s.attrs, attr.Serialize()...)
	}
	var elems [][]byte
	for _, by := range w.By {
		elems = append(elems, with(nil, unix.NFTA_SET_ELEM_KEY, dataOf(rtnl.U32Bytes(uint32(by)))))
	}
	return w.copy(a, s, elems, false)
}

// setAttrs are what makes a set.
var setAttrs = []uint16{
	unix.NFTA_SET_FLAGS, unix.NFTA_SET_KEY_TYPE, unix.NFTA_SET_KEY_LEN, unix.NFTA_SET_DATA_TYPE, unix.NFTA_SET_DATA_LEN, unix.NFTA_SET_POLICY,
	unix.NFTA_SET_DESC, unix.NFTA_SET_TIMEOUT, unix.NFTA_SET_GC_INTERVAL, unix.NFTA_SET_USERDATA, unix.NFTA_SET_OBJ_TYPE, nftaSetExpr, nftaSetExpressions,
}

// copy makes a set like that one with these elements, and gives its number in the
// transaction.
func (w *writer) copy(a *anew, s *set, elems [][]byte, resized bool) uint32 {
	w.count++
	id := w.count
	attrs := []*nl.RtAttr{nfnetlink.Text(unix.NFTA_SET_TABLE, w.table.Table), nfnetlink.Text(unix.NFTA_SET_NAME, newName(s)), nfnetlink.U32(unix.NFTA_SET_ID, id)}
	for attr := range rtnl.ParseAttrs(s.attrs) {
		if attr.Type == unix.NFTA_SET_DESC && resized {
			attr.Value = with(attr.Value, nftaSetDescSize, be(uint32(len(elems))))
		}
		if slices.Contains(setAttrs, attr.Type) {
			attrs = append(attrs, nl.NewRtAttr(int(attr.Type), attr.Value))
		}
	}
	a.sets = append(a.sets, request(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, w.table, attrs...))
	if s.flags&unix.NFT_SET_INTERVAL != 0 {
		elems = ascending(elems)
	}
	of := []*nl.RtAttr{nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_SET, newName(s)), nfnetlink.U32(unix.NFTA_SET_ELEM_LIST_SET_ID, id)}
	a.sets = append(a.sets, elementMsgs(unix.NFT_MSG_NEWSETELEM, w.table, of, elems)...)
	return id
}

// ascending are a set's elements in the order in which the kernel wants those of
// intervals: the end of one before the beginning of the next.
func ascending(elems [][]byte) [][]byte {
	sorted := slices.Clone(elems)
	slices.SortStableFunc(sorted, func(a, b []byte) int {
		ends := func(e []byte) uint32 { return be32(e, unix.NFTA_SET_ELEM_FLAGS) & unix.NFT_SET_ELEM_INTERVAL_END }
		return cmp.Or(bytes.Compare(keyOf(a, unix.NFTA_SET_ELEM_KEY), keyOf(b, unix.NFTA_SET_ELEM_KEY)), cmp.Compare(ends(b), ends(a)))
	})
	return sorted
}

// elementMsgs are messages about elements: an attribute has room for 64 KiB.
func elementMsgs(msg int, table ID, of []*nl.RtAttr, elems [][]byte) (msgs []*nl.NetlinkRequest) {
	const most = 32 << 10
	for len(elems) > 0 {
		list, size := nfnetlink.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS), 0
		for size < most && len(elems) > 0 {
			list.AddChild(nl.NewRtAttr(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, elems[0]))
			size += len(elems[0]) + 4
			elems = elems[1:]
		}
		attrs := append([]*nl.RtAttr{nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_TABLE, table.Table)}, of...)
		msgs = append(msgs, request(msg, unix.NLM_F_CREATE, table, append(attrs, list)...))
	}
	return msgs
}

// keyOf is an element's key, or its end.
func keyOf(elem []byte, typ uint16) []byte {
	return rtnl.FindAttr(rtnl.FindAttr(elem, typ), unix.NFTA_DATA_VALUE)
}

// keysOf tells elements apart; "" is the one for all other keys.
func keysOf(elem []byte) string {
	key, end := keyOf(elem, unix.NFTA_SET_ELEM_KEY), keyOf(elem, nftaSetElemKeyEnd)
	if key == nil {
		return ""
	}
	return string(key) + string(end) + string(rtnl.FindAttr(elem, unix.NFTA_SET_ELEM_FLAGS))
}

// same says whether two sets have the same keys.
func same(a, b [][]byte) bool { return len(without(a, b)) == 0 && len(without(b, a)) == 0 }

// without are the elements of a that b does not have.
func without(a, b [][]byte) (left [][]byte) {
	has := make(map[string]bool, len(b))
	for _, e := range b {
		has[keysOf(e)] = true
	}
	for _, e := range a {
		if !has[keysOf(e)] {
			left = append(left, e)
		}
	}
	return left
}

// with are attributes of which one has that value.
func with(attrs []byte, typ uint16, value []byte) (all []byte) {
	found := false
	for a := range rtnl.ParseAttrs(attrs) {
		if a.Type == typ {
			a.Value, found = value, true
		}
		all = append(all, nl.NewRtAttr(int(a.Type), a.Value).Serialize()...)
	}
	if !found {
		all = append(all, nl.NewRtAttr(int(typ), value).Serialize()...)
	}
	return all
}

// only are some of the attributes.
func only(attrs []byte, types ...uint16) (some []byte) {
	for a := range rtnl.ParseAttrs(attrs) {
		if slices.Contains(types, a.Type) {
			some = append(some, nl.NewRtAttr(int(a.Type), a.Value).Serialize()...)
		}
	}
	return some
}

// patched is a key with other bytes at a place.
func patched(key []byte, at int, value []byte) []byte {
	key = bytes.Clone(key)
	copy(key[at:], value)
	return key
}

// dataOf is a value in an attribute.
func dataOf(value []byte) []byte { return nl.NewRtAttr(unix.NFTA_DATA_VALUE, value).Serialize() }

func be(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// expression is one of a rule.
func expression(name string, data []byte) []byte {
	return append(nfnetlink.Text(unix.NFTA_EXPR_NAME, name).Serialize(), nl.NewRtAttr(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, data).Serialize()...)
}

func compareOf(reg, how uint32, index int) []byte {
	data := append(nfnetlink.U32(unix.NFTA_CMP_SREG, reg).Serialize(), nfnetlink.U32(unix.NFTA_CMP_OP, how).Serialize()...)
	return expression("cmp", with(data, unix.NFTA_CMP_DATA, dataOf(rtnl.U32Bytes(uint32(index)))))
}

// lookupOf is a lookup in a new set.
func lookupOf(reg, id uint32, not bool) []byte {
	data := append(nfnetlink.Text(unix.NFTA_LOOKUP_SET, "__set%d").Serialize(), nfnetlink.U32(unix.NFTA_LOOKUP_SREG, reg).Serialize()...)
	if not {
		data = with(data, unix.NFTA_LOOKUP_FLAGS, be(unix.NFT_LOOKUP_F_INV))
	}
	return expression("lookup", with(data, unix.NFTA_LOOKUP_SET_ID, be(id)))
}
