package mpls

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TestTurn has a route leave by another interface, as the kernel takes it, and leaves alone
// what it was made from.
func TestTurn(t *testing.T) {
	route := func(attrs ...*nl.RtAttr) rtnl.Msg {
		m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_MULTI, Body: append([]byte{unix.AF_MPLS, 20, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, 0, unix.RTN_UNICAST}, 17, 0, 0, 0)}
		for _, a := range append([]*nl.RtAttr{nl.NewRtAttr(unix.RTA_DST, []byte{0, 6, 0x51, 0})}, attrs...) {
			m.Body = append(m.Body, a.Serialize()...)
		}
		return m
	}
	via := nl.NewRtAttr(unix.RTA_VIA, []byte{unix.AF_INET, 0, 192, 0, 2, 1})
	leg := func(index, flags byte) []byte {
		return append([]byte{8 + 12, 0, flags, 0, index, 0, 0, 0}, via.Serialize()...)
	}
	for _, m := range []rtnl.Msg{
		route(via, nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(2))),
		route(nl.NewRtAttr(unix.RTA_MULTIPATH, append(leg(2, 17), leg(3, 16)...))),
	} {
		if Label(m) != 101 || !m.Uses(2) {
			t.Fatalf("label %d, %v", Label(m), m)
		}
		before := string(m.Body)
		for got := range Turn(nil, m, 2, 7).All() {
			if got.Flags != unix.NLM_F_REPLACE || rtnl.U32(got.Body[8:12]) != 0 || got.Uses(2) || !got.Uses(7) || m.Uses(3) != got.Uses(3) || Label(got) != 101 || len(got.Body) != len(m.Body) {
				t.Errorf("%+v", got)
			}
			for leg := range rtnl.Legs(got.Get(unix.RTA_MULTIPATH)) {
				if leg[2] != 0 {
					t.Errorf("a leg has flags: %v", leg)
				}
			}
		}
		if string(m.Body) != before {
			t.Error("the route itself has changed")
		}
	}
}
