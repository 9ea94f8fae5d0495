package ipcmd

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// linkCommand renders RTM_NEWLINK, which creates a link or changes one, and
// RTM_DELLINK.
func (n Names) linkCommand(m rtnl.Msg) string {
	ifi, a := m.Fixed(), collect(m.Attrs)
	switch {
	case ifi[0] == unix.AF_BRIDGE && m.Type == unix.RTM_DELLINK:
		return n.vlanCommand(m)
	case ifi[0] != unix.AF_UNSPEC:
		return noCommand(m) // a bridge's view of a port, an IPv6 configuration
	}
	info := collect(rtnl.ParseAttrs(a[unix.IFLA_LINKINFO]))
	if data, ok := info[unix.IFLA_INFO_SLAVE_DATA]; ok {
		return n.portCommand(m, collect(rtnl.ParseAttrs(data)))
	}
	l := newLine("ip", "link")
	switch {
	case m.Type == unix.RTM_DELLINK:
		l.add("del")
		if group, ok := number(a[unix.IFLA_GROUP], 4); ok && linkIndex(ifi) <= 0 && a[unix.IFLA_IFNAME] == nil { // rtnl_dellink
			l.add("group", strconv.FormatUint(group, 10))
		} else {
			l.add("dev", n.linkName(ifi, a))
		}
		return l.String()
	case m.Flags&unix.NLM_F_CREATE != 0:
		l.add(verb(m))
		addNewName(l, ifi, a)
	default:
		was := n.linkName(ifi, a)
		l.add("set", "dev", was)
		name := rtnl.String(a[unix.IFLA_IFNAME])
		l.addIf(name != "" && name != was, "name", name)
		if token := inet6Of(a)[unix.IFLA_INET6_TOKEN]; token != nil {
			text, _ := ip(token)
			return newLine("ip", "token", "set", text, "dev", was).String() // always a message of its own
		}
	}
	n.addLinkArgs(l, ifi, a)
	n.addKind(l, info)
	return l.String()
}

// linkIndex is a link's index, 0 if the message has only its name, or leaves the
// index to the kernel.
func linkIndex(ifi []byte) int { return int(int32(binary.NativeEndian.Uint32(ifi[4:]))) }

// linkName is the name of the message's link before the message is carried out.
func (n Names) linkName(ifi []byte, a attrs) string {
	if index := linkIndex(ifi); index > 0 {
		return n.Of(index)
	}
	return rtnl.String(a[unix.IFLA_IFNAME])
}

// addNewName adds the name and index of a link that is to be created.
func addNewName(l *line, ifi []byte, a attrs) {
	l.fields(a, []field{{unix.IFLA_IFNAME, "name", text}})
	if index := linkIndex(ifi); index > 0 {
		l.add("index", strconv.Itoa(index))
	}
}

// linkFields are what the program sets of an interface.
var linkFields = []field{
	{unix.IFLA_ADDRESS, "address", mac},
	{unix.IFLA_MTU, "mtu", dec(4)},
	{unix.IFLA_TXQLEN, "txqueuelen", dec(4)},
	{unix.IFLA_IFALIAS, "alias", text},
	{unix.IFLA_GROUP, "group", dec(4)},
	{unix.IFLA_OPERSTATE, "state", choice("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")},
}

func onOff(b []byte) (string, bool) { return choice("off", "on")(b) }

// addLinkArgs adds the arguments for a link that is created, changed, or created
// as the peer of another one.
func (n Names) addLinkArgs(l *line, ifi []byte, a attrs) {
	l.fields(a, linkFields)
	if master, ok := number(a[unix.IFLA_MASTER], 4); ok && master == 0 {
		l.add("nomaster")
	} else if ok {
		l.add("master", n.Of(int(master)))
	}
	addLinkFlags(l, binary.NativeEndian.Uint32(ifi[8:]), binary.NativeEndian.Uint32(ifi[12:]))
	l.fields(inet6Of(a), []field{
		{unix.IFLA_INET6_ADDR_GEN_MODE, "addrgenmode", choice("eui64", "none", "stable_secret", "random")},
	})
}

// inet6Of is what a link's attributes say about IPv6.
func inet6Of(a attrs) attrs {
	spec := collect(rtnl.ParseAttrs(a[unix.IFLA_AF_SPEC]))
	return collect(rtnl.ParseAttrs(spec[unix.AF_INET6]))
}

// linkFlags are the flags that the program sets besides IFF_UP. "arp" means that
// the flag is not set.
var linkFlags = []struct {
	bit     uint32
	word    string
	negated bool
}{
	{unix.IFF_NOARP, "arp", true},
	{unix.IFF_MULTICAST, "multicast", false},
	{unix.IFF_ALLMULTI, "allmulticast", false},
	{unix.IFF_PROMISC, "promisc", false},
}

func addLinkFlags(l *line, flags, change uint32) {
	for _, f := range linkFlags {
		if change&f.bit != 0 {
			l.add(f.word, onOffWord(flags&f.bit != 0 != f.negated))
		}
	}
	if change&unix.IFF_UP != 0 {
		l.add(map[bool]string{true: "up", false: "down"}[flags&unix.IFF_UP != 0])
	}
}

func onOffWord(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// addKind adds the kind of link and what only links of that kind have. It comes
// last, because iproute2 passes all further words to the kind.
func (n Names) addKind(l *line, info attrs) {
	kind := rtnl.String(info[unix.IFLA_INFO_KIND])
	if kind == "" {
		return
	}
	l.add("type", kind)
	switch kind {
	case "bridge":
		data := collect(rtnl.ParseAttrs(info[unix.IFLA_INFO_DATA]))
		l.fields(data, bridgeFields)
		addBoolopts(l, data[unix.IFLA_BR_MULTI_BOOLOPT])
	case "veth":
		if peer, ok := vethPeer(info); ok {
			a := collect(peer.Attrs)
			l.add("peer")
			addNewName(l, peer.Fixed(), a)
			n.addLinkArgs(l, peer.Fixed(), a)
		}
	}
}

// vethPeer is the other end of a new veth pair: VETH_INFO_PEER holds a whole
// link message.
func vethPeer(info attrs) (rtnl.Msg, bool) {
	if rtnl.String(info[unix.IFLA_INFO_KIND]) != "veth" {
		return rtnl.Msg{}, false
	}
	const vethInfoPeer = 1
	peer := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: collect(rtnl.ParseAttrs(info[unix.IFLA_INFO_DATA]))[vethInfoPeer]}
	return peer, peer.Fixed() != nil
}

// bridgeFields are a bridge's settings. Times are in hundredths of a second,
// for the kernel and for iproute2.
var bridgeFields = []field{
	{unix.IFLA_BR_STP_STATE, "stp_state", dec(4)},
	{unix.IFLA_BR_FORWARD_DELAY, "forward_delay", dec(4)},
	{unix.IFLA_BR_HELLO_TIME, "hello_time", dec(4)},
	{unix.IFLA_BR_MAX_AGE, "max_age", dec(4)},
	{unix.IFLA_BR_AGEING_TIME, "ageing_time", dec(4)},
	{unix.IFLA_BR_PRIORITY, "priority", dec(2)},
	{unix.IFLA_BR_GROUP_FWD_MASK, "group_fwd_mask", dec(2)},
	{unix.IFLA_BR_GROUP_ADDR, "group_address", mac},
	{unix.IFLA_BR_VLAN_FILTERING, "vlan_filtering", dec(1)},
	{unix.IFLA_BR_VLAN_PROTOCOL, "vlan_protocol", vlanProtocol},
	{unix.IFLA_BR_VLAN_DEFAULT_PVID, "vlan_default_pvid", dec(2)},
	{unix.IFLA_BR_VLAN_STATS_ENABLED, "vlan_stats_enabled", dec(1)},
	{unix.IFLA_BR_VLAN_STATS_PER_PORT, "vlan_stats_per_port", dec(1)},
	{unix.IFLA_BR_MCAST_SNOOPING, "mcast_snooping", dec(1)},
	{unix.IFLA_BR_MCAST_ROUTER, "mcast_router", dec(1)},
	{unix.IFLA_BR_MCAST_QUERY_USE_IFADDR, "mcast_query_use_ifaddr", dec(1)},
	{unix.IFLA_BR_MCAST_QUERIER, "mcast_querier", dec(1)},
	{unix.IFLA_BR_MCAST_HASH_MAX, "mcast_hash_max", dec(4)},
	{unix.IFLA_BR_MCAST_LAST_MEMBER_CNT, "mcast_last_member_count", dec(4)},
	{unix.IFLA_BR_MCAST_STARTUP_QUERY_CNT, "mcast_startup_query_count", dec(4)},
	{unix.IFLA_BR_MCAST_LAST_MEMBER_INTVL, "mcast_last_member_interval", dec(8)},
	{unix.IFLA_BR_MCAST_MEMBERSHIP_INTVL, "mcast_membership_interval", dec(8)},
	{unix.IFLA_BR_MCAST_QUERIER_INTVL, "mcast_querier_interval", dec(8)},
	{unix.IFLA_BR_MCAST_QUERY_INTVL, "mcast_query_interval", dec(8)},
	{unix.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, "mcast_query_response_interval", dec(8)},
	{unix.IFLA_BR_MCAST_STARTUP_QUERY_INTVL, "mcast_startup_query_interval", dec(8)},
	{unix.IFLA_BR_MCAST_STATS_ENABLED, "mcast_stats_enabled", dec(1)},
	{unix.IFLA_BR_MCAST_IGMP_VERSION, "mcast_igmp_version", dec(1)},
	{unix.IFLA_BR_MCAST_MLD_VERSION, "mcast_mld_version", dec(1)},
	{unix.IFLA_BR_NF_CALL_IPTABLES, "nf_call_iptables", dec(1)},
	{unix.IFLA_BR_NF_CALL_IP6TABLES, "nf_call_ip6tables", dec(1)},
	{unix.IFLA_BR_NF_CALL_ARPTABLES, "nf_call_arptables", dec(1)},
	{unix.IFLA_BR_FDB_MAX_LEARNED, "fdb_max_learned", dec(4)},
}

func vlanProtocol(b []byte) (string, bool) {
	if len(b) != 2 {
		return "", false
	}
	switch binary.BigEndian.Uint16(b) {
	case unix.ETH_P_8021Q:
		return "802.1Q", true
	case unix.ETH_P_8021AD:
		return "802.1ad", true
	}
	return "", false
}

// boolopts are the options of a bridge that share one attribute, by bit.
var boolopts = []string{"no_linklocal_learn", "mcast_vlan_snooping"}

// addBoolopts reads struct br_boolopt_multi: values, and which of them count.
func addBoolopts(l *line, b []byte) {
	if len(b) != 8 {
		return
	}
	values, mask := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
	for i, word := range boolopts {
		l.addIf(mask&(1<<i) != 0, word, fmt.Sprint(values>>i&1))
	}
}

// propCommand renders RTM_NEWLINKPROP and RTM_DELLINKPROP, the alternative
// names of a link.
func (n Names) propCommand(m rtnl.Msg) string {
	ifi, a := m.Fixed(), collect(m.Attrs)
	l := newLine("ip", "link", "property", verb(m), "dev", n.linkName(ifi, a))
	for p := range rtnl.ParseAttrs(a[unix.IFLA_PROP_LIST]) {
		l.addIf(p.Type == unix.IFLA_ALT_IFNAME, "altname", rtnl.String(p.Value))
	}
	return l.String()
}
