package carry

import (
	"context"
	"errors"
	"slices"

	"xbr-script/bridge"
	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/tunnel"
)

// Late is the operation, for undoing a change, that turns back what has come to hold on to
// dom0's interface since: while the change waited to be confirmed, or for hosts to answer. It
// reads that when it is carried out, and does what a call the other way would do.
type Late struct {
	Start    bool     `json:"Start,omitempty"` // see holders.Move, of the way back
	OnBridge bool     `json:"OnBridge,omitempty"`
	Bridge   string   `json:"Bridge"`
	From     Place    `json:"From"` // what has dom0's addresses until the network is back
	To       Place    `json:"To"`
	Kinds    []string `json:"Kinds"`           // of what is turned
	After    bool     `json:"After,omitempty"` // the network is back, else it is not yet
}

// Place is an interface.
type Place struct {
	Name  string `json:"Name"`
	Index int    `json:"Index"`
}

// The kinds of what is turned.
const (
	lateRules     = "rules"
	lateTunnels   = "tunnels"
	lateRedirects = "redirects"
	lateLabels    = "labels"
	lateSockets   = "sockets"
	lateEndpoints = "endpoints"
	lateLabelled  = "labelled"
)

// LateKind names a Late in a journal.
const LateKind = "late holders"

// Kind implements plan.Op.
func (*Late) Kind() string { return LateKind }

// Commands implements plan.Op.
func (l *Late) Commands() []string {
	if l.After {
		return nil // the other one tells
	}
	return []string{shell.Comment("no command does this at once: rules, tunnels, sockets and the like that are about " + l.From.Name + " since then are turned to " + l.To.Name)}
}

// late are the steps by which a move is taken back with what comes later, one before all
// others and one behind those of the network. Of a kind of which there is something on the
// other interface already nothing is turned, as nobody could tell what came later.
func late(d *holders.Data, m holders.Move) (first, last plan.Step) {
	back := Late{
		Start: !m.Start, OnBridge: m.OnBridge, Bridge: m.Bridge,
		From: Place(m.To), To: Place(m.From), Kinds: free(d, m.To.Index),
	}
	if m.To.Index == 0 || len(back.Kinds) == 0 {
		return first, last
	}
	after := back
	after.After = true
	title := "have what comes to hold on to " + m.To.Name + " turned if this is taken back"
	return plan.Step{Title: title, Undo: []plan.Op{&after}}, plan.Step{Title: title, Undo: []plan.Op{&back}}
}

// free are the kinds of which there is nothing on an interface yet.
func free(d *holders.Data, index int) (kinds []string) {
	on := holders.Move{From: holders.Interface{Index: index}}
	some := map[string]bool{
		lateRules:     d.Ruleset == nil || d.Ruleset.Means(index),
		lateTunnels:   len(d.Host.Above(index)) > 0 || slices.ContainsFunc(d.Entries, func(e holders.Entry) bool { return e.Index == index }),
		lateRedirects: len(d.Redirected(on)) > 0,
		lateLabels:    slices.ContainsFunc(d.Labels, func(l holders.Label) bool { return l.Index == index }),
		lateSockets:   len(d.Turned(on)) > 0,
		lateEndpoints: len(d.EndpointsOn(index)) > 0,
		lateLabelled:  len(d.LabelledBy(index)) > 0,
	}
	for _, kind := range []string{lateRules, lateTunnels, lateRedirects, lateLabels, lateSockets, lateEndpoints, lateLabelled} {
		if !some[kind] {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// Do implements plan.Op.
func (l *Late) Do(ctx context.Context, undoing bool) error {
	d, m, err := l.read()
	if err != nil || d == nil {
		return err
	}
	ops, err := l.ops(d, m)
	for _, op := range ops {
		err = errors.Join(err, op.Do(ctx, undoing))
	}
	return err
}

// Holders is what holds on to the interface now, and what becomes of it on the way back.
func (l *Late) Holders() ([]holders.Holder, error) {
	d, m, err := l.read()
	if err != nil || d == nil {
		return nil, err
	}
	return holders.Find(d, []holders.Move{m}), d.Host.Err()
}

// read reads what holds on to the interfaces; nothing if that to which it is to be turned is
// gone, or the other one before the network is back.
func (l *Late) read() (*holders.Data, holders.Move, error) {
	m := holders.Move{Start: l.Start, OnBridge: l.OnBridge, Bridge: l.Bridge, From: holders.Interface(l.From), To: holders.Interface(l.To)}
	c, err := rtnl.Dial()
	if err != nil {
		return nil, m, err
	}
	defer func() { _ = c.Close() }()
	h, err := host.ReadLinks(c)
	if err != nil || h.Index(m.To.Index) == nil && l.After || h.Index(m.From.Index) == nil && !l.After {
		return nil, m, err
	}
	d := holders.Read(c, h, []holders.Move{m})
	return d, m, errors.Join(d.Unknown...)
}

// ops are the operations that it takes.
func (l *Late) ops(d *holders.Data, m holders.Move) (all []plan.Op, err error) {
	if !l.After {
		if first, _ := rules(d, m); l.turns(lateRules) {
			all = append(all, first.Do...)
		}
		all = append(all, connections(d, m)...)
	}
	if d.Host.Index(m.From.Index) != nil && d.Host.Index(m.To.Index) != nil {
		all = append(all, l.there(d, m)...)
	}
	if !l.After {
		return all, nil
	}
	if l.turns(lateSockets) {
		loose, err := holders.ReadLoose(d.Host, m.To)
		if err != nil {
			return nil, err
		}
		if _, _, which := split(loose); len(which) > 0 {
			all = append(all, &Sockets{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Which: which})
		}
	}
	if anew, _ := endpoints(d, m); l.turns(lateEndpoints) {
		all = append(all, anew.Do...)
	}
	if l.turns(lateRules) && d.Ruleset != nil {
		all = append(all, &Rules{Of: [2]int{m.From.Index, m.To.Index}, By: []int{m.To.Index}, Kept: d.Ruleset.Kept(m.From.Index, 0, nil)})
	}
	return all, nil
}

// there are those that turn what is on one of two interfaces which are both there.
func (l *Late) there(d *holders.Data, m holders.Move) (all []plan.Op) {
	add := func(kind string, ops ...plan.Op) {
		if l.turns(kind) {
			all = append(all, ops...)
		}
	}
	if turnable(d, m.From.Index) {
		add(lateTunnels, Above(d.Host, d.Entries, m).Do...)
	}
	add(lateRedirects, redirects(d, m).Do...)
	add(lateLabelled, labelled(d, m).Do...)
	for _, step := range labels(d, m) {
		add(lateLabels, step.Do...)
	}
	_, rest, connected := split(d.Turned(m))
	if len(rest) > 0 {
		add(lateSockets, &Sockets{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Addr4: addrs4(d.Host, m.From.Index), Which: rest})
	}
	if len(connected) > 0 {
		add(lateSockets, &Sockets{From: m.From.Index, Which: connected})
	}
	return all
}

// turnable says whether all tunnels on an interface can be given another one. An operation
// that turns some of them would fail, and with that the undoing.
func turnable(d *holders.Data, index int) bool {
	return !slices.ContainsFunc(d.Host.Above(index), func(l *host.Link) bool {
		return tunnel.Known(l.Kind) && !bridge.Carries(d.Host, l, d.Host.Index(index))
	})
}

func (l *Late) turns(kind string) bool { return slices.Contains(l.Kinds, kind) }
