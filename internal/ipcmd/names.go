package ipcmd

import (
	"maps"
	"strconv"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// Names has the name of each interface index.
type Names map[int]string

// Of is the name of an interface, or "if7" if there is none, which ip(8)
// understands as well.
func (n Names) Of(index int) string {
	if name, ok := n[index]; ok {
		return name
	}
	return "if" + strconv.Itoa(index)
}

// In has only the names that the commands for messages need, and those of the
// other given interfaces.
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
		switch m.Type { // other interfaces that Command names
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

// Commands are the commands for messages that are carried out one after another:
// if one renames or creates an interface, the next uses the new name.
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

// follow notes the names that the message gives to the interface that it changes
// or creates, and to the other end of a veth pair.
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
