package host

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Attributes that golang.org/x/sys/unix does not name (linux/if_link.h).
const (
	iflaBrForwardDelay  = 1
	iflaBrStpState      = 5
	iflaBrVlanFiltering = 7
	iflaBrMcastSnooping = 23
	iflaBrportState     = 1
	iflaAMTLink         = 4
	iflaHSRSlave1       = 1
	iflaHSRSlave2       = 2
	iflaVxlanLink       = 3
	iflaInet6AddrGen    = 8
)

// Forwarding is a bridge port's state in which frames pass
// (BR_STATE_FORWARDING, linux/if_bridge.h).
const Forwarding = 3

// States of an interface besides its flags (IF_OPER_…, linux/if.h).
const (
	operUnknown = 0
	operUp      = 6
)

// Link is one interface.
type Link struct {
	Index     int
	Name      string
	AltNames  []string // further names by which the kernel finds it
	Kind      string   // "bridge", "veth", …; "" for a device of a driver
	Ethernet  bool
	MAC       net.HardwareAddr
	MTU       uint32 // bytes
	TxQLen    uint32 // packets
	Flags     uint32 // IFF_…
	Master    int    // index of the bridge, bond or VRF it is a port of, 0 if none
	Lower     int    // index of what it stands on (a VLAN's NIC, a veth's peer), 0 if none
	Second    int    // index of the other one that it stands on (of the two ports of HSR), 0 if none
	Elsewhere bool   // Lower is an index of another network namespace
	Alias     string
	Group     uint32
	AddrGen   uint8 // how IPv6 makes addresses, IN6_ADDR_GEN_MODE_…
	Inet6     bool  // IPv6 is on this interface at all
	// Token is the interface identifier that IPv6 takes for addresses of
	// routers' prefixes, unspecified if it makes one itself.
	Token     netip.Addr
	Perm      net.HardwareAddr // the address that the device was born with, nil if it is virtual or not told (Linux 5.6)
	PortState uint8            // a bridge port's state
	OperUp    bool             // the kernel has finished bringing it up: what is sent is not dropped
	Bridge    BridgeInfo

	Bus         string // what the hardware hangs on: "pci", "virtio", "xen-backend"; "" for what is virtual
	Functions   bool   // the hardware can have virtual functions (SR-IOV)
	OperUnknown bool   // nobody has told whether it is operational, as with most taps: it counts as such
	BridgeAttrs []byte // a bridge's settings, as the kernel has them (IFLA_BR_…)
	PortAttrs   []byte // a bridge port's settings (IFLA_BRPORT_…), nil of what is none
	VXLANAttrs  []byte // a VXLAN's settings (IFLA_VXLAN_…)
}

// BridgeInfo is what a bridge has besides.
type BridgeInfo struct {
	STP           bool
	ForwardDelay  uint32 // USER_HZ, hundredths of a second
	Snooping      bool   // multicast snooping
	VLANFiltering bool
}

// Power says whether an interface is, or is to be, switched on (IFF_UP).
type Power bool

// The values of Power.
const (
	Off Power = false
	On  Power = true
)

// Power is how the interface is switched.
func (l *Link) Power() Power { return Power(l.Up()) }

// Up says whether the interface is switched on.
func (l *Link) Up() bool { return l.Flags&unix.IFF_UP != 0 }

// Running says whether it has a carrier and can send.
func (l *Link) Running() bool { return l.Flags&unix.IFF_LOWER_UP != 0 }

// HasToken says whether a token is set.
func (l *Link) HasToken() bool { return l.Token.IsValid() && !l.Token.IsUnspecified() }

// BridgeSetting is a setting of a bridge that is one byte, IFLA_BR_…; 0 if the
// kernel does not tell it.
func (l *Link) BridgeSetting(typ uint16) byte {
	if v := l.bridgeAttr(typ); len(v) == 1 {
		return v[0]
	}
	return 0
}

func (l *Link) bridgeAttr(typ uint16) []byte {
	for a := range rtnl.ParseAttrs(l.BridgeAttrs) {
		if a.Type == typ {
			return a.Value
		}
	}
	return nil
}

// parseLink reads an RTM_NEWLINK.
func parseLink(m rtnl.Msg) *Link {
	fixed := m.Fixed()
	if fixed == nil {
		return nil
	}
	l := &Link{
		Index:    int(int32(rtnl.U32(fixed[4:8]))),
		Flags:    rtnl.U32(fixed[8:12]),
		Ethernet: fixed[2] == unix.ARPHRD_ETHER && fixed[3] == 0,
	}
	link := 0
	for a := range m.Attrs {
		switch a.Type {
		case unix.IFLA_IFNAME:
			l.Name = rtnl.String(a.Value)
		case unix.IFLA_ADDRESS:
			l.MAC = net.HardwareAddr(a.Value)
		case unix.IFLA_PERM_ADDRESS:
			l.Perm = net.HardwareAddr(a.Value)
		case unix.IFLA_OPERSTATE:
			l.parseOper(a.Value)
		case unix.IFLA_PARENT_DEV_BUS_NAME:
			l.Bus = rtnl.String(a.Value)
		case unix.IFLA_MTU:
			l.MTU = rtnl.U32(a.Value)
		case unix.IFLA_TXQLEN:
			l.TxQLen = rtnl.U32(a.Value)
		case unix.IFLA_MASTER:
			l.Master = int(rtnl.U32(a.Value))
		case unix.IFLA_LINK:
			link = int(rtnl.U32(a.Value))
		case unix.IFLA_LINK_NETNSID:
			l.Elsewhere = true
		case unix.IFLA_IFALIAS:
			l.Alias = rtnl.String(a.Value)
		case unix.IFLA_GROUP:
			l.Group = rtnl.U32(a.Value)
		case unix.IFLA_PROP_LIST:
			l.parseNames(a.Value)
		case unix.IFLA_LINKINFO:
			l.parseInfo(a.Value)
		case unix.IFLA_AF_SPEC:
			l.parseInet6(a.Value)
		}
	}
	if link != l.Index || l.hasLower() {
		l.Lower = cmp.Or(l.Lower, link)
	}
	return l
}

// hasLower says whether IFLA_LINK can only be what an interface of that kind stands on. Of
// others the kernel tells their own index if they are tied to another namespace
// (dev_get_iflink), and that may be the index of one there.
func (l *Link) hasLower() bool {
	return slices.Contains([]string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec", "xfrm",
		"ipip", "sit", "gre", "gretap", "erspan", "vti", "ip6tnl", "ip6gre", "ip6gretap", "ip6erspan", "vti6", "veth"}, l.Kind)
}

// parseOper reads the operational state.
func (l *Link) parseOper(b []byte) {
	l.OperUp = len(b) == 1 && b[0] == operUp
	l.OperUnknown = len(b) == 1 && b[0] == operUnknown
}

func (l *Link) parseNames(b []byte) {
	for a := range rtnl.ParseAttrs(b) {
		if a.Type == unix.IFLA_ALT_IFNAME {
			l.AltNames = append(l.AltNames, rtnl.String(a.Value))
		}
	}
}

func (l *Link) parseInfo(b []byte) {
	slave := ""
	for a := range rtnl.ParseAttrs(b) {
		switch a.Type {
		case unix.IFLA_INFO_KIND:
			l.Kind = rtnl.String(a.Value)
		case unix.IFLA_INFO_SLAVE_KIND:
			slave = rtnl.String(a.Value)
		case unix.IFLA_INFO_DATA:
			switch l.Kind {
			case "bridge":
				l.Bridge, l.BridgeAttrs = parseBridge(a.Value), a.Value
			case "hsr":
				l.parseHSR(a.Value)
			case "amt": // the kernel does not tell its interface as IFLA_LINK
				l.Lower = int(rtnl.U32(rtnl.FindAttr(a.Value, iflaAMTLink)))
			case "vxlan":
				l.parseVXLAN(a.Value)
				l.VXLANAttrs = a.Value
			}
		case unix.IFLA_INFO_SLAVE_DATA:
			if slave == "bridge" {
				l.PortState, l.PortAttrs = portState(a.Value), a.Value
			}
		}
	}
}

// parseHSR finds the two interfaces that a device of HSR or PRP stands on, neither of
// which the kernel tells as IFLA_LINK.
func (l *Link) parseHSR(b []byte) {
	for a := range rtnl.ParseAttrs(b) {
		switch a.Type {
		case iflaHSRSlave1:
			l.Lower = int(rtnl.U32(a.Value))
		case iflaHSRSlave2:
			l.Second = int(rtnl.U32(a.Value))
		}
	}
}

// parseVXLAN finds the interface that a VXLAN is bound to, which the kernel
// does not tell as IFLA_LINK.
func (l *Link) parseVXLAN(b []byte) {
	for a := range rtnl.ParseAttrs(b) {
		if a.Type == iflaVxlanLink {
			l.Lower = int(rtnl.U32(a.Value))
		}
	}
}

func parseBridge(b []byte) (info BridgeInfo) {
	for a := range rtnl.ParseAttrs(b) {
		switch a.Type {
		case iflaBrForwardDelay:
			info.ForwardDelay = rtnl.U32(a.Value)
		case iflaBrStpState:
			info.STP = rtnl.U32(a.Value) != 0
		case iflaBrVlanFiltering:
			info.VLANFiltering = len(a.Value) == 1 && a.Value[0] != 0
		case iflaBrMcastSnooping:
			info.Snooping = len(a.Value) == 1 && a.Value[0] != 0
		}
	}
	return info
}

func portState(b []byte) uint8 {
	for a := range rtnl.ParseAttrs(b) {
		if a.Type == iflaBrportState && len(a.Value) == 1 {
			return a.Value[0]
		}
	}
	return 0
}

func (l *Link) parseInet6(b []byte) {
	for family := range rtnl.ParseAttrs(b) {
		if family.Type != unix.AF_INET6 {
			continue
		}
		l.Inet6 = true
		for a := range rtnl.ParseAttrs(family.Value) {
			switch {
			case a.Type == iflaInet6AddrGen && len(a.Value) == 1:
				l.AddrGen = a.Value[0]
			case a.Type == unix.IFLA_INET6_TOKEN:
				l.Token, _ = netip.AddrFromSlice(a.Value) // the kernel tells all zeros if there is none
			}
		}
	}
}
