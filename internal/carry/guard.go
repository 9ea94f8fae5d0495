package carry

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/nfnetlink"
)

// guard keeps packets away that belong to a connection which is being written anew: the host
// would answer that it does not know of it, and the connection would end. They are lost, and
// sent again. It is a table of nftables that belongs to a socket, and ends with it.
type guard struct{ conn *nfnetlink.Conn }

const (
	guardTable = "xbr-script-guard"
	guardPorts = "ports"
)

// guarded are packets that are dropped if they have one of the ports.
type guarded struct {
	match []*nl.RtAttr
	port  uint32 // where it is in the header of TCP or UDP
}

const (
	sourcePort      = 0
	destinationPort = 2
)

// newGuard drops such packets with one of those ports.
func newGuard(ports []uint16, which ...guarded) (*guard, error) {
	conn, err := nfnetlink.Dial()
	if err != nil {
		return nil, err
	}
	const owner, afterTracking = 2, -150 // NFT_TABLE_F_OWNER; conntrack is at -200, NAT at -100
	hook := nfnetlink.Nest(unix.NFTA_CHAIN_HOOK, nfnetlink.U32(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_PRE_ROUTING),
		nfnetlink.U32(unix.NFTA_HOOK_PRIORITY, uint32(afterTracking&0xffffffff)))
	msgs := []*nl.NetlinkRequest{
		guardMsg(unix.NFT_MSG_NEWTABLE, nfnetlink.Text(unix.NFTA_TABLE_NAME, guardTable), nfnetlink.U32(unix.NFTA_TABLE_FLAGS, owner)),
		guardMsg(unix.NFT_MSG_NEWCHAIN, nfnetlink.Text(unix.NFTA_CHAIN_TABLE, guardTable), nfnetlink.Text(unix.NFTA_CHAIN_NAME, prerouting),
			nfnetlink.Text(unix.NFTA_CHAIN_TYPE, "filter"), hook),
		guardMsg(unix.NFT_MSG_NEWSET, nfnetlink.Text(unix.NFTA_SET_TABLE, guardTable), nfnetlink.Text(unix.NFTA_SET_NAME, guardPorts),
			nfnetlink.U32(unix.NFTA_SET_ID, 1), nfnetlink.U32(unix.NFTA_SET_KEY_LEN, 2)),
	}
	msgs = append(msgs, guardElements(ports)...)
	for _, g := range which {
		msgs = append(msgs, g.rule())
	}
	if err := conn.Commit(msgs...); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &guard{conn}, nil
}

// end removes it, and does not wait until the kernel has disposed of it.
func (g *guard) end() {
	_ = g.conn.Commit(nfnetlink.Request(unix.NFT_MSG_DELTABLE, 0, unix.NFPROTO_INET, nfnetlink.Text(unix.NFTA_TABLE_NAME, guardTable)))
	_ = g.conn.Leave()
}

func guardMsg(msg int, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	return nfnetlink.Request(msg, unix.NLM_F_CREATE, unix.NFPROTO_INET, attrs...)
}

// guardElements are the ports.
func guardElements(ports []uint16) (msgs []*nl.NetlinkRequest) {
	slices.Sort(ports)
	for some := range slices.Chunk(slices.Compact(ports), 1000) {
		list := nfnetlink.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for _, p := range some {
			list.AddChild(nfnetlink.Nest(unix.NFTA_LIST_ELEM, nfnetlink.Nest(unix.NFTA_SET_ELEM_KEY,
				nl.NewRtAttr(unix.NFTA_DATA_VALUE, binary.BigEndian.AppendUint16(nil, p)))))
		}
		msgs = append(msgs, guardMsg(unix.NFT_MSG_NEWSETELEM, nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_TABLE, guardTable),
			nfnetlink.Text(unix.NFTA_SET_ELEM_LIST_SET, guardPorts), list))
	}
	return msgs
}

// unknownAt are packets for those addresses that belong to no connection which is known. A
// connection of TCP that begins is let through.
func unknownAt(addrs []netip.Addr) (all []guarded) {
	for _, addr := range addrs {
		for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			all = append(all, guarded{unknown(addr, proto), destinationPort})
		}
	}
	return all
}

func unknown(addr netip.Addr, proto byte) []*nl.RtAttr {
	family, at := byte(unix.NFPROTO_IPV4), uint32(16) // struct iphdr, ipv6hdr
	if addr.Is6() {
		family, at = unix.NFPROTO_IPV6, 24
	}
	const ctState, stateNew, begins, acknowledges = unix.NFT_CT_STATE, 1 << 3, 0x02, 0x10 // NF_CT_STATE_BIT(IP_CT_NEW)
	exprs := []*nl.RtAttr{
		meta(unix.NFT_META_NFPROTO), equal(family), meta(unix.NFT_META_L4PROTO), equal(proto),
		load(unix.NFT_PAYLOAD_NETWORK_HEADER, at, addr.BitLen()/8), equal(addr.AsSlice()...),
		expr("ct", nfnetlink.U32(unix.NFTA_CT_DREG, reg), nfnetlink.U32(unix.NFTA_CT_KEY, ctState)),
		masked(binary.NativeEndian.AppendUint32(nil, stateNew)), compared(unix.NFT_CMP_NEQ, 0, 0, 0, 0),
	}
	if proto == unix.IPPROTO_TCP {
		exprs = append(exprs, load(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1), masked([]byte{begins | acknowledges}), equal(acknowledges))
	}
	return exprs
}

func (g guarded) rule() *nl.NetlinkRequest {
	exprs := append(slices.Clone(g.match), load(unix.NFT_PAYLOAD_TRANSPORT_HEADER, g.port, 2),
		expr("lookup", nfnetlink.Text(unix.NFTA_LOOKUP_SET, guardPorts), nfnetlink.U32(unix.NFTA_LOOKUP_SREG, reg)),
		expr("immediate", nfnetlink.U32(1, unix.NFT_REG_VERDICT), nfnetlink.Nest(2, nfnetlink.Nest(unix.NFTA_DATA_VERDICT, nfnetlink.U32(unix.NFTA_VERDICT_CODE, 0)))))
	return nfnetlink.Request(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, unix.NFPROTO_INET,
		nfnetlink.Text(unix.NFTA_RULE_TABLE, guardTable), nfnetlink.Text(unix.NFTA_RULE_CHAIN, prerouting),
		nfnetlink.Nest(unix.NFTA_RULE_EXPRESSIONS, exprs...))
}
