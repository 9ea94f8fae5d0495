package strict

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/plan"
)

// difference is what a table has to get, and to lose, to be as wanted.
type difference struct {
	shape    []string // what is wrong with its chains, rules, sets, counters; then it is made anew
	add, del map[string][]element
	extra    map[string][]string // elements that are not ours, by set
	counters []string            // that are missing
	old      []string            // counters that nothing needs any more
}

func (d *difference) none() bool {
	return len(d.shape)+len(d.add)+len(d.del)+len(d.extra)+len(d.counters)+len(d.old) == 0
}

// differences compares a table with what it should be. before is what it was made for;
// nil if that is not known. What is in sets and is in neither is somebody else's.
func (s *State) differences(t *Table, before *State) *difference {
	d := &difference{add: map[string][]element{}, del: map[string][]element{}, extra: map[string][]string{}}
	if t == nil {
		d.shape = []string{"the table " + tableName(s.Bridge) + " is missing"}
		return d
	}
	p, old := s.parts(), map[string][]element{}
	if before != nil {
		old = before.elements()
	}
	d.shape = p.shape(t)
	for _, set := range s.sets() {
		d.compare(set, p.elements[set.name], old[set.name], t.Elements[set.name])
	}
	for name := range p.counters {
		if _, there := t.Counters[name]; !there {
			d.counters = append(d.counters, name)
		}
	}
	for name := range t.Counters {
		if p.counters[name] == nil {
			d.old = append(d.old, name)
		}
	}
	slices.Sort(d.counters)
	slices.Sort(d.old)
	return d
}

// compare adds what is different in one set.
func (d *difference) compare(s *set, want, old []element, have []string) {
	name, there := s.name, map[string]bool{}
	for _, id := range have {
		there[id] = true
	}
	for _, e := range want {
		id := e.identity()
		if !there[id] {
			d.add[name] = append(d.add[name], e)
		}
		delete(there, id)
	}
	for _, e := range old {
		if id := e.identity(); there[id] {
			d.del[name] = append(d.del[name], e)
			delete(there, id)
		}
	}
	if len(there) > 0 {
		d.extra[name] = slices.Sorted(maps.Keys(there))
	}
}

// shape says what is wrong with what does not depend on guests.
func (p *parts) shape(t *Table) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(p.sets)) {
		switch told, there := t.Sets[name]; {
		case !there:
			add("the set %s is missing", name)
		case !holds(bytesOf(p.sets[name]), told):
			add("the set %s is another one", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.chains)) {
		switch told, there := t.Chains[name]; {
		case !there:
			add("the chain %s is missing", name)
		case !holds(bytesOf(p.chains[name]), told):
			add("the chain %s is another one", name)
		case !sameRules(p.rules[name], t.Rules[name]):
			add("the chain %s has other rules", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Chains)) {
		if p.chains[name] == nil {
			add("there is a chain %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Sets)) {
		if p.sets[name] == nil {
			add("there is a set %s", name)
		}
	}
	return wrong
}

func sameRules(want [][]*nl.RtAttr, have [][]byte) bool {
	return slices.EqualFunc(want, have, func(w []*nl.RtAttr, h []byte) bool { return holds(bytesOf(w), h) })
}

// texts say what is different.
func (d *difference) texts() []string {
	wrong := slices.Clone(d.shape)
	for _, name := range slices.Sorted(maps.Keys(d.add)) {
		if list := texts(d.add[name], true); len(list) > 0 {
			wrong = append(wrong, fmt.Sprintf("the set %s lacks: %s", name, strings.Join(list, ", ")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.extra)) {
		wrong = append(wrong, fmt.Sprintf("the set %s has something else in it", name))
	}
	if len(d.counters) > 0 && len(d.shape) == 0 {
		wrong = append(wrong, "counters are missing: "+strings.Join(d.counters, ", "))
	}
	return wrong
}

// transaction makes a table as wanted: only in its sets, if that is enough. Then no
// rule changes, and what others send and receive is never touched.
func (s *State) transaction(t *Table, before *State) []*nl.NetlinkRequest {
	d := s.differences(t, before)
	switch {
	case d.none():
		return nil
	case len(d.shape) > 0 || len(d.extra) > 0:
		var had map[string]Count
		if t != nil {
			had = t.Counters
		}
		return s.whole(had)
	}
	p := s.parts()
	var msgs []*nl.NetlinkRequest
	for _, name := range d.counters {
		msgs = append(msgs, newCounter(p.counters[name], Count{}))
	}
	for _, name := range slices.Sorted(maps.Keys(d.del)) {
		msgs = append(msgs, elementsMsgs(unix.NFT_MSG_DELSETELEM, s.Bridge, name, d.del[name])...)
	}
	for _, name := range slices.Sorted(maps.Keys(d.add)) {
		msgs = append(msgs, elementsMsgs(unix.NFT_MSG_NEWSETELEM, s.Bridge, name, d.add[name])...)
	}
	for _, name := range d.old {
		msgs = append(msgs, request(unix.NFT_MSG_DELOBJ, 0, nfnetlink.Text(unix.NFTA_OBJ_TABLE, tableName(s.Bridge)), nfnetlink.Text(unix.NFTA_OBJ_NAME, name),
			nfnetlink.U32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)))
	}
	return msgs
}

const tableKind = "nft table"

// table is an operation that makes a bridge's table as it should be, or removes it.
type table struct {
	Bridge string `json:"bridge"`
	To     *State `json:"to,omitempty"`   // nil: no table
	From   *State `json:"from,omitempty"` // what it was made for before, if there was one
	// anew says that the commands have to make all of it.
	anew bool
}

// Kind implements plan.Op.
func (*table) Kind() string { return tableKind }

// Kinds are the operations of this package.
func Kinds() plan.Kinds {
	return plan.Kinds{tableKind: func() plan.Op { return &table{} }, learnKind: func() plan.Op { return &learn{} }}
}

// rounds is how often a transaction is made anew because somebody else has changed
// nftables since the table was read. Every change of theirs is a reason.
const rounds = 1000

// Do implements plan.Op.
func (o *table) Do(ctx context.Context, _ bool) error {
	c, err := nfnetlink.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for range rounds {
		if err = o.once(c); !errors.Is(err, unix.ERESTART) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("the table %s: %w", tableName(o.Bridge), err)
	}
	return nil
}

func (o *table) once(c *nfnetlink.Conn) error {
	generation, err := nfnetlink.Generation()
	if err != nil && o.To == nil {
		return nil // no nftables, so no table
	}
	if err != nil {
		return err
	}
	t, err := readTable(tableName(o.Bridge))
	if err != nil {
		return err
	}
	var msgs []*nl.NetlinkRequest
	switch {
	case o.To != nil:
		msgs = o.To.transaction(t, o.From)
	case t != nil:
		// A frame that is being judged meets sets that are empty already. So nothing
		// leads to the rules any more when the sets go.
		if msgs = o.unhook(t); len(msgs) > 0 {
			if err := c.CommitAt(generation, msgs...); err != nil {
				return err
			}
			return unix.ERESTART
		}
		msgs = []*nl.NetlinkRequest{delTable(o.Bridge)}
	}
	if len(msgs) == 0 {
		return nil
	}
	return c.CommitAt(generation, msgs...)
}

// unhook removes the rules that lead to all others.
func (o *table) unhook(t *Table) (msgs []*nl.NetlinkRequest) {
	for _, chain := range []string{"prerouting", "input"} {
		if len(t.Rules[chain]) > 0 {
			msgs = append(msgs, request(unix.NFT_MSG_DELRULE, 0, nfnetlink.Text(unix.NFTA_RULE_TABLE, tableName(o.Bridge)), nfnetlink.Text(unix.NFTA_RULE_CHAIN, chain)))
		}
	}
	return msgs
}

// Commands implements plan.Op.
func (o *table) Commands() []string {
	switch {
	case o.To == nil:
		return []string{"nft delete table bridge " + tableName(o.Bridge)}
	case o.From != nil && !o.anew:
		return o.elementCommands()
	}
	lines := strings.Split(strings.TrimSuffix(o.To.String(), "\n"), "\n")
	return append(append([]string{"nft -f - <<'END'"}, lines...), "END")
}

// elementCommands change only sets.
func (o *table) elementCommands() []string {
	name := tableName(o.Bridge)
	lines := []string{"nft -f - <<'END'"}
	add := func(verb string, is, not *State) {
		others := not.elements()
		for _, set := range is.sets() {
			has := map[string]bool{}
			for _, e := range others[set.name] {
				has[e.identity()] = true
			}
			list := slices.DeleteFunc(is.elements()[set.name], func(e element) bool { return has[e.identity()] })
			if words := texts(list, true); len(words) > 0 {
				lines = append(lines, fmt.Sprintf("%s element bridge %s %s { %s }", verb, name, set.name, strings.Join(words, ", ")))
			}
		}
	}
	for _, counter := range o.To.counters() {
		if !slices.Contains(o.From.counters(), counter) {
			lines = append(lines, fmt.Sprintf("add counter bridge %s %s", name, counter))
		}
	}
	add("delete", o.From, o.To)
	add("add", o.To, o.From)
	for _, counter := range o.From.counters() {
		if !slices.Contains(o.To.counters(), counter) {
			lines = append(lines, fmt.Sprintf("delete counter bridge %s %s", name, counter))
		}
	}
	return append(lines, "END")
}
