package bridge

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// portMAC is the address of everything in the bridge that is not a guest's or
// dom0's own: the highest there is, so that no frame is ever meant for it and
// no bridge id is derived from a lower one. Xen's scripts chose it.
var portMAC = net.HardwareAddr{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}

const (
	vethInfoPeer = 1 // VETH_INFO_PEER (linux/veth.h), which golang.org/x/sys/unix does not name
	addrGenNone  = 1 // IN6_ADDR_GEN_MODE_NONE
)

// setLink sets the given attributes of an existing interface.
func setLink(index int, attrs ...*nl.RtAttr) rtnl.Msg {
	return rtnl.LinkMsg(unix.RTM_NEWLINK, 0, rtnl.Ifinfo(index, 0, 0), attrs...)
}

// setFlags switches the flags in change to their value in flags.
func setFlags(index int, flags, change uint32, attrs ...*nl.RtAttr) rtnl.Msg {
	return rtnl.LinkMsg(unix.RTM_NEWLINK, 0, rtnl.Ifinfo(index, flags&change, change), attrs...)
}

func addLink(index int, attrs ...*nl.RtAttr) rtnl.Msg {
	return rtnl.LinkMsg(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, rtnl.Ifinfo(index, 0, 0), attrs...)
}

func delLink(index int) rtnl.Msg {
	return rtnl.LinkMsg(unix.RTM_DELLINK, 0, rtnl.Ifinfo(index, 0, 0))
}

// delGroup deletes all interfaces of a group (Linux 4.1).
func delGroup(group uint32) rtnl.Msg {
	return rtnl.LinkMsg(unix.RTM_DELLINK, 0, rtnl.Ifinfo(0, 0, 0), attrU32(unix.IFLA_GROUP, group))
}

// altName adds or removes (typ) an alternative name.
func altName(typ uint16, index int, name string) rtnl.Msg {
	list := nl.NewRtAttr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, nil)
	list.AddRtAttr(unix.IFLA_ALT_IFNAME, nl.ZeroTerminated(name))
	flags := uint16(unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_APPEND)
	if typ == rtnl.DelLinkProp {
		flags = 0
	}
	return rtnl.LinkMsg(typ, flags, rtnl.Ifinfo(index, 0, 0), list)
}

func attrName(name string) *nl.RtAttr {
	return nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))
}

func attrMAC(mac net.HardwareAddr) *nl.RtAttr { return nl.NewRtAttr(unix.IFLA_ADDRESS, mac) }

func attrAlias(text string) *nl.RtAttr {
	return nl.NewRtAttr(unix.IFLA_IFALIAS, nl.ZeroTerminated(text))
}

func attrU32(typ int, v uint32) *nl.RtAttr { return nl.NewRtAttr(typ, nl.Uint32Attr(v)) }

// attrMaster makes an interface a port of the bridge with that index; 0 frees it.
func attrMaster(bridge int) *nl.RtAttr { return attrU32(unix.IFLA_MASTER, uint32(bridge)) }

// attrAddrGen says how IPv6 makes addresses. Unlike the sysctl of that name it
// does not make one at once.
func attrAddrGen(mode uint8) *nl.RtAttr {
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	spec.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, nl.Uint8Attr(mode))
	return spec
}

// attrToken is the interface identifier for addresses of routers' prefixes; all zeros
// means none. It needs a message of its own.
func attrToken(token netip.Addr) *nl.RtAttr {
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	spec.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(unix.IFLA_INET6_TOKEN, token.AsSlice())
	return spec
}

// attrBridge is the kind and the settings of a bridge; those in more override the
// others.
func attrBridge(b host.BridgeInfo, more ...*nl.RtAttr) *nl.RtAttr {
	attrs := []*nl.RtAttr{
		nl.NewRtAttr(unix.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(b.ForwardDelay)),
		nl.NewRtAttr(unix.IFLA_BR_STP_STATE, nl.Uint32Attr(b2u(b.STP))),
	}
	if !slices.ContainsFunc(more, func(a *nl.RtAttr) bool { return a.Type == unix.IFLA_BR_MCAST_SNOOPING }) {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_BR_MCAST_SNOOPING, nl.Uint8Attr(uint8(b2u(b.Snooping)))))
	}
	return attrSettings(append(attrs, more...)...)
}

// attrSettings is the kind of a bridge, with those settings and no others.
func attrSettings(attrs ...*nl.RtAttr) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(unix.IFLA_INFO_DATA, nil)
	for _, a := range attrs {
		data.AddChild(a)
	}
	return info
}

// attrVeth is the kind of a veth pair and its other end.
func attrVeth(peer int, attrs ...*nl.RtAttr) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	data := info.AddRtAttr(unix.IFLA_INFO_DATA, nil)
	p := data.AddRtAttr(vethInfoPeer, rtnl.Ifinfo(peer, 0, 0))
	for _, a := range attrs {
		p.AddChild(a)
	}
	return info
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
