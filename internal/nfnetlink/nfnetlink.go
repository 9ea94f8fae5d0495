// Package nfnetlink speaks to the kernel's nf_tables. It is asked for what iptables
// cannot do or tell.
package nfnetlink

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nfnlBatchGen is NFNL_BATCH_GENID (linux/netfilter/nfnetlink.h).
const nfnlBatchGen = 1

// typeOf is the type of a message NFT_MSG_….
func typeOf(msg int) int { return unix.NFNL_SUBSYS_NFTABLES<<8 | msg }

// Request is the message NFT_MSG_… about something of that family (NFPROTO_…).
func Request(msg, flags int, family uint8, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	return request(typeOf(msg), flags, family, 0, attrs)
}

// request begins with a struct nfgenmsg.
func request(typ, flags int, family, resource uint8, attrs []*nl.RtAttr) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(typ, flags)
	req.AddRawData([]byte{family, unix.NFNETLINK_V0, 0, resource})
	for _, a := range attrs {
		req.AddRawData(a.Serialize()) // what AddData takes goes before the header
	}
	return req
}

// bound begins or ends a transaction.
func bound(typ int, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	return request(typ, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, attrs)
}

// Text is an attribute that is a string.
func Text(typ int, text string) *nl.RtAttr { return nl.NewRtAttr(typ, nl.ZeroTerminated(text)) }

// U32 is an attribute that is a number, which nf_tables has in network order.
func U32(typ int, v uint32) *nl.RtAttr { return nl.NewRtAttr(typ, nl.BEUint32Attr(v)) }

// Nest is an attribute that holds others.
func Nest(typ int, attrs ...*nl.RtAttr) *nl.RtAttr {
	nest := nl.NewRtAttr(typ|unix.NLA_F_NESTED, nil)
	for _, a := range attrs {
		nest.AddChild(a)
	}
	return nest
}

// Conn is a socket. The kernel deletes what belongs to it (NFT_TABLE_F_OWNER) when
// it is closed, or the process ends.
type Conn struct {
	sock *os.File
	seq  uint32 // of the last message
}

// Dial opens a socket in the calling thread's network namespace.
func Dial() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	return &Conn{sock: os.NewFile(uintptr(fd), "nfnetlink")}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.sock.Close() }

// Leave gives the connection up without waiting. To close it waits until everything that
// was deleted by any such socket has been disposed of (nft_rcv_nl_event calls
// nf_tables_trans_destroy_flush_work), which takes an RCU grace period, about 10 ms, and
// so would the end of the process. Therefore the socket is put into the queue of a Unix
// socket that is in that queue itself, where nobody can get at either of them. The
// kernel's garbage collector for such sockets closes them (unix_gc), since Linux 6.8 in
// the background: at the latest when the other end is closed, by the end of the process
// or by Go's garbage collector. Before 6.8 it makes no difference. What belongs to the
// connection may go at any time from then on.
func (c *Conn) Leave() error {
	defer func() { _ = c.sock.Close() }() // the one in the queue is still open
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(pair[1]) }()
	other := os.NewFile(uintptr(pair[0]), "the other end")
	return unix.Sendmsg(int(other.Fd()), []byte{0}, unix.UnixRights(int(c.sock.Fd()), pair[1]), nil, 0)
}

// Commit sends messages as one transaction, of which all or nothing is done. The
// kernel's refusal is a unix.Errno.
func (c *Conn) Commit(msgs ...*nl.NetlinkRequest) error {
	return c.commit(bound(unix.NFNL_MSG_BATCH_BEGIN), msgs)
}

// CommitAt is Commit if no table has changed since that generation of them; else
// the error is ERESTART.
func (c *Conn) CommitAt(generation uint32, msgs ...*nl.NetlinkRequest) error {
	return c.commit(bound(unix.NFNL_MSG_BATCH_BEGIN, U32(nfnlBatchGen, generation)), msgs)
}

// Try is what Commit would return; nothing is changed: a transaction without an end is
// only looked at (nfnetlink_rcv_batch).
func (c *Conn) Try(msgs ...*nl.NetlinkRequest) error {
	return c.send(bound(unix.NFNL_MSG_BATCH_BEGIN), msgs)
}

// commit is Commit.
func (c *Conn) commit(begin *nl.NetlinkRequest, msgs []*nl.NetlinkRequest) error {
	return c.send(begin, msgs, bound(unix.NFNL_MSG_BATCH_END))
}

// send sends a transaction. The kernel carries the messages out, and answers, within the
// system call that sends them.
func (c *Conn) send(begin *nl.NetlinkRequest, msgs []*nl.NetlinkRequest, end ...*nl.NetlinkRequest) error {
	msgs[len(msgs)-1].Flags |= unix.NLM_F_ACK
	var wire []byte
	first := c.seq + 1
	for _, m := range slices.Concat([]*nl.NetlinkRequest{begin}, msgs, end) {
		c.seq++
		m.Seq = c.seq
		wire = append(wire, m.Serialize()...)
	}
	fd := int(c.sock.Fd())
	if len(wire) > roomy {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*len(wire)) // else the kernel says that it is too long
	}
	if err := unix.Sendto(fd, wire, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return answer(fd, first, c.seq-uint32(len(end)))
}

// roomy is what any socket has room for, in bytes.
const roomy = 64 << 10

// answer reads the kernel's answer to the messages of those numbers, the last of
// which wants one. An error comes before that.
func answer(fd int, first, last uint32) error {
	buf := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil {
			return err
		}
		answers, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Header.Type != unix.NLMSG_ERROR || len(a.Data) < 4 || a.Header.Seq-first > last-first {
				continue
			}
			if code := int32(binary.NativeEndian.Uint32(a.Data)); code != 0 {
				return fmt.Errorf("nftables: %w", unix.Errno(-code))
			}
			if a.Header.Seq == last {
				return nil
			}
		}
	}
}
