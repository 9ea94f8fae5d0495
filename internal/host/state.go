package host

import (
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// State is what dom0 has on one interface: messages ready to be sent, except for
// their flags, in an order in which the objects can be made anew (those without a
// gateway before those that need one).
type State struct {
	Index    int
	Addrs4   []rtnl.Msg // primary addresses before their secondaries
	Addrs6   []rtnl.Msg
	Neighs   []rtnl.Msg // learnt, permanent and proxy entries
	Nexthops []rtnl.Msg // the objects on the interface, then the groups that have one of them
	Routes   []rtnl.Msg
}

// State is what is on the interface with that index.
func (h *Host) State(index int) State {
	if s, ok := h.states[index]; ok {
		return s
	}
	if h.states == nil {
		h.states = map[int]State{}
	}
	h.states[index] = h.collectState(index)
	return h.states[index]
}

func (h *Host) collectState(index int) State {
	s := State{Index: index}
	for _, m := range h.Addrs {
		switch {
		case !m.Uses(index):
		case m.Family() == unix.AF_INET:
			s.Addrs4 = append(s.Addrs4, m.Settable())
		case m.Family() == unix.AF_INET6:
			s.Addrs6 = append(s.Addrs6, m.Settable())
		}
	}
	slices.Reverse(s.Addrs6) // the kernel lists the newest first
	for _, m := range h.Neighs {
		if m.Uses(index) && Lasting(m) {
			s.Neighs = append(s.Neighs, m.Settable())
		}
	}
	s.Nexthops = h.nexthops(index)
	s.Routes = h.routes(index, s.Nexthops)
	for _, list := range []*[]rtnl.Msg{&s.Addrs4, &s.Addrs6, &s.Neighs, &s.Nexthops} {
		*list = slices.Clip(*list) // whoever appends gets a list of his own
	}
	return s
}

// Lasting says whether a neighbour entry is worth carrying: not one that is still
// being resolved, or has failed, or that the kernel makes by itself (multicast). One
// that the kernel asks for again and again always is.
func Lasting(m rtnl.Msg) bool {
	if m.U32(rtnl.NdaFlagsExt)&rtnl.NtfExtManaged != 0 {
		return true
	}
	state := uint16(m.Fixed()[8]) | uint16(m.Fixed()[9])<<8 // ndm_state
	flags := m.Fixed()[10]
	const useless = unix.NUD_INCOMPLETE | unix.NUD_FAILED | unix.NUD_NOARP
	return flags&unix.NTF_PROXY != 0 || state != unix.NUD_NONE && state&useless == 0
}

// nexthops are the objects on the interface, and the groups that have one of them
// as a member.
func (h *Host) nexthops(index int) []rtnl.Msg {
	var objects, groups []rtnl.Msg
	ids := map[uint32]bool{}
	for _, m := range h.Nexthops {
		if m.Uses(index) {
			objects = append(objects, m.Settable())
			ids[m.U32(unix.NHA_ID)] = true
		}
	}
	for _, m := range h.Nexthops {
		group := m.Get(unix.NHA_GROUP)
		for ; len(group) >= 8; group = group[8:] { // struct nexthop_grp
			if ids[rtnl.U32(group[:4])] {
				groups = append(groups, m.Settable())
				break
			}
		}
	}
	return append(objects, groups...)
}

// routes are the routes over the interface, but not those that come and go
// with an address.
func (h *Host) routes(index int, nexthops []rtnl.Msg) []rtnl.Msg {
	ids := map[uint32]bool{}
	for _, m := range nexthops {
		ids[m.U32(unix.NHA_ID)] = true
	}
	const direct, rest = 1, 2 // what needs nothing else to be there first, and what may
	kind := make([]byte, len(h.Routes))
	n := 0
	for i, m := range h.Routes {
		if !m.Uses(index) && (len(ids) == 0 || !ids[m.U32(rtnl.RtaNhID)]) || ByAddress(m) {
			continue
		}
		kind[i] = direct
		if m.HasAny(rtnl.RtaNhID, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH) {
			kind[i] = rest
		}
		n++
	}
	routes := make([]rtnl.Msg, 0, n)
	for _, k := range []byte{direct, rest} {
		for i, m := range h.Routes {
			if kind[i] == k {
				routes = append(routes, m.Settable())
			}
		}
	}
	return routes
}

// ByAddress says whether the kernel makes the route together with an address
// or with the interface: the local, broadcast, anycast and multicast entries
// of table local. Copies of cached decisions (RTM_F_CLONED) count as such too.
func ByAddress(m rtnl.Msg) bool {
	f := m.Fixed()
	table, proto, typ := f[4], f[5], f[7]
	if rtnl.U32(f[8:12])&unix.RTM_F_CLONED != 0 {
		return true
	}
	if table != unix.RT_TABLE_LOCAL || proto != unix.RTPROT_KERNEL {
		return false
	}
	switch typ {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return true
	}
	return false
}

// On is the state's addresses and neighbours as they would be on another interface.
func (s State) On(index int) State {
	move := func(in []rtnl.Msg) []rtnl.Msg {
		out := make([]rtnl.Msg, len(in))
		for i, m := range in {
			out[i] = m.Retarget(s.Index, index)
		}
		return out
	}
	return State{Index: index, Addrs4: move(s.Addrs4), Addrs6: move(s.Addrs6), Neighs: move(s.Neighs)}
}
