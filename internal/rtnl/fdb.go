package rtnl

import (
	"net"

	"golang.org/x/sys/unix"
)

// FDB is a static entry of a bridge's forwarding table: frames to mac leave by
// that port. It may replace the local entry that a port's own address has.
func FDB(typ, flags uint16, port int, mac net.HardwareAddr) Msg {
	nd := make([]byte, unix.SizeofNdMsg)
	nd[0] = unix.AF_BRIDGE
	copy(nd[4:8], U32Bytes(uint32(port)))
	nd[8] = unix.NUD_NOARP // static, not aged, not local
	nd[10] = unix.NTF_MASTER
	return Msg{Type: typ, Flags: flags, Body: nd}.With(unix.NDA_LLADDR, mac)
}

// OwnMAC is an address that an interface takes frames for besides its own.
func OwnMAC(typ uint16, index int, mac net.HardwareAddr) Msg {
	m := FDB(typ, 0, index, mac)
	m.Body[8], m.Body[10] = unix.NUD_PERMANENT, unix.NTF_SELF // others are refused (ndo_dflt_fdb_add)
	return m
}

// Sticky is an entry of a forwarding table that stays on its port whoever sends
// with that address (br_fdb_update). A kernel before 4.20 takes no note of that.
func (m Msg) Sticky() Msg {
	m = m.Clone()
	m.Body[10] |= NtfSticky // ndm_flags
	return m
}
