package nfrule

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// Kept is what a Swap leaves alone: a rule, or else a set.
type Kept struct {
	Family uint8  `json:"Family"` // NFPROTO_…
	Table  string `json:"Table"`
	Handle uint64 `json:"Handle,omitempty"` // of a rule
	Set    string `json:"Set,omitempty"`
}

// Kept are rules and sets that the kernel would not take anew, that are in some chains,
// or that mean the interface to already: when others have been turned from one interface
// to the other, nobody could tell them from these.
func (r *Ruleset) Kept(from, to int, chains []ID) (kept []Kept) {
	w := r.writer(Swap{Of: [2]int{from, to}, By: []int{from}}, nil)
	for i := range r.Rules {
		rule := &r.Rules[i]
		if !rule.about(from, to) {
			continue
		}
		w.table = rule.set("")
		if r.refused[rule.kept()] != nil || slices.Contains(chains, rule.set(rule.Chain)) || rule.about(to) && w.rule(rule).changed {
			kept = append(kept, rule.kept())
		}
	}
	for id, at := range r.named {
		if _, changed, _ := w.elements(r.sets[id], at); r.refused[id.kept()] != nil || changed && to != 0 {
			kept = append(kept, id.kept())
		}
	}
	return kept
}

func (r *Rule) kept() Kept { return Kept{Family: r.Family, Table: r.Table, Handle: r.Handle} }

func (id ID) kept() Kept { return Kept{Family: id.Family, Table: id.Table, Set: id.Name} }

// table is the table that a set is in.
func (id ID) table() ID { return ID{Family: id.Family, Table: id.Table} }

// wire says whether a rule is about what is on the wire: it sees packets before or beside
// dom0's interface.
func (r *Rule) wire() bool { return r.Family == unix.NFPROTO_BRIDGE || r.Family == unix.NFPROTO_NETDEV }

// about says whether a rule is about one of these indexes in a way that can be changed.
func (r *Rule) about(indexes ...int) bool {
	return r.exprs != nil && !r.wire() &&
		slices.ContainsFunc(indexes, func(i int) bool { return i != 0 && slices.Contains(r.Indexes, i) })
}

// Means says whether there are rules about that index that could be changed, or sets that no
// rule uses.
func (r *Ruleset) Means(index int) bool {
	return slices.ContainsFunc(r.Rules, func(r Rule) bool { return r.about(index) }) || len(r.Loose(index)) > 0
}

func (r *Ruleset) writer(w Swap, kept []Kept) *writer {
	all := make(map[Kept]bool, len(kept))
	for _, k := range kept {
		all[k] = true
	}
	return &writer{Ruleset: r, Swap: w, kept: all}
}

// FixedSet is why a set that no rule uses cannot be changed, nil if it can, or need not.
func (r *Ruleset) FixedSet(id ID, w Swap, kept []Kept) error {
	_, err := r.writer(w, kept).named(id)
	return err
}

// Fixed is, for each rule, why it cannot be changed, nil if it can, or need not; and
// whether there is anything to change.
func (r *Ruleset) Fixed(w Swap, kept []Kept) (fixed []error, some bool) {
	wr := r.writer(w, kept)
	fixed = make([]error, len(r.Rules))
	sets := map[ID]error{}
	note := func(msgs Messages, err error) error {
		some = some || len(msgs) > 0
		return err
	}
	for id := range r.named {
		sets[id] = note(wr.named(id))
	}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if !rule.about(w.Of[0], w.Of[1]) {
			continue
		}
		fixed[i] = note(wr.replace(rule))
		for _, l := range rule.lookups {
			if err := sets[rule.set(l.set)]; err != nil && fixed[i] == nil {
				fixed[i] = err
			}
		}
	}
	return fixed, some
}

var errBoth = errors.New("it names both interfaces")

// Messages are those of a transaction.
type Messages = []*nl.NetlinkRequest

// Change is the messages of one transaction that carries a Swap out, as far as it can
// be. There are none if everything is as it should be.
func (r *Ruleset) Change(w Swap, kept []Kept) (all Messages) {
	for _, p := range r.parts(w, kept) {
		all = append(all, p.msgs...)
	}
	return all
}

// part is what changes a rule, or a set.
type part struct {
	Kept
	msgs Messages
}

func (r *Ruleset) parts(w Swap, kept []Kept) (all []part) {
	wr := r.writer(w, kept)
	for i := range r.Rules {
		if rule := &r.Rules[i]; rule.about(w.Of[0], w.Of[1]) {
			if msgs, err := wr.replace(rule); err == nil && len(msgs) > 0 {
				all = append(all, part{rule.kept(), msgs})
			}
		}
	}
	for id := range r.named {
		if msgs, err := wr.named(id); err == nil && len(msgs) > 0 {
			all = append(all, part{id.kept(), msgs})
		}
	}
	return all
}

// Try has the kernel look at what it would take to let rules mean another interface
// beside that one, and notes what it refuses. Nothing is changed.
func (r *Ruleset) Try(index int) error {
	const other = 1<<31 - 1
	all := r.parts(Swap{Of: [2]int{index, other}, By: []int{index, other}}, nil)
	if len(all) == 0 {
		return nil
	}
	c, err := nfnetlink.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Leave() }() // if it fails, it is closed
	return r.try(c, all)
}

// try looks for those that are refused by halves: each try costs the kernel a grace
// period.
func (r *Ruleset) try(c *nfnetlink.Conn, all []part) error {
	var msgs Messages
	for _, p := range all {
		msgs = append(msgs, p.msgs...)
	}
	err := c.Try(msgs...)
	var refused unix.Errno
	switch half := len(all) / 2; {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return err
	case half == 0:
		r.refused[all[0].Kept] = fmt.Errorf("the kernel does not take it anew: %w", err)
		return nil
	default:
		return errors.Join(r.try(c, all[:half]), r.try(c, all[half:]))
	}
}

// replace are the messages that put a rule in its own place.
func (w *writer) replace(r *Rule) (msgs []*nl.NetlinkRequest, err error) {
	w.table = r.set("")
	a := w.rule(r)
	switch {
	case w.refused[r.kept()] != nil:
		return nil, w.refused[r.kept()]
	case w.kept[r.kept()] && (a.changed || w.maps(r)):
		return nil, errBoth
	case !a.changed:
		return nil, nil
	case a.fixed != nil:
		return nil, a.fixed
	}
	attrs := []*nl.RtAttr{
		nfnetlink.Text(unix.NFTA_RULE_TABLE, r.Table), nfnetlink.Text(unix.NFTA_RULE_CHAIN, r.Chain),
		nl.NewRtAttr(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, r.Handle)),
		nfnetlink.Nest(unix.NFTA_RULE_EXPRESSIONS, a.exprs...),
	}
	if r.userdata != nil {
		attrs = append(attrs, nl.NewRtAttr(unix.NFTA_RULE_USERDATA, r.userdata))
	}
	return append(a.sets, request(unix.NFT_MSG_NEWRULE, unix.NLM_F_REPLACE, w.table, attrs...)), nil
}

// maps says whether a rule does one thing for one interface and another for another.
func (w *writer) maps(r *Rule) bool {
	return slices.ContainsFunc(r.lookups, func(l lookup) bool {
		s := w.sets[r.set(l.set)]
		return l.holds != aName && s != nil && s.flags&(unix.NFT_SET_MAP|unix.NFT_SET_OBJECT) != 0
	})
}

// named are the messages that change the elements of a set that has a name.
func (w *writer) named(id ID) (msgs []*nl.NetlinkRequest, err error) {
	s := w.sets[id]
	elems, changed, err := w.elements(s, w.Ruleset.named[id])
	switch {
	case !changed && (s.flags&unix.NFT_SET_MAP == 0 || !w.kept[id.kept()]):
		return nil, nil
	case err != nil:
		return nil, err
	case w.refused[id.kept()] != nil:
		return nil, w.refused[id.kept()]
	case w.kept[id.kept()]:
		return nil, errBoth
	case s.flags&unix.NFT_SET_CONSTANT != 0:
		return nil, errors.New("its set is constant")
	case w.owned[id.table()]:
		return nil, errOwned
	}
	var gone [][]byte
	for _, e := range without(s.elems, elems) {
		gone = append(gone, only(e, unix.NFTA_SET_ELEM_KEY, nftaSetElemKeyEnd, unix.NFTA_SET_ELEM_FLAGS))
	}
	of := []*nl.RtAttr{nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_SET, id.Name)}
	msgs = elementMsgs(unix.NFT_MSG_NEWSETELEM, id.table(), of, without(elems, s.elems))
	return append(msgs, elementMsgs(unix.NFT_MSG_DELSETELEM, id.table(), of, gone)...), nil
}

var errOwned = errors.New("the table belongs to a program")
