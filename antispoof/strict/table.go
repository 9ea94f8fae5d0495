package strict

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// Attributes and flags that package unix does not have (linux/netfilter/nf_tables.h).
const (
	setConcat     = 0x80 // NFT_SET_CONCAT
	setDescConcat = 2    // NFTA_SET_DESC_CONCAT
	setFieldLen   = 1    // NFTA_SET_FIELD_LEN
	elemKeyEnd    = 10   // NFTA_SET_ELEM_KEY_END
	dataVerdict   = 0xffffff00
)

// tableName is what the table of a bridge is called.
func tableName(bridge string) string { return "xbr-" + bridge }

func request(msg, flags int, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	return nfnetlink.Request(msg, flags, unix.NFPROTO_BRIDGE, attrs...)
}

func newTable(bridge string) *nl.NetlinkRequest {
	return request(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, nfnetlink.Text(unix.NFTA_TABLE_NAME, tableName(bridge)))
}

func delTable(bridge string) *nl.NetlinkRequest {
	return request(unix.NFT_MSG_DELTABLE, 0, nfnetlink.Text(unix.NFTA_TABLE_NAME, tableName(bridge)))
}

// parts are a table's, as attributes by name.
type parts struct {
	sets, chains, counters map[string][]*nl.RtAttr
	rules                  map[string][][]*nl.RtAttr // the expressions of each rule, by chain
	elements               map[string][]element
}

// parts are those that the table should have.
func (s *State) parts() *parts {
	p := &parts{map[string][]*nl.RtAttr{}, map[string][]*nl.RtAttr{}, map[string][]*nl.RtAttr{}, map[string][][]*nl.RtAttr{}, s.elements()}
	for _, set := range s.sets() {
		p.sets[set.name] = set.attrs(s.Bridge, len(p.elements[set.name]))
	}
	for _, c := range chains(s) {
		p.chains[c.name] = c.attrs(s.Bridge)
		for _, r := range c.rules {
			p.rules[c.name] = append(p.rules[c.name], r.exprs())
		}
	}
	for _, name := range s.counters() {
		p.counters[name] = []*nl.RtAttr{nfnetlink.Text(unix.NFTA_OBJ_TABLE, tableName(s.Bridge)), nfnetlink.Text(unix.NFTA_OBJ_NAME, name),
			nfnetlink.U32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)}
	}
	return p
}

// sets are all sets.
func (s *State) sets() []*set {
	all := slices.Clone(sets)
	for _, reason := range Reasons {
		all = append(all, dropped(reason))
	}
	return all
}

// counters are the names of all counters.
func (s *State) counters() []string {
	names := []string{unadmitted, forgedLAN}
	for _, g := range s.Guests {
		for _, reason := range Reasons {
			names = append(names, counterName(reason, g.Port))
		}
	}
	return names
}

// hostOrder tells nft that keys are not in network order (NFTNL_UDATA_SET_KEYBYTEORDER,
// BYTEORDER_HOST_ENDIAN): it shows no names else.
var hostOrder = append([]byte{0, 4}, binary.NativeEndian.AppendUint32(nil, 1)...)

// roomy is the size of sets in which most frames are looked up: of one that it knows the
// size of, the kernel makes a table that need not be able to grow, in which it finds things
// sooner (nft_hash_estimate). It takes 64 kB.
const roomy = 4096

// room is for how many elements there has to be room in a set; 0 if that is left open. Both
// old and new elements have to fit in while they are exchanged.
func (s *set) room(elements int) uint32 {
	if !s.most || elements > roomy/2 {
		return 0
	}
	return roomy
}

// attrs describe a set with that many elements to the kernel.
func (s *set) attrs(bridge string, elements int) []*nl.RtAttr {
	var flags, typ, size uint32
	var fields []*nl.RtAttr
	for _, f := range s.fields {
		n := uint32(f.kind.size)
		size += (n + 3) &^ 3
		typ = typ<<6 | f.kind.id
		fields = append(fields, nfnetlink.Nest(unix.NFTA_LIST_ELEM, nfnetlink.U32(setFieldLen, n)))
	}
	if len(s.fields) == 1 {
		size = uint32(s.fields[0].kind.size)
	}
	attrs := []*nl.RtAttr{nfnetlink.Text(unix.NFTA_SET_TABLE, tableName(bridge)), nfnetlink.Text(unix.NFTA_SET_NAME, s.name),
		nfnetlink.U32(unix.NFTA_SET_KEY_TYPE, typ), nfnetlink.U32(unix.NFTA_SET_KEY_LEN, size)}
	if s.fields[0].kind == ifname && len(s.fields) == 1 {
		attrs = append(attrs, nl.NewRtAttr(unix.NFTA_SET_USERDATA, hostOrder))
	}
	switch {
	case s.does:
		flags |= unix.NFT_SET_MAP
		attrs = append(attrs, nfnetlink.U32(unix.NFTA_SET_DATA_TYPE, dataVerdict))
	case s.counts:
		flags |= unix.NFT_SET_OBJECT
		attrs = append(attrs, nfnetlink.U32(unix.NFTA_SET_OBJ_TYPE, unix.NFT_OBJECT_COUNTER))
	}
	if s.interval {
		flags |= unix.NFT_SET_INTERVAL | setConcat
		attrs = append(attrs, nfnetlink.Nest(unix.NFTA_SET_DESC, nfnetlink.Nest(setDescConcat, fields...)))
	}
	if room := s.room(elements); room > 0 {
		attrs = append(attrs, nfnetlink.Nest(unix.NFTA_SET_DESC, nfnetlink.U32(unix.NFTA_SET_DESC_SIZE, room)))
	}
	if flags == 0 { // the kernel does not tell of none
		return attrs
	}
	return append(attrs, nfnetlink.U32(unix.NFTA_SET_FLAGS, flags))
}

// attrs describe a chain to the kernel.
func (c chain) attrs(bridge string) []*nl.RtAttr {
	attrs := []*nl.RtAttr{nfnetlink.Text(unix.NFTA_CHAIN_TABLE, tableName(bridge)), nfnetlink.Text(unix.NFTA_CHAIN_NAME, c.name)}
	if c.hook == noHook {
		return attrs
	}
	prio := int32(priority)
	return append(attrs, nfnetlink.Nest(unix.NFTA_CHAIN_HOOK, nfnetlink.U32(unix.NFTA_HOOK_HOOKNUM, uint32(c.hook)), nfnetlink.U32(unix.NFTA_HOOK_PRIORITY, uint32(prio))),
		nfnetlink.Text(unix.NFTA_CHAIN_TYPE, "filter"), nfnetlink.U32(unix.NFTA_CHAIN_POLICY, nfAccept))
}

// attrs describe an element to the kernel.
func (e element) attrs() []*nl.RtAttr {
	attrs := []*nl.RtAttr{value(unix.NFTA_SET_ELEM_KEY, e.key)}
	if e.last != nil {
		attrs = append(attrs, value(elemKeyEnd, e.last))
	}
	if e.does.text != "" {
		code := nfAccept
		if e.goal != "" {
			code = unix.NFT_GOTO
		}
		attrs = append(attrs, nfnetlink.Nest(unix.NFTA_SET_ELEM_DATA, verdict(code, e.goal)))
	}
	if e.counter != "" {
		attrs = append(attrs, nfnetlink.Text(unix.NFTA_SET_ELEM_OBJREF, e.counter))
	}
	return attrs
}

// whole is the transaction that makes the table, whatever there was. The counters
// begin with what they had.
func (s *State) whole(had map[string]Count) []*nl.NetlinkRequest {
	p := s.parts()
	msgs := []*nl.NetlinkRequest{newTable(s.Bridge), delTable(s.Bridge), newTable(s.Bridge)}
	for i, name := range slices.Sorted(maps.Keys(p.sets)) {
		msgs = append(msgs, newSet(p.sets[name], i+1))
	}
	for _, name := range slices.Sorted(maps.Keys(p.counters)) {
		msgs = append(msgs, newCounter(p.counters[name], had[name]))
	}
	for _, c := range chains(s) {
		msgs = append(msgs, newChain(p.chains[c.name]))
	}
	for _, c := range chains(s) {
		msgs = append(msgs, newRules(s.Bridge, c.name, p.rules[c.name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(p.elements)) {
		msgs = append(msgs, elementsMsgs(unix.NFT_MSG_NEWSETELEM, s.Bridge, name, p.elements[name])...)
	}
	return msgs
}

func newSet(attrs []*nl.RtAttr, id int) *nl.NetlinkRequest {
	return request(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, append(attrs, nfnetlink.U32(unix.NFTA_SET_ID, uint32(id)))...)
}

func newChain(attrs []*nl.RtAttr) *nl.NetlinkRequest {
	return request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, attrs...)
}

// newRules adds rules to a chain, of each its expressions.
func newRules(bridge, chain string, rules [][]*nl.RtAttr) (msgs []*nl.NetlinkRequest) {
	for _, exprs := range rules {
		msgs = append(msgs, request(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, nfnetlink.Text(unix.NFTA_RULE_TABLE, tableName(bridge)),
			nfnetlink.Text(unix.NFTA_RULE_CHAIN, chain), nfnetlink.Nest(unix.NFTA_RULE_EXPRESSIONS, exprs...)))
	}
	return msgs
}

func newCounter(attrs []*nl.RtAttr, had Count) *nl.NetlinkRequest {
	return request(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE, append(attrs, nfnetlink.Nest(unix.NFTA_OBJ_DATA,
		nl.NewRtAttr(unix.NFTA_COUNTER_BYTES, number(had.Bytes, 8)), nl.NewRtAttr(unix.NFTA_COUNTER_PACKETS, number(had.Packets, 8))))...)
}

// batch is how many elements are in one message: an attribute has less than 64 kB.
const batch = 250

func elementsMsgs(msg int, bridge, set string, elements []element) (msgs []*nl.NetlinkRequest) {
	for some := range slices.Chunk(elements, batch) {
		var list []*nl.RtAttr
		for _, e := range some {
			list = append(list, nfnetlink.Nest(unix.NFTA_LIST_ELEM, e.attrs()...))
		}
		msgs = append(msgs, request(msg, unix.NLM_F_CREATE, nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_TABLE, tableName(bridge)),
			nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_SET, set), nfnetlink.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, list...)))
	}
	return msgs
}

// String is the table as nft reads it. The first two lines make it do the same in one
// transaction, whatever there was.
func (s *State) String() string {
	var b strings.Builder
	name, elements := quotedTable(s.Bridge), s.elements()
	fmt.Fprintf(&b, "add table bridge %[1]s\ndelete table bridge %[1]s\ntable bridge %[1]s {\n", name)
	for _, counter := range s.counters() {
		fmt.Fprintf(&b, "  counter %s {\n  }\n", counter)
	}
	for _, set := range s.sets() {
		b.WriteString(set.text(elements[set.name]))
	}
	for _, c := range chains(s) {
		fmt.Fprintf(&b, "  chain %s {\n", c.name)
		if c.hook != noHook {
			fmt.Fprintf(&b, "    type filter hook %s priority %d; policy accept;\n", c.name, priority)
		}
		for _, r := range c.rules {
			fmt.Fprintf(&b, "    %s\n", r)
		}
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// quotedTable is the table's name. Every name of an interface that config accepts and
// that nft does not is refused when strict is asked for.
func quotedTable(bridge string) string { return tableName(bridge) }

func (s *set) text(elements []element) string {
	word, kinds := "set", []string{}
	for _, f := range s.fields {
		if kinds = append(kinds, f.kind.name); s.raw {
			kinds[len(kinds)-1] = f.text
		}
	}
	typ := "type " + strings.Join(kinds, " . ")
	if s.raw {
		typ = "typeof " + strings.Join(kinds, " . ")
	}
	switch {
	case s.does:
		word, typ = "map", typ+" : verdict"
	case s.counts:
		word, typ = "map", typ+" : counter"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s {\n    %s\n", word, s.name, typ)
	if s.interval {
		b.WriteString("    flags interval\n")
	}
	if room := s.room(len(elements)); room > 0 {
		fmt.Fprintf(&b, "    size %d\n", room)
	}
	if list := texts(elements, false); len(list) > 0 {
		fmt.Fprintf(&b, "    elements = { %s }\n", strings.Join(list, ", "))
	}
	b.WriteString("  }\n")
	return b.String()
}

// texts are elements as nft reads them: plain, or for sets that it makes.
func texts(elements []element, plain bool) (list []string) {
	for _, e := range elements {
		if plain && e.plain != "" {
			e.text = e.plain
		}
		switch {
		case e.does.text != "":
			list = append(list, e.text+" : "+e.does.text)
		case e.counter != "":
			list = append(list, fmt.Sprintf("%s : %q", e.text, e.counter))
		default:
			list = append(list, e.text)
		}
	}
	return list
}
