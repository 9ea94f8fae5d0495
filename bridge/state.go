package bridge

import (
	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
)

// addState is the step that puts on an interface the addresses that the other one
// still has. Nothing is routed over it yet. When
// undoing, what else has come to it goes to the other one. If the interface is then
// deleted, it takes the addresses along, which is a hundred times as fast for very
// many.
func (m *move) addState(s host.State, power host.Power) plan.Step {
	s.Neighs = nil
	other, deleted := m.s.nic.Index, m.own
	if s.Index != m.pair.dev {
		other, deleted = m.pair.dev, false
	}
	gone := s
	if deleted {
		gone.Addrs4, gone.Addrs6 = routes.Joined(s.Addrs4), routes.Joined(s.Addrs6)
	}
	undo := append([]plan.Op{m.gather(s, other)}, m.ops(routes.DelState(gone)...)...)
	return plan.Step{
		Title: "give " + m.names[s.Index] + " the addresses",
		Do:    append(m.ops(routes.AddState(s)...), m.addrsOps(s, power)...),
		Undo:  undo,
	}
}

// addNeighs is the step that puts the neighbours on an interface.
func (b *builder) addNeighs(s host.State) plan.Step {
	only := host.State{Index: s.Index, Neighs: s.Neighs}
	return plan.Step{
		Title: "give " + b.names[s.Index] + " the neighbours",
		Do:    b.ops(routes.AddState(only)...),
		Undo:  b.ops(routes.DelState(only)...),
	}
}

// addrsOps is the operation that waits for the state's IPv6 addresses.
func (b *builder) addrsOps(s host.State, power host.Power) []plan.Op {
	var addrs [][]byte
	for _, m := range s.Addrs6 {
		if m.AddrFlags()&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
			addrs = append(addrs, m.Local())
		}
	}
	if len(addrs) == 0 || power == host.Off {
		return nil
	}
	return []plan.Op{&awaitAddrs{Index: s.Index, Addrs: addrs, Conn: b.conn}}
}

// moveRoutes is the step that switches every route and nexthop from one interface to
// the other, which is up; s is the state as it is on the first.
func (m *move) moveRoutes(s host.State, to int, power host.Power) plan.Step {
	from := s.Index
	title := "switch the routes from " + m.names[from] + " to " + m.names[to]
	do, undo := routes.Switch(m.h, s, to, power)
	step := plan.Step{
		Title: title,
		Do:    append(m.allowTemporary(to), m.wireOps(do)...),
		Undo:  append(m.allowTemporary(from), m.wireOps(undo)...),
	}
	m.moved(from, to)
	return step
}
