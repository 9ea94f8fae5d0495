package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
)

// relearnLimit is how long routers and DHCP servers may take to tell again what they
// told before. A router may wait three seconds between two answers
// (MIN_DELAY_BETWEEN_RAS of RFC 4861), and is asked again after four.
const relearnLimit = 15 * time.Second

// relearnPause is the time between two looks at it.
const relearnPause = 100 * time.Millisecond

// lacking is the error if dom0's interface has not all that the one before it had.
type lacking struct {
	dev   string
	names ipcmd.Names
	lost  []rtnl.Msg
	pin   string // the port that frames for it do not go to
}

// Error names the first few.
func (l *lacking) Error() string {
	few := texts(l.names, l.lost[:min(len(l.lost), missingShown)])
	if n := len(l.lost); n > missingShown {
		few = append(few, fmt.Sprintf("and %d more", n-missingShown))
	}
	if l.pin != "" {
		few = append(few, "the entry that sends frames for it to "+l.pin)
	}
	return l.dev + " lacks " + strings.Join(few, "; ")
}

// texts are the commands that would make those.
func texts(names ipcmd.Names, msgs []rtnl.Msg) (all []string) {
	for _, m := range msgs {
		all = append(all, names.Command(m.As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)))
	}
	return all
}

// isLasting says whether an error does not go away when routers and DHCP servers tell
// what they told before.
func isLasting(err error) bool {
	l, ok := errors.AsType[*lacking](err)
	return !ok || l.pin != "" || slices.ContainsFunc(l.lost, func(m rtnl.Msg) bool { return !learned(m) })
}

// learned says whether somebody on the link has told of an address or a route, to whoever
// configures the interface.
func learned(m rtnl.Msg) bool {
	switch m.Type {
	case unix.RTM_NEWADDR:
		return m.Leased()
	case unix.RTM_NEWROUTE:
		p := m.Fixed()[5] // rtm_protocol
		return p == unix.RTPROT_RA || p == unix.RTPROT_DHCP
	}
	return false
}

// byRouter says whether a nexthop was made for a route of a router's. systemd-networkd
// (from 257 on) gives it a number that it makes of the interface, and so another one on
// another interface.
func byRouter(nexthop rtnl.Msg) bool { return nexthop.Fixed()[2] == unix.RTPROT_RA } // nh_protocol

// plain has routes over such nexthops as routes by what these are, so that their numbers
// do not matter.
func plain(routes, nexthops []rtnl.Msg) []rtnl.Msg {
	ids := map[uint32]rtnl.Msg{}
	for _, n := range nexthops {
		if byRouter(n) {
			ids[n.U32(unix.NHA_ID)] = n
		}
	}
	if len(ids) == 0 {
		return routes
	}
	routes = slices.Clone(routes)
	for i, m := range routes {
		n, ok := ids[m.U32(rtnl.RtaNhID)]
		if !ok || m.Get(rtnl.RtaNhID) == nil {
			continue
		}
		m = m.Without(rtnl.RtaNhID, unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA)
		for _, a := range []struct{ from, to uint16 }{{unix.NHA_OIF, unix.RTA_OIF}, {unix.NHA_GATEWAY, unix.RTA_GATEWAY}} {
			if v := n.Get(a.from); v != nil {
				m = m.With(a.to, v)
			}
		}
		routes[i] = m
	}
	return routes
}
