package bridge

import (
	"bytes"
	"maps"
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
	r.from, r.to = r.to, r.from
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

// addRoutes is restoreRoutes to an interface that has routes of its own: those
// that the kernel makes for addresses stay.
func addRoutes(h *host.Host, s host.State, to int) rtnl.Wire {
	return newRewriter(h, s, to, false, true).restore()
}

func (r *rewriter) restore() rtnl.Wire {
	r.begin()
	r.routes4(r.remake4)
	r.finalAddrs6()
	r.routes6(false, r.remake6)
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
		r.routes6(true, r.remake6)
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
	up       bool                    // the interfaces are up
	ids      map[uint32]bool         // nexthop objects that are gone, with the routes over them
	groups   []group                 // those with a route to be moved, in the kernel's order
	twins    map[groupKey][]rtnl.Msg // routes that the kernel has made on the new interface
	made     map[string]bool         // IPv6 prefix routes that the kernel makes, by prefixKey6
	msgs     rtnl.Wire
}

// newRewriter begins to move the routes of s to an interface. gone says that
// nexthop objects are gone and the routes over them, too: a live move leaves
// those routes alone.
func newRewriter(h *host.Host, s host.State, to int, up, gone bool) *rewriter {
	r := &rewriter{h: h, s: s, from: s.Index, to: to, up: up, ids: map[uint32]bool{}, twins: map[groupKey][]rtnl.Msg{}}
	if gone {
		for _, m := range s.Nexthops {
			r.ids[m.U32(unix.NHA_ID)] = true
		}
	}
	r.findGroups()
	if up {
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

// A group is the IPv4 routes that are alternatives of each other, of which the
// first is in use. In the kernel's list they stand together (fib_insert_alias).
type group struct {
	begin, end int32 // in the host's routes
	gateway    bool  // one to be moved needs a gateway
}

func (r *rewriter) routes(g group) []rtnl.Msg { return r.h.Routes[g.begin:g.end:g.end] }

// findGroups finds the groups that have a route to be moved or made anew. One
// that comes and goes with an address does so by itself, unless it has a place
// among several.
func (r *rewriter) findGroups() {
	r.groups = make([]group, 0, len(r.s.Routes))
	all := r.h.Routes
	for i := 0; i < len(all); {
		if all[i].Family() != unix.AF_INET {
			i++
			continue
		}
		g, key := group{begin: int32(i)}, groupKeyOf(all[i]) //nolint:gosec // no host has that many
		for i++; i < len(all) && all[i].Family() == unix.AF_INET && groupKeyOf(all[i]) == key; {
			i++
		}
		g.end = int32(i) //nolint:gosec // as above
		moves := false
		for _, m := range r.routes(g) {
			if !r.isOurs(m) {
				continue
			}
			moves = moves || g.end-g.begin > 1 || !host.ByAddress(m)
			g.gateway = g.gateway || hasGateway(m) || m.HasAny(rtaNhID)
		}
		if moves {
			r.groups = append(r.groups, g)
		}
	}
}

// groupKey is what the routes of a group have in common.
type groupKey struct {
	table, metric uint32
	dst           [4]byte
	bits, tos     byte
}

func groupKeyOf(m rtnl.Msg) groupKey {
	f := m.Fixed()
	k := groupKey{table: uint32(f[4]), bits: f[1], tos: f[3]} // rtm_table, rtm_dst_len, rtm_tos
	for a := range m.Attrs {
		switch a.Type {
		case unix.RTA_TABLE:
			k.table = rtnl.U32(a.Value)
		case unix.RTA_PRIORITY:
			k.metric = rtnl.U32(a.Value)
		case unix.RTA_DST:
			copy(k.dst[:], a.Value)
		}
	}
	return k
}

// isOurs says whether a route has to be moved or made anew.
func (r *rewriter) isOurs(m rtnl.Msg) bool {
	if id := m.Get(rtaNhID); id != nil {
		return r.ids[rtnl.U32(id)]
	}
	return m.Uses(r.s.Index)
}

// findTwins finds the routes that the kernel made on the new interface for its
// addresses. Behind the ones to be moved they have no effect, but they keep
// those from being put in their place.
func (r *rewriter) findTwins() {
	for _, a := range r.s.Addrs4 {
		for _, m := range prefixRoutes4(a) {
			r.twins[groupKeyOf(m)] = append(r.twins[groupKeyOf(m)], m)
		}
	}
	for _, g := range r.groups {
		for _, m := range r.routes(g) {
			if host.ByAddress(m) && r.isOurs(m) {
				r.twins[groupKeyOf(m)] = append(r.twins[groupKeyOf(m)], m)
			}
		}
	}
}

func (r *rewriter) removeTwins(twins []rtnl.Msg) {
	for _, m := range twins {
		r.put(m, r.to, unix.RTM_DELROUTE, 0)
	}
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

// routes4 deals with the groups that need no gateway, in the manner given,
// and removes twins of routes that someone had removed.
func (r *rewriter) routes4(each func([]rtnl.Msg)) {
	alone := maps.Clone(r.twins)
	for _, g := range r.groups {
		delete(alone, groupKeyOf(r.h.Routes[g.begin]))
	}
	r.each4(false, each)
	for _, a := range r.s.Addrs4 {
		for _, m := range prefixRoutes4(a) {
			key := groupKeyOf(m)
			r.removeTwins(alone[key])
			delete(alone, key)
		}
	}
}

// gateways4 deals with the groups that need a gateway: the kernel accepts one
// only where it can be reached.
func (r *rewriter) gateways4(each func([]rtnl.Msg)) { r.each4(true, each) }

func (r *rewriter) each4(gateway bool, each func([]rtnl.Msg)) {
	for _, g := range r.groups {
		if g.gateway == gateway {
			routes := r.routes(g)
			r.removeTwins(r.twins[groupKeyOf(routes[0])])
			each(routes)
		}
	}
}

// move4 replaces the first route of a group, if it is ours, in place:
// NLM_F_REPLACE acts on the first. From the first further one of ours on, the
// rest is taken off and put on again in order.
func (r *rewriter) move4(group []rtnl.Msg) {
	reorder := false
	for i, m := range group {
		ours := r.isOurs(m)
		switch {
		case ours && i == 0:
			r.put(m, r.to, unix.RTM_NEWROUTE, replaceFlags)
		case ours || reorder:
			reorder = true
			r.put(m, r.from, unix.RTM_DELROUTE, 0)
			r.put(m, r.to, unix.RTM_NEWROUTE, appendFlags)
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
			r.put(m, r.from, unix.RTM_NEWROUTE, appendFlags) // refused if it is there
		}
	}
}

// remake4 makes the routes of a group that are gone. The first of the group
// goes to the front again, one behind others is put in its place by putting
// those behind it on anew. All are taken off before the first is put on: a
// message that names no metrics takes off the first that is alike but for
// those.
func (r *rewriter) remake4(group []rtnl.Msg) {
	begin := len(group) // of those that are put on anew, ours or not
	for i := len(group) - 1; i > 0; i-- {
		if r.isOurs(group[i]) {
			begin = i
		}
	}
	again := func(f func(int, rtnl.Msg)) {
		for i, m := range group {
			if i >= begin || i == 0 && r.isOurs(m) {
				f(i, m)
			}
		}
	}
	again(func(_ int, m rtnl.Msg) {
		r.put(m, r.from, unix.RTM_DELROUTE, 0)
		r.put(m, r.to, unix.RTM_DELROUTE, 0)
	})
	again(func(i int, m rtnl.Msg) {
		if i == 0 {
			r.put(m, r.to, unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
		} else {
			r.put(m, r.to, unix.RTM_NEWROUTE, appendFlags)
		}
	})
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
func (r *rewriter) finalAddrs6() {
	have := map[string]bool{}
	for _, m := range r.s.Routes {
		if isPrefixRoute6(m) {
			have[prefixKey6(m)] = true
		}
	}
	for _, a := range r.s.Addrs6 {
		r.add(final(a.Retarget(r.s.Index, r.to)))
		p, ok := prefixRoute6(a)
		switch {
		case ok && have[prefixKey6(p)]:
			r.made[prefixKey6(p)] = true
		case ok && r.up:
			r.put(p, r.to, unix.RTM_DELROUTE, 0)
		}
	}
}

// routes6 deals with the IPv6 routes that have, or have not, a gateway, in the
// manner given. Those over a nexthop object move with it.
func (r *rewriter) routes6(gateway bool, each func(rtnl.Msg)) {
	for _, m := range r.s.Routes {
		if m.Family() == unix.AF_INET6 && !m.HasAny(rtaNhID) && hasGateway(m) == gateway {
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
	switch {
	case hasGateway(m) && m.Fixed()[5] != unix.RTPROT_RA:
		r.put(m, r.to, unix.RTM_NEWROUTE, replaceFlags)
	case r.madeByAddress6(m):
		r.put(m, r.from, unix.RTM_DELROUTE, 0)
	default:
		r.put(m, r.to, unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
		r.put(m, r.from, unix.RTM_DELROUTE, 0)
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
		r.put(m, r.to, unix.RTM_NEWROUTE, flags)
	}
}

func (r *rewriter) madeByAddress6(m rtnl.Msg) bool {
	return isPrefixRoute6(m) && r.made[prefixKey6(m)]
}

// sources6 gives routes over other interfaces their source address back.
func (r *rewriter) sources6() {
	addrs := map[string]bool{}
	for _, a := range r.s.Addrs6 {
		addrs[string(a.Get(unix.IFA_ADDRESS))] = true
	}
	for _, m := range r.h.Routes {
		src := m.Get(unix.RTA_PREFSRC)
		if m.Family() != unix.AF_INET6 || src == nil || !addrs[string(src)] || m.Uses(r.s.Index) || host.ByAddress(m) {
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
