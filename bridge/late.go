package bridge

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// Others change the host, too, while a plan is made and carried out: a DHCP client
// gets an address, an admin adds a route. What they put on the interface that dom0 is
// about to leave is moved after the rest (gather). A NIC that has to be switched off
// would lose it, so a plan that does this is not begun if the host is no longer as it
// was when the plan was made (unchanged).

const (
	gatherKind    = "gather"
	unchangedKind = "unchanged"
)

// gather moves what has come to one interface since the plan was made to
// another. What the kernel makes by itself is left alone.
type gather struct {
	To    int       `json:"To"`
	Known stateForm `json:"Known"` // addresses and neighbours that are no news; its Index is where to look
	// Down says that one of the interfaces is, or will be, switched off: then only
	// IPv4 addresses can be moved.
	Down  bool        `json:"Down"`
	Names ipcmd.Names `json:"Names"`
	Conn  *rtnl.Conn  `json:"-"`
}

// gather is the operation that moves what is on the interface of that state
// beyond the state.
func (b *builder) gather(known host.State, to int) plan.Op {
	return &gather{To: to, Known: formOfState(known), Down: !b.h.LiveRename, Names: b.names.In(nil, known.Index, to), Conn: b.conn}
}

// Kind implements plan.Op.
func (*gather) Kind() string { return gatherKind }

// Commands implements plan.Op: usually there is nothing to do.
func (*gather) Commands() []string { return nil }

// Do implements plan.Op.
func (g *gather) Do(ctx context.Context, undoing bool) error {
	h, err := host.ReadOn(g.Conn, g.Known.Index)
	if err != nil {
		return err
	}
	// The kernel makes those to the addresses' prefixes with them.
	h.Routes = rtnl.Rest(h.Routes, func(m rtnl.Msg) bool {
		return g.Down || m.ByKernel() && m.Own() == 0
	})
	s := routes.LateLabels(h.State(g.Known.Index), g.Names.Of(g.Known.Index), g.Names.Of(g.To))
	s = g.news(s)
	msgs := rtnl.Pack(routes.AddState(s.On(g.To))...)
	msgs = append(msgs, routes.Take(h, s, g.To)...)
	msgs = msgs.Add(routes.DelState(s)...)
	if len(msgs) == 0 {
		return nil
	}
	b := netop.Batch{Wire: msgs, Names: g.Names, At: h.At, Conn: g.Conn}
	return b.Do(ctx, undoing)
}

// news is what somebody has added to a state meanwhile, without link-local
// addresses, the kernel's own routes, and neighbours that can be learnt again.
func (g *gather) news(s host.State) host.State {
	known := map[string]bool{}
	for _, list := range [][]msgForm{g.Known.Addrs4, g.Known.Addrs6, g.Known.Neighs} {
		for _, m := range list {
			known[identity(rtnl.Msg(m))] = true
		}
	}
	s.Addrs4 = rtnl.Rest(s.Addrs4, func(m rtnl.Msg) bool { return known[identity(m)] })
	if g.Down {
		return host.State{Index: s.Index, Addrs4: s.Addrs4}
	}
	return host.State{
		Index:    s.Index,
		Nexthops: s.Nexthops,
		Routes:   s.Routes,
		Addrs4:   s.Addrs4,
		Addrs6:   rtnl.Rest(s.Addrs6, func(m rtnl.Msg) bool { return known[identity(m)] || m.IsTemporary() || m.Body[3] == unix.RT_SCOPE_LINK }), // ifa_scope
		Neighs:   rtnl.Rest(s.Neighs, func(m rtnl.Msg) bool { return known[identity(m)] || !forGood(m) }),
	}
}

// identity is what identifies an address or a neighbour for the kernel, whatever its
// flags are.
func identity(m rtnl.Msg) string {
	if m.Type == unix.RTM_NEWADDR {
		return routes.AddrKey(m)
	}
	return string(m.Get(unix.NDA_DST))
}

// forGood says whether a neighbour was entered by somebody.
func forGood(m rtnl.Msg) bool {
	return m.Fixed()[8]&unix.NUD_PERMANENT != 0 || m.Fixed()[10]&unix.NTF_PROXY != 0 // ndm_state, ndm_flags
}

// ErrChanged says that the host is no longer what the plan was made for: another plan
// is needed.
var ErrChanged = errors.New("it has been changed meanwhile")

// unchanged fails if there is something on an interface that the plan does not
// know.
type unchanged struct {
	Index int             `json:"Index"`
	Names ipcmd.Names     `json:"Names"`
	Known map[string]bool `json:"-"` // the keys of what was there; nobody but the planner carries it out
	Conn  *rtnl.Conn      `json:"-"`
}

// unchanged is the operation that checks that the interface of that state has
// nothing more by now.
func (b *builder) unchanged(s host.State) plan.Op {
	known := map[string]bool{}
	for _, list := range [][]rtnl.Msg{s.Addrs4, s.Addrs6, s.Nexthops, s.Routes} {
		for _, m := range list {
			known[m.Key()] = true
		}
	}
	return &unchanged{s.Index, b.names.In(nil, s.Index), known, b.conn}
}

// Kind implements plan.Op.
func (*unchanged) Kind() string { return unchangedKind }

// Commands implements plan.Op: there is none, as whoever types commands looks first.
func (*unchanged) Commands() []string { return nil }

// Do implements plan.Op.
func (u *unchanged) Do(_ context.Context, undoing bool) error {
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
				return fmt.Errorf("%w: %s", ErrChanged, u.Names.Command(m.As(m.Type, rtnl.Add)))
			}
		}
	}
	return nil
}
