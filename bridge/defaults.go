package bridge

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// What a new bridge and its ports have: everything else is a setting that somebody
// has made. A value that is wrong here, or different on some kernel, does no harm:
// then it is kept and set as if it had been chosen.
//
// An attribute that is in no table is one that the kernel only reports (timers,
// ids, counters: a message with some of them would be refused), or one of a later
// kernel.

// attrDefault is an attribute that can be set, and the values that it has if nobody
// has set it.
type attrDefault struct {
	typ    uint16
	values []uint64
}

// bridgeDefaults are the settings of a bridge that start makes: see br_dev_setup
// and br_multicast_init. The kernel rounds intervals to its ticks.
var bridgeDefaults = []attrDefault{
	{unix.IFLA_BR_HELLO_TIME, []uint64{200}},
	{unix.IFLA_BR_MAX_AGE, []uint64{2000}},
	{unix.IFLA_BR_AGEING_TIME, []uint64{30000}},
	{unix.IFLA_BR_PRIORITY, []uint64{0x8000}},
	{unix.IFLA_BR_GROUP_FWD_MASK, []uint64{0}},
	{unix.IFLA_BR_GROUP_ADDR, nil}, // see plainBridge
	{unix.IFLA_BR_VLAN_PROTOCOL, []uint64{uint64(binary.NativeEndian.Uint16([]byte{0x81, 0x00}))}},
	{unix.IFLA_BR_VLAN_DEFAULT_PVID, []uint64{1}},
	{unix.IFLA_BR_VLAN_STATS_ENABLED, []uint64{0}},
	{unix.IFLA_BR_VLAN_STATS_PER_PORT, []uint64{0}},
	{unix.IFLA_BR_MCAST_SNOOPING, []uint64{0}},
	{unix.IFLA_BR_MCAST_ROUTER, []uint64{1}},
	{unix.IFLA_BR_MCAST_QUERY_USE_IFADDR, []uint64{0}},
	{unix.IFLA_BR_MCAST_QUERIER, []uint64{0}},
	{unix.IFLA_BR_MCAST_HASH_MAX, []uint64{4096, 512}},
	{unix.IFLA_BR_MCAST_LAST_MEMBER_CNT, []uint64{2}},
	{unix.IFLA_BR_MCAST_STARTUP_QUERY_CNT, []uint64{2}},
	{unix.IFLA_BR_MCAST_LAST_MEMBER_INTVL, []uint64{100}},
	{unix.IFLA_BR_MCAST_MEMBERSHIP_INTVL, []uint64{26000}},
	{unix.IFLA_BR_MCAST_QUERIER_INTVL, []uint64{25500}},
	{unix.IFLA_BR_MCAST_QUERY_INTVL, []uint64{12500}},
	{unix.IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, []uint64{1000}},
	{unix.IFLA_BR_MCAST_STARTUP_QUERY_INTVL, []uint64{3124, 3125}},
	{unix.IFLA_BR_MCAST_STATS_ENABLED, []uint64{0}},
	{unix.IFLA_BR_MCAST_IGMP_VERSION, []uint64{2}},
	{unix.IFLA_BR_MCAST_MLD_VERSION, []uint64{1}},
	{unix.IFLA_BR_NF_CALL_IPTABLES, []uint64{0}},
	{unix.IFLA_BR_NF_CALL_IP6TABLES, []uint64{0}},
	{unix.IFLA_BR_NF_CALL_ARPTABLES, []uint64{0}},
	{unix.IFLA_BR_FDB_MAX_LEARNED, []uint64{0}},
}

// filterDefaults are the settings that must wait until dom0's ports have their
// VLANs.
var filterDefaults = []attrDefault{
	{unix.IFLA_BR_VLAN_FILTERING, []uint64{0}},
	{unix.IFLA_BR_MULTI_BOOLOPT, nil}, // see plainBridge and options
}

// treeDefaults are the settings that make a port wait when it joins the bridge. They
// come after all ports have joined: then no port stops forwarding.
var treeDefaults = []attrDefault{
	{unix.IFLA_BR_FORWARD_DELAY, []uint64{0}},
	{unix.IFLA_BR_STP_STATE, []uint64{0}},
}

// portDefaults are a port's settings: see new_nbp and br_multicast_add_port.
// The cost depends on the device: see ownCost.
var portDefaults = []attrDefault{
	{unix.IFLA_BRPORT_PRIORITY, []uint64{32}},
	{unix.IFLA_BRPORT_COST, nil},
	{unix.IFLA_BRPORT_MODE, []uint64{0}},
	{unix.IFLA_BRPORT_GUARD, []uint64{0}},
	{unix.IFLA_BRPORT_PROTECT, []uint64{0}},
	{unix.IFLA_BRPORT_FAST_LEAVE, []uint64{0}},
	{unix.IFLA_BRPORT_LEARNING, []uint64{1}},
	{unix.IFLA_BRPORT_UNICAST_FLOOD, []uint64{1}},
	{unix.IFLA_BRPORT_PROXYARP, []uint64{0}},
	{unix.IFLA_BRPORT_PROXYARP_WIFI, []uint64{0}},
	{unix.IFLA_BRPORT_MULTICAST_ROUTER, []uint64{1}},
	{unix.IFLA_BRPORT_MCAST_FLOOD, []uint64{1}},
	{unix.IFLA_BRPORT_BCAST_FLOOD, []uint64{1}},
	{unix.IFLA_BRPORT_MCAST_TO_UCAST, []uint64{0}},
	{unix.IFLA_BRPORT_GROUP_FWD_MASK, []uint64{0}},
	{unix.IFLA_BRPORT_NEIGH_SUPPRESS, []uint64{0}},
	{unix.IFLA_BRPORT_NEIGH_VLAN_SUPPRESS, []uint64{0}},
	{unix.IFLA_BRPORT_VLAN_TUNNEL, []uint64{0}},
	{unix.IFLA_BRPORT_ISOLATED, []uint64{0}},
	{unix.IFLA_BRPORT_LOCKED, []uint64{0}},
	{unix.IFLA_BRPORT_MAB, []uint64{0}},
	{unix.IFLA_BRPORT_BACKUP_NHID, []uint64{0}},
	{unix.IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT, []uint64{512}},
	{unix.IFLA_BRPORT_MCAST_MAX_GROUPS, []uint64{0}},
}

// groupAddress is where a bridge sends its BPDUs.
var groupAddress = []byte{0x01, 0x80, 0xc2, 0, 0, 0}

// chosen are the attributes in attrs that are in the table, with a value that they
// do not have by themselves.
func chosen(attrs []byte, table []attrDefault, except func(rtnl.Attr) bool) []byte {
	var out []byte
	for a := range rtnl.ParseAttrs(attrs) {
		i := slices.IndexFunc(table, func(d attrDefault) bool { return d.typ == a.Type })
		if i >= 0 && !slices.Contains(table[i].values, numberIn(a.Value)) && (except == nil || !except(a)) {
			out = append(out, attr(a).Serialize()...)
		}
	}
	return out
}

// numberIn reads a number in host order, of any size.
func numberIn(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return ^uint64(0)
}

// vlanSnooping is the option that the kernel accepts only once VLANs are filtered
// (BR_BOOLOPT_MCAST_VLAN_SNOOPING). It accepts another one, MST, only before there
// is a port.
const vlanSnooping = 1 << 1

// options is a struct br_boolopt_multi that switches on the options in mask that
// are on in b; nil if none is. The kernel refuses some options even if they change
// nothing.
func options(b []byte, mask uint32) []byte {
	on := rtnl.U32(b[:4]) & mask
	if on == 0 {
		return nil
	}
	return append(rtnl.U32Bytes(on), rtnl.U32Bytes(on)...)
}

// ownCost says whether a path cost is the one that the kernel has given the port
// (port_cost): by the speed of a NIC, and always the same for the virtual devices
// that guests have.
func ownCost(l *host.Link, cost uint64) bool {
	switch l.Kind {
	case "veth":
		return cost == 2
	case "tun":
		return cost == 100
	case "":
		if l.Bus == "xen-backend" {
			return cost == 100
		}
	}
	return slices.Contains([]uint64{1, 2, 3, 4, 5, 19, 100}, cost)
}
