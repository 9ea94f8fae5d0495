package bridge

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// keeper reads from a snapshot what is set on a bridge and its ports.
type keeper struct {
	*host.Bridging
	br   *host.Link
	pvid uint16   // the VLAN that a port begins with
	own  [][]byte // MAC addresses whose entries the kernel, or start, makes
	// switched are the flags of the bridge that rules for it have switched on.
	switched []string
}

// keep is what is set on the network and on its ports, and every port
// that is neither the NIC's nor dom0's. It leaves out those flags of the bridge that
// rules have switched on.
func (s *parts) keep(h *host.Host, switched []string) kept {
	if s.br == nil {
		return kept{}
	}
	r := keeper{Bridging: h.Bridging(), br: s.br, pvid: defaultPVID(s.br.BridgeAttrs, 0), own: [][]byte{s.br.MAC, s.dev.MAC}, switched: switched}
	k := kept{Index: s.br.Index, Shape: s.Shape, Bridge: r.bridge(), NIC: r.keepPort(s.nic)}
	if s.port != nil {
		k.Dom0 = r.keepPort(s.port)
		k.Dom0.Settings.Group, k.Dom0.Settings.Alias = s.port.Group, s.port.Alias
		k.Bridge.Group, k.Bridge.Alias = s.br.Group, s.br.Alias
	}
	for _, l := range s.others(h) {
		k.Guests = append(k.Guests, r.keepPort(l))
	}
	return k
}

// defaultPVID is the VLAN that a port of a bridge with those settings begins
// with, 0 if none; otherwise if they do not tell.
func defaultPVID(attrs []byte, otherwise uint16) uint16 {
	if b := rtnl.FindAttr(attrs, unix.IFLA_BR_VLAN_DEFAULT_PVID); b != nil {
		return uint16(numberIn(b))
	}
	return otherwise
}

// bridge is what is set on the bridge itself.
func (r *keeper) bridge() settings {
	return settings{
		Attrs:       chosen(r.br.BridgeAttrs, slices.Concat(bridgeDefaults, filterDefaults, treeDefaults), r.plainBridge),
		VLANs:       r.vlans(r.br.Index),
		VLANOptions: r.vlanOptions(r.br.Index),
		FDB:         r.fdb(r.br),
		MDB:         r.mdb(r.br.Index),
	}
}

// plainBridge says whether an attribute is that of a new bridge, where that is not
// just a number; or was set by spanning tree, which ages entries early after a change
// (br_topology_change_detection).
func (r *keeper) plainBridge(a rtnl.Attr) bool {
	switch a.Type {
	case unix.IFLA_BR_NF_CALL_IPTABLES:
		return slices.Contains(r.switched, "nf_call_iptables")
	case unix.IFLA_BR_NF_CALL_IP6TABLES:
		return slices.Contains(r.switched, "nf_call_ip6tables")
	case unix.IFLA_BR_AGEING_TIME:
		return numberIn(rtnl.FindAttr(r.br.BridgeAttrs, unix.IFLA_BR_TOPOLOGY_CHANGE)) == 1
	case unix.IFLA_BR_GROUP_ADDR:
		return bytes.Equal(a.Value, groupAddress)
	case unix.IFLA_BR_MULTI_BOOLOPT: // struct br_boolopt_multi: values, then which there are
		if len(a.Value) != 8 {
			return true
		}
		const noLinkLocalLearn = 1 // BR_BOOLOPT_NO_LL_LEARN
		on := rtnl.U32(a.Value[:4])
		if slices.Contains(r.switched, "no_linklocal_learn") {
			on &^= noLinkLocalLearn
		}
		return on == 0
	}
	return false
}

// keepPort is a port with what is set on it.
func (r *keeper) keepPort(l *host.Link) keptPort {
	k := keptPort{Index: l.Index, Name: l.Name, Kind: l.Kind}
	if l.Master != r.br.Index {
		return k // somebody has taken it out
	}
	k.Settings = settings{
		Attrs: chosen(l.PortAttrs, portDefaults, func(a rtnl.Attr) bool {
			return a.Type == unix.IFLA_BRPORT_COST && ownCost(l, numberIn(a.Value))
		}),
		VLANs:       r.vlans(l.Index),
		VLANOptions: r.vlanOptions(l.Index),
		FDB:         r.fdb(l),
		MDB:         r.mdb(l.Index),
	}
	if b := rtnl.FindAttr(l.PortAttrs, unix.IFLA_BRPORT_BACKUP_PORT); b != nil {
		k.Settings.Backup = int(numberIn(b))
	}
	k.Settings.Attrs = append(k.Settings.Attrs, r.shut(l)...)
	return k
}

// shut is the state of a port that somebody keeps from forwarding. With STP, or
// without a carrier, it is the kernel that does so.
func (r *keeper) shut(l *host.Link) []byte {
	if r.br.Bridge.STP || !operational(l) || l.PortState == host.Forwarding {
		return nil
	}
	return attr(rtnl.Attr{Type: unix.IFLA_BRPORT_STATE, Value: []byte{l.PortState}}).Serialize()
}

// operational says whether a port could forward (netif_oper_up).
func operational(l *host.Link) bool { return l.Up() && (l.OperUp || l.OperUnknown) }

// vlans are the VLANs of a port or the bridge, nil if they are what it begins
// with.
func (r *keeper) vlans(index int) *[]vlan {
	var list []vlan
	known := false
	for _, m := range r.VLANs {
		spec := m.Get(unix.IFLA_AF_SPEC)
		// A NIC with a switch of its own tells of that, too (BRIDGE_FLAGS_SELF).
		if m.Type == unix.RTM_NEWLINK && m.Uses(index) && rtnl.FindAttr(spec, rtnl.IflaBridgeFlags) == nil {
			known = true
			list = append(list, vlansIn(spec)...)
		}
	}
	begins := []vlan{{VID: r.pvid, Flags: rtnl.VLANPVID | rtnl.VLANUntagged}}
	if !known || slices.Equal(list, begins) || r.pvid == 0 && len(list) == 0 {
		return nil
	}
	if list == nil {
		list = []vlan{} // none at all
	}
	return &list
}

// vlansIn reads an IFLA_AF_SPEC of the family AF_BRIDGE. A range is two
// entries, its begin and its end.
func vlansIn(spec []byte) (list []vlan) {
	for a := range rtnl.ParseAttrs(spec) {
		switch {
		case a.Type == rtnl.IflaBridgeVLANInfo && len(a.Value) == 4:
			list = join(list, uint16(numberIn(a.Value[:2])), vlan{VID: uint16(numberIn(a.Value[2:]))})
		case a.Type == rtnl.IflaBridgeVLANTunnel:
			var v vlan
			var flags uint16
			for t := range rtnl.ParseAttrs(a.Value) {
				switch t.Type {
				case rtnl.TunnelID:
					v.Tunnel = rtnl.U32(t.Value)
				case rtnl.TunnelVID:
					v.VID = uint16(numberIn(t.Value))
				case rtnl.TunnelFlags:
					flags = uint16(numberIn(t.Value))
				}
			}
			list = join(list, flags, v)
		}
	}
	return list
}

// join adds a VLAN to the list, or the end of a range to its begin.
func join(list []vlan, flags uint16, v vlan) []vlan {
	if n := len(list); flags&rtnl.VLANRangeEnd != 0 && n > 0 {
		list[n-1].Last = v.VID
		return list
	}
	v.Flags = flags & (rtnl.VLANPVID | rtnl.VLANUntagged)
	return append(list, v)
}

// plainOption is the default of a VLAN on a port.
var plainOption = map[uint16]uint64{rtnl.VLANEntryState: host.Forwarding, rtnl.VLANEntryRouter: 1, rtnl.VLANEntryMaxGroups: 0, rtnl.VLANEntrySuppress: 0}

// vlanOptions are the messages that set options of single VLANs that are not the
// default: a state in which frames do not pass, multicast routers, and so on.
func (r *keeper) vlanOptions(index int) (w rtnl.Wire) {
	for _, m := range r.VLANOptions {
		m = m.As(unix.RTM_NEWVLAN, 0)
		if !m.Uses(index) {
			continue
		}
		for entry := range m.Attrs {
			if entry.Type != rtnl.VLANDBEntry {
				continue
			}
			if nest := optionsIn(entry.Value); nest != nil {
				w = w.Add(bridgeMsg(unix.RTM_NEWVLAN, 0, index).With(unix.NLA_F_NESTED|rtnl.VLANDBEntry, nest))
			}
		}
	}
	return w
}

// optionsIn is an entry that sets what is set in this one, and nothing but
// options; nil if nothing is.
func optionsIn(entry []byte) (nest []byte) {
	const onlyOptions = 1 << 6 // BRIDGE_VLAN_INFO_ONLY_OPTS
	set := false
	for a := range rtnl.ParseAttrs(entry) {
		plain, optional := plainOption[a.Type]
		switch {
		case a.Type == rtnl.VLANEntryInfo && len(a.Value) == 4:
			a.Value = []byte{onlyOptions, 0, a.Value[2], a.Value[3]}
		case optional && numberIn(a.Value) != plain:
			set = true
		case a.Type != rtnl.VLANEntryRange:
			continue
		}
		nest = append(nest, attr(a).Serialize()...)
	}
	if !set {
		return nil
	}
	return nest
}

// fdb are the messages that make the entries of the forwarding table that somebody
// has made for that port, or for the bridge itself: not what is learnt, nor what
// follows from a port's own address.
func (r *keeper) fdb(l *host.Link) (w rtnl.Wire) {
	own := append([][]byte{l.MAC}, r.own...)
	for _, m := range r.FDB {
		if m.Type != unix.RTM_NEWNEIGH || !m.Uses(l.Index) || int(m.U32(unix.NDA_MASTER)) != r.br.Index || !made(m) {
			continue
		}
		mac := m.Get(unix.NDA_LLADDR)
		if !slices.ContainsFunc(own, func(b []byte) bool { return bytes.Equal(b, mac) }) {
			w = w.Add(m.Settable().Without(unix.NDA_MASTER).As(unix.RTM_NEWNEIGH, rtnl.Replace))
		}
	}
	return w
}

// made says whether an entry of a forwarding table does not come and go by
// itself.
func made(m rtnl.Msg) bool {
	const locked = 1 << 1 // NTF_EXT_LOCKED: the kernel's own, see "mab" in bridge(8)
	f := m.Fixed()        // struct ndmsg
	if f == nil || m.U32(rtnl.NdaFlagsExt)&locked != 0 {
		return false
	}
	return f[8]&(unix.NUD_NOARP|unix.NUD_PERMANENT) != 0 || f[10]&(unix.NTF_EXT_LEARNED|rtnl.NtfSticky) != 0
}
