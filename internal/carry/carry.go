// Package carry lets what knows a NIC only by its index mean dom0's interface: it plans,
// from what package holders has found, the steps that turn it from one interface to the
// other.
package carry

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rawjson"
	"xbr-script/internal/rtnl"
)

// Kinds are the operations of this package.
func Kinds() plan.Kinds {
	return plan.Kinds{
		RulesKind: func() plan.Op { return &Rules{} }, UntrackedKind: func() plan.Op { return &Untracked{} },
		LabelsKind:      func() plan.Op { return &Labels{} },
		TunnelsKind:     func() plan.Op { return &Tunnels{} },
		SocketsKind:     func() plan.Op { return &Sockets{} },
		RedirectsKind:   func() plan.Op { return &Redirects{} },
		ConnectionsKind: func() plan.Op { return &Connections{} },
		LateKind:        func() plan.Op { return &Late{} },
		EndpointsKind:   func() plan.Op { return &Endpoints{} },
		LabelledKind:    func() plan.Op { return &Labelled{} },
	}
}

// Plan turns what is to be carried over.
func Plan(d *holders.Data, moves []holders.Move) (part plan.Part) {
	for _, m := range moves {
		first, last := late(d, m)
		part.First, part.Host = some(append(part.First, first)), some(append([]plan.Step{last}, part.Host...))
		if first, last := rules(d, m); !first.Empty() {
			part.First, part.Host = append(part.First, first), append([]plan.Step{last}, part.Host...)
		}
		loose, turn := turned(d, m)
		part.First = some(append(part.First, loose))
		anew, again := endpoints(d, m)
		part.First = some(append(part.First, again))
		hush, heard := silent(d, m)
		part.Network = some(append(part.Network, hush, Above(d.Host, d.Entries, m), turn, redirects(d, m), labelled(d, m), anew))
		part.Host = append(part.Host, labels(d, m)...)
		on, off := tracking(d, m)
		part.First = some(append(part.First, on, plan.Step{Title: "give masqueraded connections a fixed source", Do: connections(d, m)}))
		part.Host = some(append(part.Host, off, heard))
	}
	return part
}

// some are the steps that do something.
func some(steps []plan.Step) []plan.Step { return slices.DeleteFunc(steps, plan.Step.Empty) }

// rules are the steps that turn rules of nftables. While the network moves, packets come
// by either interface, so rules mean both from before the first step of the network to
// after the last one.
func rules(d *holders.Data, m holders.Move) (first, last plan.Step) {
	kept, _, some := d.Carries(m)
	if !some {
		return first, last
	}
	from, to := m.From.Index, m.To.Index
	names := ipcmd.Names{from: m.From.Name, to: m.To.Name}
	turn := func(by ...int) []plan.Op {
		return []plan.Op{&Rules{Of: [2]int{from, to}, By: by, Kept: kept, Names: names}}
	}
	first = plan.Step{Title: "let rules by the index of " + m.From.Name + " mean dom0's next interface, too", Do: turn(from, to), Undo: turn(from)}
	last = plan.Step{Title: "let rules by the index mean only dom0's " + m.To.Name, Do: turn(to), Undo: turn(from, to)}
	return first, last
}

// Above is the step that gives the tunnels on dom0's interface the other one, once that
// has dom0's addresses and routes.
func Above(h *host.Host, entries []holders.Entry, m holders.Move) plan.Step {
	var which []Tunnel
	for _, l := range h.Above(m.From.Index) {
		if bridge.Carries(h, l, h.Index(m.From.Index)) {
			which = append(which, Tunnel{rawjson.String(l.Name), l.Kind})
		}
	}
	for _, e := range entries {
		if one := (Tunnel{rawjson.String(e.VXLAN), "vxlan"}); e.Index == m.From.Index && !slices.Contains(which, one) {
			which = append(which, one)
		}
	}
	if len(which) == 0 || m.To.Index == 0 {
		return plan.Step{}
	}
	return plan.Step{
		Title: "let tunnels on " + m.From.Name + " send by dom0's " + m.To.Name,
		Do:    []plan.Op{&Tunnels{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Which: which}},
		Undo:  []plan.Op{&Tunnels{From: m.To.Index, To: m.From.Index, Name: m.From.Name, Which: which}},
	}
}

// redirects is the step for actions of traffic control that send to an interface which
// goes.
func redirects(d *holders.Data, m holders.Move) plan.Step {
	actions := d.Redirected(m)
	if len(actions) == 0 || m.To.Index == 0 {
		return plan.Step{}
	}
	return plan.Step{
		Title: "let traffic control send to " + m.To.Name,
		Do:    []plan.Op{&Redirects{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Actions: actions}},
		Undo:  []plan.Op{&Redirects{From: m.To.Index, To: m.From.Index, Name: m.From.Name, Actions: actions}},
	}
}

// connections are the operation for those that are masqueraded as an address that moves.
func connections(d *holders.Data, m holders.Move) []plan.Op {
	if addrs := d.Masquerades(m); len(addrs) > 0 {
		return []plan.Op{&Connections{addrs}}
	}
	return nil
}

// labels are the steps that carry address labels over.
func labels(d *holders.Data, m holders.Move) []plan.Step {
	var all []Label
	for _, l := range d.Labelled(m) {
		all = append(all, Label{l.Prefix, l.Label})
	}
	if len(all) == 0 || m.To.Index == 0 {
		return nil
	}
	return []plan.Step{{
		Title: "give " + m.To.Name + " the address labels",
		Do:    []plan.Op{&Labels{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Labels: all}},
		Undo:  []plan.Op{&Labels{From: m.To.Index, To: m.From.Index, Name: m.From.Name, Labels: all}},
	}}
}

// dial connects to the kernel for an operation that turns things to an interface. gone
// says that this is not there any more, nor anything that was for it, which is no failure
// while a change is taken back.
func dial(to int, undoing bool) (c *rtnl.Conn, gone bool, err error) {
	if c, err = rtnl.Dial(); err != nil {
		return nil, false, err
	}
	if _, err := c.Link(to); undoing && errors.Is(err, unix.ENODEV) {
		return nil, true, c.Close()
	}
	return c, false, nil
}

// send sends messages, of which the kernel may refuse some for these reasons.
func send(c *rtnl.Conn, w rtnl.Wire, but ...unix.Errno) error {
	if len(w) == 0 {
		return nil
	}
	refused, err := c.Send(w)
	for _, e := range refused {
		if !slices.Contains(but, e.Errno) {
			err = errors.Join(err, e)
		}
	}
	return err
}
