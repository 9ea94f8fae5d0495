// Package tunnel knows the tunnels whose packets leave by one interface, and how such a
// tunnel is given another one in its place.
package tunnel

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// lowerAttr is the attribute of each kind, in IFLA_INFO_DATA, that has the index of the
// interface below: IFLA_VXLAN_LINK, IFLA_IPTUN_LINK, IFLA_GRE_LINK and IFLA_VTI_LINK.
var lowerAttr = map[string]uint16{
	"vxlan": 3,
	"ipip":  1, "sit": 1, "ip6tnl": 1,
	"gre": 1, "gretap": 1, "erspan": 1, "ip6gre": 1, "ip6gretap": 1, "ip6erspan": 1,
	"vti": 1, "vti6": 1,
}

const vxlan = "vxlan"

// Known says whether a tunnel of that kind can be given another interface.
func Known(kind string) bool { return lowerAttr[kind] != 0 }

// Attributes of a VXLAN (IFLA_VXLAN_…).
const (
	vxlanGroup    = 2
	vxlanGroup6   = 16
	vxlanLocal6   = 17
	vxlanGPE      = 27
	vxlanReserved = 33 // from Linux 6.14 on
)

// MTU is the largest MTU that the kernel leaves a VXLAN when it gets an interface with
// that one (vxlan_config_apply); else 0, for no limit.
func MTU(l *host.Link, lower uint32) uint32 {
	if l.Kind != vxlan {
		return 0
	}
	header, ethernet := uint32(20), uint32(14) // IPv4
	for a := range rtnl.ParseAttrs(l.VXLANAttrs) {
		switch a.Type {
		case vxlanGroup6, vxlanLocal6: // it may have both
			header = 40
		case vxlanGPE:
			ethernet = 0
		}
	}
	headroom := header + 8 + 8 + ethernet // UDP, VXLAN
	return max(lower, headroom) - headroom
}

// Reserved says whether the kernel would forget, with another interface, which bits of its
// header a VXLAN uses: those of a group policy (gbp), of remote checksums or that somebody
// has chosen. It takes them only when the VXLAN is made, and goes back to those of one that
// uses none (vxlan_nl2conf); packets with such bits are dropped then.
func Reserved(l *host.Link) bool {
	reserved := rtnl.FindAttr(l.VXLANAttrs, vxlanReserved)
	return l.Kind == vxlan && reserved != nil && string(reserved) != "\xf7\xff\xff\xff\x00\x00\x00\xff"
}

// Group is the multicast group that a VXLAN joins on its interface while it is up; nil
// if there is none.
func Group(l *host.Link) net.IP {
	if l.Kind != vxlan || !l.Up() {
		return nil
	}
	for _, typ := range []uint16{vxlanGroup, vxlanGroup6} {
		if ip := net.IP(rtnl.FindAttr(l.VXLANAttrs, typ)); ip.IsMulticast() {
			return ip
		}
	}
	return nil
}

// Tunnel is a tunnel as the kernel tells it (RTM_NEWLINK).
type Tunnel struct {
	Index int
	Name  string
	Kind  string
	MTU   uint32
	Lower int    // index of the interface that its packets leave by
	Data  []byte // IFLA_INFO_DATA
}

// Read finds a tunnel in a message; it is none of those that are known if ok is false.
func Read(m rtnl.Msg) (t Tunnel, ok bool) {
	fixed, info := m.Fixed(), m.Get(unix.IFLA_LINKINFO)
	if fixed == nil || info == nil || m.Get(unix.IFLA_LINK_NETNSID) != nil {
		return t, false
	}
	t = Tunnel{
		Index: int(int32(rtnl.U32(fixed[4:8]))), Name: rtnl.String(m.Get(unix.IFLA_IFNAME)), MTU: m.U32(unix.IFLA_MTU),
		Kind: rtnl.String(rtnl.FindAttr(info, unix.IFLA_INFO_KIND)), Data: rtnl.FindAttr(info, unix.IFLA_INFO_DATA),
	}
	if !Known(t.Kind) {
		return t, false
	}
	t.Lower = int(rtnl.U32(rtnl.FindAttr(t.Data, lowerAttr[t.Kind])))
	return t, true
}

// On is the same tunnel with another interface below.
func (t Tunnel) On(lower int) Tunnel {
	t.Data = append([]byte{}, t.Data...)
	if b := rtnl.FindAttr(t.Data, lowerAttr[t.Kind]); len(b) == 4 {
		binary.NativeEndian.PutUint32(b, uint32(lower))
	}
	t.Lower = lower
	return t
}

// Set is the message that makes a tunnel so. A VXLAN is changed in what the message has
// (vxlan_nl2conf), and refuses most of what it tells. The others take what the message
// lacks for zero (ip_tunnel_changelink, ip6_tnl_changelink), and choose an MTU anew.
func (t Tunnel) Set() rtnl.Msg {
	data := t.Data
	if t.Kind == vxlan {
		data = nl.NewRtAttr(int(lowerAttr[vxlan]), rtnl.U32Bytes(uint32(t.Lower))).Serialize()
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated(t.Kind))
	info.AddRtAttr(unix.IFLA_INFO_DATA, data)
	body := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(body[4:], uint32(t.Index))
	m := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: append(body, info.Serialize()...)}
	if t.Kind != vxlan {
		m = m.With(unix.IFLA_MTU, rtnl.U32Bytes(t.MTU))
	}
	return m
}

// Differs says what of a tunnel is not as in another one; "" if nothing is.
func (t Tunnel) Differs(from Tunnel) string {
	switch {
	case t.Lower != from.Lower:
		return fmt.Sprintf("it is bound to the interface %d and not %d", t.Lower, from.Lower)
	case t.MTU != from.MTU:
		return fmt.Sprintf("its MTU is %d and not %d", t.MTU, from.MTU)
	case string(t.Data) != string(from.Data):
		return "another of its settings has changed"
	}
	return ""
}

// Command is the command that gives a tunnel that interface.
func Command(name, kind, lower string) string {
	return "ip link set dev " + name + " type " + kind + " dev " + lower
}

// Leaves says whether an entry of a VXLAN's forwarding table (RTM_NEWNEIGH of the family
// AF_BRIDGE) sends by that interface. A bridge's have none.
func Leaves(m rtnl.Msg, by int) bool {
	return m.Type == unix.RTM_NEWNEIGH && m.Fixed() != nil && int(m.U32(unix.NDA_IFINDEX)) == by && m.Get(unix.NDA_DST) != nil
}

// Entry are the messages that let an entry of a VXLAN's forwarding table send by another
// interface. An entry for one address has one destination, which is replaced
// (vxlan_fdb_replace); one for all or several has any number of them, to which another is
// added before this one is deleted (vxlan_fdb_update_existing).
func Entry(m rtnl.Msg, to int) []rtnl.Msg {
	const srcVNI = 11 // NDA_SRC_VNI
	body := append([]byte{}, m.Fixed()...)
	body[10] |= unix.NTF_SELF // ndm_flags
	old := rtnl.Msg{Type: unix.RTM_DELNEIGH, Body: body}
	for _, typ := range []uint16{unix.NDA_LLADDR, unix.NDA_DST, unix.NDA_PORT, unix.NDA_VNI, srcVNI, unix.NDA_IFINDEX} {
		if v := m.Get(typ); v != nil {
			old = old.With(typ, v)
		}
	}
	add := old.As(unix.RTM_NEWNEIGH, rtnl.Replace).With(unix.NDA_IFINDEX, rtnl.U32Bytes(uint32(to)))
	if state := binary.NativeEndian.Uint16(add.Body[8:]); state&(unix.NUD_PERMANENT|unix.NUD_REACHABLE) == 0 {
		binary.NativeEndian.PutUint16(add.Body[8:], state|unix.NUD_REACHABLE) // the kernel takes no other (vxlan_fdb_add)
	}
	if mac := m.Get(unix.NDA_LLADDR); len(mac) > 0 && mac[0]&1 == 0 && string(mac) != string(make([]byte, len(mac))) {
		return []rtnl.Msg{add}
	}
	return []rtnl.Msg{add.As(unix.RTM_NEWNEIGH, rtnl.Append), old}
}
