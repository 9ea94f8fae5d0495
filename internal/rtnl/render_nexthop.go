package rtnl

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Attributes that golang.org/x/sys/unix does not name (linux/nexthop.h).
const (
	nhaFDB      = 11 // NHA_FDB
	nhaResGroup = 12 // NHA_RES_GROUP

	nhaOpFlags     = 14 // NHA_OP_FLAGS: how to read the answer
	nhaGroupStats  = 15 // NHA_GROUP_STATS
	nhaHWStatsUsed = 17 // NHA_HW_STATS_USED

	nhaResGroupPad             = 0
	nhaResGroupBuckets         = 1
	nhaResGroupIdleTimer       = 2
	nhaResGroupUnbalancedTimer = 3
	nhaResGroupUnbalancedTime  = 4 // reported only
)

// nexthopCommand renders RTM_NEWNEXTHOP and RTM_DELNEXTHOP.
func (n Names) nexthopCommand(m Msg) string {
	nhm, a := m.Fixed(), collect(m.Attrs) // struct nhmsg
	l := newLine("ip")
	l.addIf(m.Type == unix.RTM_NEWNEXTHOP && nhm[0] == unix.AF_INET6, "-6")
	l.add("nexthop", verb(m))
	l.fields(a, []field{{unix.NHA_ID, "id", dec(4)}})
	if m.Type == unix.RTM_DELNEXTHOP {
		return l.String()
	}
	l.addIf(a[unix.NHA_BLACKHOLE] != nil, "blackhole")
	l.fields(a, []field{{unix.NHA_GROUP, "group", group}})
	n.addHop(l, a, nexthopHop, int(U32(a[unix.NHA_OIF])), nhm[4])
	l.addIf(a[nhaFDB] != nil, "fdb")
	addGroupType(l, a)
	l.addIf(nhm[2] != 0, "protocol", protocol(nhm[2]))
	return l.String()
}

// group formats struct nexthop_grp: the members' ids, and their weights where
// these are not 1.
func group(b []byte) (string, bool) {
	var members []string
	for ; len(b) >= 8; b = b[8:] {
		s := strconv.FormatUint(uint64(native.Uint32(b)), 10)
		if b[4] > 0 {
			s += "," + strconv.Itoa(int(b[4])+1)
		}
		members = append(members, s)
	}
	return strings.Join(members, "/"), len(members) > 0 && len(b) == 0
}

// addGroupType adds the type of a group that is not mpath, the default.
func addGroupType(l *line, a attrs) {
	if typ, ok := number(a[unix.NHA_GROUP_TYPE], 2); !ok || typ != 1 {
		return
	}
	l.add("type", "resilient")
	l.fields(collect(ParseAttrs(a[nhaResGroup])), []field{
		{nhaResGroupBuckets, "buckets", dec(2)},
		{nhaResGroupIdleTimer, "idle_timer", seconds},
		{nhaResGroupUnbalancedTimer, "unbalanced_timer", seconds},
	})
}

// seconds formats a time that the kernel counts in USER_HZ.
func seconds(b []byte) (string, bool) {
	v, ok := number(b, 4)
	return strconv.FormatUint(v/userHz, 10), ok
}
