package carry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"xbr-script/internal/holders"
	"xbr-script/internal/mptcp"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// Endpoints is the operation that makes endpoints of MPTCP (ip-mptcp(8)), which are for one
// interface, anew for another. One whose deletion would end connections is left alone.
type Endpoints struct {
	From      int        `json:"From"` // indexes
	To        int        `json:"To"`
	Name      string     `json:"Name"` // that the latter has by then
	Endpoints []Endpoint `json:"Endpoints"`
}

// Endpoint is one of them.
type Endpoint struct {
	Addr  netip.Addr `json:"Addr"`
	ID    uint8      `json:"ID"`
	Flags uint32     `json:"Flags"` // as in linux/mptcp_pm.h
}

// EndpointsKind names an Endpoints in a journal.
const EndpointsKind = "MPTCP endpoints"

// Kind implements plan.Op.
func (*Endpoints) Kind() string { return EndpointsKind }

// endpoints are the steps for the endpoints of an interface. The kernel begins subflows at
// one as soon as it is made, and never again for the same connection: so that is done when
// the addresses are there, and undone only when they are back.
func endpoints(d *holders.Data, m holders.Move) (anew, again plan.Step) {
	var all []Endpoint
	for _, e := range d.Anew(m.From.Index) {
		all = append(all, Endpoint{e.Addr, e.ID, e.Flags})
	}
	if len(all) == 0 || m.To.Index == 0 {
		return anew, again
	}
	title := "make endpoints of MPTCP anew for " + m.To.Name
	return plan.Step{Title: title, Do: []plan.Op{&Endpoints{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Endpoints: all}}},
		plan.Step{Title: title, Undo: []plan.Op{&Endpoints{From: m.To.Index, To: m.From.Index, Name: m.From.Name, Endpoints: all}}}
}

// Commands implements plan.Op.
func (e *Endpoints) Commands() (lines []string) {
	for _, one := range e.Endpoints {
		lines = append(lines, fmt.Sprintf("ip mptcp endpoint delete id %d", one.ID),
			"ip mptcp endpoint add "+one.on(e.To).Words()+" dev "+shell.Quote(e.Name))
	}
	return lines
}

func (e Endpoint) on(index int) mptcp.Endpoint {
	return mptcp.Endpoint{Addr: e.Addr, ID: e.ID, Flags: e.Flags, Index: index}
}

// Do implements plan.Op. An endpoint that somebody has changed meanwhile is left alone; one
// that is not there is made, because the call may have ended between the two.
func (e *Endpoints) Do(_ context.Context, undoing bool) error {
	link, gone, err := dial(e.To, undoing)
	if err != nil || gone {
		return err
	}
	_ = link.Close() // it was only asked
	c, err := rtnl.DialGeneric()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	k, err := mptcp.Of(c)
	if err != nil {
		return err
	}
	var errs error
	for _, one := range e.Endpoints {
		errs = errors.Join(errs, e.turn(k, one.on(e.To)))
	}
	return errs
}

// turn looks anew for each: with an endpoint go subflows, and others may be all that is left
// of a connection then.
func (e *Endpoints) turn(k *mptcp.Kernel, want mptcp.Endpoint) error {
	all, err := k.Endpoints()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(o mptcp.Endpoint) bool { return o.ID == want.ID || o.Addr == want.Addr })
	if i < 0 {
		return k.Set(want, false)
	}
	if all[i] != want.On(e.From) {
		return nil
	}
	c, err := rtnl.DialDiag()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	subflows, err := mptcp.Subflows(c)
	if err != nil {
		return err
	}
	on := slices.DeleteFunc(all, func(o mptcp.Endpoint) bool { return o.Index != e.From })
	if mptcp.Ending(subflows, want.Addr, on) > 0 {
		return nil
	}
	return k.Set(want, true)
}
