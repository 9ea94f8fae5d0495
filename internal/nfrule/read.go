package nfrule

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Rule is a rule of nftables that is about interfaces.
type Rule struct {
	Flow
	Family       uint8 // NFPROTO_…
	Table, Chain string
	Handle       uint64

	exprs, userdata []byte // if it is about indexes
}

// ID names a set, a chain or, without a name, a table.
type ID struct {
	Family      uint8 // NFPROTO_…
	Table, Name string
}

// set is a set or a map.
type set struct {
	attrs []byte
	flags uint32
	elems [][]byte // the attributes of each element
}

// Ruleset is what the kernel has of rules that are about interfaces.
type Ruleset struct {
	Chains
	Rules []Rule
	sets  map[ID]*set     // those that rules about indexes use, and those of indexes that none uses
	named map[ID][]lookup // those of them that have names, and where their keys have indexes
	loose map[ID]bool     // those of them that no rule looks anything up in
	owned map[ID]bool     // tables that only one program can change (NFT_TABLE_F_OWNER)

	refused map[Kept]error // what the kernel would not take anew
}

// Read reads the rules, and the sets in which they look interfaces up; it fails with
// unix.EINVAL on a kernel without nftables.
func Read(c *rtnl.Conn) (*Ruleset, error) {
	r := &Ruleset{sets: map[ID]*set{}, loose: map[ID]bool{}, owned: map[ID]bool{}, Chains: Chains{}, refused: map[Kept]error{}}
	err := nfnetlink.Each(c, unix.NFT_MSG_GETRULE, func() { r.Rules = nil; clear(r.Chains) }, func(family uint8, attrs []byte) {
		rule := Rule{Family: family}
		exprs := rtnl.FindAttr(attrs, unix.NFTA_RULE_EXPRESSIONS)
		rule.run(exprs)
		s, says := stepOf(exprs)
		if !says && !rule.concerned() {
			return
		}
		rule.Table = rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_RULE_TABLE))
		rule.Chain = rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_RULE_CHAIN))
		if says {
			id := rule.set(rule.Chain)
			r.Chains[id] = append(r.Chains[id], s)
		}
		if !rule.concerned() {
			return
		}
		if h := rtnl.FindAttr(attrs, unix.NFTA_RULE_HANDLE); len(h) == 8 {
			rule.Handle = binary.BigEndian.Uint64(h)
		}
		if len(rule.Indexes)+len(rule.lookups) > 0 {
			rule.exprs, rule.userdata = bytes.Clone(exprs), bytes.Clone(rtnl.FindAttr(attrs, unix.NFTA_RULE_USERDATA))
		}
		r.Rules = append(r.Rules, rule)
	})
	if err != nil {
		return r, err
	}
	all := map[ID]*set{}
	err = nfnetlink.Each(c, unix.NFT_MSG_GETSET, func() { clear(all) }, func(family uint8, attrs []byte) {
		id := ID{family, rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_SET_TABLE)), rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_SET_NAME))}
		all[id] = &set{attrs: bytes.Clone(attrs), flags: be32(attrs, unix.NFTA_SET_FLAGS)}
	})
	if err != nil || len(all) == 0 && !slices.ContainsFunc(r.Rules, func(r Rule) bool { return r.exprs != nil }) {
		return r, err
	}
	err = r.resolve(c, all)
	return r, err
}

// resolve adds to the rules what is in the sets, and reads what else it takes to make a
// rule anew.
func (r *Ruleset) resolve(c *rtnl.Conn, all map[ID]*set) error {
	const owner = 2 // NFT_TABLE_F_OWNER
	err := nfnetlink.Each(c, unix.NFT_MSG_GETTABLE, func() { clear(r.owned) }, func(family uint8, attrs []byte) {
		if be32(attrs, unix.NFTA_TABLE_FLAGS)&owner != 0 {
			r.owned[ID{family, rtnl.String(rtnl.FindAttr(attrs, unix.NFTA_TABLE_NAME)), ""}] = true
		}
	})
	for i := range r.Rules {
		if rule := &r.Rules[i]; err == nil && rule.exprs != nil {
			err = r.resolveRule(c, rule, all)
		}
	}
	if err != nil {
		return err
	}
	r.named = r.withIndexes()
	return r.readLoose(c, all)
}

// withIndexes are the sets with a name in which rules look up indexes, and where in their
// keys.
func (r *Ruleset) withIndexes() map[ID][]lookup {
	all := map[ID][]lookup{}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if rule.wire() {
			continue
		}
		for _, l := range rule.lookups {
			id := rule.set(l.set)
			s := r.sets[id]
			l.set = ""
			if s != nil && !s.anonymous() && l.holds != aName && !slices.Contains(all[id], l) {
				all[id] = append(all[id], l)
			}
		}
	}
	return all
}

// resolveRule reads a rule's sets: those in which it looks interfaces up, and the rest
// of those that are only its own, if it turns out to be about an index.
func (r *Ruleset) resolveRule(c *rtnl.Conn, rule *Rule, all map[ID]*set) error {
	for _, l := range rule.lookups {
		s, err := r.read(c, rule.set(l.set), all)
		if err != nil {
			return err
		}
		if l.holds == aName && s.flags&unix.NFT_SET_INTERVAL != 0 {
			rule.spans(l, s)
			continue
		}
		for _, elem := range s.elems {
			for _, typ := range []uint16{unix.NFTA_SET_ELEM_KEY, nftaSetElemKeyEnd} {
				rule.found(l, rtnl.FindAttr(rtnl.FindAttr(elem, typ), unix.NFTA_DATA_VALUE))
			}
		}
	}
	if len(rule.Indexes) == 0 {
		return nil
	}
	for e := range rtnl.ParseAttrs(rule.exprs) {
		if id := rule.set(setOf(exprOf(0, e.Value))); id.Name != "" && all[id].anonymous() {
			if _, err := r.read(c, id, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// set names a set of the rule's table.
func (r *Rule) set(name string) ID { return ID{r.Family, r.Table, name} }

// setOf is the set that an expression looks something up in, "" if none.
func setOf(e expr) string {
	switch e.name {
	case "lookup":
		return rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_LOOKUP_SET))
	case "objref":
		return rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_OBJREF_SET_NAME))
	case "dynset":
		return rtnl.String(rtnl.FindAttr(e.data, unix.NFTA_DYNSET_SET_NAME))
	}
	return ""
}

// spans adds the names in a set of intervals, in which a name with "*" at its end is one: from an
// element to the next, which is the first one that is not in it, or to the end that the element
// itself has.
func (f *Flow) spans(l lookup, s *set) {
	elems := ascending(s.elems)
	for i, elem := range elems {
		first := keyOf(elem, unix.NFTA_SET_ELEM_KEY)
		if be32(elem, unix.NFTA_SET_ELEM_FLAGS)&unix.NFT_SET_ELEM_INTERVAL_END != 0 || len(first) <= l.at {
			continue
		}
		last := keyOf(elem, nftaSetElemKeyEnd)
		if last == nil && i+1 < len(elems) {
			last = before(keyOf(elems[i+1], unix.NFTA_SET_ELEM_KEY))
		}
		first = first[l.at:min(len(first), l.at+unix.IFNAMSIZ)]
		last = last[min(l.at, len(last)):min(len(last), l.at+unix.IFNAMSIZ)]
		if bytes.Equal(first, last) {
			f.name(first)
			continue
		}
		n := 0
		for n < len(first) && n < len(last) && first[n] == last[n] {
			n++
		}
		f.beginning(first[:n])
	}
}

// before is the number before that one, the high bytes first.
func before(number []byte) []byte {
	number = bytes.Clone(number)
	for i := len(number) - 1; i >= 0; i-- {
		number[i]--
		if number[i] != 0xff {
			break
		}
	}
	return number
}

// found adds what a set's key says.
func (f *Flow) found(l lookup, key []byte) {
	switch {
	case l.holds == aName && len(key) > l.at:
		f.name(key[l.at:min(len(key), l.at+unix.IFNAMSIZ)])
	case len(key) < l.at+4:
	case l.holds == anIndex:
		f.index(key[l.at : l.at+4])
	case l.holds == aTurnedIndex:
		f.index(turned(key[l.at : l.at+4]))
	}
}

// read is a set with its elements; it has none if it is gone.
func (r *Ruleset) read(c *rtnl.Conn, id ID, all map[ID]*set) (*set, error) {
	if s := r.sets[id]; s != nil {
		return s, nil
	}
	s := all[id]
	if s == nil {
		s = &set{} // it has gone, or come, meanwhile
	}
	r.sets[id] = s
	err := nfnetlink.EachElement(c, id.Family, id.Table, id.Name, func() { s.elems = nil }, func(elem []byte) {
		s.elems = append(s.elems, bytes.Clone(elem))
	})
	var refused *rtnl.Error
	if errors.As(err, &refused) && refused.Errno == unix.ENOENT {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("the set %s: %w", id.Name, err)
	}
	return s, nil
}

// anonymous says whether a set belongs to one rule.
func (s *set) anonymous() bool { return s != nil && s.flags&unix.NFT_SET_ANONYMOUS != 0 }
