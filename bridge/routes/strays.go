package routes

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// A stray is a gateway that no route of its interface leads to: that route was
// removed after the one by the gateway had been made. The kernel keeps a route by
// such a gateway, but does not accept it anew (fib_check_nh, ip6_route_check_nh).

// withStrays makes the strays reachable while add adds what needs them.
func (r *rewriter) withStrays(add func()) {
	var ways []rtnl.Msg
	for _, g := range r.gateways() {
		if g.stray {
			ways = append(ways, wayTo(g.addr, r.to))
		}
	}
	// Appended: on the other interface there may still be such a route, from a move
	// that came no further.
	r.add(rtnl.AllAs(ways, unix.RTM_NEWROUTE, rtnl.Append)...)
	add()
	r.add(rtnl.AllAs(ways, unix.RTM_DELROUTE, 0)...)
}

// gateway is one by which routes are made anew.
type gateway struct {
	addr   netip.Addr
	stray  bool
	caught bool // by a rule: see rules.go
}

// gateways are those that the kernel has to find: of what is moved, and of other
// interfaces' routes that are made anew with it.
func (r *rewriter) gateways() []gateway {
	if r.found != nil {
		return r.found
	}
	seen := map[netip.Addr]bool{}
	found := []gateway{}
	look := func(b []byte, ours, onlink bool) {
		gw, ok := netip.AddrFromSlice(b)
		if !ok || onlink || seen[gw] || gw.Is6() && gw.IsLinkLocalUnicast() {
			return
		}
		seen[gw] = true
		g := gateway{addr: gw, caught: r.caught(gw)}
		known := r.near().any
		if g.caught {
			known = r.near().main // the rule leads there
		}
		g.stray = ours && !slices.ContainsFunc(known, func(p netip.Prefix) bool { return p.Contains(gw) })
		found = append(found, g)
	}
	all := func(m rtnl.Msg) bool {
		for index := range m.Indexes {
			m.EachGateway(index, func(b []byte, onlink bool) { look(b, index == r.s.Index, onlink) })
		}
		return true
	}
	for _, list := range [][]rtnl.Msg{r.s.Routes, r.s.Nexthops} {
		for _, m := range list {
			all(m)
		}
	}
	r.others(all)
	r.found = found
	return found
}

// others yields the routes of other interfaces that may be made anew with those of s.
func (r *rewriter) others(yield func(rtnl.Msg) bool) {
	for _, g := range r.groups {
		if g.end-g.begin == 1 {
			continue
		}
		for _, m := range r.routes(g) {
			if !yield(m) {
				return
			}
		}
	}
	if r.gone {
		r.sourced6(yield)
	}
}

// nearby are the prefixes that routes of s lead to without a gateway, but for those
// that come with alternatives which need one: their turn is later.
type nearby struct {
	main []netip.Prefix // in table main
	any  []netip.Prefix // in one that the kernel looks into as it comes: main, local, default
}

func (r *rewriter) near() *nearby {
	if r.reached != nil {
		return r.reached
	}
	r.reached = &nearby{}
	late := map[Group]bool{}
	for _, g := range r.groups {
		if g.gateway {
			late[GroupOf(r.h.Routes[g.begin])] = true
		}
	}
	for _, m := range r.s.Routes {
		t := m.Table()
		if m.HasGateway() || t != unix.RT_TABLE_MAIN && t != unix.RT_TABLE_LOCAL && t != unix.RT_TABLE_DEFAULT ||
			m.Family() == unix.AF_INET && late[GroupOf(m)] {
			continue
		}
		p, ok := destination(m)
		if !ok {
			continue
		}
		r.reached.any = append(r.reached.any, p)
		if t == unix.RT_TABLE_MAIN {
			r.reached.main = append(r.reached.main, p)
		}
	}
	return r.reached
}

// destination is the prefix that a route leads to.
func destination(m rtnl.Msg) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(m.Get(unix.RTA_DST))
	if !ok { // the default route has none
		addr = netip.IPv4Unspecified()
		if m.Family() == unix.AF_INET6 {
			addr = netip.IPv6Unspecified()
		}
	}
	p, err := addr.Prefix(int(m.Fixed()[1])) // rtm_dst_len
	return p, err == nil
}

// wayTo is a route to one address on the link.
func wayTo(addr netip.Addr, index int) rtnl.Msg {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[1] = familyOf(addr), uint8(addr.BitLen())
	fixed[4], fixed[5], fixed[6], fixed[7] = unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: fixed}
	return m.With(unix.RTA_DST, addr.AsSlice()).With(unix.RTA_OIF, rtnl.U32Bytes(uint32(index)))
}
