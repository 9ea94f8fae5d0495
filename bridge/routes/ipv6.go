package routes

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// finalAddrs6 gives the IPv6 addresses their own flags, whereupon the kernel makes
// their prefix routes, and removes those that somebody had removed before.
func (r *rewriter) finalAddrs6() {
	have := map[string]bool{}
	for _, m := range r.s.Routes {
		if isPrefixRoute6(m) {
			have[prefixKey6(m)] = true
		}
	}
	for _, a := range r.s.Addrs6 {
		if r.h.Spent(a) || r.back && a.IsTemporary() {
			continue // the kernel's own may still be there, and must stay the kernel's own
		}
		r.add(Final(a.Retarget(r.s.Index, r.to)))
		p, ok := prefixRoute6(a)
		switch {
		case ok && have[prefixKey6(p)]:
			r.made[prefixKey6(p)] = true
		case ok && r.up:
			r.put(p, r.to, unix.RTM_DELROUTE, 0)
		}
	}
}

// routes6 deals with the IPv6 routes that lead that way, in the given manner. Routes over a nexthop object move with it.
func (r *rewriter) routes6(w way, each func(rtnl.Msg)) {
	for _, m := range r.s.Routes {
		if m.Family() == unix.AF_INET6 && !m.HasAny(rtnl.RtaNhID) && wayOf(m) == w {
			each(m)
		}
	}
}

// move6 moves an IPv6 route. One with gateways is alone in its place (others with
// its metric are legs of it) and is replaced as a whole. For all others, and for
// what a router announced, the kernel's replace may hit another interface's
// route. Their order has no meaning, so the new one is added, unless the kernel
// has made it, and the old one is removed.
func (r *rewriter) move6(m rtnl.Msg) {
	switch {
	case m.Own() != 0:
		r.ownRoute6(m)
		r.put(m, r.from, unix.RTM_DELROUTE, 0)
	case aside(m, r.s.Index):
		r.aside6(m)
	case m.HasGateway() && m.Fixed()[5] != unix.RTPROT_RA:
		r.put(m, r.to, unix.RTM_NEWROUTE, rtnl.Replace)
	case r.madeByAddress6(m):
		r.put(m, r.from, unix.RTM_DELROUTE, 0)
	default:
		r.put(m, r.to, unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
		r.put(m, r.from, unix.RTM_DELROUTE, 0)
	}
}

// ownRoute6 makes a route that the kernel had made from a router advertisement.
// With an address the kernel makes an ordinary one to the same prefix, which has
// to go first.
func (r *rewriter) ownRoute6(m rtnl.Msg) {
	if r.madeByAddress6(m) {
		r.put(m, r.to, unix.RTM_DELROUTE, 0)
	}
	r.put(m, r.to, unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
}

// remake6 makes an IPv6 route unless the kernel has made it. If the route has
// several legs, those over other interfaces are still there.
func (r *rewriter) remake6(m rtnl.Msg) {
	switch {
	case m.Own() != 0:
		r.ownRoute6(m)
		return
	case aside(m, r.s.Index):
		r.aside6(m)
		return
	}
	flags := uint16(unix.NLM_F_CREATE)
	if m.Get(unix.RTA_MULTIPATH) != nil {
		flags = rtnl.Replace
	}
	if !r.madeByAddress6(m) {
		r.put(m, r.to, unix.RTM_NEWROUTE, flags)
	}
}

// aside says whether a route is by other interfaces than that: only what it does with
// packets of segment routing is by that one.
func aside(m rtnl.Msg, index int) bool {
	for leg := range rtnl.Legs(m.Get(unix.RTA_MULTIPATH)) {
		if int(rtnl.U32(leg[4:8])) == index { // rtnh_ifindex
			return false
		}
	}
	return int(m.U32(unix.RTA_OIF)) != index
}

// aside6 makes such a route anew. The kernel cannot tell the old one from the new, and
// keeps it when the interface is switched off.
func (r *rewriter) aside6(m rtnl.Msg) {
	r.put(m, r.from, unix.RTM_DELROUTE, 0)
	r.put(m, r.to, unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
}

func (r *rewriter) madeByAddress6(m rtnl.Msg) bool {
	return isPrefixRoute6(m) && r.made[prefixKey6(m)]
}

// sources6 gives routes over other interfaces their source address back.
func (r *rewriter) sources6() {
	for m := range r.sourced6 {
		m = m.Settable()
		bare := m.Without(unix.RTA_PREFSRC)
		// The last message is refused, because there is such a route, unless the one
		// before was refused because the address could not be restored.
		r.add(bare.As(unix.RTM_DELROUTE, 0), m.As(unix.RTM_NEWROUTE, unix.NLM_F_CREATE), bare.As(unix.RTM_NEWROUTE, rtnl.Add))
	}
}

// sourced6 yields the routes over other interfaces that have an address of s as their
// source.
func (r *rewriter) sourced6(yield func(rtnl.Msg) bool) {
	addrs := map[string]bool{}
	for _, a := range r.s.Addrs6 {
		addrs[string(a.Get(unix.IFA_ADDRESS))] = true
	}
	for _, m := range r.h.Routes {
		src := m.Get(unix.RTA_PREFSRC)
		if m.Family() != unix.AF_INET6 || src == nil || !addrs[string(src)] || m.Uses(r.s.Index) || host.ByAddress(m) {
			continue
		}
		if !yield(m) {
			return
		}
	}
}

// prefixRoute6 is the route that the kernel makes for an IPv6 address.
func prefixRoute6(a rtnl.Msg) (rtnl.Msg, bool) {
	if a.AddrFlags()&unix.IFA_F_NOPREFIXROUTE != 0 {
		return rtnl.Msg{}, false
	}
	prefix := a.Prefix().Masked()
	if !prefix.IsValid() {
		return rtnl.Msg{}, false
	}
	return prefixRoute(a, prefix, unix.RT_SCOPE_UNIVERSE), true
}

// MadeFor6 says whether a route is one that the kernel makes for one of these addresses,
// and removes with it. IPv4's need no such question: they have the address as their source.
func MadeFor6(addrs []rtnl.Msg, m rtnl.Msg) bool {
	return m.Type == unix.RTM_NEWROUTE && isPrefixRoute6(m) && slices.ContainsFunc(addrs, func(a rtnl.Msg) bool {
		p, ok := prefixRoute6(a)
		return ok && prefixKey6(p) == prefixKey6(m) && bytes.Equal(p.Get(unix.RTA_OIF), m.Get(unix.RTA_OIF))
	})
}

// isPrefixRoute6 says whether a route looks like those that the kernel makes for
// IPv6 addresses.
func isPrefixRoute6(m rtnl.Msg) bool {
	return m.Family() == unix.AF_INET6 && m.ByKernel() && m.Table() == unix.RT_TABLE_MAIN && !m.HasGateway()
}

// prefixKey6 identifies a prefix route, by destination and metric.
func prefixKey6(m rtnl.Msg) string {
	metric := m.U32(unix.RTA_PRIORITY)
	if metric == 0 {
		metric = 256 // IP6_RT_PRIO_ADDRCONF
	}
	return string(m.Fixed()[1:2]) + string(m.Get(unix.RTA_DST)) + string(rtnl.U32Bytes(metric))
}
