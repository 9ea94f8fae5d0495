package ipcmd

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// addrCommand renders RTM_NEWADDR and RTM_DELADDR.
func (n Names) addrCommand(m rtnl.Msg) string {
	ifa, a := m.Fixed(), collect(m.Attrs)
	family, bits := ifa[0], ifa[1]
	local, far := a[unix.IFA_LOCAL], a[unix.IFA_ADDRESS]
	if local == nil {
		local = far
	}
	own, ok := prefix(family, local, bits)
	if !ok || local == nil {
		return noCommand(m)
	}
	l := newLine("ip", "addr", verb(m))
	if far == nil || bytes.Equal(far, local) {
		l.add(own)
	} else {
		// The prefix length belongs to the other end.
		own, _ = ip(local)
		peer, ok := prefix(family, far, bits)
		if !ok {
			return noCommand(m)
		}
		l.add(own, "peer", peer)
	}
	n.addrOptions(l, m, a)
	return l.String()
}

// addrOptions adds what follows the address. A removal names only what makes the
// difference between addresses for the kernel.
func (n Names) addrOptions(l *line, m rtnl.Msg, a attrs) {
	ifa := m.Fixed()
	flags := uint32(ifa[2])
	if f, ok := number(a[unix.IFA_FLAGS], 4); ok {
		flags = uint32(f)
	}
	dev := n.Of(int(binary.NativeEndian.Uint32(ifa[4:])))
	label := rtnl.String(a[unix.IFA_LABEL])
	if m.Type == unix.RTM_DELADDR {
		l.add("dev", dev)
		l.addIf(label != "" && label != dev, "label", label)
		l.addIf(flags&unix.IFA_F_MANAGETEMPADDR != 0, "mngtmpaddr")
		return
	}
	if b, ok := netip.AddrFromSlice(a[unix.IFA_BROADCAST]); ok && !b.IsUnspecified() {
		l.add("broadcast", b.String())
	}
	l.add("dev", dev)
	l.addIf(label != "" && label != dev, "label", label)
	l.addIf(ifa[0] == unix.AF_INET && ifa[3] != usualScope(a[unix.IFA_LOCAL]), "scope", scope(ifa[3]))
	l.fields(a, addrFields)
	addLifetimes(l, a[unix.IFA_CACHEINFO])
	addAddrFlags(l, ifa[0], a[unix.IFA_ADDRESS], flags)
}

var addrFields = []field{
	{rtnl.IfaRtPriority, "metric", dec(4)},
}

// usualScope is the scope that iproute2 gives an IPv4 address by itself. The scope
// of IPv6 addresses follows from their bits.
func usualScope(local []byte) uint8 {
	if len(local) == 4 && local[0] == 127 {
		return unix.RT_SCOPE_HOST
	}
	return unix.RT_SCOPE_UNIVERSE
}

// addLifetimes names both lifetimes if one is limited: iproute2 compares them,
// and takes an absent one for forever.
func addLifetimes(l *line, ci []byte) {
	if len(ci) < 8 {
		return
	}
	preferred, valid := binary.NativeEndian.Uint32(ci), binary.NativeEndian.Uint32(ci[4:])
	if preferred != rtnl.Infinity || valid != rtnl.Infinity {
		l.add("valid_lft", lifetime(valid), "preferred_lft", lifetime(preferred))
	}
}

func lifetime(seconds uint32) string {
	if seconds == rtnl.Infinity {
		return "forever"
	}
	return strconv.FormatUint(uint64(seconds), 10)
}

// addrFlags are the flags of an address that a sender may set; the kernel keeps
// all others by itself.
var addrFlags = []struct {
	bit    uint32
	word   string
	v6only bool
}{
	{unix.IFA_F_HOMEADDRESS, "home", true},
	{unix.IFA_F_MANAGETEMPADDR, "mngtmpaddr", true},
	{unix.IFA_F_NOPREFIXROUTE, "noprefixroute", false},
	{unix.IFA_F_NODAD, "nodad", true},
	{unix.IFA_F_OPTIMISTIC, "optimistic", true},
	{unix.IFA_F_MCAUTOJOIN, "autojoin", false},
}

func addAddrFlags(l *line, family uint8, addr []byte, flags uint32) {
	a, _ := netip.AddrFromSlice(addr)
	for _, f := range addrFlags {
		if f.bit == unix.IFA_F_MCAUTOJOIN && !a.IsMulticast() {
			continue // ip refuses
		}
		l.addIf(flags&f.bit != 0 && (family == unix.AF_INET6 || !f.v6only), f.word)
	}
}
