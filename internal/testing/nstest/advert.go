package nstest

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Advert is a router advertisement (RFC 4861, RFC 4191). Lifetimes are told in
// whole seconds.
type Advert struct {
	Router      string // its link-local address, fe80::1 if empty
	Lifetime    time.Duration
	Preference  byte // 1 high, 0 medium, 3 low
	HopLimit    byte
	Reachable   time.Duration
	Retransmit  time.Duration
	MTU         uint32
	Prefixes    []AdvertPrefix
	Information []AdvertRoute
}

// AdvertPrefix is a prefix on the link of which addresses are made.
type AdvertPrefix struct {
	Prefix           string // 2001:db8:1::/64
	Valid, Preferred time.Duration
	NoAuto           bool // no addresses are made of it
}

// AdvertRoute is a route by the router.
type AdvertRoute struct {
	Prefix     string
	Lifetime   time.Duration
	Preference byte
}

// Forever is a lifetime that does not end.
const Forever = 0xffffffff * time.Second

// Advertise sends the advertisement out of an interface, as a router behind it
// would: that interface needs no IPv6 for it.
func Advertise(t T, dev string, a Advert) {
	helper(t)()
	fd, to := advertiser(t, dev)
	defer func() { _ = unix.Close(fd) }()
	if err := a.send(fd, to); err != nil {
		t.Fatal(err)
	}
}

// AdvertiseOften sends it again and again, until the function that it returns is
// called.
func AdvertiseOften(t T, dev string, a Advert) (end func()) {
	helper(t)()
	fd, to := advertiser(t, dev)
	stop, ended := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for every := time.Tick(100 * time.Microsecond); err == nil; err = a.send(fd, to) {
			select {
			case <-stop:
				ended <- nil
				return
			case <-every:
			}
		}
		<-stop
		ended <- err
	}()
	return func() {
		close(stop)
		if err := errors.Join(<-ended, unix.Close(fd)); err != nil {
			t.Fatal(err)
		}
	}
}

// advertiser is a socket that sends out of an interface of this namespace.
func advertiser(t T, dev string) (fd int, to *unix.SockaddrLinklayer) {
	helper(t)()
	Guard(t)
	link, err := net.InterfaceByName(dev)
	if err != nil {
		t.Fatal(err)
	}
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	return fd, &unix.SockaddrLinklayer{Ifindex: link.Index, Halen: 6, Protocol: 0xdd86}
}

func (a Advert) send(fd int, to *unix.SockaddrLinklayer) error {
	if err := unix.Sendto(fd, a.frame(), 0, to); !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	return nil // that is a cable whose other end is off
}

// frame is the Ethernet frame, to all nodes.
func (a Advert) frame() []byte {
	router := netip.MustParseAddr("fe80::1")
	if a.Router != "" {
		router = netip.MustParseAddr(a.Router)
	}
	last := router.As16()[15]
	mac := []byte{0x02, 0xff, 0, 0, 0, last}
	all := netip.MustParseAddr("ff02::1")
	body := a.message(mac)
	frame := append([]byte{0x33, 0x33, 0, 0, 0, 1}, mac...)
	frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(body)))
	frame = append(frame, unix.IPPROTO_ICMPV6, 255)
	ends := append(router.AsSlice(), all.AsSlice()...)
	pseudo := append(binary.BigEndian.AppendUint32(ends[:32:32], uint32(len(body))), 0, 0, 0, unix.IPPROTO_ICMPV6)
	binary.BigEndian.PutUint16(body[2:], sum(append(pseudo, body...)))
	return append(append(frame, ends...), body...)
}

// message is the ICMPv6 message with a checksum of 0.
func (a Advert) message(mac []byte) []byte {
	b := []byte{134, 0, 0, 0, a.HopLimit, a.Preference << 3}
	b = binary.BigEndian.AppendUint16(b, uint16(a.Lifetime/time.Second))
	b = binary.BigEndian.AppendUint32(b, uint32(a.Reachable/time.Millisecond))
	b = binary.BigEndian.AppendUint32(b, uint32(a.Retransmit/time.Millisecond))
	b = append(append(b, 1, 1), mac...)
	if a.MTU != 0 {
		b = binary.BigEndian.AppendUint32(append(b, 5, 1, 0, 0), a.MTU)
	}
	for _, p := range a.Prefixes {
		prefix, flags := netip.MustParsePrefix(p.Prefix), byte(0xc0)
		if p.NoAuto {
			flags = 0x80
		}
		b = append(b, 3, 4, byte(prefix.Bits()), flags)
		b = seconds32(seconds32(b, p.Valid), p.Preferred)
		b = append(append(b, 0, 0, 0, 0), prefix.Addr().AsSlice()...)
	}
	for _, r := range a.Information {
		prefix := netip.MustParsePrefix(r.Prefix)
		b = append(b, 24, 3, byte(prefix.Bits()), r.Preference<<3)
		b = append(seconds32(b, r.Lifetime), prefix.Addr().AsSlice()...)
	}
	return b
}

func seconds32(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(d/time.Second))
}

// sum is the checksum of the Internet protocols.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
