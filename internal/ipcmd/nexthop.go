package ipcmd

import (
	"encoding/binary"
	"strconv"
	"strings"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// Attributes that golang.org/x/sys/unix does not name (linux/nexthop.h).
const (
	nhaFDB = 11 // NHA_FDB

	nhaResGroupBuckets         = 1
	nhaResGroupIdleTimer       = 2
	nhaResGroupUnbalancedTimer = 3
)

// nexthopCommand renders RTM_NEWNEXTHOP and RTM_DELNEXTHOP.
func (n Names) nexthopCommand(m rtnl.Msg) string {
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
	n.addHop(l, a, nexthopHop, int(rtnl.U32(a[unix.NHA_OIF])), nhm[4])
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
		s := strconv.FormatUint(uint64(binary.NativeEndian.Uint32(b)), 10)
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
	l.fields(collect(rtnl.ParseAttrs(a[rtnl.NhaResGroup])), []field{
		{nhaResGroupBuckets, "buckets", dec(2)},
		{nhaResGroupIdleTimer, "idle_timer", seconds},
		{nhaResGroupUnbalancedTimer, "unbalanced_timer", seconds},
	})
}

// seconds formats a time that the kernel counts in USER_HZ.
func seconds(b []byte) (string, bool) {
	v, ok := number(b, 4)
	return strconv.FormatUint(v/rtnl.UserHz, 10), ok
}
