package routes

import (
	"fmt"
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
	if mark, ok := markOf(m, from); ok {
		return to + mark
	}
	return rtnl.String(m.Get(unix.IFA_LABEL))
}

// markOf is what follows an interface's name in an address's label: nothing, or
// something with a colon.
func markOf(m rtnl.Msg, name string) (mark string, ok bool) {
	mark, ok = strings.CutPrefix(rtnl.String(m.Get(unix.IFA_LABEL)), name)
	return mark, ok && (mark == "" || mark[0] == ':')
}

// madeMark says whether that is the mark which the kernel gives an address
// without one, with so many before it, when its interface is renamed
// (inetdev_changename).
func madeMark(mark string, before int) bool { return mark == fmt.Sprint(":", before+1) }

// LateLabels is a state with the labels that its IPv4 addresses shall have on
// an interface called to, if they were added to this one, now called from, when
// it was about to be left: labels that nobody has chosen are left to the
// kernel, which takes the name that the interface has then.
func LateLabels(s host.State, from, to string) host.State {
	s.Addrs4 = slices.Clone(s.Addrs4)
	for i, m := range s.Addrs4 {
		mark, ok := markOf(m, from)
		if !ok {
			mark, ok = markOf(m, to)
		}
		label := to + mark
		switch {
		case !ok:
		case mark == "" || madeMark(mark, i) || len(label) >= unix.IFNAMSIZ:
			s.Addrs4[i] = m.Without(unix.IFA_LABEL)
		default:
			s.Addrs4[i] = m.With(unix.IFA_LABEL, nl.ZeroTerminated(label))
		}
	}
	return s
}

// Late are those of the IPv4 addresses on an interface, in the kernel's order,
// that are none of the known ones, as they should be after it was renamed to
// name: a label that the kernel has made then is left to it anew. made is the
// first such one, or len(late).
func Late(there, known []rtnl.Msg, name string) (late []rtnl.Msg, made int) {
	keys := map[string]bool{}
	for _, m := range known {
		keys[AddrKey(m)] = true
	}
	made = len(there)
	for i, m := range there {
		if keys[AddrKey(m)] {
			continue
		}
		if mark, ok := markOf(m, name); ok && i > 0 && madeMark(mark, i) {
			m = m.Without(unix.IFA_LABEL)
			made = min(made, len(late))
		}
		late = append(late, m.As(unix.RTM_NEWADDR, rtnl.Add))
	}
	return late, min(made, len(late))
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
