package routes

import (
	"bytes"
	"iter"
	"maps"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// span is the routes of a Group.
type span struct {
	begin, end int32 // in the host's routes
	gateway    bool  // one of those to be moved needs a gateway
}

func (r *rewriter) routes(g span) []rtnl.Msg { return r.h.Routes[g.begin:g.end:g.end] }

// findGroups finds the groups that have a route to be moved or made anew. A route
// that comes and goes with an address does so by itself, unless its place among
// several has to be kept.
func (r *rewriter) findGroups() {
	r.groups = make([]span, 0, len(r.s.Routes))
	for begin, end := range Groups(r.h.Routes) {
		if r.h.Routes[begin].Family() != unix.AF_INET {
			continue
		}
		g := span{begin: int32(begin), end: int32(end)} // no host has more routes
		moves := false
		for _, m := range r.routes(g) {
			if !r.isOurs(m) {
				continue
			}
			moves = moves || g.end-g.begin > 1 || !host.ByAddress(m)
			g.gateway = g.gateway || m.HasGateway() || m.HasAny(rtnl.RtaNhID)
		}
		if moves {
			r.groups = append(r.groups, g)
		}
	}
}

// Group is what IPv4 routes have in common that are alternatives of each other.
// The first of them is in use. They are neighbours in the kernel's list
// (fib_insert_alias).
type Group struct {
	table, metric uint32
	dst           [4]byte
	bits, tos     byte
}

// GroupOf is the group that an IPv4 route belongs to.
func GroupOf(m rtnl.Msg) Group {
	f := m.Fixed()
	k := Group{table: uint32(f[4]), bits: f[1], tos: f[3]} // rtm_table, rtm_dst_len, rtm_tos
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

// Groups yields where each Group begins and ends in a host's routes, which may be
// very many. An IPv6 route is a group of its own.
func Groups(all []rtnl.Msg) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		var key, next Group // of the group at begin, and of the route at end
		for begin, end := 0, 0; begin < len(all); begin, key = end, next {
			single := all[begin].Family() != unix.AF_INET
			if begin == 0 && !single {
				key = GroupOf(all[0])
			}
			for end = begin + 1; end < len(all) && all[end].Family() == unix.AF_INET; end++ {
				if next = GroupOf(all[end]); single || next != key {
					break
				}
			}
			if !yield(begin, end) {
				return
			}
		}
	}
}

// findTwins finds the routes that the kernel made on the new interface for its
// addresses. They come after the ones to be moved and have no effect, but they
// would keep those from getting into their place.
func (r *rewriter) findTwins() {
	for _, a := range r.s.Addrs4 {
		for _, m := range prefixRoutes4(a) {
			r.twins[GroupOf(m)] = append(r.twins[GroupOf(m)], m)
		}
	}
	for _, g := range r.groups {
		for _, m := range r.routes(g) {
			if host.ByAddress(m) && r.isOurs(m) {
				r.twins[GroupOf(m)] = append(r.twins[GroupOf(m)], m)
			}
		}
	}
}

func (r *rewriter) removeTwins(twins []rtnl.Msg) {
	for _, m := range twins {
		r.put(m, r.to, unix.RTM_DELROUTE, 0)
	}
}

// routes4 deals with the groups that need no gateway, in the given manner, and
// removes the twins of routes that somebody had removed.
func (r *rewriter) routes4(each func([]rtnl.Msg)) {
	alone := maps.Clone(r.twins)
	for _, g := range r.groups {
		delete(alone, GroupOf(r.h.Routes[g.begin]))
	}
	r.each4(direct, each)
	for _, a := range r.s.Addrs4 {
		for _, m := range prefixRoutes4(a) {
			key := GroupOf(m)
			r.removeTwins(alone[key])
			delete(alone, key)
		}
	}
}

// gateways4 deals with the groups that need a gateway: the kernel accepts a
// gateway only if it can be reached.
func (r *rewriter) gateways4(each func([]rtnl.Msg)) { r.each4(byGateway, each) }

func (r *rewriter) each4(w way, each func([]rtnl.Msg)) {
	for _, g := range r.groups {
		if way(g.gateway) == w {
			routes := r.routes(g)
			r.removeTwins(r.twins[GroupOf(routes[0])])
			each(routes)
		}
	}
}

// move4 replaces the first route of a group in place, if it is ours: NLM_F_REPLACE
// acts on the first. From our next route on, the rest of the group is removed and
// added again in order.
func (r *rewriter) move4(group []rtnl.Msg) {
	reorder := false
	for i, m := range group {
		ours := r.isOurs(m)
		switch {
		case ours && i == 0:
			r.put(m, r.to, unix.RTM_NEWROUTE, rtnl.Replace)
		case ours || reorder:
			reorder = true
			r.put(m, r.from, unix.RTM_DELROUTE, 0)
			r.put(m, r.to, unix.RTM_NEWROUTE, rtnl.Append)
		}
	}
}

// moveBack4 undoes move4, however far that came. If another interface has a route
// in the group, a replace could hit that one, and may have done so if the NIC has
// gone with its own route.
func (r *rewriter) moveBack4(group []rtnl.Msg) {
	if len(group) == 1 {
		r.move4(group)
		return
	}
	r.remake4(group)
	for _, m := range group {
		if !r.isOurs(m) {
			r.put(m, r.from, unix.RTM_NEWROUTE, rtnl.Append) // refused if it is there
		}
	}
}

// remake4 makes the routes of a group that are gone. The first of the group goes
// to the front again; one after others gets its place by adding those after it
// anew. All are removed before the first one is added: a message without metrics
// removes the first route that differs only in its metrics.
func (r *rewriter) remake4(group []rtnl.Msg) {
	begin := len(group) // of those that are added anew, ours or not
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
			r.put(m, r.to, unix.RTM_NEWROUTE, rtnl.Append)
		}
	})
}

// prefixRoutes4 are the routes that the kernel makes for an IPv4 address, as
// fib_add_ifaddr() does: one to its prefix, one to a peer of its own.
func prefixRoutes4(a rtnl.Msg) []rtnl.Msg {
	if a.AddrFlags()&(unix.IFA_F_SECONDARY|unix.IFA_F_NOPREFIXROUTE) != 0 {
		return nil
	}
	prefix := a.Prefix().Masked()
	if !prefix.IsValid() || prefix.Addr().IsUnspecified() {
		return nil
	}
	local := a.Get(unix.IFA_LOCAL)
	if prefix.Bits() == 32 && bytes.Equal(local, a.Get(unix.IFA_ADDRESS)) {
		return nil
	}
	return []rtnl.Msg{prefixRoute(a, prefix, unix.RT_SCOPE_LINK).With(unix.RTA_PREFSRC, local)}
}
