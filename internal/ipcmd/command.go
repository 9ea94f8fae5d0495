// Package ipcmd prints rtnetlink messages as the ip(8) or bridge(8) commands that
// do the same.
package ipcmd

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// The commands are those of iproute2 6.1, which cannot express:
//
//   - the protocol of an address (IFA_PROTO; iproute2 6.3 can),
//   - the flags home, nodad, optimistic and mngtmpaddr of an IPv4 address, and
//     autojoin of one that is not multicast (neither has a meaning there),
//   - a route's input interface, the lock of a metric that has no value or for
//     which iproute2 has no "lock", rto_min without its lock, features other than
//     ecn, "pervasive" hops, and encapsulations other than mpls, ip, ip6 and seg6
//     (iproute2 could express more of them, but this package leaves out the
//     options of ip and ip6, seg6local, rpl, ioam6, xfrm, ila and bpf),
//   - weights above 256 and fractions of a second in the timers of a resilient
//     nexthop group,
//   - a new neighbour that must not override what is known (NLM_F_CREATE alone),
//   - how many hosts a bridge port may have that track groups explicitly.
//
// Of links, this package knows the settings that all of them have, those of the
// kinds bridge and veth, and those of a bridge's port.
//
// A few settings of newer kernels need a newer iproute2: mab, neigh_vlan_suppress,
// mcast_max_groups, backup_nhid, fdb_max_learned, filter_mode and source_list.
//
// What cannot be expressed is left out of the command. Default values are left
// out, too, so that the command stays one that a person would type. Older
// versions of ip, and busybox, also want a label to begin with the name of the
// interface.

// Command is the message as the ip(8) or bridge(8) command that does the same,
// fit for a shell. A message for which there is no command becomes a comment.
func (n Names) Command(m rtnl.Msg) string {
	if m.Fixed() == nil {
		return noCommand(m)
	}
	switch m.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return n.linkCommand(m)
	case rtnl.NewLinkProp, rtnl.DelLinkProp:
		return n.propCommand(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return n.addrCommand(m)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return n.routeCommand(m)
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		return n.neighCommand(m)
	case unix.RTM_SETLINK:
		return n.vlanCommand(m)
	case unix.RTM_NEWVLAN:
		return n.vlanOptionsCommand(m)
	case unix.RTM_NEWMDB, unix.RTM_DELMDB:
		return n.mdbCommand(m)
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		return n.nexthopCommand(m)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return ruleCommand(m)
	}
	return noCommand(m)
}

func noCommand(m rtnl.Msg) string {
	return fmt.Sprintf("# no command for a netlink message of type %d, family %d, %d bytes",
		m.Type, m.Family(), len(m.Body))
}

// verb is iproute2's word for the message's flags. Without NLM_F_CREATE and
// NLM_F_REPLACE there is none; "add" is what is meant.
func verb(m rtnl.Msg) string {
	switch m.Type {
	case unix.RTM_DELLINK, rtnl.DelLinkProp, unix.RTM_DELADDR, unix.RTM_DELROUTE,
		unix.RTM_DELNEIGH, unix.RTM_DELNEXTHOP, unix.RTM_DELMDB, unix.RTM_DELRULE:
		return "del"
	}
	switch m.Flags & (unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_REPLACE | unix.NLM_F_APPEND) {
	case unix.NLM_F_CREATE | unix.NLM_F_REPLACE:
		return "replace"
	case unix.NLM_F_CREATE | unix.NLM_F_APPEND:
		return "append"
	case unix.NLM_F_REPLACE:
		return "change"
	}
	return "add"
}

// line is a command that is being put together.
type line struct{ words []string }

func newLine(words ...string) *line { return &line{words} }

// ofFamily begins a command for a message of IPv4 or IPv6; false if it is of neither.
func ofFamily(m rtnl.Msg) (*line, bool) {
	l := newLine("ip")
	l.addIf(m.Family() == unix.AF_INET6, "-6")
	return l, m.Family() == unix.AF_INET || m.Family() == unix.AF_INET6
}

// add appends words.
func (l *line) add(words ...string) { l.words = append(l.words, words...) }

// addIf appends words under a condition.
func (l *line) addIf(cond bool, words ...string) {
	if cond {
		l.add(words...)
	}
}

// fields appends what the table knows of the attributes, in its order.
func (l *line) fields(a attrs, table []field) {
	for _, f := range table {
		b, ok := a[f.typ]
		if !ok {
			continue
		}
		if s, ok := f.format(b); ok {
			l.addIf(f.word != "", f.word)
			l.add(s)
		}
	}
}

// String is the command with each word quoted for a shell where it has to be.
func (l *line) String() string {
	quoted := make([]string, len(l.words))
	for i, w := range l.words {
		quoted[i] = shell.Quote(w)
	}
	return strings.Join(quoted, " ")
}

// attrs are the attributes of a message or nest by their types.
type attrs map[uint16][]byte

func collect(seq iter.Seq[rtnl.Attr]) attrs {
	a := attrs{}
	for at := range seq {
		a[at.Type] = at.Value
	}
	return a
}

// field is how an attribute is written: a word, which may be empty, and the
// value after it.
type field struct {
	typ    uint16
	word   string
	format func([]byte) (string, bool)
}

// number reads an unsigned number in host order that must have this many bytes.
func number(b []byte, size int) (uint64, bool) {
	if len(b) != size {
		return 0, false
	}
	switch size {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.NativeEndian.Uint16(b)), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	case 8:
		return binary.NativeEndian.Uint64(b), true
	}
	return 0, false
}

// dec formats a number of this many bytes.
func dec(size int) func([]byte) (string, bool) {
	return func(b []byte) (string, bool) {
		v, ok := number(b, size)
		return strconv.FormatUint(v, 10), ok
	}
}

// text formats a string.
func text(b []byte) (string, bool) { return rtnl.String(b), true }

// choice formats a byte that is the index of a word.
func choice(words ...string) func([]byte) (string, bool) {
	return func(b []byte) (string, bool) {
		if len(b) != 1 || int(b[0]) >= len(words) {
			return "", false
		}
		return words[b[0]], true
	}
}

// mac formats a link layer address.
func mac(b []byte) (string, bool) {
	var s strings.Builder
	for i := range b {
		if i > 0 {
			s.WriteByte(':')
		}
		s.WriteString(hex.EncodeToString(b[i : i+1]))
	}
	return s.String(), len(b) > 0
}

// ip formats an IPv4 or IPv6 address.
func ip(b []byte) (string, bool) {
	addr, ok := netip.AddrFromSlice(b)
	return addr.String(), ok
}

// prefix formats a network; b is nil if its address is all zeros.
func prefix(family uint8, b []byte, bits uint8) (string, bool) {
	if len(b) == 0 {
		switch family {
		case unix.AF_INET:
			b = make([]byte, 4)
		case unix.AF_INET6:
			b = make([]byte, 16)
		}
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok || int(bits) > addr.BitLen() {
		return "", false
	}
	return fmt.Sprintf("%s/%d", addr, bits), true
}

// protocol is iproute2's name for a routing protocol. Its other names come from a
// file in which they may be missing.
func protocol(p uint8) string {
	if int(p) < len(protocols) && protocols[p] != "" {
		return protocols[p]
	}
	return strconv.Itoa(int(p))
}

var protocols = [...]string{
	unix.RTPROT_KERNEL: "kernel",
	unix.RTPROT_BOOT:   "boot",
	unix.RTPROT_STATIC: "static",
	unix.RTPROT_RA:     "ra",
	unix.RTPROT_ZEBRA:  "zebra",
	unix.RTPROT_BIRD:   "bird",
	unix.RTPROT_DHCP:   "dhcp",
}

// scope is iproute2's name for a scope.
func scope(s uint8) string {
	switch s {
	case unix.RT_SCOPE_UNIVERSE:
		return "global"
	case unix.RT_SCOPE_SITE:
		return "site"
	case unix.RT_SCOPE_LINK:
		return "link"
	case unix.RT_SCOPE_HOST:
		return "host"
	case unix.RT_SCOPE_NOWHERE:
		return "nowhere"
	}
	return strconv.Itoa(int(s))
}
