package routes

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// The kernel takes a route by a gateway only if it finds the gateway itself, and it goes
// by the rules for routing (ip rule) when it looks, as for a packet of its own with no
// source, mark or protocol (fib_check_nh_v4_gw, ip6_route_check_nh). A route that was
// there before such a rule is kept, but not accepted anew. So while routes are made anew
// a rule before all others leads to each gateway that a rule may keep from the kernel.

// ruling is what a rule does with such a look.
type ruling int

const (
	passes ruling = iota // it is not meant, or leads nowhere
	finds                // the gateway is found in table main
	keeps                // it may keep the gateway from being found
)

// withRules lets the kernel find the gateways while add adds what needs them.
func (r *rewriter) withRules(add func()) {
	var rules []rtnl.Msg
	for _, g := range r.gateways() {
		if g.caught {
			rules = append(rules, ruleTo(g.addr))
		}
	}
	r.add(rtnl.AllAs(rules, unix.RTM_NEWRULE, rtnl.Add)...)
	add()
	r.add(rtnl.AllAs(rules, unix.RTM_DELRULE, 0)...)
}

// caught says whether the rules may keep a gateway from the kernel.
func (r *rewriter) caught(gw netip.Addr) bool {
	some := false
	for _, rule := range r.h.Rules() {
		if rule.Family() != familyOf(gw) {
			continue
		}
		some = true
		if does := r.rule(rule, gw); does != passes {
			return does == keeps
		}
	}
	return some
}

// CaughtAtOnce is a rule that the one before all others would still come after, and that
// may keep a gateway of s from the kernel; ok is false if there is none.
func CaughtAtOnce(h *host.Host, s host.State) (rule rtnl.Msg, ok bool) {
	r := (&rewriter{h: h, s: s, from: s.Index, to: s.Index}).find()
	for _, rule := range h.Rules() {
		if rule.U32(unix.FRA_PRIORITY) != 0 {
			continue
		}
		for _, g := range r.gateways() {
			if rule.Family() == familyOf(g.addr) && r.rule(rule, g.addr) == keeps {
				return rule, true
			}
		}
	}
	return rtnl.Msg{}, false
}

// rule says what one rule does with the look for a gateway.
func (r *rewriter) rule(m rtnl.Msg, gw netip.Addr) ruling {
	is := selects(m, gw)
	const invert = 2 // FIB_RULE_INVERT
	if rtnl.U32(m.Fixed()[8:12])&invert != 0 {
		is = never + always - is
	}
	if is == never {
		return passes
	}
	switch m.Fixed()[7] { // its action
	case unix.FR_ACT_NOP:
		return passes
	case unix.FR_ACT_TO_TBL:
		return r.leads(m, gw, is)
	}
	return keeps
}

// leads is rule for one that leads to a table. In table local there is nothing to be
// found but the host's own addresses.
func (r *rewriter) leads(m rtnl.Msg, gw netip.Addr, is match) ruling {
	switch table := m.Table(); {
	case table == unix.RT_TABLE_LOCAL:
		return passes
	case table == unix.RT_TABLE_MAIN:
		if is == always && !suppressed(m, gw, r.near().main) {
			return finds
		}
		return passes
	case r.partial || slices.ContainsFunc(r.h.Routes, func(route rtnl.Msg) bool { return leadsTo(route, table, gw) }):
		return keeps
	}
	return passes
}

// leadsTo says whether a route of that table leads to an address, in whatever way.
func leadsTo(m rtnl.Msg, table uint32, addr netip.Addr) bool {
	if m.Family() != familyOf(addr) || m.Table() != table {
		return false
	}
	p, ok := destination(m)
	return ok && p.Contains(addr)
}

// suppressed says whether a rule that leads to table main does not take the route there
// that leads to the gateway.
func suppressed(m rtnl.Msg, gw netip.Addr, near []netip.Prefix) bool {
	const no = 1<<32 - 1
	if b := m.Get(unix.FRA_SUPPRESS_IFGROUP); b != nil && rtnl.U32(b) != no {
		return true // perhaps
	}
	b := m.Get(unix.FRA_SUPPRESS_PREFIXLEN)
	if b == nil || rtnl.U32(b) == no {
		return false
	}
	return !slices.ContainsFunc(near, func(p netip.Prefix) bool { return p.Contains(gw) && p.Bits() > int(rtnl.U32(b)) })
}

// match says whether what a rule looks at is so.
type match int

const (
	never match = iota
	perhaps
	always
)

// selects says whether a rule means the look for a gateway (fib_rule_match,
// fib4_rule_match, fib6_rule_match).
func selects(m rtnl.Msg, gw netip.Addr) match {
	hdr := m.Fixed()
	dst, ok := netip.AddrFromSlice(m.Get(unix.FRA_DST))
	elsewhere := ok && hdr[1] != 0 && !netip.PrefixFrom(dst, int(hdr[1])).Contains(gw)
	marked := m.U32(unix.FRA_FWMARK)&m.U32(unix.FRA_FWMASK) != 0
	if hdr[3] != 0 || elsewhere || marked || hdr[2] != 0 && !fromAnywhere(m) { // rtm_tos, rtm_src_len
		return never
	}
	is := always
	for a := range m.Attrs {
		is = min(is, attribute(a, gw))
	}
	return is
}

// fromAnywhere says whether a rule for a source is also for what has none yet. For IPv6
// it never is.
func fromAnywhere(m rtnl.Msg) bool {
	src, ok := netip.AddrFromSlice(m.Get(unix.FRA_SRC))
	return ok && src.Is4() && netip.PrefixFrom(src, int(m.Fixed()[2])).Contains(netip.IPv4Unspecified())
}

// attribute is selects for one attribute.
func attribute(a rtnl.Attr, gw netip.Addr) match {
	switch a.Type {
	case unix.FRA_IIFNAME: // the look is from lo, but for IPv6 from nowhere
		return when(gw.Is4() && rtnl.String(a.Value) == "lo")
	case unix.FRA_OIFNAME:
		return perhaps // names change
	case unix.FRA_TUN_ID, unix.FRA_IP_PROTO, unix.FRA_L3MDEV, unix.FRA_SPORT_RANGE, unix.FRA_DPORT_RANGE:
		return when(!slices.ContainsFunc(a.Value, func(b byte) bool { return b != 0 }))
	case unix.FRA_UID_RANGE: // it counts as root's
		return when(len(a.Value) == 8 && rtnl.U32(a.Value[:4]) == 0) // struct fib_rule_uid_range
	case unix.FRA_SRC, unix.FRA_DST, unix.FRA_PRIORITY, unix.FRA_FWMARK, unix.FRA_FWMASK, unix.FRA_TABLE, unix.FRA_GOTO, unix.FRA_FLOW, unix.FRA_PROTOCOL,
		unix.FRA_PAD, unix.FRA_SUPPRESS_PREFIXLEN, unix.FRA_SUPPRESS_IFGROUP:
		return always
	}
	return perhaps
}

func when(is bool) match {
	if is {
		return always
	}
	return never
}

func familyOf(addr netip.Addr) uint8 {
	if addr.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// ruleTo is the rule that leads to a gateway before all others do: for IPv4, what the
// host itself sends to it, for IPv6 whatever goes to it.
func ruleTo(gw netip.Addr) rtnl.Msg {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[1], fixed[4], fixed[7] = familyOf(gw), uint8(gw.BitLen()), unix.RT_TABLE_MAIN, unix.FR_ACT_TO_TBL
	m := rtnl.Msg{Type: unix.RTM_NEWRULE, Body: fixed}
	m = m.With(unix.FRA_DST, gw.AsSlice()).With(unix.FRA_PRIORITY, rtnl.U32Bytes(0))
	if gw.Is4() {
		m = m.With(unix.FRA_IIFNAME, []byte("lo\x00"))
	}
	return m
}
