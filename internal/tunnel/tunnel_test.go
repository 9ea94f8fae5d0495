package tunnel

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

func attr(typ int, value ...byte) *nl.RtAttr { return nl.NewRtAttr(typ, value) }

func attrs(list ...*nl.RtAttr) (b []byte) {
	for _, a := range list {
		b = append(b, a.Serialize()...)
	}
	return b
}

// link is a tunnel with that data as the kernel tells it.
func link(kind string, data []byte) rtnl.Msg {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, nl.ZeroTerminated(kind))
	info.AddRtAttr(unix.IFLA_INFO_DATA, data)
	body := make([]byte, unix.SizeofIfInfomsg)
	body[4] = 9
	m := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: append(body, info.Serialize()...)}
	return m.With(unix.IFLA_IFNAME, nl.ZeroTerminated("t0")).With(unix.IFLA_MTU, rtnl.U32Bytes(1400))
}

// gre is what the kernel tells of a tunnel with a key: IFLA_GRE_LINK, and others before and
// after it, one of an odd length and one of none.
func gre(lower byte) []byte {
	return attrs(attr(3, 0, 0x20), attr(1, lower, 0, 0, 0), attr(10, 64), attr(5, 0, 0, 0, 7), attr(7, 192, 0, 2, 1), attr(18))
}

// TestOn gives tunnels of each kind another interface, and changes nothing else.
func TestOn(t *testing.T) {
	for kind := range lowerAttr {
		if kind == "vxlan" {
			continue
		}
		is, ok := Read(link(kind, gre(2)))
		if !ok || is.Lower != 2 || is.Index != 9 || is.Name != "t0" || is.Kind != kind || is.MTU != 1400 {
			t.Fatalf("%s: %+v, %v", kind, is, ok)
		}
		want, ok := Read(is.On(7).Set())
		if !ok || want.Lower != 7 || string(want.Data) != string(gre(7)) || want.MTU != 1400 || want.Index != 9 {
			t.Errorf("%s: %+v, %v", kind, want, ok)
		}
		if is.Lower != 2 || string(is.Data) != string(gre(2)) {
			t.Errorf("%s: the tunnel itself has changed", kind)
		}
		if d := is.On(7).Differs(want); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
	// A VXLAN is told nothing else.
	vx, _ := Read(link("vxlan", attrs(attr(1, 5, 0, 0, 0), attr(3, 2, 0, 0, 0), attr(15, 0x12, 0xb5))))
	set := vx.On(7).Set()
	if data := rtnl.FindAttr(set.Get(unix.IFLA_LINKINFO), unix.IFLA_INFO_DATA); string(data) != string(attrs(attr(3, 7, 0, 0, 0))) || set.Get(unix.IFLA_MTU) != nil {
		t.Errorf("%v", set)
	}
	for _, other := range []rtnl.Msg{link("macvlan", gre(2)), link("gre", gre(2)).With(unix.IFLA_LINK_NETNSID, rtnl.U32Bytes(0)), {Type: unix.RTM_NEWLINK}} {
		if is, ok := Read(other); ok {
			t.Errorf("%+v is taken for one", is)
		}
	}
}

// TestDiffers finds what has become of a tunnel besides.
func TestDiffers(t *testing.T) {
	want, _ := Read(link("gre", gre(7)))
	mtu, lower, data := want, want.On(2), want
	mtu.MTU, data.Data = 1380, gre(7)[:8]
	for _, c := range []struct {
		is   Tunnel
		says string
	}{{want, ""}, {mtu, "its MTU is 1380 and not 1400"}, {lower, "it is bound to the interface 2 and not 7"}, {data, "another of its settings has changed"}} {
		if got := c.is.Differs(want); got != c.says {
			t.Errorf("%q, want %q", got, c.says)
		}
	}
}

// TestVXLAN knows what the kernel would not leave as it is.
func TestVXLAN(t *testing.T) {
	up := func(list ...*nl.RtAttr) *host.Link {
		return &host.Link{Kind: "vxlan", Flags: unix.IFF_UP, VXLANAttrs: attrs(list...)}
	}
	six := append([]byte{0xff, 2}, make([]byte, 14)...)
	down := up(attr(vxlanGroup, 239, 1, 1, 1))
	down.Flags = 0
	for _, c := range []struct {
		what  string
		link  *host.Link
		mtu   uint32
		group string
	}{
		{"with a peer", up(attr(vxlanGroup, 192, 0, 2, 1)), 1450, "<nil>"},
		{"with a group", up(attr(vxlanGroup, 239, 1, 1, 1)), 1450, "239.1.1.1"},
		{"with a group, off", down, 1450, "<nil>"},
		{"with a group of IPv6", up(attr(vxlanGroup6, six...)), 1430, "ff02::"},
		{"with both ends of IPv6", up(attr(vxlanGroup6, six...), attr(vxlanLocal6, six...)), 1430, "ff02::"},
		{"without Ethernet", up(attr(vxlanLocal6, six...), attr(vxlanGPE)), 1444, "<nil>"},
		{"of another kind", &host.Link{Kind: "gre", Flags: unix.IFF_UP}, 0, "<nil>"},
	} {
		if mtu, group := MTU(c.link, 1500), Group(c.link); mtu != c.mtu || group.String() != c.group {
			t.Errorf("%s: %d, %v", c.what, mtu, group)
		}
	}
}

// TestReserved knows a VXLAN whose header has bits that the kernel would forget.
func TestReserved(t *testing.T) {
	for _, c := range []struct {
		kind string
		bits []byte
		want bool
	}{
		{"vxlan", []byte{0xf7, 0xff, 0xff, 0xff, 0, 0, 0, 0xff}, false},
		{"vxlan", []byte{0x77, 0, 0, 0, 0, 0, 0, 0xff}, true}, // gbp
		{"vxlan", []byte{0xf7, 0xdf, 0xff, 0xff, 0, 0, 0, 0}, true},
		{"vxlan", nil, false},
		{"gre", []byte{0x77, 0, 0, 0, 0, 0, 0, 0xff}, false},
	} {
		l := &host.Link{Kind: c.kind, VXLANAttrs: attrs(attr(vxlanGroup, 192, 0, 2, 1), attr(vxlanReserved, c.bits...))}
		if c.bits == nil {
			l.VXLANAttrs = attrs(attr(vxlanGroup, 192, 0, 2, 1))
		}
		if got := Reserved(l); got != c.want {
			t.Errorf("%s, %x: %v", c.kind, c.bits, got)
		}
	}
}

// entry is one of a forwarding table as the kernel tells it.
func entry(mac string, via uint32) rtnl.Msg {
	hw, _ := net.ParseMAC(mac)
	body := make([]byte, unix.SizeofNdMsg)
	body[0], body[4], body[8] = unix.AF_BRIDGE, 9, unix.NUD_STALE
	m := rtnl.Msg{Type: unix.RTM_NEWNEIGH, Body: body}.With(unix.NDA_LLADDR, hw).With(unix.NDA_DST, []byte{192, 0, 2, 1}).
		With(unix.NDA_CACHEINFO, make([]byte, 16)).With(unix.NDA_PORT, []byte{1, 2})
	if via != 0 {
		m = m.With(unix.NDA_IFINDEX, rtnl.U32Bytes(via))
	}
	return m
}

// TestEntry turns entries: one for an address in its place, one for many beside the other.
func TestEntry(t *testing.T) {
	one, all := entry("02:00:00:00:00:01", 2), entry("00:00:00:00:00:00", 2)
	if !Leaves(one, 2) || Leaves(one, 7) || Leaves(one.Without(unix.NDA_DST), 2) {
		t.Error("the wrong entries leave by it")
	}
	msgs := Entry(one, 7)
	if len(msgs) != 1 || msgs[0].Flags != rtnl.Replace || msgs[0].U32(unix.NDA_IFINDEX) != 7 || msgs[0].Get(unix.NDA_CACHEINFO) != nil ||
		msgs[0].Body[10] != unix.NTF_SELF || msgs[0].Body[8]&unix.NUD_REACHABLE == 0 || string(msgs[0].Get(unix.NDA_PORT)) != "\x01\x02" {
		t.Errorf("%+v", msgs)
	}
	msgs = Entry(all, 7)
	if len(msgs) != 2 || msgs[0].Flags != rtnl.Append || msgs[0].U32(unix.NDA_IFINDEX) != 7 ||
		msgs[1].Type != unix.RTM_DELNEIGH || msgs[1].U32(unix.NDA_IFINDEX) != 2 {
		t.Errorf("%+v", msgs)
	}
}
