package rtnl

import "golang.org/x/sys/unix"

// Message types that golang.org/x/sys/unix does not name
// (linux/rtnetlink.h).
const (
	NewLinkProp = 108 // of alternative names
	DelLinkProp = 109
)

// Flags of requests, by what they do in the kernel's tables and what ip(8) calls
// that.
const (
	Add     = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	Replace = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	Append  = unix.NLM_F_CREATE | unix.NLM_F_APPEND
)

// Attributes that golang.org/x/sys/unix does not name.
const (
	// RtaExpires is RTA_EXPIRES: in how many seconds a route expires
	// (linux/rtnetlink.h).
	RtaExpires = 23
	rtaPad     = 24 // RTA_PAD

	// RtaNhID is RTA_NH_ID, the nexthop object that a route leads over
	// (linux/rtnetlink.h).
	RtaNhID = 30

	// IfaRtPriority is IFA_RT_PRIORITY, the metric of the prefix route that
	// the kernel makes for an address (linux/if_addr.h).
	IfaRtPriority = 9
	ifaProto      = 11 // IFA_PROTO: who made the address

	// NdaFlagsExt is NDA_FLAGS_EXT, more flags of a neighbour, and NtfSticky is
	// NTF_STICKY, which keeps an entry of a forwarding table on its port
	// (linux/neighbour.h).
	NdaFlagsExt = 15
	NtfSticky   = 1 << 6

	// NtfExtManaged is NTF_EXT_MANAGED: the kernel asks for such a neighbour again and
	// again (Linux 5.16).
	NtfExtManaged = 1 << 0

	// NhaResGroup is NHA_RES_GROUP, the settings of a resilient group
	// (linux/nexthop.h).
	NhaResGroup    = 12
	nhaOpFlags     = 14 // NHA_OP_FLAGS: how to read the answer
	nhaGroupStats  = 15 // NHA_GROUP_STATS
	nhaHWStatsUsed = 17 // NHA_HW_STATS_USED

	nhaResGroupPad            = 0
	nhaResGroupUnbalancedTime = 4 // reported only
)

// UserHz is the unit of rta_expires and of a nexthop group's timers: USER_HZ, 100
// on every architecture that Xen runs on.
const UserHz = 100

// Attributes and flags that golang.org/x/sys/unix does not name
// (linux/if_bridge.h).
const (
	// IflaBridgeFlags, IflaBridgeVLANInfo and IflaBridgeVLANTunnel stand in the
	// IFLA_AF_SPEC of a link of the family AF_BRIDGE.
	IflaBridgeFlags      = 0
	IflaBridgeVLANInfo   = 2 // struct bridge_vlan_info: flags, then the VLAN's number
	IflaBridgeVLANTunnel = 3 // a nest of the three that follow
	TunnelID             = 1
	TunnelVID            = 2
	TunnelFlags          = 3

	// BridgeFlagsSelf says that the bridge itself is meant, not the master of
	// a port (BRIDGE_FLAGS_SELF).
	BridgeFlagsSelf = 2

	// Flags of struct bridge_vlan_info.
	VLANPVID       = 1 << 1
	VLANUntagged   = 1 << 2
	VLANRangeBegin = 1 << 3
	VLANRangeEnd   = 1 << 4

	// MdbaSetEntry and MdbaSetEntryAttrs are the attributes of a request to
	// add an entry to a multicast database: a struct br_mdb_entry, and a nest
	// of the four that follow.
	MdbaSetEntry      = 1
	MdbaSetEntryAttrs = 2
	MdbeSource        = 1
	MdbeSrcList       = 2
	MdbeGroupMode     = 3
	MdbeRtProt        = 4

	// MdbPermanent is the state of an entry that somebody made
	// (MDB_PERMANENT).
	MdbPermanent = 1

	// SizeofMdbEntry is the size of struct br_mdb_entry.
	SizeofMdbEntry = 28
)

// Attributes of an entry in RTM_NEWVLAN (linux/if_bridge.h).
const (
	VLANDBEntry        = 1 // BRIDGE_VLANDB_ENTRY, a nest of the others
	VLANEntryInfo      = 1 // struct bridge_vlan_info
	VLANEntryRange     = 2 // the last of a range
	VLANEntryState     = 3
	VLANEntryRouter    = 6 // BRIDGE_VLANDB_ENTRY_MCAST_ROUTER
	VLANEntryMaxGroups = 8
	VLANEntrySuppress  = 9
)
