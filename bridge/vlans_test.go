package bridge

import (
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
)

// told is the kernel's message with the VLANs of an interface.
func told(index int, vlans ...vlan) rtnl.Msg {
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	for _, v := range vlans {
		for a := range rtnl.ParseAttrs(vlanMsg(unix.RTM_SETLINK, index, v, 0).Get(unix.IFLA_AF_SPEC)) {
			spec.AddChild(attr(a))
		}
	}
	m := setLink(index, spec)
	m.Body[0] = unix.AF_BRIDGE
	return m
}

// TestVLANs reads the VLANs of ports from the kernel's messages, and gives them
// to ports that have another one at first.
func TestVLANs(t *testing.T) {
	begins := vlan{VID: 1, Flags: rtnl.VLANPVID | rtnl.VLANUntagged}
	tagged := vlan{VID: 1}
	own := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: setLink(7, nl.NewRtAttr(unix.IFLA_AF_SPEC, nl.NewRtAttr(rtnl.IflaBridgeFlags, nl.Uint16Attr(rtnl.BridgeFlagsSelf)).Serialize())).Body}
	for _, c := range []struct {
		name string
		msgs []rtnl.Msg
		pvid uint16
		want string
	}{
		{"as it begins", []rtnl.Msg{told(7, begins)}, 1, ""},
		{"and as a NIC's own switch tells", []rtnl.Msg{told(7, begins), own}, 1, ""},
		{"a kernel without VLANs", nil, 0, ""},
		{"no default", []rtnl.Msg{told(7)}, 0, ""},
		{"none", []rtnl.Msg{told(7)}, 1, "bridge vlan del dev vif1.0 vid 1"},
		{"another's", []rtnl.Msg{told(8), told(7, begins)}, 1, ""},
		{"the same, tagged", []rtnl.Msg{told(7, tagged)}, 1, "bridge vlan add dev vif1.0 vid 1"},
		{"another default", []rtnl.Msg{told(7, begins)}, 5, "bridge vlan del dev vif1.0 vid 5; bridge vlan add dev vif1.0 vid 1 pvid untagged"},
		{"a range over the default", []rtnl.Msg{told(7, vlan{VID: 1, Last: 9})}, 5, "bridge vlan add dev vif1.0 vid 1-9"},
		{"more", []rtnl.Msg{told(7, vlan{VID: 10, Last: 20}, vlan{VID: 200, Flags: begins.Flags}, vlan{VID: 10, Tunnel: 77}, vlan{VID: 11, Last: 14, Tunnel: 1011})}, 1,
			"bridge vlan del dev vif1.0 vid 1; bridge vlan add dev vif1.0 vid 10-20; bridge vlan add dev vif1.0 vid 200 pvid untagged; " +
				"bridge vlan add dev vif1.0 vid 10 tunnel_info id 77; bridge vlan add dev vif1.0 vid 11-14 tunnel_info id 1011-1014"},
	} {
		r := keeper{Bridging: &host.Bridging{VLANs: c.msgs}, br: &host.Link{Index: 4}, pvid: c.pvid}
		p := ports{pvid: c.pvid}
		names := ipcmd.Names{4: "xenbr0", 7: "vif1.0"}
		var lines []string
		for _, m := range p.vlanMsgs(7, settings{VLANs: r.vlans(7)}, 0) {
			lines = append(lines, names.Command(m))
		}
		if got := strings.Join(lines, "; "); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestVLANOptions reads what is set for single VLANs.
func TestVLANOptions(t *testing.T) {
	entry := func(index int, attrs ...rtnl.Attr) rtnl.Msg {
		var nest []byte
		for _, a := range attrs {
			nest = append(nest, attr(a).Serialize()...)
		}
		return bridgeMsg(unix.RTM_NEWVLAN, 0, index).With(unix.NLA_F_NESTED|rtnl.VLANDBEntry, nest)
	}
	info := rtnl.Attr{Type: rtnl.VLANEntryInfo, Value: []byte{rtnl.VLANUntagged, 0, 10, 0}}
	to := rtnl.Attr{Type: rtnl.VLANEntryRange, Value: []byte{20, 0}}
	state := func(v byte) rtnl.Attr { return rtnl.Attr{Type: rtnl.VLANEntryState, Value: []byte{v}} }
	stats := rtnl.Attr{Type: 5, Value: make([]byte, 8)}
	r := keeper{Bridging: &host.Bridging{VLANOptions: []rtnl.Msg{
		entry(7, info, to, state(4), stats), entry(7, info, state(3)), entry(8, info, state(4)),
	}}, br: &host.Link{Index: 4}}
	var lines []string
	for m := range r.vlanOptions(7).All() {
		lines = append(lines, ipcmd.Names{7: "vif1.0"}.Command(m))
	}
	if want := []string{"bridge vlan set dev vif1.0 vid 10-20 state 4"}; !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
}
