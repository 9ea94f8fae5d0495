package divert

import (
	"errors"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// nftFwd is a chain of nftables at an interface's ingress that sends some of
// what comes out of another interface (NF_TABLES_NETDEV and NFT_FWD_NETDEV).
// Its table belongs to the socket (NFT_TABLE_F_OWNER, Linux 5.12): nobody else can
// change it, and the kernel deletes it when the process ends in whatever way.
type nftFwd struct{ conn *nfnetlink.Conn }

const (
	nftTable = "xbr-script"      // and its chain
	nftOwner = 2                 // NFT_TABLE_F_OWNER, linux/netfilter/nf_tables.h
	nftReg   = unix.NFT_REG32_00 // where loaded bytes go
	etherLen = 2 * lenMAC        // of the addresses that begin a frame
	lenMAC   = 6                 // ETH_ALEN
)

// newNftFwd begins to send untagged frames to that address that come in on the
// interface called from out of the one with the index to. Frames of a VLAN
// stay: its interface is on the NIC.
func newNftFwd(from string, mac net.HardwareAddr, to int) (*nftFwd, error) {
	conn, err := nfnetlink.Dial()
	if err != nil {
		return nil, err
	}
	err = conn.Commit(
		nftMsg(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE|unix.NLM_F_EXCL,
			nfnetlink.Text(unix.NFTA_TABLE_NAME, nftTable), nfnetlink.U32(unix.NFTA_TABLE_FLAGS, nftOwner)),
		nftMsg(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE,
			nfnetlink.Text(unix.NFTA_CHAIN_TABLE, nftTable), nfnetlink.Text(unix.NFTA_CHAIN_NAME, nftTable), nfnetlink.Text(unix.NFTA_CHAIN_TYPE, "filter"),
			nfnetlink.Nest(unix.NFTA_CHAIN_HOOK, nfnetlink.U32(unix.NFTA_HOOK_HOOKNUM, unix.NF_NETDEV_INGRESS),
				nfnetlink.U32(unix.NFTA_HOOK_PRIORITY, 0), nfnetlink.Text(unix.NFTA_HOOK_DEV, from))),
		nftMsg(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE,
			nfnetlink.Text(unix.NFTA_RULE_TABLE, nftTable), nfnetlink.Text(unix.NFTA_RULE_CHAIN, nftTable),
			nfnetlink.Nest(unix.NFTA_RULE_EXPRESSIONS,
				nftLoad(0, lenMAC), nftCompare(unix.NFT_CMP_EQ, mac),
				nftLoad(etherLen, 2), nftCompare(unix.NFT_CMP_NEQ, nl.BEUint16Attr(unix.ETH_P_8021Q)),
				nftCompare(unix.NFT_CMP_NEQ, nl.BEUint16Attr(unix.ETH_P_8021AD)),
				nftExpr("immediate", nfnetlink.U32(unix.NFTA_IMMEDIATE_DREG, nftReg),
					nfnetlink.Nest(unix.NFTA_IMMEDIATE_DATA, nl.NewRtAttr(unix.NFTA_DATA_VALUE, nl.Uint32Attr(uint32(to))))),
				nftExpr("fwd", nfnetlink.U32(unix.NFTA_FWD_SREG_DEV, nftReg)))))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &nftFwd{conn}, nil
}

// Close removes the chain, and does not wait until the kernel has disposed of it.
func (f *nftFwd) Close() error {
	err := f.conn.Commit(nftMsg(unix.NFT_MSG_DELTABLE, 0, nfnetlink.Text(unix.NFTA_TABLE_NAME, nftTable)))
	return errors.Join(err, f.conn.Leave())
}

// nftMsg is a message about the objects that see an interface's frames.
func nftMsg(typ, flags int, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	return nfnetlink.Request(typ, flags, unix.NFPROTO_NETDEV, attrs...)
}

// nftExpr is one expression of a rule.
func nftExpr(name string, attrs ...*nl.RtAttr) *nl.RtAttr {
	return nfnetlink.Nest(unix.NFTA_LIST_ELEM, nfnetlink.Text(unix.NFTA_EXPR_NAME, name), nfnetlink.Nest(unix.NFTA_EXPR_DATA, attrs...))
}

// nftLoad takes some bytes of the frame.
func nftLoad(offset, size uint32) *nl.RtAttr {
	return nftExpr("payload", nfnetlink.U32(unix.NFTA_PAYLOAD_DREG, nftReg), nfnetlink.U32(unix.NFTA_PAYLOAD_BASE, unix.NFT_PAYLOAD_LL_HEADER),
		nfnetlink.U32(unix.NFTA_PAYLOAD_OFFSET, offset), nfnetlink.U32(unix.NFTA_PAYLOAD_LEN, size))
}

// nftCompare goes on with what was taken only if it compares so with value.
func nftCompare(how uint32, value []byte) *nl.RtAttr {
	return nftExpr("cmp", nfnetlink.U32(unix.NFTA_CMP_SREG, nftReg), nfnetlink.U32(unix.NFTA_CMP_OP, how),
		nfnetlink.Nest(unix.NFTA_CMP_DATA, nl.NewRtAttr(unix.NFTA_DATA_VALUE, value)))
}
