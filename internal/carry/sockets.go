package carry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"xbr-script/internal/holders"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/shell"
	"xbr-script/internal/sockets"
)

// Sockets is the operation by which sockets of programs, which the kernel knows by the
// index of one interface, are about another one: what they are bound to, the groups that
// they have joined, and where they send to groups. A socket that is gone is left out.
type Sockets struct {
	From  int          `json:"From"` // indexes; 0 is none, of sockets that are bound
	To    int          `json:"To"`
	Name  string       `json:"Name"`           // that the latter has by then
	Addr4 []netip.Addr `json:"Addr4,omitzero"` // dom0's, the first one first
	Which []Socket     `json:"Which"`
}

// Socket is one of them.
type Socket struct {
	Program string          `json:"Program"` // whose it is
	Cookie  uint64          `json:"Cookie,string"`
	Places  []sockets.Place `json:"Places"`
	Bound   bool            `json:"Bound,omitempty"` // it is bound to the interface
	// Connected says that it has a peer, and so may be bound to no interface for a while.
	Connected bool         `json:"Connected,omitempty"`
	Groups    []netip.Addr `json:"Groups,omitempty"`
}

// SocketsKind names a Sockets in a journal.
const SocketsKind = "sockets"

// Kind implements plan.Op.
func (*Sockets) Kind() string { return SocketsKind }

// Commands implements plan.Op.
func (s *Sockets) Commands() (lines []string) {
	for _, one := range s.Which {
		does := "binds the socket to " + s.Name
		switch {
		case s.To == 0:
			does = "lets the connection come by any interface for a moment"
		case one.Bound:
		case len(one.Groups) > 0:
			does = "joins its groups on " + s.Name
		default:
			does = "lets the socket send by " + s.Name
		}
		lines = append(lines, shell.Comment(fmt.Sprintf("no command %s: %s (pid %d)", does, one.Program, one.Places[0].PID)))
	}
	return lines
}

// Do implements plan.Op.
func (s *Sockets) Do(_ context.Context, undoing bool) (errs error) {
	for _, one := range s.Which {
		err := sockets.With(one.Cookie, one.Places, func(socket int) error { return s.turn(one, socket) })
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("a socket of %s (pid %d): %w", one.Program, one.Places[0].PID, err))
		}
		if errs != nil && !undoing {
			break
		}
	}
	return errs
}

func (s *Sockets) turn(one Socket, socket int) error {
	if one.Bound {
		from := []int{s.From}
		if one.Connected {
			from = append(from, 0)
		}
		if err := sockets.Rebind(socket, s.To, from...); err != nil {
			return err
		}
	}
	if s.From == 0 || s.To == 0 {
		return nil
	}
	addrs := s.Addr4
	if len(addrs) == 0 {
		addrs = []netip.Addr{{}} // none
	}
	for _, addr := range addrs {
		if err := sockets.Sends(socket, s.From, s.To, addr); err != nil {
			return err
		}
	}
	for _, g := range one.Groups {
		if err := sockets.Rejoin(socket, s.From, s.To, g, addrs[0]); err != nil {
			return fmt.Errorf("group %v: %w", g, err)
		}
	}
	return nil
}

// turned are the steps for sockets, before and after the network moves. One that has a
// peer is bound to no interface in between, in both directions: its packets come by either,
// and the kernel ends a connection of which a packet finds no socket.
func turned(d *holders.Data, m holders.Move) (first, then plan.Step) {
	all, rest, connected := split(d.Turned(m))
	if len(all) == 0 || m.To.Index == 0 {
		return first, then
	}
	addrs := addrs4(d.Host, m.From.Index)
	then = plan.Step{
		Title: "turn programs' sockets from " + m.From.Name + " to dom0's " + m.To.Name,
		Do:    []plan.Op{&Sockets{From: m.From.Index, To: m.To.Index, Name: m.To.Name, Addr4: addrs, Which: all}},
		Undo:  []plan.Op{&Sockets{From: m.To.Index, To: m.From.Index, Name: m.From.Name, Addr4: addrs, Which: rest}},
	}
	if len(connected) > 0 {
		first = plan.Step{
			Title: "let connections that are bound to " + m.From.Name + " come by any interface",
			Do:    []plan.Op{&Sockets{From: m.From.Index, Which: connected}},
			Undo:  []plan.Op{&Sockets{From: m.To.Index, To: m.From.Index, Name: m.From.Name, Which: connected}},
		}
		then.Undo = append(then.Undo, &Sockets{From: m.To.Index, Which: connected})
	}
	return first, then
}

// split gives all sockets; those that can be turned before the network moves, with what can
// of the others; and those that are bound and have a peer.
func split(turned []holders.Turned) (all, rest, connected []Socket) {
	for _, t := range turned {
		one := Socket(t)
		all = append(all, one)
		if one.Bound && one.Connected {
			connected = append(connected, one)
			one.Bound = false
		}
		rest = append(rest, one)
	}
	return all, rest, connected
}

// addrs4 are the IPv4 addresses on an interface, in the kernel's order.
func addrs4(h *host.Host, index int) (all []netip.Addr) {
	for _, a := range h.State(index).Addrs4 {
		if addr, ok := netip.AddrFromSlice(a.Local()); ok {
			all = append(all, addr)
		}
	}
	return all
}
