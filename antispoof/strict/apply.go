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
	shape    []string // what is wrong with its chains, rules and sets
	repair            // how that is mended
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
		d.shape, d.anew = []string{"the table " + tableName(s.Bridge) + " is missing"}, true
		return d
	}
	p, old := s.parts(), map[string][]element{}
	if before != nil {
		old = before.elements()
	}
	d.compareShape(p, t)
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

// repair is what has to be done about chains, rules and sets.
type repair struct {
	anew      bool     // no more than to make the whole table anew
	chains    []string // that have to get their rules
	newChains []string // of these, those that are missing
	newSets   []string
	oldChains []string // that are somebody else's
	oldSets   []string
}

// compareShape finds what is wrong with what does not depend on guests.
func (d *difference) compareShape(p *parts, t *Table) {
	add := func(format string, args ...any) { d.shape = append(d.shape, fmt.Sprintf(format, args...)) }
	if d.anew = t.Dormant; d.anew {
		add("the table is dormant")
	}
	for _, name := range slices.Sorted(maps.Keys(p.sets)) {
		switch told, there := t.Sets[name]; {
		case !there:
			d.newSets = append(d.newSets, name)
			add("the set %s is missing", name)
		case !holds(bytesOf(p.sets[name]), told):
			d.anew = true
			add("the set %s is another one", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.chains)) {
		switch told, there := t.Chains[name]; {
		case !there:
			d.newChains, d.chains = append(d.newChains, name), append(d.chains, name)
			add("the chain %s is missing", name)
		case !holds(bytesOf(p.chains[name]), told):
			d.anew = true
			add("the chain %s is another one", name)
		case !sameRules(p.rules[name], t.Rules[name]):
			d.chains = append(d.chains, name)
			add("the chain %s has other rules", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Chains)) {
		if p.chains[name] == nil {
			d.oldChains = append(d.oldChains, name)
			add("there is a chain %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Sets)) {
		if p.sets[name] == nil {
			d.oldSets = append(d.oldSets, name)
			add("there is a set %s", name)
		}
	}
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
	if o.To != nil {
		return o.bring(c, generation, t)
	}
	if t == nil {
		return nil
	}
	// A frame that is being judged meets sets that are empty already. So nothing leads to
	// the rules any more when the sets go.
	if msgs := o.unhook(t); len(msgs) > 0 {
		if err := c.CommitAt(generation, msgs...); err != nil {
			return err
		}
		return unix.ERESTART
	}
	return c.CommitAt(generation, delTable(o.Bridge))
}

// bring makes a table as wanted: by what is different, or, if the kernel does not take
// that, the whole.
func (o *table) bring(c *nfnetlink.Conn, generation uint32, t *Table) error {
	d := o.To.differences(t, o.From)
	if d.none() {
		return nil
	}
	if !d.anew {
		err := c.CommitAt(generation, o.To.mend(t, d)...)
		if err == nil || errors.Is(err, unix.ERESTART) {
			return err
		}
	}
	var had map[string]Count
	if t != nil {
		had = t.Counters
	}
	return c.CommitAt(generation, o.To.whole(had)...)
}

// unhook removes the rules that lead to all others.
func (o *table) unhook(t *Table) (msgs []*nl.NetlinkRequest) {
	for _, chain := range []string{"prerouting", "input"} {
		if len(t.Rules[chain]) > 0 {
			msgs = append(msgs, delRules(o.Bridge, chain))
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
