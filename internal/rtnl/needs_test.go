package rtnl

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHomeless has routes that need addresses.
func TestHomeless(t *testing.T) {
	addr := func(index int, text string) Msg {
		p := netip.MustParsePrefix(text)
		m := Msg{Type: unix.RTM_NEWADDR, Body: []byte{unix.AF_INET, byte(p.Bits()), 0, 0, byte(index), 0, 0, 0}}
		return m.With(unix.IFA_ADDRESS, p.Addr().AsSlice()).With(unix.IFA_LOCAL, p.Addr().AsSlice())
	}
	bytes := func(text string) []byte { return netip.MustParseAddr(text).AsSlice() }
	addrs := []Msg{addr(1, "10.0.0.2/24"), addr(3, "192.0.2.2/24")}
	via := func(gw string) Msg { return route(2).With(unix.RTA_GATEWAY, bytes(gw)) }
	onlink := via("203.0.113.1").Clone()
	onlink.Body[8] |= unix.RTNH_F_ONLINK
	nexthop := Msg{Type: unix.RTM_NEWNEXTHOP, Body: make([]byte, 8)}.With(unix.NHA_OIF, U32Bytes(1))
	for name, c := range map[string]struct {
		m    Msg
		want bool
	}{
		"on the link":                    {route(2), false},
		"by a neighbour":                 {via("10.0.0.1"), false},
		"by another link's neighbour":    {via("192.0.2.1"), true},
		"by nobody's neighbour":          {via("203.0.113.1"), true},
		"by one that counts as on it":    {onlink, false},
		"by a link-local address":        {via("fe80::1"), false},
		"with an address":                {route(2).With(unix.RTA_PREFSRC, bytes("192.0.2.2")), false},
		"with one that is gone":          {route(2).With(unix.RTA_PREFSRC, bytes("192.0.2.3")), true},
		"a nexthop":                      {nexthop.With(unix.NHA_GATEWAY, bytes("10.0.0.1")), false},
		"a nexthop that is no neighbour": {nexthop.With(unix.NHA_GATEWAY, bytes("10.0.1.1")), true},
		"an address":                     {addrs[0], false},
	} {
		if got := c.m.Homeless(addrs); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
