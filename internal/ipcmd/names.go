package ipcmd

import (
	"maps"
	"strconv"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// Names is what interface indexes are called.
type Names map[int]string

// Of is the name of an interface, or "if7" where it has none, which ip(8)
// understands as well.
func (n Names) Of(index int) string {
	if name, ok := n[index]; ok {
		return name
	}
	return "if" + strconv.Itoa(index)
}

// In is the names that the commands for messages need, and those of more
// interfaces.
func (n Names) In(w rtnl.Wire, more ...int) Names {
	few := Names{}
	note := func(index int) {
		if _, noted := few[index]; noted {
			return
		}
		if name, ok := n[index]; ok {
			few[index] = name
		}
	}
	for m := range w.All() {
		for index := range m.Indexes {
			note(index)
		}
		switch m.Type { // what else Command calls by its name
		case unix.RTM_NEWLINK:
			note(int(m.U32(unix.IFLA_MASTER)))
		case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
			note(int(m.U32(unix.NDA_IFINDEX)))
		}
	}
	for _, index := range more {
		note(index)
	}
	return few
}

// Commands are Command for messages that are carried out one after the other: what
// one renames or creates, the next calls by its new name.
func (n Names) Commands(msgs []rtnl.Msg) []string {
	n = maps.Clone(n)
	if n == nil {
		n = Names{}
	}
	lines := make([]string, 0, len(msgs))
	for _, m := range msgs {
		lines = append(lines, n.Command(m))
		n.follow(m)
	}
	return lines
}

// follow takes over the names that the message gives: to the interface it
// changes or creates, and to the other end of a veth pair.
func (n Names) follow(m rtnl.Msg) {
	if m.Type != unix.RTM_NEWLINK || m.Fixed() == nil {
		return
	}
	a := collect(m.Attrs)
	n.learn(m.Fixed(), a)
	info := collect(rtnl.ParseAttrs(a[unix.IFLA_LINKINFO]))
	if peer, ok := vethPeer(info); ok {
		n.learn(peer.Fixed(), collect(peer.Attrs))
	}
}

// learn notes the name in a link's attributes, if there is one and its index
// is known.
func (n Names) learn(ifi []byte, a attrs) {
	index := linkIndex(ifi)
	if name := rtnl.String(a[unix.IFLA_IFNAME]); index > 0 && name != "" {
		n[index] = name
	}
}
