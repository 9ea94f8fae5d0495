package routes

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
)

// The interfaces of these tests: what is on eth0 moves to new0.
const eth0, eth1, new0 = 2, 3, 7

var devs = ipcmd.Names{eth0: "eth0", eth1: "eth1", new0: "new0"}

// words are the values of keys, as ip(8) has them.
type words struct {
	t    *testing.T
	list []string
}

func (w words) has(key string) bool { return slices.Contains(w.list, key) }

func (w words) after(key string) string {
	if i := slices.Index(w.list, key); i >= 0 && i+1 < len(w.list) {
		return w.list[i+1]
	}
	return ""
}

func (w words) dev() []byte { return w.index(w.after("dev")) }

func (w words) index(name string) []byte {
	for index, n := range devs {
		if n == name {
			return rtnl.U32Bytes(uint32(index))
		}
	}
	w.t.Fatalf("%q: no interface %q", w.list, name)
	return nil
}

func (w words) number(key string) uint32 {
	n, err := strconv.ParseUint(w.after(key), 0, 32)
	if err != nil {
		w.t.Fatalf("%q: %v", w.list, err)
	}
	return uint32(n)
}

// route makes a route as the kernel lists it from words such as "10.0.0.0/24
// dev eth0 src 10.0.0.2". Besides the words of ip(8) it knows "own", for a
// router's route, and the family before an IPv6 "default".
func route(t *testing.T, text string) rtnl.Msg {
	t.Helper()
	w := words{t, strings.Fields(text)}
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[4], fixed[5], fixed[7] = unix.AF_INET, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RTN_UNICAST
	dst := w.list[0]
	if dst == "local" {
		fixed[4], fixed[5], fixed[6], fixed[7] = unix.RT_TABLE_LOCAL, unix.RTPROT_KERNEL, unix.RT_SCOPE_HOST, unix.RTN_LOCAL
		dst = w.list[1]
	}
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: fixed}
	switch {
	case strings.HasPrefix(dst, "default"):
		if dst == "default6" {
			fixed[0] = unix.AF_INET6
		}
	default:
		p := netip.MustParsePrefix(dst)
		fixed[1] = byte(p.Bits())
		if p.Addr().Is6() {
			fixed[0] = unix.AF_INET6
		}
		m = m.With(unix.RTA_DST, p.Addr().AsSlice())
	}
	return w.route(m)
}

func (w words) route(m rtnl.Msg) rtnl.Msg {
	w.t.Helper()
	fixed := m.Body
	if m.Family() == unix.AF_INET && !w.has("via") && !w.has("hop") && fixed[6] == 0 {
		fixed[6] = unix.RT_SCOPE_LINK
	}
	if w.has("proto") {
		fixed[5] = map[string]byte{"kernel": unix.RTPROT_KERNEL, "ra": unix.RTPROT_RA, "static": unix.RTPROT_STATIC}[w.after("proto")]
	}
	if w.has("table") {
		fixed[4] = byte(w.number("table"))
	}
	for key, attr := range map[string]uint16{"via": unix.RTA_GATEWAY, "src": unix.RTA_PREFSRC} {
		if w.has(key) {
			m = m.With(attr, netip.MustParseAddr(w.after(key)).AsSlice())
		}
	}
	for key, attr := range map[string]uint16{"metric": unix.RTA_PRIORITY, "nhid": rtnl.RtaNhID} {
		if w.has(key) {
			m = m.With(attr, rtnl.U32Bytes(w.number(key)))
		}
	}
	if w.has("dev") {
		m = m.With(unix.RTA_OIF, w.dev())
	}
	if w.has("hop") {
		m = m.With(unix.RTA_MULTIPATH, w.hops())
	}
	if w.has("own") {
		m = m.AsOwn(map[string]uint32{"prefix": rtnl.OwnPrefix | rtnl.OwnAnnounce, "default": rtnl.OwnDefault | rtnl.OwnAnnounce}[w.after("own")])
	}
	return m
}

// hops are the legs of a multipath route, "hop eth0 10.0.0.1".
func (w words) hops() (b []byte) {
	for i, word := range w.list {
		if word != "hop" {
			continue
		}
		addr := netip.MustParseAddr(w.list[i+2]).AsSlice()
		leg := make([]byte, unix.SizeofRtNexthop, unix.SizeofRtNexthop+4+len(addr))
		leg = append(leg, byte(4+len(addr)), 0, unix.RTA_GATEWAY, 0)
		leg = append(leg, addr...)
		leg[0] = byte(len(leg))
		copy(leg[4:], w.index(w.list[i+1]))
		b = append(b, leg...)
	}
	return b
}

// address makes an address from words such as "10.0.0.2/24 dev eth0".
func address(t *testing.T, text string) rtnl.Msg {
	t.Helper()
	w := words{t, strings.Fields(text)}
	p := netip.MustParsePrefix(w.list[0])
	fixed := make([]byte, unix.SizeofIfAddrmsg)
	fixed[0], fixed[1] = unix.AF_INET, byte(p.Bits())
	flags := uint32(unix.IFA_F_PERMANENT)
	for word, flag := range map[string]uint32{"noprefixroute": unix.IFA_F_NOPREFIXROUTE, "secondary": unix.IFA_F_SECONDARY, "temporary": unix.IFA_F_TEMPORARY, "mngtmpaddr": unix.IFA_F_MANAGETEMPADDR} {
		if w.has(word) {
			flags |= flag
		}
	}
	m := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: fixed}
	copy(fixed[4:], w.dev())
	m = m.With(unix.IFA_ADDRESS, p.Addr().AsSlice()).With(unix.IFA_FLAGS, rtnl.U32Bytes(flags))
	if p.Addr().Is6() {
		m.Body[0] = unix.AF_INET6
	} else {
		label := w.after("label")
		if label == "" {
			label = w.after("dev")
		}
		m = m.With(unix.IFA_LOCAL, p.Addr().AsSlice()).With(unix.IFA_LABEL, append([]byte(label), 0))
	}
	if w.has("metric") {
		m = m.With(rtnl.IfaRtPriority, rtnl.U32Bytes(w.number("metric")))
	}
	if w.has("spent") {
		m = host.AsTemporary(m)
	}
	return m
}

// nexthop makes a nexthop object from words such as "5 via 10.0.0.5 dev eth0".
func nexthop(t *testing.T, text string) rtnl.Msg {
	t.Helper()
	w := words{t, strings.Fields(text)}
	fixed := make([]byte, 8)
	fixed[0] = unix.AF_INET
	id, err := strconv.ParseUint(w.list[0], 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return rtnl.Msg{Type: unix.RTM_NEWNEXTHOP, Body: fixed}.With(unix.NHA_ID, rtnl.U32Bytes(uint32(id))).
		With(unix.NHA_GATEWAY, netip.MustParseAddr(w.after("via")).AsSlice()).With(unix.NHA_OIF, w.dev())
}

// aHost is a host made from one item a line: "addr …", "nexthop …", or a route.
func aHost(t *testing.T, text string) *host.Host {
	t.Helper()
	h := &host.Host{LiveRename: true, Asked: &host.Asked{Sockets: &host.Sockets{}}}
	for index, name := range devs {
		h.Links = append(h.Links, &host.Link{Index: index, Name: name})
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if addr, ok := strings.CutPrefix(line, "addr "); ok {
			h.Addrs = append(h.Addrs, address(t, addr))
		} else if nh, ok := strings.CutPrefix(line, "nexthop "); ok {
			h.Nexthops = append(h.Nexthops, nexthop(t, nh))
		} else {
			h.Routes = append(h.Routes, route(t, line))
		}
	}
	return h
}

// commands prints messages as commands of ip, without their common beginning.
func commands(w rtnl.Wire) (list []string) {
	for m := range w.All() {
		c := devs.Command(m)
		for _, prefix := range []string{"ip route ", "ip -6 route ", "ip addr "} {
			if rest, ok := strings.CutPrefix(c, prefix); ok {
				c = map[string]string{"ip addr ": "addr "}[prefix] + rest
			}
		}
		list = append(list, c)
	}
	return list
}

// lines splits text into lines, without the blanks around them.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// compare compares messages with the commands expected, one a line.
func compare(t *testing.T, what string, got rtnl.Wire, want string) {
	t.Helper()
	if g, w := commands(got), lines(want); !slices.Equal(g, w) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(g, "\n  "), strings.Join(w, "\n  "))
	}
}
