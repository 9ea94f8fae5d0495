package routes

import (
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// Relabeled is a state whose IPv4 addresses have the labels that they are to have
// on an interface of another name, in one form.
func Relabeled(s host.State, from, to string) host.State {
	s.Addrs4 = slices.Clone(s.Addrs4)
	for i, m := range s.Addrs4 {
		s.Addrs4[i] = m.With(unix.IFA_LABEL, nl.ZeroTerminated(LabelOn(to, m, from)))
	}
	return s
}

// LabelOn is the label of an address when the name of its interface is to instead
// of from: labels usually begin with that name.
func LabelOn(to string, m rtnl.Msg, from string) string {
	label := rtnl.String(m.Get(unix.IFA_LABEL))
	if rest, ok := strings.CutPrefix(label, from); ok && (rest == "" || rest[0] == ':') {
		return to + rest
	}
	return label
}

// FirstLost is the first address whose label changes when the interface gets that
// name, or len(addrs).
func FirstLost(name string, addrs []rtnl.Msg) int {
	for i, m := range addrs {
		label := rtnl.String(m.Get(unix.IFA_LABEL))
		if i == 0 && label != name || i > 0 && !strings.Contains(label, ":") {
			return i
		}
	}
	return len(addrs)
}

// Relabel are the messages that remove the IPv4 addresses of an interface, from
// number first on, and add them again with the labels that they have in the list:
// no message can change a label. Meanwhile the interface spare has them, if that
// is not 0, because routes with an address as their source go when no interface
// has the address any more.
func Relabel(index, spare int, addrs []rtnl.Msg, first int) []rtnl.Msg {
	wrong := addrs[first:]
	if len(wrong) == 0 {
		return nil
	}
	var held []rtnl.Msg
	for _, m := range wrong {
		m = m.Retarget(index, spare).Without(unix.IFA_LABEL)
		held = append(held, m.With(unix.IFA_FLAGS, rtnl.U32Bytes(m.AddrFlags()|unix.IFA_F_NOPREFIXROUTE)))
	}
	var msgs []rtnl.Msg
	if spare != 0 {
		msgs = append(msgs, held...)
	}
	if first == 0 {
		msgs = append(msgs, guard(index).As(unix.RTM_NEWADDR, rtnl.Add))
	}
	msgs = append(msgs, DelAddrs(wrong)...)
	msgs = append(msgs, wrong...)
	if first == 0 {
		msgs = append(msgs, guard(index).As(unix.RTM_DELADDR, 0))
	}
	if spare != 0 {
		msgs = append(msgs, DelAddrs(held)...)
	}
	return msgs
}

// guard is an address that nobody uses: an interface that loses its last IPv4
// address loses its routes with it (fib_disable_ip).
func guard(index int) rtnl.Msg {
	ifa := make([]byte, unix.SizeofIfAddrmsg)
	ifa[0], ifa[1], ifa[3] = unix.AF_INET, 32, unix.RT_SCOPE_HOST
	copy(ifa[4:8], rtnl.U32Bytes(uint32(index)))
	unused := []byte{127, 255, 255, 254}
	m := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: ifa}
	return m.With(unix.IFA_LOCAL, unused).With(unix.IFA_ADDRESS, unused).
		With(unix.IFA_FLAGS, rtnl.U32Bytes(unix.IFA_F_NOPREFIXROUTE))
}

// AddrKey is what identifies an IPv4 address for the kernel.
func AddrKey(m rtnl.Msg) string {
	return string(m.Body[1:2]) + string(m.Get(unix.IFA_LOCAL)) + string(m.Get(unix.IFA_ADDRESS))
}
