package rtnl

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A route that the kernel has made from a router advertisement is its own. By flags
// that no netlink message has, it finds the route again when the next advertisement
// comes (rt6_get_dflt_router, rt6_get_route_info, addrconf_get_prefix_route). If
// there is a similar route without these flags, it drops that advertisement
// (ndisc_router_discovery: "failed to add default route"). Only the ioctl SIOCADDRT
// can set them, and it can express no more than struct in6_rtmsg has room for: no
// protocol, no metrics, and only the interface's table.
//
// A message about such a route has the flags in its rtm_flags, where the kernel has
// others. The kernel never sees them there: Conn.Send uses the ioctl instead.

// Flags of IPv6 routes (linux/route.h, linux/ipv6_route.h).
const (
	rtfUp       = 0x00000001
	rtfGateway  = 0x00000002
	rtfExpires  = 0x00400000
	prefShift   = 27         // RTF_PREF
	OwnDefault  = 0x00010000 // RTF_DEFAULT: to a router
	OwnAnnounce = 0x00040000 // RTF_ADDRCONF: everything that a router has announced
	OwnPrefix   = 0x00080000 // RTF_PREFIX_RT: to a prefix on the link
	OwnInfo     = 0x00800000 // RTF_ROUTEINFO: from a route information option

	// OwnFlags are the flags that make a route the kernel's own.
	OwnFlags = OwnDefault | OwnAnnounce | OwnPrefix | OwnInfo
)

// Own is the flags that make a route the kernel's own, 0 if it is not.
func (m Msg) Own() uint32 {
	if !m.isRoute() || m.Family() != unix.AF_INET6 || m.Fixed() == nil {
		return 0
	}
	return U32(m.Body[8:12]) & OwnFlags // rtm_flags
}

// AsOwn is a copy of a route, made the kernel's own by those flags. It has the
// protocol that the kernel gives such a route, and no metrics: until the next
// advertisement they would only repeat what the interface has learnt.
func (m Msg) AsOwn(flags uint32) Msg {
	m = m.Without(unix.RTA_METRICS)
	native.PutUint32(m.Body[8:12], U32(m.Body[8:12])|flags&OwnFlags)
	m.Body[5] = unix.RTPROT_RA // rtm_protocol
	if flags&OwnPrefix != 0 {
		m.Body[5] = unix.RTPROT_KERNEL
	}
	return m
}

// disown turns the removal of a route that is the kernel's own into one that the
// kernel understands. The protocol is left out, because the kernel and the ioctl
// give such routes different ones.
func (m Msg) disown() {
	native.PutUint32(m.Body[8:12], U32(m.Body[8:12])&^OwnFlags)
	m.Body[5] = unix.RTPROT_UNSPEC
}

// in6Rtmsg is struct in6_rtmsg of linux/ipv6_route.h.
type in6Rtmsg struct {
	dst, src, gateway [16]byte
	typ               uint32
	dstLen, srcLen    uint16
	metric            uint32
	info              uintptr // how long it lasts, in USER_HZ
	flags             uint32
	ifindex           int32
}

// ioctl is what SIOCADDRT needs to know about a route.
func (m Msg) ioctl() *in6Rtmsg {
	r := &in6Rtmsg{dstLen: uint16(m.Body[1]), flags: rtfUp | m.Own()} // rtm_dst_len
	for a := range m.Attrs {
		switch a.Type {
		case unix.RTA_DST:
			copy(r.dst[:], a.Value)
		case unix.RTA_GATEWAY:
			copy(r.gateway[:], a.Value)
			r.flags |= rtfGateway
		case unix.RTA_PRIORITY:
			r.metric = U32(a.Value)
		case unix.RTA_OIF:
			r.ifindex = int32(U32(a.Value))
		case unix.RTA_PREF:
			r.flags |= uint32(a.Value[0]) << prefShift
		case RtaExpires:
			r.info = uintptr(U32(a.Value)) * UserHz
			r.flags |= rtfExpires
		}
	}
	return r
}

// addOwn makes a route that is the kernel's own. The error is a refusal if it
// is a unix.Errno.
func addOwn(m Msg) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("IPv6 socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	r := m.ioctl()
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCADDRT, uintptr(unsafe.Pointer(r)))
		switch {
		case errors.Is(errno, unix.EINTR):
		case errno != 0:
			return errno
		default:
			return nil
		}
	}
}

// ownRoute is where in w the next message is that needs the ioctl, and how many
// come before it; len(w) if there is none.
func (w Wire) ownRoute() (at, count int) {
	for at < len(w) {
		size := int(native.Uint32(w[at:]))
		m := Msg{Type: native.Uint16(w[at+4:]), Body: w[at+unix.SizeofNlMsghdr : at+size]}
		if m.Type == unix.RTM_NEWROUTE && m.Own() != 0 {
			break
		}
		at += align(size)
		count++
	}
	return at, count
}
