package holders

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/sockets"
	"xbr-script/internal/tunnel"
)

// Group is a multicast group that is joined on an interface.
type Group struct {
	Index   int
	Addr    netip.Addr
	Users   int // how many have joined, the kernel's own among them
	Members []Member
}

// Member is a socket that has joined, in one place.
type Member struct {
	Owner  Owner
	Cookie uint64 // see package sockets
	Place  sockets.Place
}

// sockets is how many different ones the members are.
func (g Group) sockets() int {
	cookies := map[uint64]bool{}
	for _, m := range g.Members {
		cookies[m.Cookie] = true
	}
	return len(cookies)
}

// readGroups reads the groups (igmp_mc_seq_show, igmp6_mc_seq_show) and finds whose they
// are.
func readGroups(r *reader) error {
	on := 0
	err := eachLine("igmp", 1, func(w []string) error {
		if index, err := strconv.Atoi(w[0]); err == nil && len(w) > 1 && len(w[0]) < 8 {
			on = index // of the groups in the lines that follow
			return nil
		}
		b, err := hex.DecodeString(w[0])
		if err != nil || len(b) != 4 {
			return errors.New("unknown line in igmp")
		}
		// The kernel prints the address as a number in host order.
		addr := [4]byte{}
		binary.NativeEndian.PutUint32(addr[:], binary.BigEndian.Uint32(b))
		return r.group(on, netip.AddrFrom4(addr), w, 1)
	})
	if err != nil {
		return err
	}
	err = eachLine("igmp6", 0, func(w []string) error {
		index, err := strconv.Atoi(w[0])
		if err != nil || len(w) < 3 {
			return errors.New("unknown line in igmp6")
		}
		b, err := hex.DecodeString(w[2])
		addr, ok := netip.AddrFromSlice(b)
		if err != nil || !ok {
			return errors.New("unknown line in igmp6")
		}
		return r.group(index, addr, w, 3)
	})
	if err != nil {
		return err
	}
	return r.findMembers()
}

// group adds a group that a program has joined. How many have is in one word of the line.
func (r *reader) group(index int, addr netip.Addr, words []string, at int) error {
	if !r.indexes[index] || kernelJoins(addr) {
		return nil
	}
	if len(words) <= at {
		return fmt.Errorf("unknown line %q", words)
	}
	users, err := strconv.Atoi(words[at])
	if err == nil {
		r.Groups = append(r.Groups, Group{Index: index, Addr: addr, Users: users})
	}
	return err
}

// solicited are the groups of neighbour discovery, one for each address.
var solicited = netip.MustParsePrefix("ff02::1:ff00:0/104")

// kernelGroups are joined by the kernel: all hosts, all routers, and on bridges all
// snoopers.
var kernelGroups = map[string]bool{
	"224.0.0.1": true, "224.0.0.106": true,
	"ff01::1": true, "ff02::1": true, "ff01::2": true, "ff02::2": true, "ff05::2": true, "ff02::6a": true,
}

// kernelJoins says whether the kernel joins a group by itself, on each interface.
func kernelJoins(addr netip.Addr) bool {
	return kernelGroups[addr.String()] || solicited.Contains(addr)
}

// findMembers asks the sockets that may be members: none of them tells of itself
// (sock_diag does not know groups), but a copy of its descriptor can be asked
// (pidfd_getfd, Linux 5.6) whether it is a member of one group. The same goes for what it is
// bound to, where sock_diag does not know such sockets: raw ones on some kernels, and those
// of ping (icmp(7)) on all.
func (r *reader) findMembers() error {
	for _, name := range []string{"udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6"} {
		err := eachLine(name, 1, func(w []string) error {
			if len(w) > 9 {
				inode, _ := strconv.Atoi(w[9])
				r.whenFound(inode, func(o Owner, p sockets.Place) { r.ask(inode, o, p) })
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ask finds the groups of which a socket is a member, and whether it is bound.
func (r *reader) ask(inode int, o Owner, p sockets.Place) {
	socket, err := p.Copy()
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(socket) }()
	cookie, err := sockets.Cookie(socket)
	if err != nil {
		return
	}
	r.askBound(socket, cookie, inode, o, p)
	joined := map[int]bool{}
	for i := range r.Groups {
		if g := &r.Groups[i]; sockets.IsMember(socket, g.Index, g.Addr) {
			g.Members = append(g.Members, Member{o, cookie, p})
			joined[g.Index] = true
		}
	}
	for index := range r.indexes {
		if !joined[index] && sockets.SendsBy(socket, index, r.addrs4(index)) {
			r.Senders = append(r.Senders, Sender{Index: index, Member: Member{o, cookie, p}})
		}
	}
}

// addrs4 are the IPv4 addresses of an interface.
func (r *reader) addrs4(index int) (all []netip.Addr) {
	for _, a := range r.Host.State(index).Addrs4 {
		if addr, ok := netip.AddrFromSlice(a.Local()); ok {
			all = append(all, addr)
		}
	}
	return all
}

// Sender is a socket that sends by an interface on which it has joined no group, and to
// which it is not bound.
type Sender struct {
	Index int
	Member
}

// findSenders: such a socket goes on sending by that interface, so it is told of the other
// one (package carry), but for those of programs that see to it.
func findSenders(d *Data, m Move) []Holder {
	g := &grouped{}
	for _, s := range d.Senders {
		if s.Index != m.From.Index {
			continue
		}
		h := Holder{Kind: "socket that sends by it", What: "of datagrams", Owners: []Owner{s.Owner}, Outcome: Moves, Then: "it sends by dom0's " + m.To.Name}
		if how := followedBy(h.Owners); how != "" {
			h.Outcome, h.Then = Followed, how
		}
		if !slices.ContainsFunc(g.all, func(o Holder) bool { return slices.Equal(o.Owners, h.Owners) }) {
			g.add(h)
		}
	}
	return g.all
}

// findOthers asks the sockets that no list has, which were only made to join and bound to
// no port, if there are members of which nobody is known.
func (r *reader) findOthers() {
	if !slices.ContainsFunc(r.Groups, func(g Group) bool { return g.sockets()+r.kernelsIn(g) < g.Users }) {
		return
	}
	var o Owner // of the process that is looked at
	eachSocket(func(pid, fd, inode int) {
		p := sockets.Place{PID: pid, FD: fd}
		if len(r.inodes[inode]) > 0 || !mayJoin(p) {
			return
		}
		if pid != o.PID {
			o = ownerOf(pid)
		}
		r.ask(inode, o, p)
	})
}

// mayJoin says whether a socket is one of datagrams in this network namespace.
func mayJoin(p sockets.Place) bool {
	socket, err := p.Copy()
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(socket) }()
	domain, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_INET && domain != unix.AF_INET6 {
		return false
	}
	typ, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || typ != unix.SOCK_DGRAM && typ != unix.SOCK_RAW {
		return false
	}
	ns, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCGSKNS, 0)
	if errno != 0 {
		return false
	}
	defer func() { _ = unix.Close(int(ns)) }()
	var here, there unix.Stat_t
	return unix.Stat("/proc/thread-self/ns/net", &here) == nil && unix.Fstat(int(ns), &there) == nil && here.Ino == there.Ino
}

// findGroups: a group stays with the interface on which it was joined, and what comes
// in for dom0 does so elsewhere. So each member is let join there (package carry), but for
// those that do so by themselves, and those that nobody knows.
func findGroups(d *Data, m Move) []Holder {
	all := &grouped{}
	for _, g := range d.Groups {
		if g.Index != m.From.Index {
			continue
		}
		h := Holder{Kind: "multicast group", What: g.Addr.String()}
		var both, themselves, wrongly, turned []Owner
		for _, member := range g.Members {
			switch {
			case joiners[member.Owner.Program]:
				themselves = addOwner(themselves, member.Owner)
			case d.joined(m.To.Index, g.Addr, member):
				both = addOwner(both, member.Owner)
			case misled[member.Owner.Program]:
				wrongly = addOwner(wrongly, member.Owner)
			default:
				turned = addOwner(turned, member.Owner)
			}
		}
		if len(both) > 0 {
			all.add(h.as(Followed, "it has joined on "+m.To.Name+", too", both))
		}
		if len(themselves) > 0 {
			all.add(h.as(Followed, "it joins on "+m.To.Name+" by itself", themselves))
		}
		if len(wrongly) > 0 {
			all.add(h.as(Breaks, restart(wrongly), wrongly))
		}
		if len(turned) > 0 {
			all.add(h.as(Moves, "it joins on dom0's "+m.To.Name+" instead", turned))
		}
		if g.sockets()+d.kernelsIn(g) < g.Users {
			all.add(h.as(Breaks, restart(nil), nil))
		}
	}
	return all.all
}

// joined says whether a socket is a member of a group on another interface, too.
func (d *Data) joined(index int, group netip.Addr, is Member) bool {
	return slices.ContainsFunc(d.Groups, func(g Group) bool {
		return g.Index == index && g.Addr == group && slices.ContainsFunc(g.Members, func(m Member) bool { return m.Cookie == is.Cookie })
	})
}

// as is a holder with that outcome.
func (h Holder) as(o Outcome, then string, owners []Owner) Holder {
	h.Outcome, h.Then, h.Owners = o, then, owners
	return h
}

// kernelsIn is how many of those that have joined the group are the kernel's: tunnels on
// the interface, which see to it, and an address, which takes its membership along
// (IFA_F_MCAUTOJOIN).
func (d *Data) kernelsIn(g Group) (n int) {
	for _, l := range d.Host.Above(g.Index) {
		if ip, ok := netip.AddrFromSlice(tunnel.Group(l)); ok && ip == g.Addr {
			n++
		}
	}
	s := d.Host.State(g.Index)
	for _, a := range routes.Joined(slices.Concat(s.Addrs4, s.Addrs6)) {
		if ip, ok := netip.AddrFromSlice(a.Local()); ok && ip == g.Addr {
			return n + 1
		}
	}
	return n
}
