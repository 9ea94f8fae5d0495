package ipcmd

import (
	"encoding/binary"
	"strconv"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// Attributes and flags that golang.org/x/sys/unix does not name
// (linux/neighbour.h).
const (
	ndaProtocol = 12 // NDA_PROTOCOL
	ndaNhID     = 13 // NDA_NH_ID
)

// neighCommand renders RTM_NEWNEIGH and RTM_DELNEIGH: neighbours, proxies and
// entries of a bridge's forwarding table.
func (n Names) neighCommand(m rtnl.Msg) string {
	ndm, a := m.Fixed(), collect(m.Attrs)
	if ndm[0] == unix.AF_BRIDGE {
		return n.fdbCommand(m, a)
	}
	dst, ok := ip(a[unix.NDA_DST])
	if !ok {
		return noCommand(m)
	}
	dev := n.Of(int(binary.NativeEndian.Uint32(ndm[4:])))
	proxy := ndm[10]&unix.NTF_PROXY != 0
	l := newLine("ip", "neigh", verb(m))
	l.addIf(proxy, "proxy")
	l.add(dst)
	if m.Type == unix.RTM_DELNEIGH {
		l.add("dev", dev)
		return l.String()
	}
	l.fields(a, []field{{unix.NDA_LLADDR, "lladdr", mac}})
	l.add("dev", dev)
	// "managed" sets the state to none, so the state follows.
	l.addIf(rtnl.U32(a[rtnl.NdaFlagsExt])&rtnl.NtfExtManaged != 0, "managed")
	l.addIf(!proxy, "nud", neighState(binary.NativeEndian.Uint16(ndm[8:])))
	l.addIf(ndm[10]&unix.NTF_ROUTER != 0, "router")
	l.addIf(ndm[10]&unix.NTF_EXT_LEARNED != 0, "extern_learn")
	l.addIf(ndm[10]&unix.NTF_USE != 0, "use")
	l.fields(a, []field{{ndaProtocol, "protocol", protocolByte}})
	return l.String()
}

func protocolByte(b []byte) (string, bool) {
	if len(b) != 1 {
		return "", false
	}
	return protocol(b[0]), true
}

// neighState is iproute2's name for a state, or the number if it is several at a
// time.
func neighState(state uint16) string {
	switch state {
	case unix.NUD_NONE:
		return "none"
	case unix.NUD_INCOMPLETE:
		return "incomplete"
	case unix.NUD_REACHABLE:
		return "reachable"
	case unix.NUD_STALE:
		return "stale"
	case unix.NUD_DELAY:
		return "delay"
	case unix.NUD_PROBE:
		return "probe"
	case unix.NUD_FAILED:
		return "failed"
	case unix.NUD_NOARP:
		return "noarp"
	case unix.NUD_PERMANENT:
		return "permanent"
	}
	return strconv.Itoa(int(state))
}

// fdbCommand renders an entry of a forwarding table as bridge(8) does.
func (n Names) fdbCommand(m rtnl.Msg, a attrs) string {
	ndm := m.Fixed()
	addr, ok := mac(a[unix.NDA_LLADDR])
	if !ok {
		return noCommand(m)
	}
	l := newLine("bridge", "fdb", verb(m), addr, "dev", n.Of(int(binary.NativeEndian.Uint32(ndm[4:]))))
	l.fields(a, n.fdbFields())
	// Without a flag the kernel addresses the master, but bridge(8) the device.
	l.addIf(ndm[10]&unix.NTF_SELF != 0, "self")
	l.addIf(ndm[10]&unix.NTF_MASTER != 0 || ndm[10]&unix.NTF_SELF == 0, "master")
	if m.Type == unix.RTM_NEWNEIGH {
		l.add(fdbState(binary.NativeEndian.Uint16(ndm[8:])))
		l.addIf(ndm[10]&unix.NTF_ROUTER != 0, "router")
		l.addIf(ndm[10]&unix.NTF_EXT_LEARNED != 0, "extern_learn")
		l.addIf(ndm[10]&rtnl.NtfSticky != 0, "sticky")
		l.addIf(ndm[10]&unix.NTF_USE != 0, "use")
	}
	return l.String()
}

func (n Names) fdbFields() []field {
	return []field{
		{unix.NDA_DST, "dst", ip},
		{unix.NDA_PORT, "port", bigEndian16},
		{unix.NDA_VNI, "vni", dec(4)},
		{unix.NDA_SRC_VNI, "src_vni", dec(4)},
		{unix.NDA_IFINDEX, "via", n.device},
		{ndaNhID, "nhid", dec(4)},
		{unix.NDA_VLAN, "vlan", dec(2)},
	}
}

// device formats an interface index as a name.
func (n Names) device(b []byte) (string, bool) {
	index, ok := number(b, 4)
	return n.Of(int(index)), ok && index != 0
}

func bigEndian16(b []byte) (string, bool) {
	if len(b) != 2 {
		return "", false
	}
	return strconv.Itoa(int(binary.BigEndian.Uint16(b))), true
}

// fdbState is bridge(8)'s word for a state.
func fdbState(state uint16) string {
	switch {
	case state&unix.NUD_PERMANENT != 0:
		return "permanent"
	case state&unix.NUD_NOARP != 0:
		return "static"
	}
	return "dynamic"
}
