package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeStorm adds, replaces and deletes addresses, routes and neighbours: on
// eth0, whichever interface that is at the moment, on another NIC and in other
// tables. When it pauses, all entries that exist must be on eth0.
//
// An entry that was made while the name moved from one interface to another may
// be on either, as with ip(8), which looks the name up first. An entry that was
// deleted during a call may be back with it. Neighbours that are added during a
// stop may go when the NIC changes its MAC address. And whoever deletes the only
// IPv4 address that an interface has, because it got its name a moment ago and
// its addresses are yet to come, deletes all IPv4 routes by it (fib_disable_ip).
type routeStorm struct {
	*world
	entries []*stormEntry
	lost    []string
}

// stormEntry is an address, route or neighbour that comes and goes.
type stormEntry struct {
	name  string
	dev   string
	what  func(index int) any // a *netlink.Addr, Route or Neigh
	there bool
	loose bool // it may exist or not
}

// stormEntries is the number of entries of each sort.
const stormEntries = 60

func newRouteStorm(w *world) storm {
	s := &routeStorm{world: w}
	add := func(dev, name string, what func(index int) any) {
		s.entries = append(s.entries, &stormEntry{name: name, dev: dev, what: what})
	}
	for i := range stormEntries {
		add("eth0", fmt.Sprintf("address %d", i), func(int) any {
			return &netlink.Addr{IPNet: host4(16, i)}
		})
		add("eth0", fmt.Sprintf("IPv6 address %d", i), func(int) any {
			return &netlink.Addr{IPNet: host6(16, i), Flags: unix.IFA_F_NODAD}
		})
		add("eth0", fmt.Sprintf("route %d", i), func(index int) any {
			return &netlink.Route{LinkIndex: index, Dst: host4(17, i), Gw: net.IPv4(192, 168, 0, 1), Priority: i % 3}
		})
		add("eth0", fmt.Sprintf("route %d on the link", i), func(index int) any {
			return &netlink.Route{LinkIndex: index, Dst: host4(18, i), Scope: unix.RT_SCOPE_LINK}
		})
		add("eth0", fmt.Sprintf("route %d in table 100", i), func(index int) any {
			return &netlink.Route{LinkIndex: index, Dst: host4(19, i), Gw: net.IPv4(192, 168, 0, 1), Table: 100}
		})
		add("eth0", fmt.Sprintf("IPv6 route %d", i), func(index int) any {
			return &netlink.Route{LinkIndex: index, Dst: host6(17, i), Gw: net.ParseIP("2001:db8::1")}
		})
		add("eth1", fmt.Sprintf("route %d by eth1", i), func(index int) any {
			return &netlink.Route{LinkIndex: index, Dst: host4(20, i), Gw: net.IPv4(192, 168, 1, 1)}
		})
		add("eth0", fmt.Sprintf("neighbour %d", i), func(index int) any {
			return &netlink.Neigh{LinkIndex: index, IP: net.IPv4(192, 168, 0, byte(i+100)), State: netlink.NUD_PERMANENT,
				HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 1, byte(i)}}
		})
	}
	return s
}

func host4(part byte, i int) *net.IPNet {
	return &net.IPNet{IP: net.IPv4(172, part, 0, byte(i+1)).To4(), Mask: net.CIDRMask(32, 32)}
}

func host6(part, i int) *net.IPNet {
	return &net.IPNet{IP: net.ParseIP(fmt.Sprintf("2001:db8:%d::%x", part, i+1)), Mask: net.CIDRMask(128, 128)}
}

// change adds or deletes an entry, or puts a route in its own place.
func (s *routeStorm) change(what any, index int, add, replace bool) error {
	l := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index}} // the index is all that is asked of it
	switch v := what.(type) {
	case *netlink.Addr:
		if add {
			return s.rtnl.AddrAdd(l, v)
		}
		return s.rtnl.AddrDel(l, v)
	case *netlink.Neigh:
		if add {
			return s.rtnl.NeighSet(v)
		}
		return s.rtnl.NeighDel(v)
	case *netlink.Route:
		switch {
		case replace:
			return s.rtnl.RouteReplace(v)
		case add:
			return s.rtnl.RouteAdd(v)
		}
		return s.rtnl.RouteDel(v)
	}
	panic("another sort of entry")
}

// index is that of the interface of that name, 0 if there is none just now.
func (s *routeStorm) index(dev string) int {
	if l := s.link(dev); l != nil {
		return l.Attrs().Index
	}
	return 0
}

func (s *routeStorm) act() {
	e := s.entries[rand.N(len(s.entries))]
	calling := s.calling.Load()
	index := s.index(e.dev)
	if index == 0 {
		return
	}
	replace := e.there && rand.N(3) == 0
	add := !e.there || replace
	if !add {
		s.loosenRoutes(e, index)
	}
	if s.change(e.what(index), index, add, replace) != nil {
		return // it exists already, or does not exist yet
	}
	e.there = add
	_, neighbour := e.what(index).(*netlink.Neigh)
	if s.index(e.dev) != index || neighbour && (calling || s.calling.Load()) {
		e.loose = true
	}
}

// loosenRoutes is called before an entry is deleted. If that is the last IPv4
// address of the interface, its routes go as well.
func (s *routeStorm) loosenRoutes(e *stormEntry, index int) {
	addr, ok := e.what(index).(*netlink.Addr)
	if !ok || addr.IP.To4() == nil {
		return
	}
	others, err := s.rtnl.AddrList(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index}}, unix.AF_INET)
	if err != nil || slices.ContainsFunc(others, func(o netlink.Addr) bool { return !o.IP.Equal(addr.IP) }) {
		return
	}
	for _, r := range s.entries {
		route, ok := r.what(index).(*netlink.Route)
		r.loose = r.loose || ok && r.dev == e.dev && r.there && route.Dst.IP.To4() != nil
	}
}

func (s *routeStorm) calm() []string {
	s.lost = nil
	for _, e := range slices.Backward(s.entries) { // routes go before the addresses that are their sources
		index := s.index(e.dev)
		err := s.change(e.what(index), index, false, false)
		switch {
		case e.loose:
			s.everywhere(e)
		case err != nil && e.there:
			s.lost = append(s.lost, fmt.Sprintf("%s of %s is lost: %v", e.name, e.dev, err))
		}
		e.there, e.loose = false, false
	}
	return s.lost
}

// everywhere deletes an entry from every interface.
func (s *routeStorm) everywhere(e *stormEntry) {
	links, err := s.rtnl.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return
	}
	for _, l := range links {
		maybe(s.change(e.what(l.Attrs().Index), l.Attrs().Index, false, false))
	}
}
