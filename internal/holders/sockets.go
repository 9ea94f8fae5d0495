package holders

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/mptcp"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sockets"
)

// Packet is a packet socket (packet(7)) that is bound to an interface.
type Packet struct {
	Index    int
	Protocol uint16 // ETH_P_…
	Inode    int
}

// Bound is a socket of the Internet protocols that is bound to an interface.
type Bound struct {
	Index       int
	Protocol    uint8 // IPPROTO_…; IPPROTO_RAW stands for all raw sockets, and that of ICMP for those of ping
	Local, Peer netip.AddrPort
	Inode       int
	Cookie      uint64 // see package sockets
}

// readPacket reads what the kernel tells of packet sockets (packet_seq_show).
func readPacket(r *reader) error {
	return eachLine("packet", 1, func(w []string) error {
		if len(w) != 9 {
			return fmt.Errorf("unknown line %q", w)
		}
		index, err1 := strconv.Atoi(w[4])
		protocol, err2 := strconv.ParseUint(w[3], 16, 16)
		inode, err3 := strconv.Atoi(w[8])
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if r.indexes[index] {
			r.Packet = append(r.Packet, Packet{index, uint16(protocol), inode})
			r.want(inode)
		}
		return nil
	})
}

// eachLine calls f with the words of each line of a file below /proc/net, but of the
// first few. A kernel without the protocol has no such file.
func eachLine(name string, skip int, f func(words []string) error) error {
	file, err := os.Open("/proc/thread-self/net/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for n := 0; lines.Scan(); n++ {
		if w := strings.Fields(lines.Text()); n >= skip && len(w) > 0 {
			if err := f(w); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// protocols of frames that are well known (linux/if_ether.h).
var protocols = map[uint16]string{
	0: "no protocol", unix.ETH_P_ALL: "all protocols", unix.ETH_P_IP: "IPv4", unix.ETH_P_IPV6: "IPv6", unix.ETH_P_ARP: "ARP",
	unix.ETH_P_PAE: "802.1X", unix.ETH_P_LLDP: "LLDP", unix.ETH_P_PPP_DISC: "PPPoE", unix.ETH_P_PPP_SES: "PPPoE", unix.ETH_P_1588: "PTP",
}

// findPacket: a packet socket stays on its interface. On a port it gets what is for all
// protocols, and what the bridge leaves (br_handle_frame): frames of LLDP and 802.1X. What
// it sends goes out there.
func findPacket(d *Data, m Move) []Holder {
	g := &grouped{}
	for _, s := range d.Packet {
		if s.Index != m.From.Index {
			continue
		}
		what := protocols[s.Protocol]
		if what == "" {
			what = fmt.Sprintf("protocol %#04x", s.Protocol)
		}
		h := Holder{Kind: "packet socket", What: what, Owners: d.Owners[s.Inode]}
		if h.Outcome, h.Then = Followed, followedBy(h.Owners); h.Then == "" {
			h.Outcome, h.Then = s.becomes(d, m, h.Owners)
		}
		g.add(h)
	}
	return g.all
}

// becomes says what becomes of a socket whose program does not follow.
func (s Packet) becomes(d *Data, m Move, owners []Owner) (Outcome, string) {
	switch {
	case !m.Start:
	case s.Protocol == unix.ETH_P_LLDP, s.Protocol == unix.ETH_P_PAE:
		return Stays, protocols[s.Protocol] + " belongs to the wire"
	case s.Protocol == 0:
		return Stays, "it only sends, and goes on with that"
	case s.Protocol != unix.ETH_P_ALL:
	case allIn(watchers, owners):
		return Stays, "it goes on seeing what is on the wire"
	case d.Host.LiveRename, allIn(steady, owners):
		return Stays, "it goes on with what is on the wire; restart it when guests are to reach it"
	default:
		return Breaks, "the NIC is off for a moment, and some programs end with that: " + restart(owners)
	}
	return Breaks, restart(owners)
}

// grouped joins holders that differ only in what they are.
type grouped struct {
	all   []Holder
	whats [][]string
}

func (g *grouped) add(h Holder) {
	i := slices.IndexFunc(g.all, func(o Holder) bool {
		return o.Kind == h.Kind && o.Outcome == h.Outcome && o.Then == h.Then && slices.Equal(o.Owners, h.Owners)
	})
	if i < 0 {
		g.all, g.whats = append(g.all, h), append(g.whats, []string{h.What})
		return
	}
	g.whats[i] = append(g.whats[i], h.What)
	g.all[i].What = some(g.whats[i])
}

// asked are the kinds of sockets that the kernel is asked for.
var asked = []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_UDPLITE, unix.IPPROTO_RAW}

// readBound asks for the sockets that are bound to the interfaces (sock_diag(7)).
func readBound(r *reader) error {
	c, err := r.to(sockDiag)
	if err != nil || c == nil {
		return err
	}
	for index := range r.indexes {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			for _, protocol := range asked {
				if err := r.readBoundTo(c, index, family, protocol, func(Bound) bool { return true }); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// readBoundTo has the kernel choose those bound to one interface, or to none (0)
// (inet_diag_bc_run), if it can (Linux 4.8).
func (r *reader) readBoundTo(c *rtnl.Conn, index int, family, protocol uint8, wanted func(Bound) bool) error {
	const byFamily = 20 // SOCK_DIAG_BY_FAMILY
	all := request(family, protocol)
	var some []Bound
	read := func(req []byte) error {
		return c.DumpEach(byFamily, req, func() { some = nil }, func(m rtnl.Msg) {
			if b, ok := boundIn(m.Body, protocol); ok && b.Index == index && wanted(b) {
				some = append(some, b)
			}
		})
	}
	err := read(append(all, onlyOn(index)...))
	if lacks(err, unix.EINVAL) {
		err = read(all)
	}
	if lacks(err, unix.ENOENT, unix.EINVAL, unix.EOPNOTSUPP) {
		return nil // a kernel that does not tell of such sockets
	}
	for _, b := range some {
		r.want(b.Inode)
		r.whenFound(b.Inode, func(_ Owner, p sockets.Place) { r.reach(b, p) })
	}
	r.Bound = append(r.Bound, some...)
	return err
}

// reach finds out whether a socket can be bound to another interface from here.
func (r *reader) reach(b Bound, p sockets.Place) {
	socket, err := p.Copy()
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(socket) }()
	index, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX) // Linux 5.1
	if cookie, cookieErr := sockets.Cookie(socket); err == nil && cookieErr == nil && index == b.Index && cookie == b.Cookie {
		r.Places[b.Inode] = append(r.Places[b.Inode], p)
	}
}

// askBound finds that a socket is bound to one of the interfaces, if sock_diag has not told
// of it. It is asked in each place where it is.
func (r *reader) askBound(socket int, cookie uint64, inode int, o Owner, p sockets.Place) {
	told := func(ask func(Owner, sockets.Place)) bool { return ask == nil } // see readBoundTo
	index, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
	if err != nil || !r.indexes[index] || slices.ContainsFunc(r.inodes[inode], told) {
		return
	}
	if len(r.Places[inode]) == 0 {
		r.Bound = append(r.Bound, Bound{
			Index: index, Protocol: protocolOf(socket), Inode: inode, Cookie: cookie,
			Local: end(unix.Getsockname(socket)), Peer: end(unix.Getpeername(socket)),
		})
	}
	r.Owners[inode] = addOwner(r.Owners[inode], o)
	r.Places[inode] = append(r.Places[inode], p)
}

// protocolOf is that of a socket, as in Bound.
func protocolOf(socket int) uint8 {
	if typ, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && typ == unix.SOCK_RAW {
		return unix.IPPROTO_RAW
	}
	protocol, _ := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	return uint8(protocol)
}

// end is an end of a socket; none if it has none, or cannot be asked.
func end(addr unix.Sockaddr, _ error) netip.AddrPort {
	switch a := addr.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// request is a struct inet_diag_req_v2 (linux/inet_diag.h).
func request(family, protocol uint8) []byte {
	const timeWait = 6 // TCP_TIME_WAIT
	req := make([]byte, 56)
	req[0], req[1] = family, protocol
	binary.NativeEndian.PutUint32(req[4:], ^uint32(1<<timeWait)) // idiag_states
	return req
}

// onlyOn is an attribute INET_DIAG_REQ_BYTECODE: two struct inet_diag_bc_op. The
// condition is a jump over both if the index is the one that follows, or behind their
// end.
func onlyOn(index int) []byte {
	const bytecode, devCond, size, op = 1, 9, 8, 4
	attr := make([]byte, 4, 4+size)
	binary.NativeEndian.PutUint16(attr, 4+size)
	binary.NativeEndian.PutUint16(attr[2:], bytecode)
	code := make([]byte, size)
	code[0], code[1] = devCond, size                 // code, yes
	binary.NativeEndian.PutUint16(code[2:], size+op) // no
	binary.NativeEndian.PutUint32(code[op:], uint32(index))
	return append(attr, code...)
}

// boundIn reads a struct inet_diag_msg.
func boundIn(b []byte, protocol uint8) (Bound, bool) {
	if len(b) < 72 {
		return Bound{}, false
	}
	addr := func(at []byte) netip.Addr {
		a, _ := netip.AddrFromSlice(at[:16])
		if b[0] == unix.AF_INET {
			a, _ = netip.AddrFromSlice(at[:4])
		}
		return a
	}
	return Bound{
		Index:    int(rtnl.U32(b[40:44])), // idiag_if
		Protocol: protocol,
		Local:    netip.AddrPortFrom(addr(b[8:]), binary.BigEndian.Uint16(b[4:])),
		Peer:     netip.AddrPortFrom(addr(b[24:]), binary.BigEndian.Uint16(b[6:])),
		Inode:    int(rtnl.U32(b[68:72])),
		Cookie:   uint64(rtnl.U32(b[44:48])) | uint64(rtnl.U32(b[48:52]))<<32, // two numbers, the lower bits first
	}, true
}

// findBound: such a socket stays with the index, and nothing for dom0 comes in there
// any more, unless it is bound to the other one (package carry).
func findBound(d *Data, m Move) []Holder {
	g := &grouped{}
	for _, s := range d.Bound {
		if s.Index != m.From.Index || slices.ContainsFunc(d.Subflows, func(f mptcp.Subflow) bool { return f.Cookie == s.Cookie }) {
			continue // of MPTCP the kernel begins another one, with the endpoint
		}
		h := Holder{Kind: s.kind(), What: s.what(), Owners: d.Owners[s.Inode], Outcome: Breaks}
		h.Then = restart(h.Owners)
		if s.session() {
			h.Then = "the connection ends; log in over another address, such as an IPv4 one"
		}
		switch how := followedBy(h.Owners); {
		case how != "":
			h.Outcome, h.Then = Followed, how
		case len(d.Places[s.Inode]) > 0:
			h.Outcome, h.Then = Moves, "it is bound to dom0's "+m.To.Name
		}
		g.add(h)
	}
	return g.all
}

// session says whether it is a connection of TCP.
func (s Bound) session() bool {
	return s.Protocol == unix.IPPROTO_TCP && s.Peer.Port() != 0
}

func (s Bound) kind() string {
	name := map[uint8]string{
		unix.IPPROTO_TCP: "TCP", unix.IPPROTO_UDP: "UDP", unix.IPPROTO_UDPLITE: "UDP-Lite", unix.IPPROTO_RAW: "raw",
		unix.IPPROTO_ICMP: "ping", unix.IPPROTO_ICMPV6: "ping",
	}[s.Protocol]
	if s.session() {
		return name + " connection bound to it"
	}
	return name + " socket bound to it"
}

func (s Bound) what() string {
	if s.Peer.Port() != 0 {
		return s.Local.String() + " to " + s.Peer.String()
	}
	return s.Local.String()
}

// Turned is a socket that is to be about the other interface after a move.
type Turned struct {
	Program   string
	Cookie    uint64
	Places    []sockets.Place
	Bound     bool // it is bound to the interface
	Connected bool // it has a peer
	Groups    []netip.Addr
}

// Turned are the sockets that are turned at a move: those that nobody else sees to.
func (d *Data) Turned(m Move) (all []Turned) {
	at := map[uint64]int{}
	add := func(cookie uint64, o Owner, places ...sockets.Place) *Turned {
		i, known := at[cookie]
		if !known {
			i = len(all)
			at[cookie], all = i, append(all, Turned{Program: o.Program, Cookie: cookie})
		}
		for _, p := range places {
			if !slices.Contains(all[i].Places, p) {
				all[i].Places = append(all[i].Places, p)
			}
		}
		return &all[i]
	}
	for _, s := range d.Bound {
		if owners := d.Owners[s.Inode]; s.Index == m.From.Index && len(d.Places[s.Inode]) > 0 && followedBy(owners) == "" {
			t := add(s.Cookie, owners[0], d.Places[s.Inode]...)
			t.Bound, t.Connected = true, s.Peer.Port() != 0
		}
	}
	for _, g := range d.Groups {
		for _, member := range g.Members {
			if g.Index == m.From.Index && !d.joined(m.To.Index, g.Addr, member) && !joiners[member.Owner.Program] && !misled[member.Owner.Program] {
				t := add(member.Cookie, member.Owner, member.Place)
				if !slices.Contains(t.Groups, g.Addr) {
					t.Groups = append(t.Groups, g.Addr)
				}
			}
		}
	}
	for _, sender := range d.Senders {
		if sender.Index == m.From.Index && followedBy([]Owner{sender.Owner}) == "" {
			add(sender.Cookie, sender.Owner, sender.Place)
		}
	}
	return all
}

// ReadLoose finds connections that are bound to no interface, though a link-local address
// cannot do without, and that have an address of that one: they were bound to none while the
// network moved (package carry).
func ReadLoose(h *host.Host, on Interface) ([]Turned, error) {
	r := newReader(nil, h)
	defer r.close()
	c, err := r.to(sockDiag)
	if err != nil || c == nil {
		return nil, err
	}
	addrs := r.moving(Move{From: on})
	for _, protocol := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		err := r.readBoundTo(c, 0, unix.AF_INET6, protocol, func(b Bound) bool {
			local, peer := b.Local.Addr(), b.Peer.Addr()
			return b.Peer.Port() != 0 && (local.IsLinkLocalUnicast() || peer.IsLinkLocalUnicast()) && slices.Contains(addrs, local)
		})
		if err != nil {
			return nil, err
		}
	}
	r.readOwners()
	return r.Turned(Move{}), nil
}
