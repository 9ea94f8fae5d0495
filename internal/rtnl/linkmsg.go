package rtnl

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Ifinfo is the struct ifinfomsg that begins a message about an interface: it switches the
// flags in change to their value in flags.
func Ifinfo(index int, flags, change uint32) []byte {
	info := nl.NewIfInfomsg(unix.AF_UNSPEC)
	info.Index, info.Flags, info.Change = int32(index), flags, change
	return info.Serialize()
}

// LinkMsg is a message about an interface (typ is RTM_…, flags are NLM_F_…).
func LinkMsg(typ, flags uint16, info []byte, attrs ...*nl.RtAttr) Msg {
	for _, a := range attrs {
		info = append(info, a.Serialize()...)
	}
	return Msg{Type: typ, Flags: flags, Body: info}
}
