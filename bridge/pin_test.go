package bridge

import (
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// TestPinVLANs holds that a VLAN keeps its neighbours when its address is set,
// and when that is undone: the kernel forgets them with the address.
func TestPinVLANs(t *testing.T) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}
	other := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 2}
	nic := &host.Link{Name: "eth0", Index: 2, MAC: mac, Ethernet: true}
	neigh := func(index, last byte) rtnl.Msg {
		fixed := []byte{unix.AF_INET, 0, 0, 0, index, 0, 0, 0, unix.NUD_PERMANENT, 0, 0, unix.RTN_UNICAST}
		return rtnl.Msg{Type: unix.RTM_NEWNEIGH, Body: fixed}.
			With(unix.NDA_DST, []byte{192, 0, 2, last}).With(unix.NDA_LLADDR, other)
	}
	h := &host.Host{
		Links: []*host.Link{
			nic,
			{Name: "eth0.5", Index: 3, MAC: mac, Kind: "vlan", Lower: 2},
			{Name: "eth0.6", Index: 4, MAC: other, Kind: "vlan", Lower: 2}, // it has a MAC address of its own
		},
		Neighs: []rtnl.Msg{neigh(2, 2), neigh(3, 3), neigh(4, 4)},
	}
	step := newBuilder(nil, h).pinVLANs(nic)
	again := "ip neigh replace 192.0.2.3 lladdr 52:54:00:00:00:02 dev eth0.5 nud permanent"
	for _, c := range []struct {
		ops  []plan.Op
		want []string
	}{
		{step.Do, []string{"ip link set dev eth0.5 address 52:54:00:00:00:01", again}},
		{step.Undo, []string{again}},
	} {
		var got []string
		for _, op := range c.ops {
			got = append(got, op.Commands()...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}
