package bridge

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// Others change the host, too: a DHCP client gets an address, an admin adds a
// route, while a plan is made and carried out. What they put on the interface
// that dom0 is about to leave is moved after the rest (gather). A NIC that has
// to be switched off would lose it, so that is not begun on a host that is no
// longer as it was when the plan was made (unchanged).

const (
	gatherKind    = "gather"
	unchangedKind = "unchanged"
)

// gather moves what is left on one interface to another: what came there since
// the plan was made. Left alone is what the kernel makes by itself.
type gather struct {
	From, To int
	Names    rtnl.Names
	Conn     *rtnl.Conn `json:"-"`
}

// gather is the operation that moves what is left.
func (b *builder) gather(from, to int) plan.Op {
	return &gather{from, to, b.batch().Names, b.conn}
}

// Kind implements plan.Op.
func (*gather) Kind() string { return gatherKind }

// Commands implements plan.Op: as a rule there is nothing.
func (*gather) Commands() []string { return nil }

// Do implements plan.Op.
func (g *gather) Do(undoing bool) error {
	h, err := host.ReadOn(g.Conn, g.From)
	if err != nil {
		return err
	}
	s := foreign(h.State(g.From))
	msgs := addStateMsgs(s.On(g.To))
	msgs = append(msgs, restoreRoutes(h, s, g.To)...)
	msgs = append(msgs, delStateMsgs(s)...)
	if len(msgs) == 0 {
		return nil
	}
	b := rtnl.Batch{Msgs: msgs, Names: g.Names, At: h.At, Conn: g.Conn}
	return b.Do(undoing)
}

// foreign is the part of a state that somebody made: not link-local addresses
// and the kernel's own routes, and not neighbours, which are learnt anew.
func foreign(s host.State) host.State {
	f := host.State{Index: s.Index, Addrs4: s.Addrs4, Nexthops: s.Nexthops}
	for _, a := range s.Addrs6 {
		if a.Body[3] != unix.RT_SCOPE_LINK { // ifa_scope
			f.Addrs6 = append(f.Addrs6, a)
		}
	}
	for _, n := range s.Neighs {
		if n.Fixed()[8]&unix.NUD_PERMANENT != 0 || n.Fixed()[10]&unix.NTF_PROXY != 0 { // ndm_state, ndm_flags
			f.Neighs = append(f.Neighs, n)
		}
	}
	for _, r := range s.Routes {
		if r.Fixed()[5] != unix.RTPROT_KERNEL || len(f.Addrs4)+len(f.Addrs6) > 0 {
			f.Routes = append(f.Routes, r)
		}
	}
	return f
}

// ErrChanged says that the host is not any more what the plan was made for:
// another plan is needed.
var ErrChanged = errors.New("it has been changed meanwhile")

// unchanged fails if there is something on an interface that the plan does not
// know.
type unchanged struct {
	Index int
	Names rtnl.Names
	Known map[string]bool `json:"-"` // the keys of what was there; nobody but the planner carries it out
	Conn  *rtnl.Conn      `json:"-"`
}

// unchanged is the operation that looks whether the interface of that state
// has nothing more.
func (b *builder) unchanged(s host.State) plan.Op {
	known := map[string]bool{}
	for _, list := range [][]rtnl.Msg{s.Addrs4, s.Addrs6, s.Nexthops, s.Routes} {
		for _, m := range list {
			known[m.Key()] = true
		}
	}
	return &unchanged{s.Index, b.batch().Names, known, b.conn}
}

// Kind implements plan.Op.
func (*unchanged) Kind() string { return unchangedKind }

// Commands implements plan.Op: there is none, who types commands looks.
func (*unchanged) Commands() []string { return nil }

// Do implements plan.Op.
func (u *unchanged) Do(undoing bool) error {
	if undoing {
		return nil
	}
	h, err := host.ReadOn(u.Conn, u.Index)
	if err != nil {
		return err
	}
	s := h.State(u.Index)
	for _, list := range [][]rtnl.Msg{s.Addrs4, s.Addrs6, s.Nexthops, s.Routes} {
		for _, m := range list {
			if !u.Known[m.Key()] {
				return fmt.Errorf("%w: %s", ErrChanged, u.Names.Command(m.As(m.Type, addFlags)))
			}
		}
	}
	return nil
}
