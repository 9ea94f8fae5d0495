// Package foreign gives back what a manager has taken off and not given itself, when it
// begins with interfaces that have got their addresses: keepalived's addresses, a VPN's
// rules, what a cloud's agent has added, and what somebody has added by hand.
//
// systemd-networkd removes from the interfaces that it configures the addresses and routes
// that are not in its files, and routing rules and nexthops of the whole host
// (ManageForeignRoutes=, ManageForeignRoutingPolicyRules=, ManageForeignNextHops=).
// NetworkManager takes everything off an interface, and then gives it what its profile
// says; with the last address the kernel itself takes IPv4 routes off.
package foreign

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/idle"
	"xbr-script/internal/ifname"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
)

// Taker is a manager, as far as it matters what it takes off, and what it gives again.
type Taker struct {
	// Index is of the only interface that it begins with; 0 if it begins with all, and with
	// the rules and nexthops of the host.
	Index int
	// Leases says that it takes off IPv6 addresses that have a lifetime, too, and has to
	// wait for the next answer of a router before it gives them again.
	Leases bool
	// Protocol (RTPROT_...) is that of the routes that it has been told of, and of some that
	// it has not: it may give such a route again itself, with another metric, or later, when
	// it can. 0 if all that it has been told of is there again as it was.
	Protocol byte
}

// Found is what there was, of that which nobody learns of anew.
type Found struct {
	by   Taker
	msgs []rtnl.Msg
	was  map[string]bool // their keys
}

// kinds are what is read, in the order in which they need each other.
var kinds = []struct {
	get   uint16
	body  int
	stays func(Taker, rtnl.Msg) bool
}{
	{unix.RTM_GETADDR, unix.SizeofIfAddrmsg, Taker.addressStays},
	{unix.RTM_GETNEXTHOP, sizeofNhmsg, func(_ Taker, m rtnl.Msg) bool { return m.Fixed()[2] != unix.RTPROT_KERNEL }}, // nh_protocol
	{unix.RTM_GETROUTE, unix.SizeofRtMsg, routeStays},
	{unix.RTM_GETRULE, unix.SizeofRtMsg, func(_ Taker, m rtnl.Msg) bool {
		return !bytes.Equal(m.Get(fraProtocol), []byte{unix.RTPROT_KERNEL})
	}},
}

const (
	sizeofNhmsg = 8  // struct nhmsg (linux/nexthop.h)
	fraProtocol = 21 // FRA_PROTOCOL (linux/fib_rules.h)
)

// addressStays says whether an address would be missed: a lease is got anew, and the kernel
// makes link-local and temporary ones itself.
func (t Taker) addressStays(a rtnl.Msg) bool {
	const loopback = 1 // LOOPBACK_IFINDEX
	if a.Uses(loopback) || a.Leased() && (!t.Leases || a.Family() == unix.AF_INET) {
		return false
	}
	// A temporary address of IPv6 has the flag of a secondary one of IPv4.
	return a.Family() == unix.AF_INET || a.Family() == unix.AF_INET6 && !a.IsTemporary() && a.Fixed()[3] != unix.RT_SCOPE_LINK // ifa_scope
}

// routeStays says whether nobody would learn of a route anew. That to the neighbours of an
// address is the kernel's, even if a manager has made it, and goes with that.
func routeStays(_ Taker, r rtnl.Msg) bool {
	return (!r.ByKernel() || r.Table() != unix.RT_TABLE_LOCAL) &&
		rtnl.U32(r.Fixed()[8:12])&unix.RTM_F_CLONED == 0 && // rtm_flags; it has been learnt on the way
		!slices.Contains([]byte{unix.RTPROT_REDIRECT, unix.RTPROT_RA, unix.RTPROT_DHCP}, r.Fixed()[5]) // rtm_protocol
}

// Look finds what there is now.
func (t Taker) Look() (*Found, error) {
	f := &Found{by: t, was: map[string]bool{}}
	err := each(func(m rtnl.Msg, stays func(Taker, rtnl.Msg) bool) {
		if (t.Index == 0 || m.Uses(t.Index)) && stays(t, m) {
			f.msgs = append(f.msgs, m.Clone())
			f.was[key(m)] = true
		}
	})
	return f, err
}

// Addresses are those without a lifetime.
func (f *Found) Addresses() (all []netip.Prefix) {
	if f == nil {
		return nil
	}
	for _, m := range f.msgs {
		if m.Type != unix.RTM_NEWADDR || m.Leased() {
			continue
		}
		if addr, ok := netip.AddrFromSlice(m.Local()); ok {
			all = append(all, netip.PrefixFrom(addr, int(m.Body[1]))) // ifa_prefixlen
		}
	}
	return all
}

// each reads all that there is.
func each(see func(m rtnl.Msg, stays func(Taker, rtnl.Msg) bool)) error {
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, k := range kinds {
		msgs, err := conn.Dump(k.get, make([]byte, k.body))
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
			continue // an older kernel, or one without IPv6
		}
		if err != nil {
			return err
		}
		for _, m := range msgs {
			if m.Whole() {
				see(m, k.stays)
			}
		}
	}
	return nil
}

// key is what something is known by again. A manager may give an address again with
// another scope or metric, and have been told of the route that somebody else has added.
func key(m rtnl.Msg) string {
	switch m.Type {
	case unix.RTM_NEWADDR:
		return fmt.Sprintf("%d %d %x %x", m.Type, m.Body[:2], m.Body[4:8], m.Local()) // family, prefix; index
	case unix.RTM_NEWROUTE:
		m = m.Without(unix.RTA_PREFSRC, unix.RTA_METRICS, unix.RTA_PREF)
		clear(m.Body[5:7])  // rtm_protocol, rtm_scope
		clear(m.Body[8:12]) // rtm_flags
	case unix.RTM_NEWRULE:
		m = settled(m)
	}
	return fmt.Sprintf("%d %s", m.Type, m.Key())
}

// settled is a rule without what the kernel says of it: whether it has its interfaces and
// its target (FIB_RULE_UNRESOLVED, …IIF_DETACHED, …OIF_DETACHED).
func settled(m rtnl.Msg) rtnl.Msg {
	m = m.Clone()
	flags := m.Body[8:12]
	binary.NativeEndian.PutUint32(flags, binary.NativeEndian.Uint32(flags)&^0x1c)
	return m
}

// lost is what there is no longer, and of the kernel's routes those whose address is lost. An
// address that has a lifetime now is there: it is a lease that had none for a while
// (KeepConfiguration=). So is a route that the manager has given with another metric.
func (f *Found) lost() ([]rtnl.Msg, error) {
	there, anew := map[string]bool{}, map[string]bool{}
	ofAnyMetric := func(r rtnl.Msg) string { return key(r.Without(unix.RTA_PRIORITY)) }
	err := each(func(m rtnl.Msg, _ func(Taker, rtnl.Msg) bool) {
		k := key(m)
		there[k] = true
		if f.by.told(m) && !f.was[k] {
			anew[ofAnyMetric(m)] = true
		}
	})
	if err != nil {
		return nil, err
	}
	lost := rtnl.Rest(f.msgs, func(m rtnl.Msg) bool { return there[key(m)] || f.by.told(m) && anew[ofAnyMetric(m)] })
	return rtnl.Rest(lost, func(r rtnl.Msg) bool {
		return isKernels(r) && !slices.ContainsFunc(lost, func(a rtnl.Msg) bool { return isOf(r, a) })
	}), nil
}

// told says whether a route may be one that the manager has been told of.
func (t Taker) told(m rtnl.Msg) bool {
	return t.Protocol != 0 && m.Type == unix.RTM_NEWROUTE && m.Fixed()[5] == t.Protocol // rtm_protocol
}

func isKernels(m rtnl.Msg) bool { return m.Type == unix.RTM_NEWROUTE && m.ByKernel() }

// isOf says whether a route of the kernel is that to the neighbours of an address.
func isOf(r, a rtnl.Msg) bool {
	if a.Type != unix.RTM_NEWADDR || a.Family() != r.Family() || !r.Uses(int(rtnl.U32(a.Body[4:8]))) { // ifa_index
		return false
	}
	if src := r.Get(unix.RTA_PREFSRC); src != nil {
		return bytes.Equal(src, a.Local())
	}
	dst, _ := netip.AddrFromSlice(r.Get(unix.RTA_DST))
	addr, _ := netip.AddrFromSlice(a.Local())
	return netip.PrefixFrom(dst, int(r.Body[1])).Contains(addr) // rtm_dst_len
}

// Quiet is for how many looks nothing may be lost: nobody tells when a manager has taken
// all off. Tests look less often.
var Quiet = 15

const (
	// pause is the time between two looks.
	pause = 50 * time.Millisecond
	// tries is how often something is given back that does not stay.
	tries = 5
)

// Return gives back what is lost. Nothing was found by nil.
func (f *Found) Return(ctx context.Context) error {
	if f == nil {
		return nil
	}
	tried := map[string]int{}
	for calm := 0; ; calm++ {
		lost, err := f.lost()
		if err != nil || len(lost) == 0 && (calm >= Quiet || !slices.ContainsFunc(f.msgs, lasts)) {
			return err
		}
		for _, m := range lost {
			calm = 0
			k := key(m)
			if tried[k]++; tried[k] <= tries {
				continue
			}
			if lasts(m) && !f.by.told(m) {
				return fmt.Errorf("it has taken off what cannot be given back: %s", said(m))
			}
			f.msgs = rtnl.Rest(f.msgs, func(m rtnl.Msg) bool { return key(m) == k }) // others give it again, or need not
		}
		if err := put(lost); err != nil {
			return err
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}

// lasts says whether something would be missed for good.
func lasts(m rtnl.Msg) bool {
	return !isKernels(m) && (m.Type != unix.RTM_NEWADDR || !m.Leased())
}

// said is the command that would give something back.
func said(m rtnl.Msg) string {
	names := ipcmd.Names{}
	for index := range m.Indexes {
		names[index], _ = ifname.Of(index)
	}
	return names.Command(made(m))
}

// put makes them again. What needs something else that is still lost, or is there already,
// is refused; that shows at the next look.
func put(lost []rtnl.Msg) error {
	if len(lost) == 0 {
		return nil
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var wire rtnl.Wire
	for _, m := range lost {
		wire = wire.Add(made(m))
	}
	_, err = conn.Send(wire)
	return err
}

// made is the message that makes it again.
func made(m rtnl.Msg) rtnl.Msg {
	switch m.Type {
	case unix.RTM_NEWADDR:
		const keep = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_MCAUTOJOIN | unix.IFA_F_HOMEADDRESS
		flags := m.AddrFlags()&keep | unix.IFA_F_NODAD // it was there all the time
		m = m.Settable().With(unix.IFA_FLAGS, rtnl.U32Bytes(flags))
		m.Body[2] = byte(flags) // ifa_flags
		return m.As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	case unix.RTM_NEWROUTE:
		return m.Settable().As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	case unix.RTM_NEWRULE:
		return settled(m).As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	}
	return m.Settable().As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
}
