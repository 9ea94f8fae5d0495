package ipcmd

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// routeCommand renders RTM_NEWROUTE and RTM_DELROUTE of IPv4 and IPv6.
func (n Names) routeCommand(m rtnl.Msg) string {
	if m.Own() != 0 {
		return n.ownCommand(m)
	}
	rtm, a := m.Fixed(), collect(m.Attrs)
	l, known := ofFamily(m)
	dst, ok := destination(rtm[0], a[unix.RTA_DST], rtm[1])
	if !known || !ok {
		return noCommand(m)
	}
	l.add("route", routeVerb(m))
	addRouteType(l, m, a)
	l.add(dst)
	if rtm[2] > 0 {
		if src, ok := prefix(rtm[0], a[unix.RTA_SRC], rtm[2]); ok {
			l.add("from", src)
		}
	}
	l.fields(a, []field{{rtnl.RtaNhID, "nhid", dec(4)}})
	n.addHop(l, a, routeHop, int(rtnl.U32(a[unix.RTA_OIF])), rtm[8])
	addRouteOptions(l, m, a)
	n.addLegs(l, a[unix.RTA_MULTIPATH])
	return l.String()
}

// Route is a route of the main table as "ip route" shows it, also one that is the
// kernel's own.
func (n Names) Route(m rtnl.Msg) string {
	_, text, _ := strings.Cut(n.Command(plainRoute(m).As(unix.RTM_NEWROUTE, rtnl.Add)), "route add ")
	return text
}

// plainRoute is a copy of a route that is not the kernel's own.
func plainRoute(m rtnl.Msg) rtnl.Msg {
	m = m.Clone()
	binary.NativeEndian.PutUint32(m.Body[8:12], rtnl.U32(m.Body[8:12])&^rtnl.OwnFlags) // rtm_flags
	return m
}

// ownCommand renders a route that is the kernel's own, which no command can make.
// A similar one to a router would keep the kernel from accepting the next
// advertisement, so the route that stands in until then has the next higher
// metric. A similar route to a prefix is no obstacle.
func (n Names) ownCommand(m rtnl.Msg) string {
	own := m.Own()
	m = plainRoute(m)
	if m.Type == unix.RTM_DELROUTE {
		m.Body[5] = unix.RTPROT_UNSPEC // see disown
		return n.routeCommand(m)
	}
	what := "is"
	if own&(rtnl.OwnDefault|rtnl.OwnInfo) != 0 {
		m, what = m.With(unix.RTA_PRIORITY, rtnl.U32Bytes(m.U32(unix.RTA_PRIORITY)+1)), "has the metric before and is"
	}
	return n.routeCommand(m) + "   # stands in until the next router advertisement: the right one " + what + " the kernel's own, which no command can make"
}

// routeVerb is verb with one more meaning that the flags have for a route: a route
// that is neither exclusive nor appended goes before similar ones.
func routeVerb(m rtnl.Msg) string {
	const how = unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_REPLACE | unix.NLM_F_APPEND
	if m.Type == unix.RTM_NEWROUTE && m.Flags&how == unix.NLM_F_CREATE {
		return "prepend"
	}
	return verb(m)
}

func destination(family uint8, b []byte, bits uint8) (string, bool) {
	if bits == 0 {
		return "default", true
	}
	return prefix(family, b, bits)
}

// routeTypes are iproute2's names for rtm_type.
var routeTypes = []string{
	unix.RTN_UNSPEC: "", unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local",
	unix.RTN_BROADCAST: "broadcast", unix.RTN_ANYCAST: "anycast",
	unix.RTN_MULTICAST: "multicast", unix.RTN_BLACKHOLE: "blackhole",
	unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit",
	unix.RTN_THROW: "throw",
}

// addRouteType leaves out "unicast", the default. A removal that names no type
// would take a route of any type.
func addRouteType(l *line, m rtnl.Msg, a attrs) {
	typ := m.Fixed()[7]
	if int(typ) >= len(routeTypes) || typ == unix.RTN_UNSPEC {
		return
	}
	if typ == unix.RTN_UNICAST && (m.Type == unix.RTM_NEWROUTE || aims(a)) {
		return
	}
	l.add(routeTypes[typ])
}

// aims says whether a route has a way to its destination.
func aims(a attrs) bool {
	for _, t := range []uint16{unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH, rtnl.RtaNhID} {
		if a[t] != nil {
			return true
		}
	}
	return false
}

// addRouteOptions adds what comes between a route's first hop and its legs.
func addRouteOptions(l *line, m rtnl.Msg, a attrs) {
	rtm := m.Fixed()
	addTable(l, rtm, a)
	l.addIf(rtm[5] != defaultProtocol(m.Type), "proto", protocol(rtm[5]))
	addRouteScope(l, m, a)
	l.fields(a, routeFields)
	l.addIf(rtm[3] != 0, "tos", fmt.Sprintf("0x%02x", rtm[3]))
	addMetrics(l, a[unix.RTA_METRICS])
	if pref := a[unix.RTA_PREF]; len(pref) == 1 && pref[0] != 0 {
		l.fields(a, []field{{unix.RTA_PREF, "pref", preference}})
	}
	l.fields(a, []field{
		{rtnl.RtaExpires, "expires", dec(4)},
		{unix.RTA_TTL_PROPAGATE, "ttl-propagate", choice("disabled", "enabled")},
	})
}

var routeFields = []field{
	{unix.RTA_PREFSRC, "src", ip},
	{unix.RTA_PRIORITY, "metric", dec(4)},
	{unix.RTA_FLOW, "realms", realms},
}

// addTable names the table unless iproute2 would use it anyway: local for routes
// that belong there, else main.
func addTable(l *line, rtm []byte, a attrs) {
	table := uint64(rtm[4])
	if t, ok := number(a[unix.RTA_TABLE], 4); ok {
		table = t
	}
	usual := uint64(unix.RT_TABLE_MAIN)
	switch rtm[7] {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST:
		usual = unix.RT_TABLE_LOCAL
	}
	switch table {
	case unix.RT_TABLE_LOCAL:
		l.add("table", "local") // even if it is the default, which a reader may not know
	case usual:
	case unix.RT_TABLE_MAIN, unix.RT_TABLE_UNSPEC:
		l.addIf(usual != unix.RT_TABLE_MAIN, "table", "main")
	default:
		l.add("table", strconv.FormatUint(table, 10))
	}
}

// defaultProtocol is the protocol that iproute2 sends by default.
func defaultProtocol(typ uint16) uint8 {
	if typ == unix.RTM_DELROUTE {
		return unix.RTPROT_UNSPEC
	}
	return unix.RTPROT_BOOT
}

// addRouteScope adds an IPv4 route's scope if iproute2 would send another one by
// default. For IPv6 it has no meaning.
func addRouteScope(l *line, m rtnl.Msg, a attrs) {
	rtm := m.Fixed()
	if m.Family() != unix.AF_INET {
		return
	}
	hop := a[unix.RTA_GATEWAY] != nil || a[unix.RTA_VIA] != nil || a[unix.RTA_MULTIPATH] != nil || a[rtnl.RtaNhID] != nil
	usual := uint8(unix.RT_SCOPE_UNIVERSE)
	switch rtm[7] {
	case unix.RTN_LOCAL:
		usual = unix.RT_SCOPE_HOST
	case unix.RTN_BROADCAST, unix.RTN_MULTICAST, unix.RTN_ANYCAST:
		usual = unix.RT_SCOPE_LINK
	case unix.RTN_UNICAST, unix.RTN_UNSPEC:
		if m.Type == unix.RTM_DELROUTE && (!hop || rtm[6] != unix.RT_SCOPE_UNIVERSE) {
			usual = unix.RT_SCOPE_NOWHERE // any
		} else if !hop {
			usual = unix.RT_SCOPE_LINK
		}
	}
	l.addIf(rtm[6] != usual, "scope", scope(rtm[6]))
}

func preference(b []byte) (string, bool) {
	switch b[0] {
	case 1:
		return "high", true
	case 3:
		return "low", true
	}
	return strconv.Itoa(int(b[0])), true
}

// realms formats "from/to", or the plain number if one of them is too large for
// iproute2 to take it apart.
func realms(b []byte) (string, bool) {
	v, ok := number(b, 4)
	from, to := v>>16, v&0xffff
	switch {
	case from > 255 || to > 255:
		return strconv.FormatUint(v, 10), ok
	case from > 0:
		return fmt.Sprintf("%d/%d", from, to), ok
	}
	return strconv.FormatUint(to, 10), ok
}

// hopAttrs are the types of the attributes of one hop, which are numbered
// differently in a route and in a nexthop.
type hopAttrs struct{ gateway, via, encapType, encap uint16 }

var (
	routeHop   = hopAttrs{unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP}
	nexthopHop = hopAttrs{gateway: unix.NHA_GATEWAY, encapType: unix.NHA_ENCAP_TYPE, encap: unix.NHA_ENCAP}
)

// addHop adds where a route, a leg or a nexthop leads. The encapsulation comes
// first: "via" or "dev" must end it, because some of its words mean something
// else in a route.
func (n Names) addHop(l *line, a attrs, t hopAttrs, oif int, flags byte) {
	if typ, ok := number(a[t.encapType], 2); ok {
		l.add(encapWords(typ, a[t.encap])...)
	}
	if gw, ok := ip(a[t.gateway]); ok {
		l.add("via", gw)
	} else if via := a[t.via]; t.via != 0 && len(via) > 2 { // struct rtvia
		if gw, ok := ip(via[2:]); ok {
			l.add("via", viaFamily(via), gw)
		}
	}
	l.addIf(oif != 0, "dev", n.Of(oif))
	l.addIf(flags&unix.RTNH_F_ONLINK != 0, "onlink")
}

func viaFamily(via []byte) string {
	if binary.NativeEndian.Uint16(via) == unix.AF_INET6 {
		return "inet6"
	}
	return "inet"
}

// addLegs adds each hop of a multipath route. They come last: iproute2 reads
// nothing else after the first "nexthop".
func (n Names) addLegs(l *line, b []byte) {
	for leg := range rtnl.Legs(b) { // struct rtnexthop
		a := collect(rtnl.ParseAttrs(leg[unix.SizeofRtNexthop:]))
		l.add("nexthop")
		n.addHop(l, a, routeHop, int(int32(binary.NativeEndian.Uint32(leg[4:]))), leg[2])
		l.add("weight", strconv.Itoa(int(leg[3])+1))
		l.fields(a, []field{{unix.RTA_FLOW, "realms", realms}})
	}
}

// metrics are a route's metrics (RTAX_…) by iproute2's words.
var metrics = []field{
	{unix.RTAX_MTU, "mtu", dec(4)},
	{unix.RTAX_WINDOW, "window", dec(4)},
	// Without a unit the time is in the kernel's own, a fraction of a
	// millisecond.
	{unix.RTAX_RTT, "rtt", dec(4)},
	{unix.RTAX_RTTVAR, "rttvar", dec(4)},
	{unix.RTAX_RTO_MIN, "rto_min", dec(4)},
	{unix.RTAX_SSTHRESH, "ssthresh", dec(4)},
	{unix.RTAX_CWND, "cwnd", dec(4)},
	{unix.RTAX_ADVMSS, "advmss", dec(4)},
	{unix.RTAX_REORDERING, "reordering", dec(4)},
	{unix.RTAX_HOPLIMIT, "hoplimit", dec(4)},
	{unix.RTAX_INITCWND, "initcwnd", dec(4)},
	{unix.RTAX_INITRWND, "initrwnd", dec(4)},
	{unix.RTAX_FEATURES, "features", features},
	{unix.RTAX_QUICKACK, "quickack", dec(4)},
	{unix.RTAX_CC_ALGO, "congctl", text},
	{unix.RTAX_FASTOPEN_NO_COOKIE, "fastopen_no_cookie", dec(4)},
}

// unlockable are the metrics that take no "lock"; that of rto_min is implied.
var unlockable = []uint16{
	unix.RTAX_RTO_MIN, unix.RTAX_FEATURES, unix.RTAX_QUICKACK, unix.RTAX_FASTOPEN_NO_COOKIE,
}

func addMetrics(l *line, b []byte) {
	a := collect(rtnl.ParseAttrs(b))
	locked := rtnl.U32(a[unix.RTAX_LOCK])
	for _, f := range metrics {
		value, ok := f.format(a[f.typ])
		if a[f.typ] == nil || !ok {
			continue
		}
		l.add(f.word)
		l.addIf(locked&(1<<f.typ) != 0 && !slices.Contains(unlockable, f.typ), "lock")
		l.add(value)
	}
}

func features(b []byte) (string, bool) {
	v, ok := number(b, 4)
	return "ecn", ok && v&unix.RTAX_FEATURE_ECN != 0
}
