package rtnl

import (
	"bytes"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Homeless says whether a route or a nexthop needs an address that is not among those:
// as its source, or because its gateway is reached by it. The kernel accepts no such
// route (fib_valid_prefsrc, fib_check_nh), unless another route leads to the gateway.
func (m Msg) Homeless(addrs []Msg) bool {
	if m.Type != unix.RTM_NEWROUTE && m.Type != unix.RTM_NEWNEXTHOP {
		return false
	}
	if src := m.source(); src != nil && !slices.ContainsFunc(addrs, func(a Msg) bool { return bytes.Equal(a.Local(), src) }) {
		return true
	}
	homeless := false
	for index := range m.Indexes {
		m.EachGateway(index, func(gateway []byte, onlink bool) {
			gw, ok := netip.AddrFromSlice(gateway)
			near := func(a Msg) bool { return a.Uses(index) && a.Prefix().Contains(gw) }
			always := onlink || gw.Is6() && gw.IsLinkLocalUnicast()
			homeless = homeless || ok && !always && !slices.ContainsFunc(addrs, near)
		})
	}
	return homeless
}

// source is the source address of a route, nil if it has none.
func (m Msg) source() []byte {
	if m.Type != unix.RTM_NEWROUTE {
		return nil
	}
	return m.Get(unix.RTA_PREFSRC)
}

// Prefix are the addresses that an address makes its interface's neighbours, with
// that of its peer, if it has one, or else its own. It is invalid if there are none.
func (m Msg) Prefix() netip.Prefix {
	addr, _ := netip.AddrFromSlice(m.Get(unix.IFA_ADDRESS))
	return netip.PrefixFrom(addr, int(m.Body[1])) // ifa_prefixlen
}
