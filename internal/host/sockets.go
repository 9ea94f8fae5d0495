package host

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TemporaryProto is the protocol (IFA_PROTO, Linux 5.18) of an IPv6 address that was
// temporary (RFC 8981) before it was moved: no message can make it temporary again,
// so it lives on as long as somebody uses it, and no longer.
const TemporaryProto = 'x'

// ifaProto is IFA_PROTO (linux/if_addr.h).
const ifaProto = 11

// WasTemporary says whether an address was temporary before it was moved, and
// is not any more.
func WasTemporary(m rtnl.Msg) bool {
	proto := m.Get(ifaProto)
	return len(proto) == 1 && proto[0] == TemporaryProto && m.U32(unix.IFA_FLAGS)&unix.IFA_F_TEMPORARY == 0
}

// AsTemporary is a temporary address with the mark by which WasTemporary knows it
// after it has been moved.
func AsTemporary(m rtnl.Msg) rtnl.Msg { return m.With(ifaProto, []byte{TemporaryProto}) }

// Sockets are the IPv6 sockets of a host.
type Sockets struct {
	Hidden bool         // the kernel does not report them
	Local  []netip.Addr // their addresses on this host, each once
}

func (kernel) sockets() (*Sockets, error) {
	s, local := &Sockets{}, map[netip.Addr]bool{}
	for _, protocol := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		err := eachSocket(protocol, func(addr netip.Addr) { local[addr] = true })
		if refusedWith(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
			s.Hidden = true // a kernel without inet_diag, or its modules
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	s.Local = slices.SortedFunc(maps.Keys(local), netip.Addr.Compare)
	return s, nil
}

// eachSocket calls f with the local address of every IPv6 socket
// (struct inet_diag_req_v2 and inet_diag_msg of linux/inet_diag.h).
func eachSocket(protocol byte, f func(netip.Addr)) error {
	const byFamily = 20 // SOCK_DIAG_BY_FAMILY
	req := make([]byte, 56)
	req[0], req[1] = unix.AF_INET6, protocol
	binary.NativeEndian.PutUint32(req[4:], ^uint32(0)) // idiag_states
	c, err := rtnl.DialDiag()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	sockets, err := c.Dump(byFamily, req)
	if err != nil {
		return err
	}
	for _, m := range sockets {
		if len(m.Body) >= 24 {
			local, _ := netip.AddrFromSlice(m.Body[8:24]) // id.idiag_src, after four bytes and two ports
			f(local)
		}
	}
	return nil
}
