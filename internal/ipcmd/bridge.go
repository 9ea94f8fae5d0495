package ipcmd

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// onOffField is a field with a byte that switches something on or off.
func onOffField(typ uint16, word string) field { return field{typ, word, onOff} }

// portFields are a bridge port's settings by the names that ip(8) has for them.
func (n Names) portFields() []field {
	return []field{
		{unix.IFLA_BRPORT_STATE, "state", dec(1)},
		{unix.IFLA_BRPORT_PRIORITY, "priority", dec(2)},
		{unix.IFLA_BRPORT_COST, "cost", dec(4)},
		onOffField(unix.IFLA_BRPORT_MODE, "hairpin"),
		onOffField(unix.IFLA_BRPORT_GUARD, "guard"),
		onOffField(unix.IFLA_BRPORT_PROTECT, "root_block"),
		onOffField(unix.IFLA_BRPORT_FAST_LEAVE, "mcast_fast_leave"),
		onOffField(unix.IFLA_BRPORT_LEARNING, "learning"),
		onOffField(unix.IFLA_BRPORT_UNICAST_FLOOD, "flood"),
		onOffField(unix.IFLA_BRPORT_PROXYARP, "proxy_arp"),
		onOffField(unix.IFLA_BRPORT_PROXYARP_WIFI, "proxy_arp_wifi"),
		{unix.IFLA_BRPORT_MULTICAST_ROUTER, "mcast_router", dec(1)},
		onOffField(unix.IFLA_BRPORT_MCAST_FLOOD, "mcast_flood"),
		onOffField(unix.IFLA_BRPORT_BCAST_FLOOD, "bcast_flood"),
		onOffField(unix.IFLA_BRPORT_MCAST_TO_UCAST, "mcast_to_unicast"),
		{unix.IFLA_BRPORT_GROUP_FWD_MASK, "group_fwd_mask", dec(2)},
		onOffField(unix.IFLA_BRPORT_NEIGH_SUPPRESS, "neigh_suppress"),
		onOffField(unix.IFLA_BRPORT_NEIGH_VLAN_SUPPRESS, "neigh_vlan_suppress"),
		onOffField(unix.IFLA_BRPORT_VLAN_TUNNEL, "vlan_tunnel"),
		onOffField(unix.IFLA_BRPORT_ISOLATED, "isolated"),
		onOffField(unix.IFLA_BRPORT_LOCKED, "locked"),
		onOffField(unix.IFLA_BRPORT_MAB, "mab"),
		{unix.IFLA_BRPORT_BACKUP_PORT, "backup_port", n.device},
		{unix.IFLA_BRPORT_BACKUP_NHID, "backup_nhid", dec(4)},
	}
}

// portCommand renders the settings of a bridge port. For one of them only
// bridge(8) has a word, and for one nothing has.
func (n Names) portCommand(m rtnl.Msg, data attrs) string {
	dev := n.Of(linkIndex(m.Fixed()))
	l := newLine("ip", "link", "set", "dev", dev, "type", "bridge_slave")
	words := len(l.words)
	l.fields(data, n.portFields())
	if len(l.words) > words {
		return l.String()
	}
	if groups, ok := number(data[unix.IFLA_BRPORT_MCAST_MAX_GROUPS], 4); ok {
		return newLine("bridge", "link", "set", "dev", dev, "mcast_max_groups", strconv.FormatUint(groups, 10)).String()
	}
	return noCommand(m)
}

// vlanCommand renders the VLANs that a port, or the bridge itself, gets or loses
// (RTM_DELLINK): a single one, a range, or one with its tunnel.
func (n Names) vlanCommand(m rtnl.Msg) string {
	spec := collect(rtnl.ParseAttrs(collect(m.Attrs)[unix.IFLA_AF_SPEC]))
	l := newLine("bridge", "vlan", verb(m), "dev", n.Of(linkIndex(m.Fixed())))
	infos := vlanInfos(m)
	if len(infos) == 0 {
		return noCommand(m)
	}
	first, last := infos[0], infos[len(infos)-1]
	l.add("vid", span(uint32(first.vid), uint32(last.vid)))
	if first.tunnel != 0 {
		l.add("tunnel_info", "id", span(first.tunnel, last.tunnel))
	} else {
		l.addIf(first.flags&rtnl.VLANPVID != 0, "pvid")
		l.addIf(first.flags&rtnl.VLANUntagged != 0, "untagged")
	}
	if flags, ok := number(spec[rtnl.IflaBridgeFlags], 2); ok && flags&rtnl.BridgeFlagsSelf != 0 {
		l.add("self")
	}
	return l.String()
}

// vlanInfo is one end of a range of VLANs.
type vlanInfo struct {
	flags, vid uint16
	tunnel     uint32
}

// vlanInfos reads the VLANs in a message.
func vlanInfos(m rtnl.Msg) (infos []vlanInfo) {
	for a := range rtnl.ParseAttrs(collect(m.Attrs)[unix.IFLA_AF_SPEC]) {
		switch {
		case a.Type == rtnl.IflaBridgeVLANInfo && len(a.Value) == 4:
			infos = append(infos, vlanInfo{flags: binary.NativeEndian.Uint16(a.Value), vid: binary.NativeEndian.Uint16(a.Value[2:])})
		case a.Type == rtnl.IflaBridgeVLANTunnel:
			t := collect(rtnl.ParseAttrs(a.Value))
			vid, ok := number(t[rtnl.TunnelVID], 2)
			if id, known := number(t[rtnl.TunnelID], 4); ok && known {
				infos = append(infos, vlanInfo{vid: uint16(vid), tunnel: uint32(id)})
			}
		}
	}
	return infos
}

// span is a number, or two as a range.
func span(first, last uint32) string {
	s := strconv.FormatUint(uint64(first), 10)
	if last != first {
		s += "-" + strconv.FormatUint(uint64(last), 10)
	}
	return s
}

// mdbCommand renders RTM_NEWMDB and RTM_DELMDB, the entries of a bridge's
// multicast database.
func (n Names) mdbCommand(m rtnl.Msg) string {
	a := collect(m.Attrs)
	e := a[rtnl.MdbaSetEntry]
	if len(e) != rtnl.SizeofMdbEntry {
		return noCommand(m)
	}
	more := collect(rtnl.ParseAttrs(a[rtnl.MdbaSetEntryAttrs]))
	l := newLine("bridge", "mdb", mdbVerb(m), "dev", n.Of(int(binary.NativeEndian.Uint32(m.Fixed()[4:]))),
		"port", n.Of(int(binary.NativeEndian.Uint32(e))), "grp", mdbGroup(e))
	l.fields(more, []field{{rtnl.MdbeSource, "src", ip}})
	l.addIf(e[4] == rtnl.MdbPermanent, "permanent")
	if vid := binary.NativeEndian.Uint16(e[6:]); vid != 0 {
		l.add("vid", strconv.Itoa(int(vid)))
	}
	l.fields(more, []field{
		{rtnl.MdbeGroupMode, "filter_mode", choice("exclude", "include")},
		{rtnl.MdbeSrcList, "source_list", sourceList},
		{rtnl.MdbeRtProt, "proto", protocolByte},
	})
	return l.String()
}

// mdbVerb is "add" also where other commands have "append".
func mdbVerb(m rtnl.Msg) string {
	if m.Type == unix.RTM_DELMDB {
		return "del"
	}
	return "add"
}

// mdbGroup is the group of a struct br_mdb_entry, by its protocol.
func mdbGroup(e []byte) string {
	switch binary.BigEndian.Uint16(e[24:]) {
	case unix.ETH_P_IP:
		return netip.AddrFrom4([4]byte(e[8:12])).String()
	case unix.ETH_P_IPV6:
		return netip.AddrFrom16([16]byte(e[8:24])).String()
	}
	group, _ := mac(e[8:14])
	return group
}

// sourceList formats a nest of entries, each with an address.
func sourceList(b []byte) (string, bool) {
	var list []string
	for entry := range rtnl.ParseAttrs(b) {
		if s, ok := ip(collect(rtnl.ParseAttrs(entry.Value))[1]); ok { // MDBE_SRCATTR_ADDRESS
			list = append(list, s)
		}
	}
	return strings.Join(list, ","), len(list) > 0
}

// vlanOptionsCommand renders RTM_NEWVLAN, the settings of one VLAN on one port.
func (n Names) vlanOptionsCommand(m rtnl.Msg) string {
	e := collect(rtnl.ParseAttrs(collect(m.Attrs)[rtnl.VLANDBEntry]))
	info := e[rtnl.VLANEntryInfo]
	if len(info) != 4 {
		return noCommand(m)
	}
	vid := uint32(binary.NativeEndian.Uint16(info[2:]))
	last := vid
	if r, ok := number(e[rtnl.VLANEntryRange], 2); ok {
		last = uint32(r)
	}
	l := newLine("bridge", "vlan", "set", "dev", n.Of(linkIndex(m.Fixed())), "vid", span(vid, last))
	l.fields(e, []field{
		{rtnl.VLANEntryState, "state", dec(1)},
		{rtnl.VLANEntryRouter, "mcast_router", dec(1)},
		{rtnl.VLANEntryMaxGroups, "mcast_max_groups", dec(4)},
		onOffField(rtnl.VLANEntrySuppress, "neigh_suppress"),
	})
	return l.String()
}
