package routes

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TestMadeFor6 has routes that the kernel makes with addresses, and others.
func TestMadeFor6(t *testing.T) {
	to := netip.MustParseAddr("2001:db8::").AsSlice()
	addr := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: []byte{unix.AF_INET6, 64, 0, 0, 1, 0, 0, 0}}.
		With(unix.IFA_ADDRESS, netip.MustParseAddr("2001:db8::2").AsSlice())
	made := func(bits, proto, index byte) rtnl.Msg {
		m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: []byte{unix.AF_INET6, bits, 0, 0, unix.RT_TABLE_MAIN, proto, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0}}
		return m.With(unix.RTA_DST, to).With(unix.RTA_OIF, rtnl.U32Bytes(uint32(index)))
	}
	for name, c := range map[string]struct {
		m    rtnl.Msg
		want bool
	}{
		"to its prefix":          {made(64, unix.RTPROT_KERNEL, 1), true},
		"to another":             {made(63, unix.RTPROT_KERNEL, 1), false},
		"somebody's":             {made(64, unix.RTPROT_STATIC, 1), false},
		"of another interface's": {made(64, unix.RTPROT_KERNEL, 2), false},
		"an address":             {addr, false},
	} {
		if got := MadeFor6([]rtnl.Msg{addr}, c.m); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
