package carry

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/holders"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
)

// Connections is the operation that writes connections anew which are masqueraded as one
// of the addresses: as such with a fixed source. The kernel ends a masqueraded one when the
// address leaves its interface or when another interface is the way out (masq_inet_event,
// nf_nat_oif_changed), but not one with a fixed source, and packets do not differ. So there
// is nothing to undo.
type Connections struct {
	Addrs []netip.Addr `json:"Addrs"`
}

// ConnectionsKind names a Connections in a journal.
const ConnectionsKind = "connections"

// Kind implements plan.Op.
func (*Connections) Kind() string { return ConnectionsKind }

// Commands implements plan.Op.
func (c *Connections) Commands() []string {
	return []string{"# no command does this at once: masqueraded connections get a fixed source (conntrack -D and -I --src-nat)"}
}

// moves is the time in which a network has moved, generously. The zone of a connection is mostly
// told by the interface that its packets come by, and by its name: while that has another one,
// its packets are in no zone, and the host knows nothing of them. So the guard stays, until the
// program ends if that is sooner.
const moves = 2 * time.Second

// zoned says whether a connection is in a zone.
func (s session) zoned() bool { return rtnl.FindAttr(s.attrs, ctaZone) != nil }

// batch is how many connections are written in one system call.
const batch = 64

// Do implements plan.Op. It does not fail: what cannot be written anew is ended by the
// kernel, as it would be without.
func (c *Connections) Do(context.Context, bool) error {
	all, err := translated(c.Addrs)
	if err != nil || len(all) == 0 {
		return nil
	}
	var ports []uint16
	for _, s := range all {
		ports = append(ports, s.portNumber())
	}
	if g, err := newGuard(ports, unknownAt(c.Addrs)...); err == nil {
		if slices.ContainsFunc(all, session.zoned) {
			time.AfterFunc(moves, g.end)
		} else {
			defer g.end()
		}
	}
	rewrite(all)
	return nil
}

// rewrite deletes connections and makes them anew as they are to be.
func rewrite(all []session) {
	conn, err := nfnetlink.Dial()
	if err != nil {
		return
	}
	defer func() { _ = conn.Leave() }() // if it fails, it is closed
	for some := range slices.Chunk(all, batch) {
		for try := 0; try < 3 && len(some) > 0; try++ { // a packet in between may have made another entry
			var msgs []*nl.NetlinkRequest
			var last []int // message of each
			for _, s := range some {
				for _, orig := range s.entries() {
					msgs = append(msgs, s.request(ctDelete, 0, s.tuple(ctaTupleOrig, orig)))
				}
				last, msgs = append(last, len(msgs)), append(msgs, s.create(try == 0))
			}
			errs, err := conn.Each(msgs...)
			if err != nil {
				return
			}
			var again []session
			for i, s := range some {
				if errs[last[i]] != nil {
					again = append(again, s)
				}
			}
			some = again
		}
	}
}

// translated are the connections that conntrack knows with a source that has become one of
// the addresses.
func translated(addrs []netip.Addr) (all []session, err error) {
	conn, err := rtnl.DialNetfilter()
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	err = nfnetlink.EachConnection(conn, holders.SourceNAT, func() { all = nil }, func(attrs []byte) {
		if s, ok := sessionOf(attrs); ok && slices.Contains(addrs, s.source) {
			all = append(all, s)
		}
	})
	return all, err
}

// Messages and attributes of ctnetlink (linux/netfilter/nfnetlink_conntrack.h).
const (
	ctNew    = unix.NFNL_SUBSYS_CTNETLINK << 8   // IPCTNL_MSG_CT_NEW, which is 0
	ctDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE

	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaProtoInfo  = 4
	ctaNATSrc     = 6
	ctaTimeout    = 7
	ctaMark       = 8
	ctaZone       = 18
	ctaLabels     = 22

	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaIPv4Src    = 1
	ctaIPv4Dst    = 2
	ctaIPv6Src    = 3
	ctaIPv6Dst    = 4
	ctaProtoNum   = 1
	ctaSrcPort    = 2
	ctaDstPort    = 3
	ctaICMPID     = 4
	ctaICMPType   = 5
	ctaICMPCode   = 6
	ctaICMPv6ID   = 7
	ctaICMPv6Type = 8
	ctaICMPv6Code = 9

	ctaInfoTCP          = 1
	ctaTCPState         = 1
	ctaTCPScaleOriginal = 2
	ctaTCPScaleReply    = 3
	ctaTCPFlagsOriginal = 4
	ctaTCPFlagsReply    = 5
	tcpLiberal          = 0x08 // IP_CT_TCP_FLAG_BE_LIBERAL
	ctaNATv4MinIP       = 1
	ctaNATv4MaxIP       = 2
	ctaNATProto         = 3
	ctaNATv6MinIP       = 4
	ctaNATv6MaxIP       = 5
	ctaProtoNATPortMin  = 1
	ctaProtoNATPortMax  = 2
	statusSeenReply     = 1 << 1 // IPS_SEEN_REPLY
	statusAssured       = 1 << 2 // IPS_ASSURED
	statusConfirmed     = 1 << 3 // IPS_CONFIRMED
)

// session is a connection with a translated source.
type session struct {
	family uint8 // AF_…
	proto  uint8 // IPPROTO_…
	orig   []byte
	source netip.Addr // that it has got
	port   []byte     // that it has got, or the number of an ICMP request
	reply  []byte     // the tuple of what comes back
	attrs  []byte
	// Of one that was tracked twice: the tuple of the second entry, and the port before that.
	outer, inner []byte
}

// entries are the origs of what conntrack has of it.
func (s session) entries() [][]byte {
	if s.outer == nil {
		return [][]byte{s.orig}
	}
	return [][]byte{s.orig, s.outer}
}

// sessionOf is a connection whose source only is translated, and that stands alone.
func sessionOf(attrs []byte) (s session, ok bool) {
	s = session{orig: append([]byte{}, rtnl.FindAttr(attrs, ctaTupleOrig)...), attrs: append([]byte{}, attrs...)}
	reply := rtnl.FindAttr(attrs, ctaTupleReply)
	s.reply = append([]byte{}, reply...)
	proto, ip := rtnl.FindAttr(reply, ctaTupleProto), rtnl.FindAttr(reply, ctaTupleIP)
	num := rtnl.FindAttr(proto, ctaProtoNum)
	switch {
	case len(num) != 1, !holders.Alone(attrs), nfnetlink.Number(attrs, ctaStatus)&holders.SourceNAT == 0:
		return s, false
	}
	s.proto, s.family = num[0], unix.AF_INET
	addr := rtnl.FindAttr(ip, ctaIPv4Dst)
	if addr == nil {
		s.family, addr = unix.AF_INET6, rtnl.FindAttr(ip, ctaIPv6Dst)
	}
	s.source, ok = netip.AddrFromSlice(addr)
	for _, typ := range []uint16{ctaDstPort, ctaICMPID, ctaICMPv6ID} {
		if b := rtnl.FindAttr(proto, typ); b != nil {
			s.port = append([]byte{}, b...)
		}
	}
	return s, ok
}

func (s session) request(typ, flags int, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	if zone := rtnl.FindAttr(s.attrs, ctaZone); zone != nil {
		attrs = append(attrs, nl.NewRtAttr(ctaZone, zone))
	}
	return nfnetlink.Raw(typ, flags, s.family, attrs...)
}

func (s session) tuple(typ int, tuple []byte) *nl.RtAttr {
	return nl.NewRtAttr(typ|unix.NLA_F_NESTED, tuple)
}

// create makes the connection as it was, but for what the kernel does not take: what its
// two ends have counted, and how far their windows are open. What it may not take is left
// out if it is not to be whole.
func (s session) create(whole bool) *nl.NetlinkRequest {
	status := nfnetlink.Number(s.attrs, ctaStatus)&(statusSeenReply|statusAssured) | statusConfirmed
	attrs := []*nl.RtAttr{
		s.tuple(ctaTupleOrig, s.orig), s.tuple(ctaTupleReply, s.answer()),
		nfnetlink.U32(ctaStatus, status), s.nat(),
	}
	for _, typ := range []uint16{ctaTimeout, ctaMark, ctaLabels} {
		if v := rtnl.FindAttr(s.attrs, typ); v != nil && (whole || typ == ctaTimeout) {
			attrs = append(attrs, nl.NewRtAttr(int(typ), v))
		}
	}
	if tcp := rtnl.FindAttr(rtnl.FindAttr(s.attrs, ctaProtoInfo), ctaInfoTCP); tcp != nil {
		attrs = append(attrs, nfnetlink.Nest(ctaProtoInfo, nfnetlink.Nest(ctaInfoTCP,
			nl.NewRtAttr(ctaTCPState, rtnl.FindAttr(tcp, ctaTCPState)),
			nl.NewRtAttr(ctaTCPScaleOriginal, rtnl.FindAttr(tcp, ctaTCPScaleOriginal)),
			nl.NewRtAttr(ctaTCPScaleReply, rtnl.FindAttr(tcp, ctaTCPScaleReply)),
			liberal(tcp, ctaTCPFlagsOriginal), liberal(tcp, ctaTCPFlagsReply))))
	}
	return s.request(ctNew, unix.NLM_F_CREATE|unix.NLM_F_EXCL, attrs...)
}

// liberal are the flags of one direction, with the one that says that its window is not
// known.
func liberal(tcp []byte, typ uint16) *nl.RtAttr {
	flags := byte(0)
	if b := rtnl.FindAttr(tcp, typ); len(b) == 2 { // struct nf_ct_tcp_flags: flags, mask
		flags = b[0]
	}
	return nl.NewRtAttr(int(typ), []byte{flags | tcpLiberal, 0xff})
}

// answer is the tuple of an answer as it would be without a translation.
func (s session) answer() (tuple []byte) {
	ip, proto := rtnl.FindAttr(s.orig, ctaTupleIP), rtnl.FindAttr(s.orig, ctaTupleProto)
	turned := func(attrs []byte, pairs map[uint16]uint16) (out []byte) {
		for a := range rtnl.ParseAttrs(attrs) {
			typ, ok := pairs[a.Type]
			if !ok {
				typ = a.Type
			}
			value := a.Value
			if a.Type == ctaICMPType || a.Type == ctaICMPv6Type {
				value = []byte{answers[[2]byte{s.family, a.Value[0]}]}
			}
			out = append(out, nl.NewRtAttr(int(typ), value).Serialize()...)
		}
		return out
	}
	ip = turned(ip, map[uint16]uint16{ctaIPv4Src: ctaIPv4Dst, ctaIPv4Dst: ctaIPv4Src, ctaIPv6Src: ctaIPv6Dst, ctaIPv6Dst: ctaIPv6Src})
	proto = turned(proto, map[uint16]uint16{ctaSrcPort: ctaDstPort, ctaDstPort: ctaSrcPort})
	tuple = append(tuple, nl.NewRtAttr(ctaTupleIP|unix.NLA_F_NESTED, ip).Serialize()...)
	return append(tuple, nl.NewRtAttr(ctaTupleProto|unix.NLA_F_NESTED, proto).Serialize()...)
}

// answers are the types of ICMP that answer others (nf_conntrack_proto_icmp.c, …icmpv6.c).
var answers = map[[2]byte]byte{
	{unix.AF_INET, 8}: 0, {unix.AF_INET, 13}: 14, {unix.AF_INET, 15}: 16, {unix.AF_INET, 17}: 18,
	{unix.AF_INET6, 128}: 129,
}

// nat is the fixed source.
func (s session) nat() *nl.RtAttr {
	low, high := ctaNATv4MinIP, ctaNATv4MaxIP
	if s.family == unix.AF_INET6 {
		low, high = ctaNATv6MinIP, ctaNATv6MaxIP
	}
	attrs := []*nl.RtAttr{nl.NewRtAttr(low, s.source.AsSlice()), nl.NewRtAttr(high, s.source.AsSlice())}
	if len(s.port) == 2 {
		attrs = append(attrs, nfnetlink.Nest(ctaNATProto, nl.NewRtAttr(ctaProtoNATPortMin, s.port), nl.NewRtAttr(ctaProtoNATPortMax, s.port)))
	}
	return nfnetlink.Nest(ctaNATSrc, attrs...)
}

func (s session) portNumber() uint16 { return number(s.port) }

func number(port []byte) uint16 {
	if len(port) != 2 {
		return 0
	}
	return binary.BigEndian.Uint16(port)
}
