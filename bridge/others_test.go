package bridge

import (
	"cmp"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// addressOn is an address of an interface.
func addressOn(index int, cidr string) rtnl.Msg {
	p := netip.MustParsePrefix(cidr)
	ifa := make([]byte, unix.SizeofIfAddrmsg)
	ifa[0], ifa[1] = unix.AF_INET, byte(p.Bits())
	if p.Addr().Is6() {
		ifa[0] = unix.AF_INET6
	}
	if p.Addr().IsLinkLocalUnicast() {
		ifa[3] = unix.RT_SCOPE_LINK
	}
	copy(ifa[4:8], rtnl.U32Bytes(uint32(index)))
	m := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: ifa}
	return m.With(unix.IFA_LOCAL, p.Addr().AsSlice()).With(unix.IFA_ADDRESS, p.Addr().AsSlice())
}

// TestOthersBridge has bridges that are there already: one that only has guests gets
// the NIC, whoever runs them. One that serves something else, or has another way out,
// does not, and the hint says that guests can use it as it is.
func TestOthersBridge(t *testing.T) {
	const bridge, nic = 5, 2
	for _, c := range []struct {
		name  string
		links []host.Link
		addrs []string
		want  string // "" if the NIC goes into it
	}{
		{"empty", nil, nil, ""},
		{"a link-local address", nil, []string{"fe80::1/64"}, ""},
		{"QEMU's taps", []host.Link{{Name: "vnet0", Kind: "tun", Master: bridge}, {Name: "tap100i0", Kind: "tun", Master: bridge}}, nil, ""},
		{"Proxmox's firewall", []host.Link{{Name: "fwpr100p0", Kind: "veth", Master: bridge}}, nil, ""},
		{"a container", []host.Link{{Name: "veth1a2b3c4", Kind: "veth", Master: bridge, Elsewhere: true}}, nil, ""},
		{"Xen's guests", []host.Link{{Name: "vif1.0", Bus: "xen-backend", Master: bridge}, {Name: "vif1.0-emu", Kind: "tun", Master: bridge}}, nil, ""},
		{"libvirt's virbr0 with NAT", []host.Link{{Name: "vnet0", Kind: "tun", Master: bridge}}, []string{"192.168.122.1/24"}, "it has addresses or routes of its own"},
		{"docker0 without containers", nil, []string{"172.17.0.1/16"}, "it has addresses or routes of its own"},
		{"an IPv6 address", nil, []string{"2001:db8::1/64"}, "it has addresses or routes of its own"},
		{"a VLAN on it", []host.Link{{Name: "br0.100", Kind: "vlan", Lower: bridge}}, nil, "br0.100 (vlan) is on top of it"},
		{"a macvtap on it", []host.Link{{Name: "macvtap0", Kind: "macvtap", Lower: bridge}}, nil, "macvtap0 (macvtap) is on top of it"},
		{"another NIC", []host.Link{{Name: "eth9", Bus: "pci", Master: bridge}}, nil, "it has the port eth9, which is not a guest's: it is a NIC"},
		{"a NIC among guests", []host.Link{{Name: "vnet0", Kind: "tun", Master: bridge}, {Name: "enp9s0", Bus: "pci", Master: bridge}}, nil, "it has the port enp9s0"},
		{"a VLAN of a NIC", []host.Link{{Name: "eth9.5", Kind: "vlan", Master: bridge}}, nil, "it has the port eth9.5, which is not a guest's: it is a vlan interface"},
		{"a bond", []host.Link{{Name: "bond0", Kind: "bond", Master: bridge}}, nil, "it has the port bond0"},
		{"a tunnel", []host.Link{{Name: "vx0", Kind: "vxlan", Master: bridge}}, nil, "it has the port vx0"},
		{"a macvtap", []host.Link{{Name: "macvtap0", Kind: "macvtap", Master: bridge}}, nil, "it has the port macvtap0"},
		{"a cable between bridges", []host.Link{{Name: "eth9", Kind: "veth", Master: bridge}}, nil, "it has the port eth9, which is not a guest's: it is called as a NIC is"},
	} {
		h := &host.Host{Links: []*host.Link{
			{Index: nic, Name: "eth0", Ethernet: true, MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}, Flags: unix.IFF_UP},
			{Index: bridge, Name: "br0", Ethernet: true, Kind: "bridge", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Flags: unix.IFF_UP},
		}}
		for i, l := range c.links {
			l.Index = bridge + 1 + i
			h.Links = append(h.Links, &l)
		}
		for _, a := range c.addrs {
			h.Addrs = append(h.Addrs, addressOn(bridge, a))
		}
		w := Spec{Bridge: "br0", NetDev: "eth0", PDev: "peth0"}
		for _, w := range []Spec{w.onPair(), w.onTop()} {
			s := findParts(w, h)
			err := s.refusals(h)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s, dom0=%s: %v", c.name, w.Shape, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s, dom0=%s: %v, want %s", c.name, w.Shape, err, c.want)
			case c.want != "" && !strings.Contains(refusal.Advice(err), "guests can use br0 as it is"):
				t.Errorf("%s, dom0=%s: the hint is %q", c.name, w.Shape, refusal.Advice(err))
			}
		}
	}
}

// TestHintAbove: what stands on the NIC and is in the way is not to be removed by
// somebody who is logged in over it.
func TestHintAbove(t *testing.T) {
	const nic, over = 2, 3
	group := []byte{8, 0, 2, 0, 239, 1, 1, 1} // IFLA_VXLAN_GROUP
	for _, c := range []struct {
		name  string
		links []host.Link // from index over on
		addrs map[int]string
		safe  bool // nobody can be logged in over it
	}{
		{"a guest's macvtap", []host.Link{{Name: "macvtap0", Kind: "macvtap", Lower: nic}}, nil, true},
		{"the host's macvlan", []host.Link{{Name: "mac0", Kind: "macvlan", Lower: nic}}, map[int]string{over: "192.0.2.2/24"}, false},
		{"MACsec", []host.Link{{Name: "ms0", Kind: "macsec", Lower: nic}}, map[int]string{over: "fe80::2/64"}, true},
		{"MACsec with an address", []host.Link{{Name: "ms0", Kind: "macsec", Lower: nic}}, map[int]string{over: "2001:db8::2/64"}, false},
		{"a tunnel in a bridge that has one", []host.Link{{Name: "vx0", Kind: "vxlan", Flags: unix.IFF_UP, VXLANAttrs: group, Lower: nic, Master: over + 1}, {Name: "br0", Kind: "bridge"}},
			map[int]string{over + 1: "192.0.2.2/24"}, false},
		{"a VLAN on a tunnel", []host.Link{{Name: "vx0", Kind: "vxlan", Flags: unix.IFF_UP, VXLANAttrs: group, Lower: nic}, {Name: "vx0.5", Kind: "vlan", Lower: over}}, map[int]string{over + 1: "192.0.2.2/24"}, false},
	} {
		h := &host.Host{Links: []*host.Link{{Index: nic, Name: "eth0", Ethernet: true, Flags: unix.IFF_UP}}}
		for i, l := range c.links {
			l.Index = over + i
			h.Links = append(h.Links, &l)
		}
		for index, a := range c.addrs {
			h.Addrs = append(h.Addrs, addressOn(index, a))
		}
		s := findParts(Spec{Bridge: "xenbr0", NetDev: "eth0", PDev: "peth0"}.onPair(), h)
		hint := refusal.Advice(s.checkAbove(h).(interface{ Unwrap() []error }).Unwrap()[0])
		if first := strings.HasPrefix(hint, "remove it"); first != c.safe || !c.safe && !strings.Contains(hint, "from the console") {
			t.Errorf("%s: the hint is %q", c.name, hint)
		}
	}
}

// TestStation: a NIC of Wi-Fi that cannot be a port is refused, and no hint names it.
func TestStation(t *testing.T) {
	h := &host.Host{Links: []*host.Link{{Index: 2, Name: "wlan0", Ethernet: true}, {Index: 3, Name: "eth0", Ethernet: true}}, Stations: []int{2}}
	s := findParts(Spec{Bridge: "xenbr0", NetDev: "wlan0", PDev: "pwlan0"}.onPair(), h)
	if err := s.checkNIC(h); err == nil || !strings.HasPrefix(refusal.Advice(err), "name another NIC") || candidates(h) != "eth0" {
		t.Errorf("%v, %q, %q", err, refusal.Advice(err), candidates(h))
	}
	s = findParts(Spec{Bridge: "xenbr0", NetDev: "eth0", PDev: "peth0"}.onPair(), h)
	if err := s.checkNIC(h); err != nil {
		t.Errorf("eth0: %v", err)
	}
}

// TestHintSwitch: what connects guests already is no NIC, also where the default route goes
// out by it, and it has the name which a bridge has by default.
func TestHintSwitch(t *testing.T) {
	for kind, want := range map[string]string{"bridge": "guests can use xenbr0 as it is", "openvswitch": "guests can use a bridge of Open vSwitch as it is"} {
		for _, w := range []Spec{{Bridge: "xenbr0", NetDev: "xenbr0"}, {Bridge: "lan", NetDev: "xenbr0", PDev: "pxenbr0"}} {
			h := &host.Host{Links: []*host.Link{{Index: 2, Name: "xenbr0", Ethernet: true, Kind: kind}}}
			w = w.onPair()
			s := findParts(w, h)
			if err := cmp.Or(w.checkWords(h), s.checkNIC(h)); !strings.HasPrefix(refusal.Advice(err), want) {
				t.Errorf("%s, a %s: %v, %q", w.Bridge, kind, err, refusal.Advice(err))
			}
		}
	}
}

// TestHintMaster: a NIC that is a port of something is not taken out of it.
func TestHintMaster(t *testing.T) {
	for kind, want := range map[string]string{
		"bridge": "guests can use m0 as it is", "bond": "give netdev=m0", "team": "give netdev=m0", "batadv": "give netdev=m0",
		"openvswitch": "guests can use a bridge of Open vSwitch as it is", "vrf": "name another NIC",
	} {
		h := &host.Host{Links: []*host.Link{{Index: 2, Name: "eth0", Ethernet: true, Master: 3}, {Index: 3, Name: "m0", Kind: kind, Ethernet: kind != "vrf"}}}
		s := findParts(Spec{Bridge: "xenbr0", NetDev: "eth0", PDev: "peth0"}.onPair(), h)
		err := s.checkNIC(h)
		if hint := refusal.Advice(err); !strings.HasPrefix(hint, want) {
			t.Errorf("a port of a %s: %v, %q", kind, err, hint)
		}
	}
}
