package bridge

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// routeMsgs switches the routes and nexthops of s to another interface that
// has the addresses of s already (see quiet), and takes that back. Each route
// is replaced where it stands, so that there is no moment without it and no
// other route of the same destination takes its place. up says whether the
// interfaces are: on one that is off the kernel makes no routes for addresses.
// When undoing it is not known what was moved.
func routeMsgs(h *host.Host, s host.State, to int, up bool) (do, undo rtnl.Wire) {
	r := newRewriter(h, s, to, up, false)
	do = r.move(r.move4)
	r.from, r.to, r.back = r.to, r.from, true
	return do, r.move(r.moveBack4)
}

func (r *rewriter) move(each4 func([]rtnl.Msg)) rtnl.Wire {
	r.begin()
	r.routes4(each4)
	r.finalAddrs6()
	r.routes6(false, r.move6)
	r.withStrays(func() {
		for _, m := range r.s.Nexthops {
			if m.Uses(r.s.Index) { // a group keeps its members
				r.put(m, r.to, unix.RTM_NEWNEXTHOP, replaceFlags)
			}
		}
		r.gateways4(each4)
		r.routes6(true, r.move6)
	})
	return r.msgs
}

// restoreRoutes makes routes and nexthops of s anew, on the same or another
// interface, after s's own was switched off: the kernel then removes them, but
// keeps a route of which a leg leaves by another interface, and takes IPv6
// addresses that went out of the routes that have them as their source.
func restoreRoutes(h *host.Host, s host.State, to int) rtnl.Wire {
	return newRewriter(h, s, to, true, true).restore()
}

// mendRoutes is restoreRoutes where they stood, and of others' routes those that
// are lost.
func mendRoutes(h *host.Host, s host.State, lost map[string]bool) rtnl.Wire {
	return (&rewriter{h: h, s: s, from: s.Index, to: s.Index, up: true, lost: lost}).find(true).restore()
}

func (r *rewriter) restore() rtnl.Wire { return r.again(r.remake6) }

// takeRoutes moves the routes of s, which are still there, to an interface that
// has routes of its own: those that the kernel makes for addresses stay.
func takeRoutes(h *host.Host, s host.State, to int) rtnl.Wire {
	r := newRewriter(h, s, to, false, true)
	return r.again(r.move6)
}

// again makes routes and nexthops anew, those of IPv6 in the manner given.
func (r *rewriter) again(each6 func(rtnl.Msg)) rtnl.Wire {
	r.begin()
	r.routes4(r.remake4)
	r.finalAddrs6()
	r.routes6(false, each6)
	r.withStrays(func() {
		for _, m := range r.s.Nexthops { // groups that had only members here are gone too
			r.put(m, r.to, unix.RTM_NEWNEXTHOP, replaceFlags)
		}
		for _, m := range r.s.Routes {
			if m.Family() == unix.AF_INET6 && m.HasAny(rtaNhID) {
				r.add(m.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE))
			}
		}
		r.gateways4(r.remake4)
		r.routes6(true, each6)
	})
	r.sources6()
	return r.msgs
}

// keepOrder puts the IPv4 routes of s that share their destination with others
// in their order again, after addresses were taken off and put back.
func keepOrder(h *host.Host, s host.State) rtnl.Wire {
	r := newRewriter(h, s, s.Index, false, false)
	for _, g := range r.groups {
		if g.end-g.begin > 1 {
			r.remake4(r.routes(g))
		}
	}
	return r.msgs
}

func hasGateway(m rtnl.Msg) bool {
	return m.HasAny(unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH)
}

// Attributes that golang.org/x/sys/unix does not name (linux/rtnetlink.h).
const rtaNhID = 30

// rewriter collects the messages that turn the host h, where the routes of s
// stand, into one where they do so on another interface.
type rewriter struct {
	h        *host.Host
	s        host.State
	from, to int                     // where the routes are when the messages are sent, and shall be
	back     bool                    // this is the undoing
	up       bool                    // the interfaces are up
	ids      map[uint32]bool         // nexthop objects that are gone, with the routes over them
	groups   []group                 // those with a route to be moved, in the kernel's order
	twins    map[groupKey][]rtnl.Msg // routes that the kernel has made on the new interface
	made     map[string]bool         // IPv6 prefix routes that the kernel makes, by prefixKey6
	lost     map[string]bool         // others' IPv4 routes that are to be made anew, too, by Key
	msgs     rtnl.Wire
}

// newRewriter begins to move the routes of s to an interface. gone says that
// nexthop objects are gone and the routes over them, too: a live move leaves
// those routes alone.
func newRewriter(h *host.Host, s host.State, to int, up, gone bool) *rewriter {
	return (&rewriter{h: h, s: s, from: s.Index, to: to, up: up}).find(gone)
}

// find finds what there is to be moved.
func (r *rewriter) find(gone bool) *rewriter {
	r.ids, r.twins = map[uint32]bool{}, map[groupKey][]rtnl.Msg{}
	if gone {
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
	if id := m.Get(rtaNhID); id != nil {
		return r.ids[rtnl.U32(id)]
	}
	return m.Uses(r.s.Index) || len(r.lost) > 0 && r.lost[m.Key()]
}

func (r *rewriter) add(msgs ...rtnl.Msg) { r.msgs = r.msgs.Add(msgs...) }

// put adds the message about something of s as it is, or shall be, on the
// interface with that index.
func (r *rewriter) put(m rtnl.Msg, index int, typ, flags uint16) {
	if m.Type == unix.RTM_NEWROUTE && m.HasAny(rtaNhID) {
		m = m.Settable() // in h it has more: see host.Read
	}
	r.msgs = r.msgs.AddOn(m.As(typ, flags), r.s.Index, index)
}

// table is the number of a route's table.
func table(m rtnl.Msg) uint32 {
	if t := m.Get(unix.RTA_TABLE); t != nil {
		return rtnl.U32(t)
	}
	return uint32(m.Fixed()[4])
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
