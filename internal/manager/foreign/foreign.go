// Package foreign gives back what a manager has taken off and not given itself: when
// systemd-networkd begins, it removes from the interfaces that it configures the addresses
// and routes that are not in its files, and routing rules and nexthops of the whole host
// (ManageForeignRoutes=, ManageForeignRoutingPolicyRules=, ManageForeignNextHops=). Those
// are keepalived's addresses, a VPN's rules, what a cloud's agent has added, and what
// somebody has added by hand.
package foreign

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ifname"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
)

// Found is what there was on the host, of that which nobody learns of anew.
type Found struct{ msgs []rtnl.Msg }

// kinds are what is read, in the order in which they need each other.
var kinds = []struct {
	get   uint16
	body  int
	stays func(rtnl.Msg) bool
}{
	{unix.RTM_GETADDR, unix.SizeofIfAddrmsg, addressStays},
	{unix.RTM_GETNEXTHOP, sizeofNhmsg, func(m rtnl.Msg) bool { return m.Fixed()[2] != unix.RTPROT_KERNEL }}, // nh_protocol
	{unix.RTM_GETROUTE, unix.SizeofRtMsg, routeStays},
	{unix.RTM_GETRULE, unix.SizeofRtMsg, func(m rtnl.Msg) bool { return !bytes.Equal(m.Get(fraProtocol), []byte{unix.RTPROT_KERNEL}) }},
}

const (
	sizeofNhmsg = 8  // struct nhmsg (linux/nexthop.h)
	fraProtocol = 21 // FRA_PROTOCOL (linux/fib_rules.h)
)

// addressStays says whether an address would be missed: a lease is got anew, and the kernel
// makes link-local and temporary ones itself.
func addressStays(a rtnl.Msg) bool {
	const loopback = 1 // LOOPBACK_IFINDEX
	if a.Uses(loopback) || a.Leased() {
		return false
	}
	// A temporary address of IPv6 has the flag of a secondary one of IPv4.
	return a.Family() == unix.AF_INET || a.Family() == unix.AF_INET6 && !a.IsTemporary() && a.Fixed()[3] != unix.RT_SCOPE_LINK // ifa_scope
}

// routeStays says whether nobody would learn of a route anew; the kernel's come and go
// with addresses.
func routeStays(r rtnl.Msg) bool {
	return !r.ByKernel() && !slices.Contains([]byte{unix.RTPROT_REDIRECT, unix.RTPROT_RA, unix.RTPROT_DHCP}, r.Fixed()[5]) // rtm_protocol
}

// Look finds what there is now.
func Look() (*Found, error) {
	f := &Found{}
	err := each(func(m rtnl.Msg, stays bool) {
		if stays {
			f.msgs = append(f.msgs, m.Clone())
		}
	})
	return f, err
}

// each reads all that there is.
func each(see func(m rtnl.Msg, stays bool)) error {
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
				see(m, k.stays(m))
			}
		}
	}
	return nil
}

// key is what something is known by again. A manager may give an address again with
// another scope or metric.
func key(m rtnl.Msg) string {
	switch m.Type {
	case unix.RTM_NEWADDR:
		return fmt.Sprintf("%d %d %x %x", m.Type, m.Body[:2], m.Body[4:8], m.Local()) // family, prefix; index
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

// lost is what there is no longer. An address that has a lifetime now is there: it is a
// lease that had none for a while (KeepConfiguration=).
func (f *Found) lost() ([]rtnl.Msg, error) {
	there := map[string]bool{}
	if err := each(func(m rtnl.Msg, _ bool) { there[key(m)] = true }); err != nil {
		return nil, err
	}
	return rtnl.Rest(f.msgs, func(m rtnl.Msg) bool { return there[key(m)] }), nil
}

// Quiet is for how many looks nothing may be lost: nobody tells when a manager has taken
// all off. Tests look less often.
var Quiet = 10

const (
	// pause is the time between two looks.
	pause = 50 * time.Millisecond
	// tries is how often something is given back that does not stay.
	tries = 5
)

// Return gives back what is lost. Nothing was found by nil.
func (f *Found) Return(ctx context.Context) error {
	if f == nil || len(f.msgs) == 0 {
		return nil
	}
	tried := map[string]int{}
	for calm := 0; ; calm++ {
		lost, err := f.lost()
		if err != nil || len(lost) == 0 && calm >= Quiet {
			return err
		}
		for _, m := range lost {
			calm = 0
			if tried[key(m)]++; tried[key(m)] > tries {
				return fmt.Errorf("it has taken off what cannot be given back: %s", said(m))
			}
		}
		if err := put(lost); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
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
