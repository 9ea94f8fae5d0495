// Package mpls reads the routes of MPLS (ip -f mpls route), and has them leave by another
// interface.
package mpls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// Read reads the routes. Where there can be none the kernel is not asked: one without MPLS
// would tell of all routes that there are (rtnl_dump_all).
func Read(c *rtnl.Conn) (all []rtnl.Msg, err error) {
	if labels, err := sysctl.Get("net/mpls/platform_labels"); err != nil || labels == "" || labels == "0" {
		return nil, err
	}
	req := make([]byte, unix.SizeofRtMsg)
	req[0] = unix.AF_MPLS
	msgs, err := c.Dump(unix.RTM_GETROUTE, req)
	for _, m := range msgs {
		if m.Type == unix.RTM_NEWROUTE && m.Family() == unix.AF_MPLS {
			all = append(all, m)
		}
	}
	return all, err
}

// Label is the one whose packets a route is for.
func Label(m rtnl.Msg) uint32 {
	b := m.Get(unix.RTA_DST)
	if len(b) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b) >> 12 // struct mpls_label
}

// Input is the setting that lets packets with labels in by an interface.
func Input(dev string) string { return "net/mpls/conf/" + dev + "/input" }

// Turn adds the message by which a route that leaves by one interface leaves by another one.
// The kernel tells whether the link is down, and does not take that (rtm_to_route_config,
// mpls_nh_build_multi).
func Turn(w rtnl.Wire, m rtnl.Msg, from, to int) rtnl.Wire {
	m = m.Clone()
	m.Flags = unix.NLM_F_REPLACE // not one that is gone by now
	copy(m.Body[8:12], make([]byte, 4))
	for leg := range rtnl.Legs(m.Get(unix.RTA_MULTIPATH)) {
		leg[2] = 0 // rtnh_flags
	}
	return w.AddOn(m, from, to)
}
