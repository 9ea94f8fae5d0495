package routes

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// A stray is a gateway that no route of its interface leads to: that route was
// removed after the one by the gateway had been made. The kernel keeps a route by
// such a gateway, but does not accept it anew (fib_check_nh, ip6_route_check_nh).

// withStrays makes the strays reachable while add adds what needs them.
func (r *rewriter) withStrays(add func()) {
	var ways []rtnl.Msg
	for _, gw := range r.strays() {
		ways = append(ways, wayTo(gw, r.to))
	}
	// Appended: on the other interface there may still be such a route, from a move
	// that came no further.
	r.add(rtnl.AllAs(ways, unix.RTM_NEWROUTE, rtnl.Append)...)
	add()
	r.add(rtnl.AllAs(ways, unix.RTM_DELROUTE, 0)...)
}

// strays are the gateways in s that s has no route to when they are needed.
func (r *rewriter) strays() []netip.Addr {
	near := r.near()
	seen := map[netip.Addr]bool{}
	var found []netip.Addr
	look := func(b []byte, onlink bool) {
		gw, ok := netip.AddrFromSlice(b)
		if !ok || onlink || seen[gw] || gw.Is6() && gw.IsLinkLocalUnicast() {
			return
		}
		seen[gw] = true
		for _, p := range near {
			if p.Contains(gw) {
				return
			}
		}
		found = append(found, gw)
	}
	for _, list := range [][]rtnl.Msg{r.s.Routes, r.s.Nexthops} {
		for _, m := range list {
			m.EachGateway(r.s.Index, look)
		}
	}
	return found
}

// near are the prefixes that routes of s lead to without a gateway, but for those
// that come with alternatives which need one: their turn is later.
func (r *rewriter) near() (near []netip.Prefix) {
	late := map[Group]bool{}
	for _, g := range r.groups {
		if g.gateway {
			late[GroupOf(r.h.Routes[g.begin])] = true
		}
	}
	for _, m := range r.s.Routes {
		if t := m.Table(); m.HasGateway() || t != unix.RT_TABLE_MAIN && t != unix.RT_TABLE_LOCAL && t != unix.RT_TABLE_DEFAULT ||
			m.Family() == unix.AF_INET && late[GroupOf(m)] {
			continue
		}
		if p, ok := destination(m); ok {
			near = append(near, p)
		}
	}
	return near
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
	fixed[0], fixed[1] = unix.AF_INET, uint8(addr.BitLen())
	if addr.Is6() {
		fixed[0] = unix.AF_INET6
	}
	fixed[4], fixed[5], fixed[6], fixed[7] = unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: fixed}
	return m.With(unix.RTA_DST, addr.AsSlice()).With(unix.RTA_OIF, rtnl.U32Bytes(uint32(index)))
}
