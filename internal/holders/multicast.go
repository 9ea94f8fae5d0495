package holders

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Group is a multicast group that is joined on an interface.
type Group struct {
	Index  int
	Addr   netip.Addr
	Owners []Owner
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
		r.group(on, netip.AddrFrom4(addr))
		return nil
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
		r.group(index, addr)
		return nil
	})
	if err != nil || len(r.Groups) == 0 {
		return err
	}
	return r.findMembers()
}

// group adds a group that a program has joined.
func (r *reader) group(index int, addr netip.Addr) {
	if r.indexes[index] && !kernelJoins(addr) {
		r.Groups = append(r.Groups, Group{Index: index, Addr: addr})
	}
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
// (pidfd_getfd, Linux 5.6) whether it is a member of one group.
func (r *reader) findMembers() error {
	candidates := map[int]bool{}
	for _, name := range []string{"udp", "udp6", "raw", "raw6"} {
		err := eachLine(name, 1, func(w []string) error {
			if len(w) > 9 {
				inode, _ := strconv.Atoi(w[9])
				candidates[inode] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	r.askAll(func(inode int) bool { return candidates[inode] }, func(int) bool { return true })
	if slices.ContainsFunc(r.Groups, func(g Group) bool { return g.Owners == nil }) {
		// No list has a socket that was only made to join, and bound to no port.
		r.askAll(func(inode int) bool { return !candidates[inode] }, r.mayJoin)
	}
	return nil
}

// askAll finds the groups of which sockets are members: of those with such an inode the
// ones whose copy is suitable.
func (r *reader) askAll(among func(inode int) bool, suitable func(socket int) bool) {
	process, of := -1, 0
	defer func() { _ = unix.Close(process) }()
	eachSocket(func(pid, fd, inode int) {
		if !among(inode) {
			return
		}
		if pid != of {
			_ = unix.Close(process)
			process, _ = unix.PidfdOpen(pid, 0) // what is gone has no sockets
			of = pid
		}
		s, err := unix.PidfdGetfd(process, fd, 0)
		if err != nil {
			return
		}
		defer func() { _ = unix.Close(s) }()
		if suitable(s) {
			r.ask(s, pid)
		}
	})
}

// mayJoin says whether a socket is one of datagrams in this network namespace.
func (r *reader) mayJoin(socket int) bool {
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

// ask finds the groups of which a socket is a member.
func (r *reader) ask(socket, pid int) {
	for i := range r.Groups {
		if g := &r.Groups[i]; isMember(socket, g.Index, g.Addr) {
			g.Owners = addOwner(g.Owners, ownerOf(pid))
		}
	}
}

// isMember asks with the option MCAST_MSFILTER: a struct group_filter, of which the
// list of sources is left out. The kernel refuses it if the socket is no member
// (ip_mc_gsfget, ip6_mc_msfget).
func isMember(socket, index int, group netip.Addr) bool {
	const msfilter, groupAt, size = 48, 8, 144
	level, family, at := unix.IPPROTO_IP, uint16(unix.AF_INET), groupAt+4 // sin_addr
	if group.Is6() {
		level, family, at = unix.IPPROTO_IPV6, unix.AF_INET6, groupAt+8 // sin6_addr
	}
	var filter [size]byte
	binary.NativeEndian.PutUint32(filter[:], uint32(index))
	binary.NativeEndian.PutUint16(filter[groupAt:], family)
	copy(filter[at:], group.AsSlice())
	length := uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), uintptr(level), msfilter,
		uintptr(unsafe.Pointer(&filter)), uintptr(unsafe.Pointer(&length)), 0)
	return errno == 0
}

// findGroups: a group stays with the interface on which it was joined, and what comes
// in for dom0 does so elsewhere.
func findGroups(d *Data, m Move) []Holder {
	g := &grouped{}
	for _, s := range d.Groups {
		if s.Index != m.From.Index {
			continue
		}
		h := Holder{Kind: "multicast group", What: s.Addr.String(), Owners: s.Owners, Outcome: Breaks}
		h.Then = restart(h.Owners)
		if how := followedBy(h.Owners); how != "" {
			h.Outcome, h.Then = Followed, how
		}
		g.add(h)
	}
	return g.all
}
