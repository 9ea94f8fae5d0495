// Package sockets reaches the sockets of other programs, by copies of their descriptors
// (pidfd_getfd(2), Linux 5.6), and turns them from one interface to another. The kernel
// does not ask whose a socket is: what holds for one copy holds for all.
package sockets

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Place is where a socket is: a descriptor of a process.
type Place struct {
	PID int `json:"PID"`
	FD  int `json:"FD"`
}

// Copy is a copy of a socket's descriptor, which the caller closes.
func (p Place) Copy() (socket int, err error) {
	process, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(process) }()
	socket, err = unix.PidfdGetfd(process, p.FD, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_getfd: %w", err)
	}
	return socket, nil
}

// Cookie is the kernel's number of a socket, which no other one gets (SO_COOKIE).
func Cookie(socket int) (uint64, error) {
	return unix.GetsockoptUint64(socket, unix.SOL_SOCKET, unix.SO_COOKIE)
}

// With calls f with a copy of the socket that has this number and was in these places. A
// process may have moved it to another descriptor. It is no error if it is gone.
func With(cookie uint64, places []Place, f func(socket int) error) error {
	socket, err := find(cookie, places)
	if err != nil || socket < 0 {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	return f(socket)
}

// find is a copy of that socket, -1 if it is gone.
func find(cookie uint64, places []Place) (socket int, err error) {
	for _, p := range places {
		if socket, err = p.is(cookie); err != nil || socket >= 0 {
			return socket, err
		}
	}
	for _, p := range places {
		for _, fd := range descriptors(p.PID) {
			if socket, err = (Place{p.PID, fd}).is(cookie); err != nil || socket >= 0 {
				return socket, err
			}
		}
	}
	return -1, nil
}

// is gives a copy if the place has that socket, else -1.
func (p Place) is(cookie uint64) (socket int, err error) {
	socket, err = p.Copy()
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	if is, err := Cookie(socket); err == nil && is == cookie {
		return socket, nil
	}
	return -1, unix.Close(socket)
}

// descriptors are those of the sockets of a process; none if it has ended.
func descriptors(pid int) (all []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	files, _ := os.ReadDir(dir)
	for _, file := range files {
		target, _ := os.Readlink(filepath.Join(dir, file.Name()))
		if fd, err := strconv.Atoi(file.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			all = append(all, fd)
		}
	}
	return all
}

// Rebind binds a socket to another interface, if it is bound to one of those in from; 0 is
// none. The kernel does not ask whether there is such an interface
// (sock_bindtoindex_locked).
func Rebind(socket, to int, from ...int) error {
	is, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
	if err != nil {
		return err
	}
	for _, one := range from {
		if is == one {
			return unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, to)
		}
	}
	return nil
}

// A struct group_filter, in which the list of sources follows (linux/in.h).
const (
	mcastMSFilter = 48
	groupAt       = 8
	modeAt        = 136
	countAt       = 140
	sourcesAt     = 144
	sizeofStorage = 128 // struct sockaddr_storage
	mostSources   = 64  // igmp_max_msf is 10, mld_max_msf is 64
	modeExclude   = 0   // MCAST_EXCLUDE
)

// filterOf is what a socket hears of a group on an interface; the kernel refuses to tell
// if it is no member (ip_mc_gsfget, ip6_mc_msfget).
func filterOf(socket, index int, group netip.Addr) ([]byte, error) {
	level, family, at := unix.IPPROTO_IP, uint16(unix.AF_INET), groupAt+4 // sin_addr
	if group.Is6() {
		level, family, at = unix.IPPROTO_IPV6, unix.AF_INET6, groupAt+8 // sin6_addr
	}
	filter := make([]byte, sourcesAt+mostSources*sizeofStorage)
	binary.NativeEndian.PutUint32(filter, uint32(index))
	binary.NativeEndian.PutUint16(filter[groupAt:], family)
	binary.NativeEndian.PutUint32(filter[countAt:], mostSources)
	copy(filter[at:], group.AsSlice())
	length := uint32(len(filter))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), uintptr(level), mcastMSFilter,
		uintptr(unsafe.Pointer(&filter[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return nil, errno
	}
	sources := min(binary.NativeEndian.Uint32(filter[countAt:]), mostSources)
	return filter[:sourcesAt+int(sources)*sizeofStorage], nil
}

// IsMember says whether a socket has joined a group on an interface.
func IsMember(socket, index int, group netip.Addr) bool {
	_, err := filterOf(socket, index, group)
	return err == nil
}

// Rejoin lets a socket leave a group on one interface and join it on another, for the same
// sources. addr is the address by which its program may have named the interface, and by
// which it may leave.
func Rejoin(socket, from, to int, group, addr netip.Addr) error {
	filter, err := filterOf(socket, from, group)
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return nil // it is no member there any more
	}
	if err != nil {
		return err
	}
	left := false
	err = join(socket, to, group, addr)
	if errors.Is(err, unix.ENOBUFS) { // it may have no more (igmp_max_memberships)
		if err = leave(socket, from, group); err == nil {
			left, err = true, join(socket, to, group, addr)
		}
	}
	if err != nil && !errors.Is(err, unix.EADDRINUSE) { // it is a member there already
		return err
	}
	if err := setFilter(socket, to, group, filter); err != nil || left {
		return err
	}
	return leave(socket, from, group)
}

func join(socket, index int, group, addr netip.Addr) error {
	if group.Is6() {
		return unix.SetsockoptIPv6Mreq(socket, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
	}
	m := &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)}
	if addr.Is4() {
		m.Address = addr.As4()
	}
	return unix.SetsockoptIPMreqn(socket, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, m)
}

func leave(socket, index int, group netip.Addr) error {
	var err error
	if group.Is6() {
		err = unix.SetsockoptIPv6Mreq(socket, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
	} else {
		err = unix.SetsockoptIPMreqn(socket, unix.IPPROTO_IP, unix.IP_DROP_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
	}
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// setFilter makes a membership that was just joined hear the same sources. A new one hears
// all.
func setFilter(socket, index int, group netip.Addr, filter []byte) error {
	mode, sources := binary.NativeEndian.Uint32(filter[modeAt:]), binary.NativeEndian.Uint32(filter[countAt:])
	if mode == modeExclude && sources == 0 {
		return nil
	}
	filter = append([]byte{}, filter...)
	binary.NativeEndian.PutUint32(filter, uint32(index))
	level := unix.IPPROTO_IP
	if group.Is6() {
		level = unix.IPPROTO_IPV6
	}
	return unix.SetsockoptString(socket, level, mcastMSFilter, string(filter))
}

// SendsBy says whether a socket that is bound to none sends by one interface: to groups, or
// whatever it sends (IP_UNICAST_IF). The kernel tells only addresses of IPv4, which are
// addrs, of those to groups. TCP sends to none, though it has taken note of an interface.
func SendsBy(socket, index int, addrs []netip.Addr) bool {
	if typ, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || typ == unix.SOCK_STREAM {
		return false
	}
	if bound, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX); err != nil || bound != 0 {
		return false
	}
	for _, o := range byIndex {
		if is, err := unix.GetsockoptInt(socket, o.level, o.name); err == nil && is == o.value(index) {
			return true
		}
	}
	is, err := unix.GetsockoptInet4Addr(socket, unix.IPPROTO_IP, unix.IP_MULTICAST_IF)
	return err == nil && slices.Contains(addrs, netip.AddrFrom4(is))
}

// byIndex are the options that name the interface by which a socket sends.
var byIndex = []indexOption{
	{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, false},
	{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_IF, true},
	{unix.IPPROTO_IP, unix.IP_UNICAST_IF, true},
}

// indexOption is an option of a socket that has an interface's index.
type indexOption struct {
	level, name int
	turned      bool // it is in network order
}

// value is what it has for that interface.
func (o indexOption) value(index int) int {
	if !o.turned {
		return index
	}
	return int(int32(binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, uint32(index)))))
}

// Sends lets a socket that sends by one interface (see SendsBy) do so by another one. addr
// is the first one's.
func Sends(socket, from, to int, addr netip.Addr) error {
	if typ, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || typ == unix.SOCK_STREAM {
		return err
	}
	for _, o := range byIndex {
		if is, err := unix.GetsockoptInt(socket, o.level, o.name); err == nil && is == o.value(from) {
			if err := unix.SetsockoptInt(socket, o.level, o.name, o.value(to)); err != nil {
				return err
			}
		}
	}
	if !addr.Is4() {
		return nil
	}
	is, err := unix.GetsockoptInet4Addr(socket, unix.IPPROTO_IP, unix.IP_MULTICAST_IF)
	if err != nil || is != addr.As4() {
		return nil //nolint:nilerr // it is no socket of IPv4
	}
	return unix.SetsockoptIPMreqn(socket, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Address: is, Ifindex: int32(to)})
}
