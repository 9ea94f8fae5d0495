package divert

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nftFwd is a chain of nftables at an interface's ingress that sends some of
// what comes out of another interface (NF_TABLES_NETDEV and NFT_FWD_NETDEV).
// Its table belongs to the socket (NFT_TABLE_F_OWNER, Linux 5.12): nobody else
// can change it, and the kernel deletes it when the process ends, whatever
// becomes of that.
type nftFwd struct{ sock *os.File }

const (
	nftTable = "xbr-script"      // and its chain
	nftOwner = 2                 // NFT_TABLE_F_OWNER, linux/netfilter/nf_tables.h
	nftReg   = unix.NFT_REG32_00 // for what is loaded
	etherLen = 2 * lenMAC        // of the addresses that begin a frame
	lenMAC   = 6                 // ETH_ALEN
)

// newNftFwd begins to send untagged frames to that address that come in on the
// interface called from out of the one with the index to. Frames of a VLAN
// stay: its interface is on the NIC.
func newNftFwd(from string, mac net.HardwareAddr, to int) (*nftFwd, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	f := &nftFwd{os.NewFile(uintptr(fd), "nftables")}
	err = f.commit(
		nftMsg(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE|unix.NLM_F_EXCL,
			nftName(unix.NFTA_TABLE_NAME, nftTable), nftU32(unix.NFTA_TABLE_FLAGS, nftOwner)),
		nftMsg(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE,
			nftName(unix.NFTA_CHAIN_TABLE, nftTable), nftName(unix.NFTA_CHAIN_NAME, nftTable), nftName(unix.NFTA_CHAIN_TYPE, "filter"),
			nftNest(unix.NFTA_CHAIN_HOOK, nftU32(unix.NFTA_HOOK_HOOKNUM, unix.NF_NETDEV_INGRESS),
				nftU32(unix.NFTA_HOOK_PRIORITY, 0), nftName(unix.NFTA_HOOK_DEV, from))),
		nftMsg(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE,
			nftName(unix.NFTA_RULE_TABLE, nftTable), nftName(unix.NFTA_RULE_CHAIN, nftTable),
			nftNest(unix.NFTA_RULE_EXPRESSIONS,
				nftLoad(0, lenMAC), nftCompare(unix.NFT_CMP_EQ, mac),
				nftLoad(etherLen, 2), nftCompare(unix.NFT_CMP_NEQ, nl.BEUint16Attr(unix.ETH_P_8021Q)),
				nftCompare(unix.NFT_CMP_NEQ, nl.BEUint16Attr(unix.ETH_P_8021AD)),
				nftExpr("immediate", nftU32(unix.NFTA_IMMEDIATE_DREG, nftReg),
					nftNest(unix.NFTA_IMMEDIATE_DATA, nl.NewRtAttr(unix.NFTA_DATA_VALUE, nl.Uint32Attr(uint32(to))))),
				nftExpr("fwd", nftU32(unix.NFTA_FWD_SREG_DEV, nftReg)))))
	if err != nil {
		_ = f.sock.Close()
		return nil, err
	}
	return f, nil
}

// Close takes the chain away. The socket is left to the end of the process, or
// the garbage collector: closing it waits until the kernel has disposed of the
// chain, some 10 ms later (an RCU grace period), in which others can work.
func (f *nftFwd) Close() error {
	return f.commit(nftMsg(unix.NFT_MSG_DELTABLE, 0, nftName(unix.NFTA_TABLE_NAME, nftTable)))
}

// commit sends the messages as one transaction, of which all or nothing is
// done. The kernel does it, and answers, within the system call that sends it.
func (f *nftFwd) commit(msgs ...*nl.NetlinkRequest) error {
	last := uint32(len(msgs)) // its number, as the transaction's begin is 0
	msgs[last-1].Flags |= unix.NLM_F_ACK
	wire := nftBound(unix.NFNL_MSG_BATCH_BEGIN).Serialize()
	for i, m := range msgs {
		m.Seq = uint32(i + 1)
		wire = append(wire, m.Serialize()...)
	}
	wire = append(wire, nftBound(unix.NFNL_MSG_BATCH_END).Serialize()...)
	fd := int(f.sock.Fd())
	if err := unix.Sendto(fd, wire, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
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
			if a.Header.Type != unix.NLMSG_ERROR || len(a.Data) < 4 {
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

// nftBound begins or ends a transaction.
func nftBound(typ int) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(typ, 0)
	m.Seq = 0
	m.AddRawData([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}) // struct nfgenmsg
	return m
}

// nftMsg is a message about the objects that see an interface's frames.
func nftMsg(typ, flags int, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	m := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|typ, flags)
	m.AddRawData([]byte{unix.NFPROTO_NETDEV, unix.NFNETLINK_V0, 0, 0}) // struct nfgenmsg
	for _, a := range attrs {
		m.AddRawData(a.Serialize())
	}
	return m
}

func nftName(typ int, name string) *nl.RtAttr { return nl.NewRtAttr(typ, nl.ZeroTerminated(name)) }

// nftU32 is a number, which nftables has in network order.
func nftU32(typ int, v uint32) *nl.RtAttr { return nl.NewRtAttr(typ, nl.BEUint32Attr(v)) }

func nftNest(typ int, attrs ...*nl.RtAttr) *nl.RtAttr {
	nest := nl.NewRtAttr(typ|unix.NLA_F_NESTED, nil)
	for _, a := range attrs {
		nest.AddChild(a)
	}
	return nest
}

// nftExpr is one expression of a rule.
func nftExpr(name string, attrs ...*nl.RtAttr) *nl.RtAttr {
	return nftNest(unix.NFTA_LIST_ELEM, nftName(unix.NFTA_EXPR_NAME, name), nftNest(unix.NFTA_EXPR_DATA, attrs...))
}

// nftLoad takes some bytes of the frame.
func nftLoad(offset, size uint32) *nl.RtAttr {
	return nftExpr("payload", nftU32(unix.NFTA_PAYLOAD_DREG, nftReg), nftU32(unix.NFTA_PAYLOAD_BASE, unix.NFT_PAYLOAD_LL_HEADER),
		nftU32(unix.NFTA_PAYLOAD_OFFSET, offset), nftU32(unix.NFTA_PAYLOAD_LEN, size))
}

// nftCompare goes on with what was taken only if it compares so with value.
func nftCompare(how uint32, value []byte) *nl.RtAttr {
	return nftExpr("cmp", nftU32(unix.NFTA_CMP_SREG, nftReg), nftU32(unix.NFTA_CMP_OP, how),
		nftNest(unix.NFTA_CMP_DATA, nl.NewRtAttr(unix.NFTA_DATA_VALUE, value)))
}
