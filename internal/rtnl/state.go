package rtnl

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// Settable turns an address, route, neighbour or nexthop, as a dump gave it, into the
// message that makes the same again: RTM_NEW… without what the kernel only reports.
// Type and body are changed, flags are 0. What needs no change shares its memory
// with m.
func (m Msg) Settable() Msg {
	m.Flags = 0
	switch m.Type {
	case unix.RTM_NEWADDR:
		return m.settableAddr()
	case unix.RTM_NEWROUTE:
		return m.settableRoute()
	case unix.RTM_NEWNEIGH:
		return m.settableNeigh()
	case unix.RTM_NEWNEXTHOP:
		return m.settableNexthop()
	}
	return m.Clone()
}

// settableAddr removes the time at which the address was made. IPv4 reports an
// address that is deprecated for good with the flag, but with the lifetimes of any
// other permanent address, while the flag follows from a preferred lifetime of 0:
// this makes up for it. An IPv6 address of a router's prefix is never permanent, but
// would be if it were given an endless lifetime (inet6_rtm_newaddr).
func (m Msg) settableAddr() Msg {
	m = m.Clone()
	ci := m.Get(unix.IFA_CACHEINFO) // struct ifa_cacheinfo
	if len(ci) < 8 {
		return m
	}
	if m.deprecatedForGood() && native.Uint32(ci) == Infinity {
		native.PutUint32(ci, 0)
	}
	if m.Family() == unix.AF_INET6 && m.U32(unix.IFA_FLAGS)&unix.IFA_F_PERMANENT == 0 {
		native.PutUint32(ci, min(native.Uint32(ci), Infinity-1))
		native.PutUint32(ci[4:], min(native.Uint32(ci[4:]), Infinity-1))
	}
	clear(ci[8:])
	return m
}

// deprecatedForGood says whether an IPv4 address is permanent and deprecated: the
// kernel does not check its lifetimes any more.
func (m Msg) deprecatedForGood() bool {
	const both = unix.IFA_F_PERMANENT | unix.IFA_F_DEPRECATED
	return m.Family() == unix.AF_INET && m.U32(unix.IFA_FLAGS)&both == both
}

// settableNeigh also makes up for what a bridge reports differently from how it
// accepts it: it does not say whether the entry is the bridge's own (NTF_SELF) or a
// port's (NTF_MASTER), and an entry that is about to expire has to be set as
// reachable. A managed neighbour that has not answered is set without a state.
func (m Msg) settableNeigh() Msg {
	m = m.Without(unix.NDA_CACHEINFO, unix.NDA_PROBES)
	ndm := m.Fixed()
	if ndm == nil {
		return m
	}
	if m.Family() != unix.AF_BRIDGE {
		if native.Uint16(ndm[8:])&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) != 0 && m.U32(NdaFlagsExt)&NtfExtManaged != 0 {
			native.PutUint16(ndm[8:], unix.NUD_NONE)
			m = m.Without(unix.NDA_LLADDR)
		}
		return m
	}
	if U32(m.Get(unix.NDA_MASTER)) == native.Uint32(ndm[4:]) {
		ndm[10] |= unix.NTF_SELF
	} else if ndm[10]&unix.NTF_SELF == 0 {
		ndm[10] |= unix.NTF_MASTER
	}
	if native.Uint16(ndm[8:]) == unix.NUD_STALE {
		native.PutUint16(ndm[8:], unix.NUD_REACHABLE)
	}
	return m
}

// settableNexthop removes the scope, which follows from the gateway, the state of the
// interface, what a group has carried, and since when it is unbalanced.
func (m Msg) settableNexthop() Msg {
	m = m.Without(nhaOpFlags, nhaGroupStats, nhaHWStatsUsed)
	nhm := m.Fixed()
	if nhm == nil {
		return m
	}
	nhm[1] = 0
	clearDynamic(nhm[4:8])
	if encap := m.Get(unix.NHA_ENCAP); encap != nil {
		m = m.With(unix.NLA_F_NESTED|unix.NHA_ENCAP, encap) // required, but not reported
	}
	if group := m.Get(NhaResGroup); group != nil {
		m = m.With(unix.NLA_F_NESTED|NhaResGroup, appendWithout(nil, group, []uint16{nhaResGroupUnbalancedTime, nhaResGroupPad}))
	}
	return m
}

// settableRoute also turns the expiry from RTA_CACHEINFO, which is read only, into
// RTA_EXPIRES, and leaves a route over a nexthop object only the id: the gateway and
// device that the kernel adds for old readers must not be sent.
func (m Msg) settableRoute() Msg {
	if m.isSettableRoute() {
		return m
	}
	expires := uint32(0)
	if ci := m.Get(unix.RTA_CACHEINFO); len(ci) >= 12 {
		if ticks := int32(native.Uint32(ci[8:])); ticks > 0 { // rta_expires
			expires = (uint32(ticks) + UserHz/2) / UserHz
		}
	}
	m = m.Without(unix.RTA_CACHEINFO, rtaPad)
	rtm := m.Fixed()
	if rtm == nil {
		return m
	}
	native.PutUint32(rtm[8:12], U32(rtm[8:12])&routeFlags)
	if expires > 0 {
		m = m.With(RtaExpires, U32Bytes(expires))
	}
	if m.Get(RtaNhID) != nil {
		m = m.Without(unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH, unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP)
		rtm = m.Fixed()
		clear(rtm[8:12]) // "onlink" and "blackhole" are the nexthop's as well
		if rtm[7] == unix.RTN_BLACKHOLE {
			rtm[7] = unix.RTN_UNICAST
		}
	}
	for leg := range Legs(m.Get(unix.RTA_MULTIPATH)) {
		leg[2] &= settableFlags
	}
	return m
}

// isSettableRoute says whether a route needs no change, like nearly every IPv4
// route.
func (m Msg) isSettableRoute() bool {
	rtm := m.Fixed()
	return rtm != nil && U32(rtm[8:12])&^routeFlags == 0 &&
		!m.HasAny(unix.RTA_CACHEINFO, rtaPad, RtaNhID, unix.RTA_MULTIPATH)
}

// settableFlags are the RTNH_F_… flags a sender may set: the kernel refuses
// RTNH_F_DEAD and RTNH_F_LINKDOWN and ignores the offload marks.
const settableFlags = unix.RTNH_F_PERVASIVE | unix.RTNH_F_ONLINK

// routeFlags are the flags that a route keeps.
const routeFlags = settableFlags | OwnFlags

func clearDynamic(flags []byte) {
	native.PutUint32(flags, native.Uint32(flags)&settableFlags)
}

// Key identifies the object that the message describes, by everything that does not
// change by itself with time: two dumps of the same object give the same key.
func (m Msg) Key() string {
	m = m.Settable()
	fixed := m.Fixed()
	if fixed == nil {
		return string(m.Body)
	}
	switch m.Type {
	case unix.RTM_NEWADDR:
		m = m.Without(unix.IFA_CACHEINFO, ifaProto)
		clearPassing(m)
	case unix.RTM_NEWROUTE:
		if m.Get(RtaExpires) != nil {
			m = m.Without(RtaExpires)
		}
	case unix.RTM_NEWNEIGH:
		if state := native.Uint16(fixed[8:]); state&(unix.NUD_PERMANENT|unix.NUD_NOARP) == 0 {
			native.PutUint16(fixed[8:], unix.NUD_NONE) // learnt, and so on its way to another state
		}
	}
	return string(m.Body)
}

// SameRoute says whether two routes, both Settable and with one path, have the same
// Key, except that the interface of the first has become what moved says.
func SameRoute(a, b Msg, moved map[int]int) bool {
	if a.Type != unix.RTM_NEWROUTE || b.Type != unix.RTM_NEWROUTE || !bytes.Equal(a.Fixed(), b.Fixed()) {
		return false
	}
	x, restA, okA := nextAttr(a.rest())
	y, restB, okB := nextAttr(b.rest())
	for okA && okB {
		switch {
		case x.Type != y.Type || x.Type == unix.RTA_MULTIPATH:
			return false
		case x.Type == RtaExpires:
		case x.Type == unix.RTA_OIF:
			to, ok := moved[int(U32(x.Value))]
			if !ok {
				to = int(U32(x.Value))
			}
			if to != int(U32(y.Value)) {
				return false
			}
		case !bytes.Equal(x.Value, y.Value):
			return false
		}
		x, restA, okA = nextAttr(restA)
		y, restB, okB = nextAttr(restB)
	}
	return okA == okB
}

// clearPassing clears the flags of an address that come and go, or that say where
// the kernel has it from: those of duplicate address detection, of the lifetime, and
// the marks of an IPv6 address that the kernel has made.
func clearPassing(m Msg) {
	flags := uint32(unix.IFA_F_OPTIMISTIC | unix.IFA_F_DADFAILED | unix.IFA_F_TENTATIVE)
	if !m.deprecatedForGood() {
		flags |= unix.IFA_F_DEPRECATED
	}
	if m.Family() == unix.AF_INET6 {
		flags |= unix.IFA_F_TEMPORARY | unix.IFA_F_STABLE_PRIVACY
	}
	ifa := m.Fixed()
	ifa[2] &^= byte(flags)
	if b := m.Get(unix.IFA_FLAGS); len(b) == 4 {
		native.PutUint32(b, native.Uint32(b)&^flags)
	}
}
