package bridge

import (
	"bytes"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// routeMsgs switches the routes and nexthops of s to another interface that
// has the addresses of s already (see quiet). Each route is replaced where it
// stands, so that there is no moment without it and no other route of the
// same destination takes its place. up says whether the interfaces are: on one
// that is off the kernel makes no routes for addresses. When undoing it is not
// known what was moved.
func routeMsgs(h *host.Host, s host.State, to int, up, undoing bool) []rtnl.Msg {
	r := newRewriter(h, s, to, up)
	move4 := r.move4
	if undoing {
		move4 = r.moveBack4
	}
	r.routes4(move4)
	r.finalAddrs6(s)
	r.routes6(s.Routes, false, r.move6)
	r.withStrays(s, func() {
		for _, m := range s.Nexthops {
			if m.Uses(s.Index) { // a group keeps its members
				r.add(m.Retarget(s.Index, to).As(unix.RTM_NEWNEXTHOP, replaceFlags))
			}
		}
		r.gateways4(move4)
		r.routes6(s.Routes, true, r.move6)
	})
	return r.msgs
}

// restoreRoutes makes routes and nexthops of s anew, on the same or another
// interface, after s's own was switched off: the kernel then removes them, but
// keeps a route of which a leg leaves by another interface, and takes IPv6
// addresses that went out of the routes that have them as their source.
func restoreRoutes(h *host.Host, s host.State, to int) []rtnl.Msg {
	return newRewriter(h, s, to, true).restore(s)
}

// addRoutes is restoreRoutes to an interface that has routes of its own: those
// that the kernel makes for addresses stay.
func addRoutes(h *host.Host, s host.State, to int) []rtnl.Msg {
	return newRewriter(h, s, to, false).restore(s)
}

func (r *rewriter) restore(s host.State) []rtnl.Msg {
	r.remakeNexthops(s)
	r.routes4(r.remake4)
	r.finalAddrs6(s)
	r.routes6(s.Routes, false, r.remake6)
	r.withStrays(s, func() {
		for _, m := range s.Nexthops { // groups that had only members here are gone too
			r.add(m.Retarget(s.Index, r.to).As(unix.RTM_NEWNEXTHOP, replaceFlags))
		}
		for _, m := range s.Routes {
			if m.Get(rtaNhID) != nil && m.Family() == unix.AF_INET6 {
				r.add(m.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE))
			}
		}
		r.gateways4(r.remake4)
		r.routes6(s.Routes, true, r.remake6)
	})
	r.sources6(s)
	return r.msgs
}

// keepOrder puts the IPv4 routes of s that share their destination with others
// in their order again, after addresses were taken off and put back.
func keepOrder(h *host.Host, s host.State) []rtnl.Msg {
	r := newRewriter(h, s, s.Index, false)
	for _, key := range r.ours {
		if group := r.groups[key]; len(group) > 1 {
			r.remake4(group)
		}
	}
	return r.msgs
}

func hasGateway(m rtnl.Msg) bool {
	return m.Get(unix.RTA_GATEWAY) != nil || m.Get(unix.RTA_VIA) != nil || m.Get(unix.RTA_MULTIPATH) != nil
}

// Attributes that golang.org/x/sys/unix does not name (linux/rtnetlink.h).
const rtaNhID = 30

// rewriter collects the messages. IPv4 routes are dealt with by groups: those
// that share table, destination, TOS and metric, of which the first is in use.
type rewriter struct {
	h        *host.Host
	from, to int
	up       bool                 // the interfaces are up
	groups   map[group][]rtnl.Msg // in the kernel's order
	ours     []group              // those with a route to be moved, in the kernel's order
	isOur    map[group]bool
	twins    map[group][]rtnl.Msg // routes that the kernel has made on the new interface
	twinned  []group              // the groups that have them, in their order
	ids      map[uint32]bool      // nexthop objects that are gone, with the routes over them
	made     map[string]bool      // IPv6 prefix routes that the kernel makes, by prefixKey6
	msgs     []rtnl.Msg
}

func newRewriter(h *host.Host, s host.State, to int, up bool) *rewriter {
	r := &rewriter{h: h, from: s.Index, to: to, up: up,
		groups: map[group][]rtnl.Msg{}, twins: map[group][]rtnl.Msg{}, made: map[string]bool{}}
	for _, m := range h.Routes {
		if m.Family() == unix.AF_INET {
			key := groupOf(m)
			r.groups[key] = append(r.groups[key], m)
		}
	}
	r.findOurs()
	if up {
		r.findTwins(s)
	}
	return r
}

// remakeNexthops says that routes over the nexthop objects of s are gone with
// them: a live move leaves those routes alone.
func (r *rewriter) remakeNexthops(s host.State) {
	r.ids = map[uint32]bool{}
	for _, m := range s.Nexthops {
		r.ids[m.U32(unix.NHA_ID)] = true
	}
	r.findOurs()
}

func (r *rewriter) findOurs() {
	r.ours, r.isOur = nil, map[group]bool{}
	for _, m := range r.h.Routes {
		if m.Family() != unix.AF_INET {
			continue
		}
		key := groupOf(m)
		if r.isOur[key] || !r.concerned(r.groups[key]) {
			continue
		}
		r.isOur[key] = true
		r.ours = append(r.ours, key)
		for i, m := range r.groups[key] {
			r.groups[key][i] = m.Settable()
		}
	}
}

// isOurs says whether a route has to be moved or made anew.
func (r *rewriter) isOurs(m rtnl.Msg) bool {
	id := m.Get(rtaNhID)
	return m.Uses(r.from) || id != nil && r.ids[rtnl.U32(id)]
}

// concerned says whether a group has to be dealt with: it has a route on our
// interface. One that comes and goes with an address does so by itself, unless
// it has a place among several.
func (r *rewriter) concerned(group []rtnl.Msg) bool {
	return slices.ContainsFunc(group, func(m rtnl.Msg) bool {
		return r.isOurs(m) && (len(group) > 1 || !host.ByAddress(m))
	})
}

// findTwins finds the routes that the kernel made on the new interface for its
// addresses. Behind the ones to be moved they have no effect, but they keep
// those from being put in their place.
func (r *rewriter) findTwins(s host.State) {
	add := func(m rtnl.Msg) {
		key := groupOf(m)
		if len(r.twins[key]) == 0 {
			r.twinned = append(r.twinned, key)
		}
		r.twins[key] = append(r.twins[key], m.Retarget(r.from, r.to).As(unix.RTM_DELROUTE, 0))
	}
	for _, a := range s.Addrs4 {
		for _, m := range prefixRoutes4(a) {
			add(m)
		}
	}
	for _, key := range r.ours {
		for _, m := range r.groups[key] {
			if m.Uses(r.from) && host.ByAddress(m) {
				add(m)
			}
		}
	}
}

func (r *rewriter) add(msgs ...rtnl.Msg) { r.msgs = append(r.msgs, msgs...) }

// routes4 deals with the groups that need no gateway, in the manner given,
// and removes twins of routes that someone had removed.
func (r *rewriter) routes4(each func(group []rtnl.Msg)) {
	r.each4(false, each)
	for _, key := range r.twinned {
		if !r.isOur[key] {
			r.add(r.twins[key]...)
		}
	}
}

// gateways4 deals with the groups that need a gateway: the kernel accepts one
// only where it can be reached.
func (r *rewriter) gateways4(each func(group []rtnl.Msg)) { r.each4(true, each) }

func (r *rewriter) each4(gateway bool, each func(group []rtnl.Msg)) {
	for _, key := range r.ours {
		group := r.groups[key]
		if r.viaGateway(group) == gateway {
			r.add(r.twins[key]...)
			each(group)
		}
	}
}

func (r *rewriter) viaGateway(group []rtnl.Msg) bool {
	return slices.ContainsFunc(group, func(m rtnl.Msg) bool {
		return r.isOurs(m) && (hasGateway(m) || m.Get(rtaNhID) != nil)
	})
}

// move4 replaces the first route of a group, if it is ours, in place:
// NLM_F_REPLACE acts on the first. From the first further one of ours on, the
// rest is taken off and put on again in order.
func (r *rewriter) move4(group []rtnl.Msg) {
	reorder := false
	for i, m := range group {
		moved := m.Retarget(r.from, r.to)
		ours := r.isOurs(m)
		switch {
		case ours && i == 0:
			r.add(moved.As(unix.RTM_NEWROUTE, replaceFlags))
		case ours || reorder:
			reorder = true
			r.add(m.As(unix.RTM_DELROUTE, 0), moved.As(unix.RTM_NEWROUTE, appendFlags))
		}
	}
}

// moveBack4 does as move4, however far that came: beside another interface's
// route a replace could hit that one, and may have done so if the NIC went away
// with its own.
func (r *rewriter) moveBack4(group []rtnl.Msg) {
	if len(group) == 1 {
		r.move4(group)
		return
	}
	r.remake4(group)
	for _, m := range group {
		if !r.isOurs(m) {
			r.add(m.As(unix.RTM_NEWROUTE, appendFlags)) // refused if it is there
		}
	}
}

// remake4 makes the routes of a group that are gone. The first of the group
// goes to the front again, one behind others is put in its place by putting
// those behind it on anew. All are taken off before the first is put on: a
// message that names no metrics takes off the first that is alike but for
// those.
func (r *rewriter) remake4(group []rtnl.Msg) {
	var off, on []rtnl.Msg
	reorder := false
	for i, m := range group {
		flags := uint16(appendFlags)
		if i == 0 {
			flags = unix.NLM_F_CREATE
		}
		ours := r.isOurs(m)
		reorder = reorder || ours && i > 0
		if ours || reorder {
			moved := m.Retarget(r.from, r.to)
			off = append(off, m.As(unix.RTM_DELROUTE, 0), moved.As(unix.RTM_DELROUTE, 0))
			on = append(on, moved.As(unix.RTM_NEWROUTE, flags))
		}
	}
	r.add(off...)
	r.add(on...)
}

// group is what makes IPv4 routes alternatives of each other.
type group struct {
	table, metric uint32
	dst           [4]byte
	bits, tos     byte
}

func groupOf(m rtnl.Msg) group {
	f := m.Fixed()
	g := group{table: table(m), metric: m.U32(unix.RTA_PRIORITY), bits: f[1], tos: f[3]} // rtm_dst_len, rtm_tos
	copy(g.dst[:], m.Get(unix.RTA_DST))
	return g
}

// table is the number of a route's table.
func table(m rtnl.Msg) uint32 {
	if t := m.Get(unix.RTA_TABLE); t != nil {
		return rtnl.U32(t)
	}
	return uint32(m.Fixed()[4])
}

// finalAddrs6 gives the IPv6 addresses their own flags, upon which the kernel
// makes their prefix routes, and takes away those that someone had removed.
func (r *rewriter) finalAddrs6(s host.State) {
	have := map[string]bool{}
	for _, m := range s.Routes {
		if isPrefixRoute6(m) {
			have[prefixKey6(m)] = true
		}
	}
	for _, a := range s.Addrs6 {
		moved := a.Retarget(r.from, r.to)
		r.add(final(moved))
		p, ok := prefixRoute6(moved)
		switch {
		case ok && have[prefixKey6(p)]:
			r.made[prefixKey6(p)] = true
		case ok && r.up:
			r.add(p.As(unix.RTM_DELROUTE, 0))
		}
	}
}

// routes6 deals with the IPv6 routes that have, or have not, a gateway, in the
// manner given. Those over a nexthop object move with it.
func (r *rewriter) routes6(routes []rtnl.Msg, gateway bool, each func(rtnl.Msg)) {
	for _, m := range routes {
		if m.Family() == unix.AF_INET6 && m.Get(rtaNhID) == nil && hasGateway(m) == gateway {
			each(m)
		}
	}
}

// move6 moves an IPv6 route. One with gateways is alone in its place (others
// with its metric are legs of it) and is replaced whole. For the rest, and for
// what a router announced, the kernel's replace may hit another interface's
// route; there order has no meaning, so the new one is added, unless the
// kernel has made it, and the old one taken off.
func (r *rewriter) move6(m rtnl.Msg) {
	moved := m.Retarget(r.from, r.to)
	switch {
	case hasGateway(m) && m.Fixed()[5] != unix.RTPROT_RA:
		r.add(moved.As(unix.RTM_NEWROUTE, replaceFlags))
	case r.madeByAddress6(m):
		r.add(m.As(unix.RTM_DELROUTE, 0))
	default:
		r.add(moved.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE), m.As(unix.RTM_DELROUTE, 0))
	}
}

// remake6 makes an IPv6 route unless the kernel has made it. Legs elsewhere of
// one with several are still there.
func (r *rewriter) remake6(m rtnl.Msg) {
	flags := uint16(unix.NLM_F_CREATE)
	if m.Get(unix.RTA_MULTIPATH) != nil {
		flags = replaceFlags
	}
	if !r.madeByAddress6(m) {
		r.add(m.Retarget(r.from, r.to).As(unix.RTM_NEWROUTE, flags))
	}
}

func (r *rewriter) madeByAddress6(m rtnl.Msg) bool {
	return isPrefixRoute6(m) && r.made[prefixKey6(m)]
}

// sources6 gives routes over other interfaces their source address back.
func (r *rewriter) sources6(s host.State) {
	addrs := map[string]bool{}
	for _, a := range s.Addrs6 {
		addrs[string(a.Get(unix.IFA_ADDRESS))] = true
	}
	for _, m := range r.h.Routes {
		src := m.Get(unix.RTA_PREFSRC)
		if m.Family() != unix.AF_INET6 || src == nil || !addrs[string(src)] || m.Uses(r.from) || host.ByAddress(m) {
			continue
		}
		m = m.Settable()
		bare := m.Without(unix.RTA_PREFSRC)
		// The last is refused, as there is such a route, unless the one before
		// it was because the address could not be brought back.
		r.add(bare.As(unix.RTM_DELROUTE, 0), m.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE), bare.As(unix.RTM_NEWROUTE, addFlags))
	}
}

// prefixRoutes4 are the routes that the kernel makes for an IPv4 address, as
// fib_add_ifaddr() does: one to its prefix, one to a peer of its own.
func prefixRoutes4(a rtnl.Msg) []rtnl.Msg {
	if addrFlags(a)&(unix.IFA_F_SECONDARY|unix.IFA_F_NOPREFIXROUTE) != 0 {
		return nil
	}
	peer, ok := netip.AddrFromSlice(a.Get(unix.IFA_ADDRESS))
	if !ok {
		return nil
	}
	prefix, err := peer.Prefix(int(a.Body[1]))
	if err != nil || prefix.Addr().IsUnspecified() {
		return nil
	}
	local := a.Get(unix.IFA_LOCAL)
	if prefix.Bits() == 32 && bytes.Equal(local, a.Get(unix.IFA_ADDRESS)) {
		return nil
	}
	return []rtnl.Msg{prefixRoute(a, prefix, unix.RT_SCOPE_LINK).With(unix.RTA_PREFSRC, local)}
}

// prefixRoute6 is the route that the kernel makes for an IPv6 address.
func prefixRoute6(a rtnl.Msg) (rtnl.Msg, bool) {
	if addrFlags(a)&unix.IFA_F_NOPREFIXROUTE != 0 {
		return rtnl.Msg{}, false
	}
	peer, ok := netip.AddrFromSlice(a.Get(unix.IFA_ADDRESS))
	if !ok {
		return rtnl.Msg{}, false
	}
	prefix, err := peer.Prefix(int(a.Body[1]))
	return prefixRoute(a, prefix, unix.RT_SCOPE_UNIVERSE), err == nil
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

// isPrefixRoute6 says whether a route is like those that the kernel makes for
// IPv6 addresses.
func isPrefixRoute6(m rtnl.Msg) bool {
	return m.Family() == unix.AF_INET6 && m.Fixed()[5] == unix.RTPROT_KERNEL && table(m) == unix.RT_TABLE_MAIN && !hasGateway(m)
}

// prefixKey6 compares prefix routes: by destination and metric.
func prefixKey6(m rtnl.Msg) string {
	metric := m.U32(unix.RTA_PRIORITY)
	if metric == 0 {
		metric = 256 // IP6_RT_PRIO_ADDRCONF
	}
	return string(m.Fixed()[1:2]) + string(m.Get(unix.RTA_DST)) + string(rtnl.U32Bytes(metric))
}
