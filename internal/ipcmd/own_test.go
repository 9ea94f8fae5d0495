package ipcmd

import (
	"net/netip"
	"strings"
	"testing"
	"xbr-script/internal/rtnl"

	"golang.org/x/sys/unix"
)

// byRouter is a default route by fe80::n over an interface.
func byRouter(n byte, index int) rtnl.Msg {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[4], fixed[5], fixed[7] = unix.AF_INET6, unix.RT_TABLE_MAIN, unix.RTPROT_RA, unix.RTN_UNICAST
	router := netip.MustParseAddr("fe80::").As16()
	router[15] = n
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_CREATE, Body: fixed}
	return m.With(unix.RTA_GATEWAY, router[:]).With(unix.RTA_OIF, rtnl.U32Bytes(uint32(index))).
		With(unix.RTA_PRIORITY, rtnl.U32Bytes(1024)).With(unix.RTA_PREF, []byte{1}).With(23, rtnl.U32Bytes(900))
}

// TestOwnCommand says what a script does in place of the kernel.
func TestOwnCommand(t *testing.T) {
	names := Names{7: "eth0"}
	own := byRouter(1, 7).AsOwn(rtnl.OwnAnnounce | rtnl.OwnDefault)
	prefix := own.Without(unix.RTA_GATEWAY, unix.RTA_PREF, 23).AsOwn(rtnl.OwnPrefix)
	for want, m := range map[string]rtnl.Msg{
		"ip -6 route prepend default via fe80::1 dev eth0 proto ra metric 1025 pref high expires 900   # stands in": own,
		"ip -6 route del default via fe80::1 dev eth0 metric 1024 pref high expires 900":                            own.As(unix.RTM_DELROUTE, 0),
		"ip -6 route prepend default via fe80::1 dev eth0 proto ra metric 1024 pref high expires 900":               byRouter(1, 7),
		"ip -6 route del default dev eth0 metric 1024":                                                              prefix.As(unix.RTM_DELROUTE, 0),
	} {
		if got := names.Command(m); got != want && (!strings.HasSuffix(want, "# stands in") || !strings.HasPrefix(got, want)) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
