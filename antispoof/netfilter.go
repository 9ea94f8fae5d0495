package antispoof

import (
	"encoding/binary"
	"errors"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nfConn is a socket to the kernel's nf_tables, for the one thing that
// iptables cannot do there: remove a table.
type nfConn struct{ fd int }

func dialNF() (nfConn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	return nfConn{fd}, err
}

func (c nfConn) close() { _ = unix.Close(c.fd) }

// Attributes that golang.org/x/sys/unix does not name.
const (
	nftaGenID     = 1 // linux/netfilter/nf_tables.h
	nfnlBatchGen  = 1 // linux/netfilter/nfnetlink.h
	nftablesShift = unix.NFNL_SUBSYS_NFTABLES << 8
)

// generation numbers the state of all tables: every change adds one.
func (c nfConn) generation() (uint32, error) {
	answer, err := c.talk(nfMessage(nftablesShift|unix.NFT_MSG_GETGEN, 0, 0, 0))
	if err != nil {
		return 0, err
	}
	attrs, err := nl.ParseRouteAttr(answer[min(nl.SizeofNfgenmsg, len(answer)):])
	if err != nil {
		return 0, err
	}
	for _, a := range attrs {
		if a.Attr.Type == nftaGenID && len(a.Value) == 4 {
			return binary.BigEndian.Uint32(a.Value), nil
		}
	}
	return 0, errors.New("nf_tables does not tell its generation")
}

// dropTable removes a table if nothing has changed since that generation. A
// batch is carried out as a whole, between its two marks.
func (c nfConn) dropTable(f *family, table string, generation uint32) error {
	proto := uint8(unix.NFPROTO_IPV4)
	if f == ipv6 {
		proto = unix.NFPROTO_IPV6
	}
	gen := binary.BigEndian.AppendUint32(nil, generation)
	msgs := nfMessage(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, unix.NFNL_SUBSYS_NFTABLES, nl.NewRtAttr(nfnlBatchGen, gen))
	msgs = append(msgs, nfMessage(nftablesShift|unix.NFT_MSG_DELTABLE, unix.NLM_F_ACK, proto, 0,
		nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated(table)))...)
	msgs = append(msgs, nfMessage(unix.NFNL_MSG_BATCH_END, 0, 0, unix.NFNL_SUBSYS_NFTABLES)...)
	_, err := c.talk(msgs)
	return err
}

// nfMessage is one message for the kernel's nf_tables.
func nfMessage(typ, flags int, family uint8, resource uint16, attrs ...*nl.RtAttr) []byte {
	req := nl.NewNetlinkRequest(typ, unix.NLM_F_REQUEST|flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0, ResId: resource<<8 | resource>>8})
	for _, a := range attrs {
		req.AddData(a)
	}
	return req.Serialize()
}

// talk sends messages and gives the body of the first answer, or the error
// that it tells.
func (c nfConn) talk(msgs []byte) ([]byte, error) {
	if err := unix.Sendto(c.fd, msgs, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	n, _, err := unix.Recvfrom(c.fd, buf, 0)
	if err != nil {
		return nil, err
	}
	if n < unix.NLMSG_HDRLEN+4 {
		return nil, errors.New("a short answer from nf_tables")
	}
	body := buf[unix.NLMSG_HDRLEN:n]
	if nl.NativeEndian().Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return body, nil
	}
	if errno := -int32(nl.NativeEndian().Uint32(body)); errno != 0 {
		return nil, unix.Errno(errno)
	}
	return body, nil
}
