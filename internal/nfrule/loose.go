package nfrule

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// A set that no rule looks anything up in is known only by what nft has noted of its key:
// the types of its parts, six bits each, the last one lowest (NFTA_SET_KEY_TYPE, enum
// datatypes of nft). An admin fills such a set for rules that are still to come.
const (
	typeBits = 6
	typeMask = 1<<typeBits - 1
)

// sizes are how long a part of such a type is in a key, in bytes; others that nft knows by a
// number of their own have four.
var sizes = map[uint32]int{
	8: 16, 9: 8, // an IPv6 address, one of Ethernet
	30: 16, 32 + 9: 16, // a label of conntrack, an interface's name
	43: 8, 46: 8, // a date, a control group
}

// unsized are types whose parts may have any length: masks, numbers, texts, link layer's
// addresses.
var unsized = []uint32{0, 1, 3, 4, 5, 6}

// indexesIn are where a set's key has interfaces by index, as its type tells. There are none
// if that does not tell how long its parts are.
func indexesIn(s *set) (at []lookup) {
	typ, size := be32(s.attrs, unix.NFTA_SET_KEY_TYPE), 0
	holds := anIndex
	if s.flags&unix.NFT_SET_INTERVAL != 0 {
		holds = aTurnedIndex
	}
	var parts []uint32
	for ; typ != 0; typ >>= typeBits {
		parts = append(parts, typ&typeMask)
	}
	for _, part := range slices.Backward(parts) {
		if part == typeIndex {
			at = append(at, lookup{at: size, holds: holds})
		}
		if slices.Contains(unsized, part) {
			return nil
		}
		size += max(sizes[part], 4)
	}
	if uint32(size) != be32(s.attrs, unix.NFTA_SET_KEY_LEN) && len(parts) > 1 {
		return nil
	}
	return at
}

// readLoose reads the sets of indexes that no rule looks anything up in. What rules fill
// themselves tells what has been, and is left alone.
func (r *Ruleset) readLoose(c *rtnl.Conn, all map[ID]*set) error {
	for id, s := range all {
		wire := (&Rule{Family: id.Family}).wire()
		at := indexesIn(s)
		if r.named[id] != nil || s.anonymous() || wire || len(at) == 0 || s.flags&unix.NFT_SET_EVAL != 0 {
			continue
		}
		if _, err := r.read(c, id, all); err != nil {
			return err
		}
		r.named[id], r.loose[id] = at, true
	}
	return nil
}

// Loose are the sets that have that index, and that no rule uses, in their order.
func (r *Ruleset) Loose(index int) []ID {
	return slices.DeleteFunc(r.Sets(index), func(id ID) bool { return !r.loose[id] })
}

// Sets are those with a name that have that index, in their order.
func (r *Ruleset) Sets(index int) []ID {
	all := slices.DeleteFunc(slices.Collect(maps.Keys(r.named)), func(id ID) bool {
		f := &Flow{}
		for _, at := range r.named[id] {
			for _, elem := range r.sets[id].elems {
				f.found(at, keyOf(elem, unix.NFTA_SET_ELEM_KEY))
			}
		}
		return index == 0 || !slices.Contains(f.Indexes, index)
	})
	slices.SortFunc(all, func(a, b ID) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), strings.Compare(a.Table, b.Table), strings.Compare(a.Name, b.Name))
	})
	return all
}
