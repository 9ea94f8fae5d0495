package mptcp

import (
	"encoding/binary"
	"maps"
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// A Subflow is one of the TCP connections of which a connection of MPTCP is made.
type Subflow struct {
	Token  uint32 // of the connection
	Local  netip.Addr
	Index  int    // of the interface that it is bound to, 0 if it is to none
	Cookie uint64 // of its socket
}

// Subflows are those of the network namespace, by a connection to sock_diag(7).
func Subflows(c *rtnl.Conn) (all []Subflow, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		const byFamily, tcpInfo = 20, 2 // SOCK_DIAG_BY_FAMILY, INET_DIAG_INFO
		// TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_CLOSE_WAIT: those that may carry something.
		const states = 1<<1 | 1<<4 | 1<<5 | 1<<8
		req := make([]byte, 56)                                           // struct inet_diag_req_v2
		req[0], req[1], req[2] = family, unix.IPPROTO_TCP, 1<<(tcpInfo-1) // without that it tells nothing of MPTCP
		binary.NativeEndian.PutUint32(req[4:], states)
		var some []Subflow
		err := c.DumpEach(byFamily, req, func() { some = nil }, func(m rtnl.Msg) {
			if s, ok := subflowIn(m.Body); ok {
				some = append(some, s)
			}
		})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// subflowIn reads a struct inet_diag_msg, and what the kernel tells of MPTCP behind it
// (INET_DIAG_ULP_INFO, subflow_get_info). A connection that has become one of plain TCP, as
// the other side has no MPTCP, never counts as established, and no endpoint matters to it.
func subflowIn(b []byte) (s Subflow, ok bool) {
	const size, ulpInfo, ulpMPTCP, tokenLocal, flags, established = 72, 19, 3, 2, 8, 1 << 6
	if len(b) < size {
		return s, false
	}
	info := rtnl.FindAttr(rtnl.FindAttr(b[size:], ulpInfo), ulpMPTCP)
	if rtnl.U32(rtnl.FindAttr(info, flags))&established == 0 {
		return s, false
	}
	s = Subflow{Token: rtnl.U32(rtnl.FindAttr(info, tokenLocal)), Index: int(rtnl.U32(b[40:44])), // idiag_if
		Cookie: uint64(rtnl.U32(b[44:48])) | uint64(rtnl.U32(b[48:52]))<<32}
	if b[0] == unix.AF_INET {
		s.Local, _ = netip.AddrFromSlice(b[8:12])
	} else {
		s.Local, _ = netip.AddrFromSlice(b[8:24])
		s.Local = s.Local.Unmap()
	}
	return s, true
}

// Ending counts the connections that would end if those of the endpoints that the kernel
// binds subflows for were made anew for another interface, and one of which begins at that
// address: all their subflows are at such addresses, so that they would be closed, and some
// would go on otherwise. The kernel can only begin another one if the host has begun the
// connection; the other side waits in vain (tried). Subflows that are bound to the interface
// end in any case.
func Ending(all []Subflow, at netip.Addr, endpoints []Endpoint) int {
	ends, lives := map[uint32]bool{}, map[uint32]bool{}
	for _, s := range all {
		bound, closed := false, false
		for _, e := range endpoints {
			bound, closed = bound || s.Index == e.Index, closed || e.Binds() && s.Local == e.Addr
		}
		switch {
		case bound:
		case !closed:
			lives[s.Token] = true
		case s.Local == at:
			ends[s.Token] = true
		}
	}
	maps.DeleteFunc(ends, func(token uint32, _ bool) bool { return lives[token] })
	return len(ends)
}
