package reach

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"xbr-script/internal/ifname"

	"golang.org/x/sys/unix"
)

// arp asks for IPv4 addresses by ARP, without using the kernel's own table.
type arp struct {
	sock int
	link *net.Interface
}

// Of struct arphdr for IPv4 on Ethernet: its length, the opcodes, and where
// the sender is.
const (
	arpBytes   = 28
	arpRequest = 1
	arpReply   = 2
)

var (
	ethernetIPv4 = []byte{0, unix.ARPHRD_ETHER, unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff, 6, 4}
	broadcast    = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

func dialARP(link string) (socket, error) {
	l, err := interfaceOf(link)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // no protocol: it receives nothing until it is bound
	if err != nil {
		return nil, err
	}
	s := &arp{fd, l}
	if err := unix.Bind(fd, s.to([8]byte{})); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return s, nil
}

// interfaceOf is the interface of that name; unix.ENODEV if there is none.
func interfaceOf(name string) (*net.Interface, error) {
	index, err := ifname.IndexOf(name)
	if err != nil {
		return nil, err
	}
	if index == 0 {
		return nil, unix.ENODEV
	}
	l, err := net.InterfaceByIndex(index)
	if errno := unix.Errno(0); err != nil && !errors.As(err, &errno) {
		return nil, unix.ENODEV // it went meanwhile: that is no error of the kernel's
	}
	return l, err
}

func (s *arp) fd() int { return s.sock }

func (s *arp) to(mac [8]byte) *unix.SockaddrLinklayer {
	const proto = unix.ETH_P_ARP>>8 | unix.ETH_P_ARP&0xff<<8 // in network order
	return &unix.SockaddrLinklayer{Protocol: proto, Ifindex: s.link.Index, Halen: 6, Addr: mac}
}

func (s *arp) ask(target netip.Addr) error {
	if len(s.link.HardwareAddr) != 6 {
		return unix.EAFNOSUPPORT
	}
	own, to := s.own(target).As4(), target.As4()
	p := make([]byte, 0, arpBytes)
	p = append(p, ethernetIPv4...)
	p = binary.BigEndian.AppendUint16(p, arpRequest)
	p = append(p, s.link.HardwareAddr...)
	p = append(p, own[:]...)
	p = append(p, make([]byte, 6)...)
	p = append(p, to[:]...)
	return unix.Sendto(s.sock, p, 0, s.to(broadcast))
}

// own is the address to ask with: one in the target's network, because some hosts
// answer no other. 0.0.0.0 is for a host that has none (RFC 5227).
func (s *arp) own(target netip.Addr) netip.Addr {
	own := netip.IPv4Unspecified()
	addrs, err := s.link.Addrs()
	if err != nil {
		return own
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() {
			continue
		}
		if p.Contains(target) {
			return p.Addr()
		}
		if own.IsUnspecified() {
			own = p.Addr()
		}
	}
	return own
}

func (s *arp) answer(p []byte, _ unix.Sockaddr) (netip.Addr, bool) {
	if len(p) < arpBytes || !bytes.HasPrefix(p, ethernetIPv4) || binary.BigEndian.Uint16(p[6:]) != arpReply {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(p[14:18])
}
