package bridge

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// routeMsgs switches the routes and nexthops of s to another interface that
// has the addresses of s already (see quiet). Each route is replaced where it
// stands, so that there is no moment without it and no other route of the
// same destination takes its place.
//
// What needs no gateway comes first: the kernel accepts a gateway only where
// it can be reached. On an interface that is not up the kernel makes no routes
// for addresses.
func routeMsgs(h *host.Host, s host.State, to int, up bool) []rtnl.Msg {
	r := rewriter{h: h, from: s.Index, to: to, done: map[string]bool{}, made: map[string]bool{}}
	direct, rest := split(s.Routes)
	if up {
		r.dropTwins4(s)
	}
	r.routes4(direct)
	r.finalAddrs6(s)
	r.routes6(direct)
	for _, m := range s.Nexthops {
		if m.Uses(s.Index) { // a group keeps its members
			r.add(m.Retarget(s.Index, to).As(unix.RTM_NEWNEXTHOP, replaceFlags))
		}
	}
	r.routes4(rest)
	r.routes6(rest)
	return r.msgs
}

// restoreRoutes makes routes and nexthops of s anew, on the same or another
// interface, after s's own was switched off: the kernel then removes them, but
// keeps a route of which a leg leaves by another interface.
func restoreRoutes(h *host.Host, s host.State, to int) []rtnl.Msg {
	r := rewriter{h: h, from: s.Index, to: to, done: map[string]bool{}, made: map[string]bool{}}
	direct, rest := split(s.Routes)
	r.dropTwins4(s)
	r.remake4(direct)
	r.finalAddrs6(s)
	r.remake6(direct)
	for _, m := range s.Nexthops { // the groups that had only members here are gone too
		r.add(m.Retarget(s.Index, to).As(unix.RTM_NEWNEXTHOP, replaceFlags))
	}
	for _, m := range s.Routes {
		if m.Get(rtaNhID) != nil {
			r.add(m.As(unix.RTM_NEWROUTE, appendFlags))
		}
	}
	r.remake4(rest)
	r.remake6(rest)
	return r.msgs
}

// remake4 makes IPv4 routes. The first of a group goes to the front again, one
// behind others is put in its place by putting those behind it on anew.
func (r *rewriter) remake4(routes []rtnl.Msg) {
	for _, m := range routes {
		if m.Family() != unix.AF_INET || r.done[groupKey(m)] {
			continue
		}
		r.done[groupKey(m)] = true
		reorder := false
		for i, m := range r.group(groupKey(m)) {
			m = m.Settable()
			flags := uint16(appendFlags)
			if i == 0 {
				flags = unix.NLM_F_CREATE
			}
			ours := m.Uses(r.from)
			reorder = reorder || ours && i > 0
			if ours || reorder {
				r.add(m.As(unix.RTM_DELROUTE, 0), m.Retarget(r.from, r.to).As(unix.RTM_NEWROUTE, flags))
			}
		}
	}
}

// remake6 makes IPv6 routes but those that the kernel has made.
func (r *rewriter) remake6(routes []rtnl.Msg) {
	for _, m := range routes {
		if m.Family() != unix.AF_INET6 || isPrefixRoute6(m) && r.made[prefixKey6(m)] {
			continue
		}
		flags := uint16(unix.NLM_F_CREATE)
		if m.Get(unix.RTA_MULTIPATH) != nil {
			flags = replaceFlags // legs elsewhere are still there
		}
		r.add(m.Retarget(r.from, r.to).As(unix.RTM_NEWROUTE, flags))
	}
}

// split parts the routes that need no gateway from the others; those over a
// nexthop object move with the object.
func split(routes []rtnl.Msg) (direct, rest []rtnl.Msg) {
	for _, m := range routes {
		switch {
		case m.Get(rtaNhID) != nil:
		case hasGateway(m):
			rest = append(rest, m)
		default:
			direct = append(direct, m)
		}
	}
	return direct, rest
}

func hasGateway(m rtnl.Msg) bool {
	return m.Get(unix.RTA_GATEWAY) != nil || m.Get(unix.RTA_VIA) != nil || m.Get(unix.RTA_MULTIPATH) != nil
}

// Attributes that golang.org/x/sys/unix does not name (linux/rtnetlink.h).
const rtaNhID = 30

// rewriter collects the messages.
type rewriter struct {
	h        *host.Host
	from, to int
	groups   map[string][]rtnl.Msg // IPv4 routes by groupKey, in the kernel's order
	done     map[string]bool       // groups that are dealt with
	made     map[string]bool       // IPv6 prefix routes that the kernel makes, by prefixKey6
	msgs     []rtnl.Msg
}

func (r *rewriter) add(msgs ...rtnl.Msg) { r.msgs = append(r.msgs, msgs...) }

// dropTwins4 removes the routes that the kernel made on the new interface
// for its addresses: behind the ones to be moved they have no effect yet, but
// they would keep those from being moved in place.
func (r *rewriter) dropTwins4(s host.State) {
	for _, a := range s.Addrs4 {
		for _, m := range prefixRoutes4(a) {
			r.add(m.Retarget(r.from, r.to).As(unix.RTM_DELROUTE, 0))
		}
	}
}

// routes4 replaces IPv4 routes. NLM_F_REPLACE acts on the first route of a
// group (same table, destination, TOS and metric), which is also the one in
// use; others of the group are taken off and put on again in order.
func (r *rewriter) routes4(routes []rtnl.Msg) {
	for _, m := range routes {
		if m.Family() != unix.AF_INET {
			continue
		}
		key := groupKey(m)
		if r.done[key] {
			continue
		}
		r.done[key] = true
		r.group4(r.group(key))
	}
}

func (r *rewriter) group4(group []rtnl.Msg) {
	reorder := false
	for i, m := range group {
		m = m.Settable()
		moved := m.Retarget(r.from, r.to)
		ours := m.Uses(r.from)
		switch {
		case ours && i == 0:
			r.add(moved.As(unix.RTM_NEWROUTE, replaceFlags))
		case ours || reorder:
			reorder = true
			r.add(m.As(unix.RTM_DELROUTE, 0), moved.As(unix.RTM_NEWROUTE, appendFlags))
		}
	}
}

// group finds the routes that share a key.
func (r *rewriter) group(key string) []rtnl.Msg {
	if r.groups == nil {
		r.groups = map[string][]rtnl.Msg{}
		for _, m := range r.h.Routes {
			if m.Family() == unix.AF_INET {
				k := groupKey(m)
				r.groups[k] = append(r.groups[k], m)
			}
		}
	}
	return r.groups[key]
}

// groupKey is what makes IPv4 routes alternatives of each other.
func groupKey(m rtnl.Msg) string {
	f := m.Fixed()
	var key bytes.Buffer
	key.Write([]byte{f[1], f[3]}) // rtm_dst_len, rtm_tos
	key.Write(rtnl.U32Bytes(table(m)))
	key.Write(rtnl.U32Bytes(m.U32(unix.RTA_PRIORITY)))
	key.Write(m.Get(unix.RTA_DST))
	return key.String()
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
		case ok:
			r.add(p.As(unix.RTM_DELROUTE, 0))
		}
	}
}

// routes6 moves IPv6 routes. A route with gateways is alone in its place
// (others with its metric are legs of it) and is replaced whole. For the rest,
// and for what a router announced, the kernel's replace may hit another
// interface's route; there order has no meaning, so the new one is added and
// the old one taken off.
func (r *rewriter) routes6(routes []rtnl.Msg) {
	for _, m := range routes {
		if m.Family() != unix.AF_INET6 {
			continue
		}
		moved := m.Retarget(r.from, r.to)
		if isPrefixRoute6(m) && r.made[prefixKey6(m)] {
			r.add(m.As(unix.RTM_DELROUTE, 0))
			continue
		}
		if hasGateway(m) && m.Fixed()[5] != unix.RTPROT_RA {
			r.add(moved.As(unix.RTM_NEWROUTE, replaceFlags))
			continue
		}
		r.add(moved.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE), m.As(unix.RTM_DELROUTE, 0))
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
