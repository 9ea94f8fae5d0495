package networkmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// given are addresses and routes of an interface that NetworkManager would not give it
// again: when it begins with an interface, it takes all off first, and the kernel itself
// takes IPv4 routes off an interface without addresses.
type given struct {
	index int
	msgs  []rtnl.Msg
}

// lookAt finds what an interface has; nothing if its index is not known.
func lookAt(index int) (*given, error) {
	g := &given{index: index}
	if index == 0 {
		return g, nil
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	addrs, err := conn.Dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg))
	if err != nil {
		return nil, err
	}
	routes, err := conn.Dump(unix.RTM_GETROUTE, make([]byte, unix.SizeofRtMsg))
	if err != nil {
		return nil, err
	}
	for _, m := range slices.Concat(addrs, routes) {
		if m.Uses(index) && (m.Type == unix.RTM_NEWADDR && missed(m) || m.Type == unix.RTM_NEWROUTE && stays(m)) {
			g.msgs = append(g.msgs, m.Clone())
		}
	}
	return g, nil
}

// missed says whether an address would be missed: an IPv4 address without a lease, or
// an IPv6 address that is neither link-local nor temporary.
func missed(a rtnl.Msg) bool {
	if a.Family() == unix.AF_INET {
		return !a.Leased()
	}
	return a.Family() == unix.AF_INET6 && a.Body[3] != unix.RT_SCOPE_LINK && !a.IsTemporary() // ifa_scope
}

// addresses are the lasting ones among them.
func (g *given) addresses() (all []netip.Prefix) {
	for _, m := range g.msgs {
		if addr, ok := netip.AddrFromSlice(m.Local()); ok && isLasting(m) {
			all = append(all, netip.PrefixFrom(addr, int(m.Body[1]))) // ifa_prefixlen
		}
	}
	return all
}

// stays says whether nobody would learn of a route anew, or have it from a profile, as
// NetworkManager has those that it calls static.
func stays(r rtnl.Msg) bool {
	return r.Table() != unix.RT_TABLE_LOCAL &&
		!slices.Contains([]byte{unix.RTPROT_REDIRECT, unix.RTPROT_STATIC, unix.RTPROT_RA, unix.RTPROT_DHCP}, r.Fixed()[5]) // rtm_protocol
}

// lost are those that the interface has no longer. The kernel's routes come and go with
// their addresses.
func (g *given) lost() ([]rtnl.Msg, error) {
	now, err := lookAt(g.index)
	if err != nil {
		return nil, err
	}
	lost := rtnl.Rest(g.msgs, func(m rtnl.Msg) bool {
		return slices.ContainsFunc(now.msgs, func(n rtnl.Msg) bool { return same(m, n) })
	})
	return rtnl.Rest(lost, func(r rtnl.Msg) bool {
		return r.Type == unix.RTM_NEWROUTE && r.ByKernel() && !slices.ContainsFunc(lost, func(a rtnl.Msg) bool { return isOf(r, a) })
	}), nil
}

// isOf says whether a route of the kernel is that to the neighbours of an address.
func isOf(r, a rtnl.Msg) bool {
	if a.Type != unix.RTM_NEWADDR || a.Family() != r.Family() {
		return false
	}
	if src := r.Get(unix.RTA_PREFSRC); src != nil {
		return bytes.Equal(src, a.Local())
	}
	dst, _ := netip.AddrFromSlice(r.Get(unix.RTA_DST))
	addr, _ := netip.AddrFromSlice(a.Local())
	return netip.PrefixFrom(dst, int(r.Body[1])).Contains(addr) // rtm_dst_len
}

// same says whether they are the same address or the same route.
func same(a, b rtnl.Msg) bool {
	if a.Type != b.Type || a.Family() != b.Family() || a.Body[1] != b.Body[1] { // the length of the prefix
		return false
	}
	attrs := []uint16{unix.RTA_DST, unix.RTA_GATEWAY, unix.RTA_PRIORITY, unix.RTA_TABLE}
	if a.Type == unix.RTM_NEWADDR {
		return bytes.Equal(a.Local(), b.Local())
	}
	return !slices.ContainsFunc(attrs, func(t uint16) bool { return !bytes.Equal(a.Get(t), b.Get(t)) })
}

// keep gives back what is lost until nothing more is, because NetworkManager does not
// tell when it is done.
func (g *given) keep(ctx context.Context) error {
	if !slices.ContainsFunc(g.msgs, func(m rtnl.Msg) bool { return isLasting(m) || m.Type == unix.RTM_NEWROUTE && !m.ByKernel() }) {
		return nil
	}
	for quiet := 0; quiet < settling; quiet++ {
		lost, err := g.lost()
		if err == nil && len(lost) > 0 {
			quiet, err = 0, g.put()
		}
		if err == nil {
			err = wait(ctx, "it takes addresses and routes off again and again")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isLasting(m rtnl.Msg) bool { return m.Type == unix.RTM_NEWADDR && !m.Leased() }

// settling is for how many looks nothing may be lost.
const settling = 15

const rtaNHID = 30 // RTA_NH_ID (linux/rtnetlink.h)

// put gives back what is lost.
func (g *given) put() error {
	lost, err := g.lost()
	if err != nil || len(lost) == 0 {
		return err
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var wire rtnl.Wire
	for _, m := range lost {
		wire = wire.Add(anew(m))
	}
	refused, err := conn.Send(wire)
	for _, r := range refused {
		if !errors.Is(r, unix.EEXIST) {
			err = errors.Join(err, fmt.Errorf("cannot give back what it has taken off: %w", r))
		}
	}
	return err
}

// anew is the message that makes an address or a route again.
func anew(m rtnl.Msg) rtnl.Msg {
	if m.Type == unix.RTM_NEWADDR {
		const keep = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_MCAUTOJOIN | unix.IFA_F_HOMEADDRESS
		flags := m.AddrFlags()&keep | unix.IFA_F_NODAD // it was there all the time
		m = m.With(unix.IFA_FLAGS, rtnl.U32Bytes(flags)).As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
		m.Body[2] = byte(flags) // ifa_flags
		return m
	}
	m = m.Without(unix.RTA_CACHEINFO).As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	if m.HasAny(rtaNHID) {
		m = m.Without(unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH)
	}
	m.Body[8] &= unix.RTNH_F_ONLINK // rtm_flags, of which the kernel says others, too
	return m
}
