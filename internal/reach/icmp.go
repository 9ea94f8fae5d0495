package reach

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ICMP types (RFC 792, 4443, 4861).
const (
	echoReply4   = 0
	echo4        = 8
	echo6        = 128
	echoReply6   = 129
	solicitation = 135
	advert       = 136
)

// nd asks for IPv6 addresses by neighbour solicitations.
type nd struct {
	sock int
	link *net.Interface
}

func dialND(name string) (socket, error) {
	l, err := interfaceOf(name)
	if err != nil {
		return nil, err
	}
	fd, err := raw6(advert)
	if err != nil {
		return nil, err
	}
	if err = unix.BindToDevice(fd, name); err == nil { // RFC 4861, 7.1: with any other it is thrown away
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &nd{fd, l}, nil
}

// raw6 is a socket that receives ICMPv6 messages of that type.
func raw6(typ int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return -1, err
	}
	var blocked unix.ICMPv6Filter
	for i := range blocked.Data {
		blocked.Data[i] = ^uint32(0)
	}
	blocked.Data[typ/32] &^= 1 << (typ % 32)
	if err := unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &blocked); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (s *nd) fd() int { return s.sock }

func (s *nd) ask(target netip.Addr) error {
	if len(s.link.HardwareAddr) != 6 {
		return unix.EAFNOSUPPORT
	}
	to := target.As16()
	p := make([]byte, 8, 32)
	p[0] = solicitation // the kernel fills the checksum in
	p = append(p, to[:]...)
	p = append(append(p, 1, 1), s.link.HardwareAddr...)   // who asks: a host that does not know it would not answer
	group := netip.MustParseAddr("ff02::1:ff00:0").As16() // its solicited-node group
	copy(group[13:], to[13:])
	return unix.Sendto(s.sock, p, 0, &unix.SockaddrInet6{Addr: group, ZoneId: uint32(s.link.Index)})
}

// answer reads a neighbour advertisement. The kernel has checked its checksum.
func (s *nd) answer(p []byte, _ unix.Sockaddr) (netip.Addr, bool) {
	if len(p) < 24 || p[0] != advert {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(p[8:24])
}

// echo asks hosts anywhere by ICMP echo.
type echo struct {
	sock int
	ipv6 bool
	// id tells its echoes from those of others, and from those of another Ask: a firewall
	// that lets through what belongs to a connection would take them for the same one, and
	// pass them where it lets nobody begin another.
	id uint16
}

func dialEcho(ipv6 bool) (socket, error) {
	if ipv6 {
		fd, err := raw6(echoReply6)
		if err != nil {
			return nil, err
		}
		return &echo{fd, true, newID()}, nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, err
	}
	return &echo{fd, false, newID()}, nil
}

func (s *echo) fd() int { return s.sock }

func newID() uint16 { return uint16(rand.Uint32()) } // the low bits do

func (s *echo) ask(target netip.Addr) error {
	p := make([]byte, 8)
	binary.BigEndian.PutUint16(p[4:], s.id)
	if s.ipv6 {
		p[0] = echo6 // the kernel fills the checksum in
		to := &unix.SockaddrInet6{Addr: target.As16()}
		if zone := target.Zone(); zone != "" {
			link, err := interfaceOf(zone)
			if err != nil {
				return err
			}
			to.ZoneId = uint32(link.Index)
		}
		return unix.Sendto(s.sock, p, 0, to)
	}
	p[0] = echo4
	binary.BigEndian.PutUint16(p[2:], checksum(p))
	return unix.Sendto(s.sock, p, 0, &unix.SockaddrInet4{Addr: target.As4()})
}

// checksum is that of RFC 1071 over a packet of even length.
func checksum(p []byte) uint16 {
	var sum uint32
	for ; len(p) >= 2; p = p[2:] {
		sum += uint32(binary.BigEndian.Uint16(p))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// answer reads an echo reply. With IPv4 the kernel hands over the IP header, too.
func (s *echo) answer(p []byte, from unix.Sockaddr) (netip.Addr, bool) {
	var addr netip.Addr
	typ := byte(echoReply6)
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		if len(p) < 1 || len(p) < int(p[0]&0xf)*4 {
			return addr, false
		}
		addr, typ, p = netip.AddrFrom4(from.Addr), echoReply4, p[int(p[0]&0xf)*4:]
	case *unix.SockaddrInet6:
		addr = netip.AddrFrom16(from.Addr)
		if link, err := net.InterfaceByIndex(int(from.ZoneId)); from.ZoneId != 0 && err == nil {
			addr = addr.WithZone(link.Name)
		}
	}
	return addr, len(p) >= 8 && p[0] == typ && binary.BigEndian.Uint16(p[4:]) == s.id
}
