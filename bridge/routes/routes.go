// Package routes makes the messages that carry what is on one interface to
// another: addresses, neighbours, routes and nexthop objects.
//
// Each function is a pure one from a host.State, and the host around it, to
// messages. Package bridge puts the messages into steps, and knows what is where
// at which moment of a move.
package routes

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// Switch are the messages that switch the routes and nexthops of s to another
// interface that has the addresses of s already (see Quiet), and those that undo
// this. Each route is replaced in its place, so that there is no moment without
// it and no other route to the same destination takes its place. power is that of
// the interfaces: on one that is off the kernel makes no routes for
// addresses. When undoing, nobody knows what was moved.
func Switch(h *host.Host, s host.State, to int, power host.Power) (do, undo rtnl.Wire) {
	r := (&rewriter{h: h, s: s, from: s.Index, to: to, up: power == host.On}).find()
	do = r.move(r.move4)
	r.from, r.to, r.back = r.to, r.from, true
	return do, r.move(r.moveBack4)
}

func (r *rewriter) move(each4 func([]rtnl.Msg)) rtnl.Wire {
	r.begin()
	r.routes4(each4)
	r.finalAddrs6()
	r.routes6(direct, r.move6)
	r.withRules(func() { r.withStrays(func() { r.byGateways(each4) }) })
	return r.msgs
}

func (r *rewriter) byGateways(each4 func([]rtnl.Msg)) {
	for _, m := range r.s.Nexthops {
		if m.Uses(r.s.Index) { // a group keeps its members
			r.put(m, r.to, unix.RTM_NEWNEXTHOP, rtnl.Replace)
		}
	}
	r.gateways4(each4)
	r.routes6(byGateway, r.move6)
}

// Restore are the messages that make routes and nexthops of s anew, on the same or
// another interface, after the interface of s was switched off. The kernel then
// removes them, but keeps a route that has a leg over another interface, and takes
// IPv6 addresses that went out of the routes that have them as their source.
func Restore(h *host.Host, s host.State, to int) rtnl.Wire {
	return (&rewriter{h: h, s: s, from: s.Index, to: to, up: true, gone: true}).find().restore()
}

// Mend is Restore on the same interface. It also restores the routes of others
// that are lost, given by their Key.
func Mend(h *host.Host, s host.State, lost map[string]bool) rtnl.Wire {
	return (&rewriter{h: h, s: s, from: s.Index, to: s.Index, up: true, gone: true, lost: lost, partial: true}).find().restore()
}

func (r *rewriter) restore() rtnl.Wire { return r.again(r.remake6) }

// Take are the messages that move the routes of s, which are still there, to an
// interface that has routes of its own. Routes that the kernel makes for addresses
// stay.
func Take(h *host.Host, s host.State, to int) rtnl.Wire {
	r := (&rewriter{h: h, s: s, from: s.Index, to: to, gone: true}).find()
	return r.again(r.move6)
}

// again makes routes and nexthops anew, those of IPv6 in the given manner.
func (r *rewriter) again(each6 func(rtnl.Msg)) rtnl.Wire {
	r.begin()
	r.routes4(r.remake4)
	r.finalAddrs6()
	r.routes6(direct, each6)
	r.withRules(func() {
		r.withStrays(func() { r.byGatewaysAgain(each6) })
		r.sources6()
	})
	return r.msgs
}

func (r *rewriter) byGatewaysAgain(each6 func(rtnl.Msg)) {
	for _, m := range r.s.Nexthops { // groups that had only members here are gone too
		r.put(m, r.to, unix.RTM_NEWNEXTHOP, rtnl.Replace)
	}
	for _, m := range r.s.Routes {
		if m.Family() == unix.AF_INET6 && m.HasAny(rtnl.RtaNhID) {
			r.add(m.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE))
		}
	}
	r.gateways4(r.remake4)
	r.routes6(byGateway, each6)
}

// KeepOrder are the messages that restore the order of the IPv4 routes of s that
// share their destination with others, after addresses were removed and added
// again.
func KeepOrder(h *host.Host, s host.State) rtnl.Wire {
	r := (&rewriter{h: h, s: s, from: s.Index, to: s.Index}).find()
	r.withRules(func() {
		for _, g := range r.groups {
			if g.end-g.begin > 1 {
				r.remake4(r.routes(g))
			}
		}
	})
	return r.msgs
}

// rewriter collects the messages that turn the host h, which has the routes of s,
// into one that has them on another interface.
type rewriter struct {
	h        *host.Host
	s        host.State
	from, to int                  // where the routes are when the messages are sent, and where they are to be
	back     bool                 // this is the undoing
	up       bool                 // the interfaces are up
	gone     bool                 // nexthop objects are gone, and the routes over them; else those are left alone
	ids      map[uint32]bool      // nexthop objects that are gone, with the routes over them
	groups   []span               // those with a route to be moved, in the kernel's order
	twins    map[Group][]rtnl.Msg // routes that the kernel has made on the new interface
	made     map[string]bool      // IPv6 prefix routes that the kernel makes, by prefixKey6
	reached  *nearby              // see near
	found    []gateway            // see gateways
	partial  bool                 // h has not all routes of the host
	lost     map[string]bool      // others' IPv4 routes that are to be made anew, too, by Key
	msgs     rtnl.Wire
}

// way is how routes lead to their destinations. Those by a gateway come after those
// that lead to the gateway.
type way bool

const (
	direct    way = false
	byGateway way = true
)

func wayOf(m rtnl.Msg) way { return way(m.HasGateway()) }

// find finds what there is to be moved.
func (r *rewriter) find() *rewriter {
	r.ids, r.twins = map[uint32]bool{}, map[Group][]rtnl.Msg{}
	if r.gone {
		for _, m := range r.s.Nexthops {
			r.ids[m.U32(unix.NHA_ID)] = true
		}
	}
	r.findGroups()
	if r.up {
		r.findTwins()
	}
	return r
}

// begin starts a list of messages.
func (r *rewriter) begin() {
	size := 0
	for _, m := range r.s.Routes {
		size += unix.SizeofNlMsghdr + len(m.Body)
	}
	r.msgs = make(rtnl.Wire, 0, size)
	r.made = map[string]bool{}
}

// isOurs says whether a route has to be moved or made anew.
func (r *rewriter) isOurs(m rtnl.Msg) bool {
	if id := m.Get(rtnl.RtaNhID); id != nil {
		return r.ids[rtnl.U32(id)]
	}
	return m.Uses(r.s.Index) || len(r.lost) > 0 && r.lost[m.Key()]
}

func (r *rewriter) add(msgs ...rtnl.Msg) { r.msgs = r.msgs.Add(msgs...) }

// put adds the message about something of s as it is, or is to be, on the
// interface with that index.
func (r *rewriter) put(m rtnl.Msg, index int, typ, flags uint16) {
	if m.Type == unix.RTM_NEWROUTE && m.HasAny(rtnl.RtaNhID) {
		m = m.Settable() // in h it has more: see host.Read
	}
	r.msgs = r.msgs.AddOn(m.As(typ, flags), r.s.Index, index)
}

// prefixRoute is a route to prefix over the address's interface with the
// address's metric.
func prefixRoute(a rtnl.Msg, prefix netip.Prefix, scope uint8) rtnl.Msg {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0] = a.Family()
	fixed[1] = uint8(prefix.Bits())
	fixed[4] = unix.RT_TABLE_MAIN
	fixed[5] = unix.RTPROT_KERNEL
	fixed[6] = scope
	fixed[7] = unix.RTN_UNICAST
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: fixed}
	m = m.With(unix.RTA_DST, prefix.Addr().AsSlice())
	m = m.With(unix.RTA_OIF, a.Body[4:8])
	if metric := a.Get(rtnl.IfaRtPriority); metric != nil {
		m = m.With(unix.RTA_PRIORITY, metric)
	}
	return m
}
