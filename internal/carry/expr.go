package carry

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// reg is the register that all expressions here use.
const reg = unix.NFT_REG_1

// expr is an expression of a rule of nftables.
func expr(name string, attrs ...*nl.RtAttr) *nl.RtAttr {
	return nfnetlink.Nest(unix.NFTA_LIST_ELEM, nfnetlink.Text(unix.NFTA_EXPR_NAME, name), nfnetlink.Nest(unix.NFTA_EXPR_DATA, attrs...))
}

// meta takes a property of the packet.
func meta(key uint32) *nl.RtAttr {
	return expr("meta", nfnetlink.U32(unix.NFTA_META_DREG, reg), nfnetlink.U32(unix.NFTA_META_KEY, key))
}

// load takes bytes of a header.
func load(base, at uint32, size int) *nl.RtAttr {
	return expr("payload", nfnetlink.U32(unix.NFTA_PAYLOAD_DREG, reg), nfnetlink.U32(unix.NFTA_PAYLOAD_BASE, base),
		nfnetlink.U32(unix.NFTA_PAYLOAD_OFFSET, at), nfnetlink.U32(unix.NFTA_PAYLOAD_LEN, uint32(size)))
}

// masked leaves some bits of what was taken.
func masked(mask []byte) *nl.RtAttr {
	data := func(typ int, value []byte) *nl.RtAttr {
		return nfnetlink.Nest(typ, nl.NewRtAttr(unix.NFTA_DATA_VALUE, value))
	}
	return expr("bitwise", nfnetlink.U32(unix.NFTA_BITWISE_SREG, reg), nfnetlink.U32(unix.NFTA_BITWISE_DREG, reg),
		nfnetlink.U32(unix.NFTA_BITWISE_LEN, uint32(len(mask))), data(unix.NFTA_BITWISE_MASK, mask), data(unix.NFTA_BITWISE_XOR, make([]byte, len(mask))))
}

// equal goes on if what was taken is that.
func equal(value ...byte) *nl.RtAttr { return compared(unix.NFT_CMP_EQ, value...) }

func compared(how uint32, value ...byte) *nl.RtAttr {
	return expr("cmp", nfnetlink.U32(unix.NFTA_CMP_SREG, reg), nfnetlink.U32(unix.NFTA_CMP_OP, how),
		nfnetlink.Nest(unix.NFTA_CMP_DATA, nl.NewRtAttr(unix.NFTA_DATA_VALUE, value)))
}
