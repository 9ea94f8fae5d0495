package nfrule

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Swap says what rules that mean one of two interfaces by its index are to mean: one of
// them, or both. Whatever they mean already, the outcome is the same.
type Swap struct {
	Of [2]int // indexes
	By []int  // one or both of them
}

func (w Swap) of(index int) bool { return index == w.Of[0] || index == w.Of[1] }

// only says whether that index is all that they are to mean.
func (w Swap) only(index int) bool { return len(w.By) == 1 && w.By[0] == index }

// copied are the expressions that the kernel takes again as it tells them. Limits and
// numbers of connections begin anew, counters and quotas go on.
var copied = []string{
	"bitwise", "byteorder", "cmp", "connlimit", "counter", "ct", "dup", "dynset", "exthdr", "fib", "flow_offload", "fwd", "hash",
	"immediate", "last", "limit", "log", "lookup", "masq", "meta", "nat", "notrack", "numgen", "objref", "osf", "payload", "queue", "quota",
	"range", "redir", "reject", "rt", "socket", "synproxy", "tproxy", "tunnel", "xfrm",
}

// anew is a rule as it is to be.
type anew struct {
	exprs   []*nl.RtAttr
	sets    []*nl.NetlinkRequest // that it needs
	changed bool
	fixed   error // why it cannot be changed, if it is to be
}

// keep adds an expression.
func (a *anew) keep(value []byte) {
	a.exprs = append(a.exprs, nl.NewRtAttr(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, value))
}

// change adds one that is not as it was.
func (a *anew) change(value []byte) {
	a.keep(value)
	a.changed = true
}

func (a *anew) fix(format string, args ...any) {
	if a.fixed == nil {
		a.fixed = fmt.Errorf(format, args...)
	}
}

// writer writes rules anew.
type writer struct {
	*Ruleset
	Swap
	kept  map[Kept]bool
	table ID     // that the rule or the set is in
	count uint32 // of new sets
}

// rule writes a rule.
func (w *writer) rule(r *Rule) *anew {
	a, f, n := &anew{}, &Flow{}, 0
	for attr := range rtnl.ParseAttrs(r.exprs) {
		e := exprOf(n, attr.Value)
		switch e.name {
		case "cmp":
			w.compare(a, f, e)
		case "lookup":
			w.lookup(a, f, r, e, unix.NFTA_LOOKUP_SET, unix.NFTA_LOOKUP_SET_ID, be32(e.data, unix.NFTA_LOOKUP_SREG))
		case "objref":
			w.lookup(a, f, r, e, unix.NFTA_OBJREF_SET_NAME, unix.NFTA_OBJREF_SET_ID, be32(e.data, unix.NFTA_OBJREF_SET_SREG))
		case "dup":
			w.device(a, f, be32(e.data, nftaDupSRegDev))
			a.keep(e.value)
		case "fwd":
			w.device(a, f, be32(e.data, nftaFwdSRegDev))
			a.keep(e.value)
		case "exthdr":
			a.keep(expression(e.name, exthdr(e.data)))
		case "osf":
			a.keep(expression(e.name, osf(e.data)))
		case "dynset":
			a.keep(expression(e.name, dynset(e.data)))
		default:
			a.keep(e.value)
		}
		w.fixed(a, r, e)
		f.step(e)
		n++
	}
	return a
}

// exthdr is what the kernel takes of what it tells of a header: where it is written or
// removed, it tells more (nft_exthdr_tcp_set_init, nft_exthdr_tcp_strip_init).
func exthdr(data []byte) []byte {
	const dreg, typ, offset, length, op, sreg = 1, 2, 3, 4, 6, 7 // NFTA_EXTHDR_…
	switch {
	case rtnl.FindAttr(data, dreg) != nil:
		return data
	case rtnl.FindAttr(data, sreg) != nil:
		return only(data, typ, offset, length, op, sreg)
	}
	return only(data, typ, op)
}

// osf is what the kernel takes of what it tells of a comparison with systems' fingerprints:
// it tells flags of which none is set, and does not take them (nft_osf_init).
func osf(data []byte) []byte {
	const dreg, ttl, flags = 1, 2, 3 // NFTA_OSF_…
	if be32(data, flags) == 0 {
		return only(data, dreg, ttl)
	}
	return data
}

// dynset is what the kernel takes of what it tells of a rule that fills a set: it tells a timeout
// of none, and takes one for sets with timeouts only (nft_dynset_init).
func dynset(data []byte) (some []byte) {
	for a := range rtnl.ParseAttrs(data) {
		if a.Type != unix.NFTA_DYNSET_TIMEOUT || bytes.ContainsFunc(a.Value, func(r rune) bool { return r != 0 }) {
			some = append(some, nl.NewRtAttr(int(a.Type), a.Value).Serialize()...)
		}
	}
	return some
}

// fixed notes what cannot be written anew.
func (w *writer) fixed(a *anew, r *Rule, e expr) {
	verdict := rtnl.FindAttr(rtnl.FindAttr(e.data, nftaImmediateData), unix.NFTA_DATA_VERDICT)
	switch {
	case !slices.Contains(copied, e.name):
		a.fix("it has the expression %q", e.name)
	case e.name == "immediate" && strings.HasPrefix(rtnl.String(rtnl.FindAttr(verdict, unix.NFTA_VERDICT_CHAIN)), ownChain):
		a.fix("it has a chain of its own")
	case e.name == "dynset" && (strings.HasPrefix(setOf(e), "__") || w.sets[r.set(setOf(e))].anonymous()):
		a.fix("it fills a set of its own")
	case strings.HasPrefix(r.Chain, ownChain):
		a.fix("its chain belongs to another rule")
	case w.owned[w.table]:
		a.fix("%w", errOwned)
	}
}

// ownChain begins the name of a chain that belongs to one rule (NFT_CHAIN_BINDING).
const ownChain = "__chain"

// compare writes a comparison: two indexes are a set.
func (w *writer) compare(a *anew, f *Flow, e expr) {
	held := f.regs[slot(be32(e.data, unix.NFTA_CMP_SREG))].held
	value := rtnl.FindAttr(rtnl.FindAttr(e.data, unix.NFTA_CMP_DATA), unix.NFTA_DATA_VALUE)
	if held == aTurnedIndex {
		value = turned(value)
	}
	index, how := int(rtnl.U32(value)), be32(e.data, unix.NFTA_CMP_OP)
	switch {
	case held != anIndex && held != aTurnedIndex, len(value) != 4, !w.of(index), w.only(index):
		a.keep(e.value)
	case held == aTurnedIndex || how != unix.NFT_CMP_EQ && how != unix.NFT_CMP_NEQ:
		a.change(e.value)
		a.fix("it compares with a range of indexes")
	case len(w.By) == 1:
		a.change(expression("cmp", with(e.data, unix.NFTA_CMP_DATA, dataOf(rtnl.U32Bytes(uint32(w.By[0]))))))
	default:
		id := w.both(a)
		a.change(lookupOf(be32(e.data, unix.NFTA_CMP_SREG), id, how == unix.NFT_CMP_NEQ))
	}
}

// lookup writes a lookup: a set that belongs to the rule comes anew with it.
func (w *writer) lookup(a *anew, f *Flow, r *Rule, e expr, nameAttr, idAttr uint16, reg uint32) {
	name := rtnl.String(rtnl.FindAttr(e.data, nameAttr))
	s := w.sets[r.set(name)]
	switch {
	case s == nil && strings.HasPrefix(name, "__"):
		a.keep(e.value)
		a.fix("its set could not be read")
		return
	case !s.anonymous():
		a.keep(e.value)
		return
	case s.marked() && len(w.By) == 1 && w.has(s): // else it stands for another interface of the rule
		how := uint32(unix.NFT_CMP_EQ)
		if be32(e.data, unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0 {
			how = unix.NFT_CMP_NEQ
		}
		a.change(compareOf(reg, how, w.By[0]))
		return
	}
	elems, changed, err := w.elements(s, f.places(name, reg))
	if err != nil {
		a.fix("%w", err)
	}
	a.changed = a.changed || changed
	id := w.copy(a, s, elems, changed)
	a.keep(expression(e.name, with(with(e.data, nameAttr, []byte(newName(s)+"\x00")), idAttr, be(id))))
}

// has says whether a set of indexes has one of the two.
func (w *writer) has(s *set) bool {
	return slices.ContainsFunc(s.elems, func(elem []byte) bool {
		key := keyOf(elem, unix.NFTA_SET_ELEM_KEY)
		return len(key) >= 4 && w.of(int(rtnl.U32(key)))
	})
}

// device writes the interface that a packet is sent out of: it can only be one.
func (w *writer) device(a *anew, f *Flow, reg uint32) {
	r := f.regs[slot(reg)]
	if r.held != aNumber || len(r.value) != 4 || len(w.By) != 1 || !w.of(int(rtnl.U32(r.value))) || w.only(int(rtnl.U32(r.value))) {
		return
	}
	e := exprOf(r.from, a.exprs[r.from].Data)
	value := with(rtnl.FindAttr(e.data, nftaImmediateData), unix.NFTA_DATA_VALUE, rtnl.U32Bytes(uint32(w.By[0])))
	a.exprs[r.from].Data = expression(e.name, with(e.data, nftaImmediateData, value))
	a.changed = true
}

// elements are those of a set as they are to be, and whether they are others than now.
func (w *writer) elements(s *set, at []lookup) (elems [][]byte, changed bool, err error) {
	elems = s.elems
	for _, l := range at {
		if l.holds == aName {
			continue
		}
		var all [][]byte
		seen := map[string]bool{}
		for _, elem := range elems {
			anew, inexact := w.element(elem, l)
			if inexact || len(anew) > 0 && s.flags&(unix.NFT_SET_INTERVAL|nftSetConcat) == unix.NFT_SET_INTERVAL {
				err = errors.New("its set has ranges of indexes")
			}
			if len(anew) == 0 {
				anew = [][]byte{elem}
			}
			for _, elem := range anew {
				if key := keysOf(elem); !seen[key] || key == "" {
					seen[key] = true
					all = append(all, elem)
				}
			}
		}
		elems = all
	}
	return elems, !same(elems, s.elems), err
}

// element is what stands for an element, nothing if it stays as it is. It is inexact if
// the element is a range of indexes.
func (w *writer) element(elem []byte, l lookup) (anew [][]byte, inexact bool) {
	key, end := keyOf(elem, unix.NFTA_SET_ELEM_KEY), keyOf(elem, nftaSetElemKeyEnd)
	if len(key) < l.at+4 {
		return nil, false
	}
	index := func(key []byte) int {
		if l.holds == aTurnedIndex {
			return int(rtnl.U32(turned(key[l.at : l.at+4])))
		}
		return int(rtnl.U32(key[l.at : l.at+4]))
	}
	if !w.of(index(key)) {
		return nil, false
	}
	if end != nil && (len(end) < l.at+4 || index(end) != index(key)) {
		return nil, true
	}
	for _, by := range w.By {
		value := rtnl.U32Bytes(uint32(by))
		if l.holds == aTurnedIndex {
			value = turned(value)
		}
		e := with(elem, unix.NFTA_SET_ELEM_KEY, dataOf(patched(key, l.at, value)))
		if end != nil {
			e = with(e, nftaSetElemKeyEnd, dataOf(patched(end, l.at, value)))
		}
		anew = append(anew, e)
	}
	return anew, false
}

// request is a message about something in a table.
func request(msg, flags int, id ID, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	return nfnetlink.Request(msg, flags, id.Family, attrs...)
}
