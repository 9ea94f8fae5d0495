package host

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		release string
		want    bool // at least 6.2
	}{
		{"6.1.0-18-amd64", false},
		{"6.2-rc1", true},
		{"6.2.0", true},
		{"5.15.0", false},
		{"5.2", false},
		{"10.0", true},
		{"6.18.44-fc", true},
		{"6.10", true},
		{"6", false},
		{"7", true},
		{"4.19.0+", false},
		{"", false},
		{"unknown", false},
	} {
		if got := atLeast(c.release, 6, 2); got != c.want {
			t.Errorf("%q is at least 6.2: %t", c.release, got)
		}
	}
}

// dial opens a connection in a namespace that the script has set up.
func dial(t *testing.T, script string) *rtnl.Conn {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, script)
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func readHost(t *testing.T, c *rtnl.Conn) *Host {
	t.Helper()
	h, err := Read(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// names are the names of interfaces.
func names(links []*Link) []string {
	all := []string{}
	for _, l := range links {
		all = append(all, l.Name)
	}
	return all
}

const furnished = `
	sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
	ip link add eth0 index 10 address 00:16:3e:00:00:01 mtu 1400 txqueuelen 77 type veth peer name lan0 index 11
	ip link set eth0 up alias 'rack 3' group 7 addrgenmode random
	ip link property add dev eth0 altname enp3s0 altname a-name-that-is-longer-than-any-interface-name
	ip link add br0 index 20 type bridge stp_state 1 forward_delay 400
	ip link set lan0 up master br0
	ip link add link eth0 name mac0 index 30 type macvlan
	ip link add link eth0 name tap0 index 31 type macvtap
	ip link add vx0 index 32 type vxlan id 9 dev eth0 dstport 4789
	ip link add link vx0 name deep index 33 type macvlan`

func TestLinks(t *testing.T) {
	c := dial(t, furnished)
	h := readHost(t, c)
	for name, want := range map[string]string{"eth0": "eth0", "enp3s0": "eth0", "a-name-that-is-longer-than-any-interface-name": "eth0", "br0": "br0"} {
		if l := h.Name(name); l == nil || l.Name != want {
			t.Errorf("by the name %s: %+v", name, l)
		}
	}
	if l := h.Name("none"); l != nil {
		t.Errorf("by no name: %+v", l)
	}
	if l := h.Index(20); l == nil || l.Name != "br0" {
		t.Errorf("by the index of br0: %+v", l)
	}
	if l := h.Index(999); l != nil {
		t.Errorf("by no index: %+v", l)
	}
	if got, want := names(h.Above(10)), []string{"mac0", "tap0", "vx0"}; !slices.Equal(got, want) {
		t.Errorf("above eth0: %q, want %q", got, want)
	}
	if got, want := names(h.Above(32)), []string{"deep"}; !slices.Equal(got, want) {
		t.Errorf("above the VXLAN: %q, want %q", got, want)
	}
	if got := names(h.Ports(20)); !slices.Equal(got, []string{"lan0"}) {
		t.Errorf("ports: %q", got)
	}
	if got := names(h.Ports(0)); len(got) > 0 {
		t.Errorf("ports of no bridge: %q", got)
	}
	if n := h.Names(); n[10] != "eth0" || n[20] != "br0" || len(n) != len(h.Links) {
		t.Errorf("names: %v", n)
	}
	if !slices.IsSortedFunc(h.Links, func(a, b *Link) int { return a.Index - b.Index }) {
		t.Errorf("order: %q", names(h.Links))
	}
}

func TestReadLink(t *testing.T) {
	c := dial(t, furnished)
	nstest.Rest(t)
	l, err := ReadLink(c, 10)
	if err != nil {
		t.Fatal(err)
	}
	mac := net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}
	if l.Name != "eth0" || l.Kind != "veth" || !l.Ethernet || l.MAC.String() != mac.String() || l.MTU != 1400 || l.TxQLen != 77 ||
		l.Lower != 11 || l.Elsewhere || l.Alias != "rack 3" || l.Group != 7 || l.AddrGen != 3 || !l.Inet6 || len(l.AltNames) != 2 ||
		!l.Up() || !l.Running() || !l.OperUp || l.Master != 0 {
		t.Errorf("eth0: %+v", l)
	}
	br, err := ReadLink(c, 20)
	if err != nil {
		t.Fatal(err)
	}
	if want := (BridgeInfo{STP: true, ForwardDelay: 400, Snooping: true}); br.Bridge != want || br.Up() {
		t.Errorf("br0: %+v", br)
	}
	if port, err := ReadLink(c, 11); err != nil || port.Master != 20 || port.PortState == Forwarding {
		t.Errorf("lan0: %+v %v", port, err)
	}
	if lo, err := ReadLink(c, 1); err != nil || lo.Ethernet || lo.Kind != "" {
		t.Errorf("lo: %+v %v", lo, err)
	}
	if l, err := ReadLink(c, 999); err == nil {
		t.Errorf("no interface: %+v", l)
	}
	nstest.Script(t, `ip link set br0 type bridge stp_state 0
		ip link set br0 up`)
	nstest.Rest(t)
	if port, err := ReadLink(c, 11); err != nil || port.PortState != Forwarding {
		t.Errorf("lan0 in the bridge that is up: %+v %v", port, err)
	}
}

// TestElsewhere reads a macvlan whose NIC is in another namespace: that NIC's
// index is not one of ours.
func TestElsewhere(t *testing.T) {
	c := dial(t, `
		ip link add eth0 index 10 type veth peer name lan0
		netns other
		ip -n other link add nic0 index 10 type veth peer name lan0
		ip -n other link add link nic0 name far index 40 type macvlan
		ip -n other link set far netns $$`)
	h := readHost(t, c)
	if far := h.Name("far"); far == nil || far.Lower != 10 || !far.Elsewhere {
		t.Errorf("far: %+v", far)
	}
	if above := h.Above(10); len(above) > 0 {
		t.Errorf("above eth0: %q", names(above))
	}
}

// TestFar finds what stands on the host's interfaces in other namespaces, be they
// mounted or some process's, and no more.
func TestFar(t *testing.T) {
	c := dial(t, `
		netns box
		ip link add eth0 index 10 address 00:16:3e:00:00:01 type veth peer name eth0 index 10 netns box
		ip link add eth1 index 12 type veth peer name lan1
		ip link add link eth0 name mac0 netns box type macvlan
		ip -n box link add link eth0 name mac1 type macvlan
		ip -n box link add link mac1 name mac2 type macvlan
		ip link add vx0 type vxlan id 9 local 192.0.2.2 remote 192.0.2.1 dev eth1 dstport 4789
		ip link set vx0 netns box
		ip link add vx1 netns box index 12 type vxlan id 8 local 192.0.2.2 remote 192.0.2.1 dstport 4788`)
	pid := aside(t)
	nstest.Script(t, fmt.Sprintf("ip link add link eth0 name mac3 address 02:00:00:00:00:03 netns %d type macvlan", pid))
	h := readHost(t, c)
	want := map[int][]Far{
		10: {
			{"mac0", "macvlan", nil, 10, "the network namespace box"},
			{"mac3", "macvlan", nil, 10, fmt.Sprintf("the network namespace of sleep (pid %d)", pid)},
		},
		12: {{"vx0", "vxlan", nil, 12, "the network namespace box"}},
	}
	for _, index := range []int{1, 10, 12} {
		found := h.AboveFar(index)
		for i, f := range found {
			if f.Name == "mac3" && f.MAC.String() != "02:00:00:00:00:03" {
				t.Errorf("%s: %v", f.Name, f.MAC)
			}
			found[i].MAC = nil
		}
		slices.SortFunc(found, func(a, b Far) int { return strings.Compare(a.Name, b.Name) })
		if !reflect.DeepEqual(found, want[index]) {
			t.Errorf("on %d: %+v, want %+v", index, found, want[index])
		}
	}
}

// aside starts a process in a network namespace of its own, which ends with the test.
func aside(t *testing.T) (pid int) {
	t.Helper()
	cmd := exec.Command("unshare", "--net", "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 1000 {
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid)); string(comm) == "sleep\n" {
			return cmd.Process.Pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("unshare has not become sleep")
	return 0
}

func TestPinned(t *testing.T) {
	c := dial(t, `
		ip link add br0 type bridge forward_delay 0
		ip link add eth0 index 10 type veth peer name lan0
		ip link set eth0 up master br0
		ip link set lan0 up
		ip link set br0 up
		until bridge link show dev eth0 | grep -q -e learning -e forwarding; do sleep 0.02; done
		bridge fdb add 02:00:00:00:00:01 dev eth0 master static
		bridge fdb add 02:00:00:00:00:02 dev eth0 master dynamic
		bridge fdb add 02:00:00:00:00:03 dev eth0 master local`)
	h := readHost(t, c)
	for last, want := range map[byte]bool{1: true, 2: false, 3: false, 4: false} {
		if got := h.Pinned(10, net.HardwareAddr{2, 0, 0, 0, 0, last}); got != want {
			t.Errorf("entry %d is pinned: %t", last, got)
		}
	}
	if h.Pinned(11, net.HardwareAddr{2, 0, 0, 0, 0, 1}) {
		t.Error("pinned at another port")
	}
}

const carrying = `
	sysctl -qw net/ipv6/conf/default/accept_dad=0
	ip link add eth0 index 10 type veth peer name lan0 index 11
	ip link add eth1 index 12 type veth peer name lan1 index 13
	ip link set eth0 up
	ip link set eth1 up
	ip link set lan0 up
	ip link set lan1 up
	ip addr add 10.0.0.2/24 dev eth0
	ip addr add 10.0.0.3/24 dev eth0
	ip addr add 10.1.0.2/24 dev eth1
	ip addr add 2001:db8::2/64 dev eth0
	ip addr add 2001:db8::3/64 dev eth0
	ip route add 10.20.0.0/16 via 10.0.0.1
	ip route add 10.21.0.0/16 nexthop via 10.0.0.1 nexthop via 10.1.0.1
	ip route add 10.22.0.0/16 dev eth1
	ip route add 10.23.0.0/16 dev eth0
	ip nexthop add id 5 via 10.0.0.5 dev eth0
	ip nexthop add id 6 via 10.1.0.5 dev eth1
	ip nexthop add id 7 group 5/6
	ip nexthop add id 8 group 6
	ip route add 10.24.0.0/16 nhid 7
	ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
	ip neigh add 10.0.0.9 dev eth0 nud noarp lladdr 02:00:00:00:00:09
	ip neigh add proxy 2001:db8::77 dev eth0`

func TestState(t *testing.T) {
	h := readHost(t, dial(t, carrying))
	s := h.State(10)
	local := func(msgs []rtnl.Msg, typ uint16) []string {
		var all []string
		for _, m := range msgs {
			all = append(all, net.IP(m.Get(typ)).String())
		}
		return all
	}
	if got, want := local(s.Addrs4, unix.IFA_LOCAL), []string{"10.0.0.2", "10.0.0.3"}; !slices.Equal(got, want) {
		t.Errorf("IPv4: %q, want %q", got, want)
	}
	six := local(s.Addrs6, unix.IFA_ADDRESS)
	if a, b := slices.Index(six, "2001:db8::2"), slices.Index(six, "2001:db8::3"); a < 0 || b < a || len(six) != 3 {
		t.Errorf("IPv6, the oldest first: %q", six)
	}
	if got, want := local(s.Neighs, unix.NDA_DST), []string{"10.0.0.1", "2001:db8::77"}; !slices.Equal(got, want) {
		t.Errorf("neighbours: %q, want %q", got, want)
	}
	var ids []uint32
	for _, m := range s.Nexthops {
		ids = append(ids, m.U32(unix.NHA_ID))
	}
	if want := []uint32{5, 7}; !slices.Equal(ids, want) {
		t.Errorf("nexthops: %v, want %v", ids, want)
	}
	var direct4 []string
	gateway := false
	for _, m := range s.Routes {
		if m.Family() == unix.AF_INET {
			direct4 = append(direct4, net.IP(m.Get(unix.RTA_DST)).String())
		}
		needs := m.Get(unix.RTA_GATEWAY) != nil || m.Get(unix.RTA_MULTIPATH) != nil || m.Get(rtnl.RtaNhID) != nil
		if gateway && !needs {
			t.Error("a route without a gateway comes after one that has one")
		}
		gateway = gateway || needs
	}
	if want := []string{"10.0.0.0", "10.23.0.0", "10.20.0.0", "10.21.0.0", "10.24.0.0"}; !slices.Equal(direct4, want) {
		t.Errorf("IPv4 routes: %q, want %q", direct4, want)
	}
}

// uses counts the messages that are about an interface.
func uses(index int, lists ...[]rtnl.Msg) (n int) {
	for _, list := range lists {
		for _, m := range list {
			if m.Uses(index) {
				n++
			}
		}
	}
	return n
}

func TestMoved(t *testing.T) {
	h := readHost(t, dial(t, carrying))
	all := func(h *Host, index int) int { return uses(index, h.Addrs, h.Routes, h.Neighs, h.Nexthops) }
	had, other := all(h, 10), all(h, 12)
	moved := h.Moved(10, 99)
	if all(moved, 99) != had || all(moved, 10) != 0 || all(moved, 12) != other {
		t.Errorf("moved: %d on the new, %d on the old, %d on another; had %d and %d", all(moved, 99), all(moved, 10), all(moved, 12), had, other)
	}
	if all(h, 10) != had || all(h, 99) != 0 {
		t.Error("the host itself was changed")
	}
	if len(moved.Routes) != len(h.Routes) || len(moved.Links) != len(h.Links) {
		t.Error("something was lost")
	}
	s := h.State(10)
	on := s.On(99)
	if got, want := uses(99, on.Addrs4, on.Addrs6, on.Neighs), uses(10, s.Addrs4, s.Addrs6, s.Neighs); got != want || on.Index != 99 {
		t.Errorf("addresses and neighbours on another interface: %d of %d messages", got, want)
	}
}

func TestByAddress(t *testing.T) {
	route := func(table, proto, typ uint8, flags uint32) rtnl.Msg {
		m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: make([]byte, unix.SizeofRtMsg)}
		m.Body[4], m.Body[5], m.Body[7] = table, proto, typ
		copy(m.Body[8:12], rtnl.U32Bytes(flags))
		return m
	}
	const local, main, kernel, static = unix.RT_TABLE_LOCAL, unix.RT_TABLE_MAIN, unix.RTPROT_KERNEL, unix.RTPROT_STATIC
	for _, c := range []struct {
		name string
		m    rtnl.Msg
		want bool
	}{
		{"of an address", route(local, kernel, unix.RTN_LOCAL, 0), true},
		{"broadcast", route(local, kernel, unix.RTN_BROADCAST, 0), true},
		{"anycast", route(local, kernel, unix.RTN_ANYCAST, 0), true},
		{"multicast", route(local, kernel, unix.RTN_MULTICAST, 0), true},
		{"of an admin in table local", route(local, static, unix.RTN_LOCAL, 0), false},
		{"to a network in table local", route(local, kernel, unix.RTN_UNICAST, 0), false},
		{"prefix", route(main, kernel, unix.RTN_UNICAST, 0), false},
		{"cached", route(main, static, unix.RTN_UNICAST, unix.RTM_F_CLONED), true},
	} {
		if got := ByAddress(c.m); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestTellNetfilter has a kernel that does not tell what a bridge shows to
// iptables.
func TestTellNetfilter(t *testing.T) {
	c := dial(t, `ip link add br0 type bridge
ip link set br0 type bridge nf_call_ip6tables 1`)
	l := readHost(t, c).Name("br0")
	old := &Link{Name: "br0"}
	if err := old.tellNetfilter(); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []uint16{unix.IFLA_BR_NF_CALL_IPTABLES, unix.IFLA_BR_NF_CALL_IP6TABLES} {
		if want, got := l.BridgeSetting(typ), old.BridgeSetting(typ); got != want || want != 0 != (typ == unix.IFLA_BR_NF_CALL_IP6TABLES) {
			t.Errorf("attribute %d: %d, by sysfs %d", typ, want, got)
		}
	}
}

// TestAMT: an automatic multicast tunnel stands on an interface.
func TestAMT(t *testing.T) {
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddRtAttr(iflaAMTLink, nl.Uint32Attr(2))
	info := append(nl.NewRtAttr(unix.IFLA_INFO_KIND, nl.ZeroTerminated("amt")).Serialize(), data.Serialize()...)
	msg := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: append(append(make([]byte, 4), nl.Uint32Attr(4)...), make([]byte, 8)...)} // struct ifinfomsg
	h := &Host{Links: []*Link{{Index: 2}, parseLink(msg.With(unix.IFLA_IFNAME, []byte("amt0\x00")).With(unix.IFLA_LINKINFO, info))}}
	if got := names(h.Above(2)); !slices.Equal(got, []string{"amt0"}) || len(h.Above(4)) > 0 {
		t.Errorf("above it: %q", got)
	}
}

// TestHSR: a device of HSR stands on two interfaces.
func TestHSR(t *testing.T) {
	index := nl.Uint32Attr
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddRtAttr(iflaHSRSlave1, index(2))
	data.AddRtAttr(iflaHSRSlave2, index(3))
	info := append(nl.NewRtAttr(unix.IFLA_INFO_KIND, nl.ZeroTerminated("hsr")).Serialize(), data.Serialize()...)
	msg := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: append(append(make([]byte, 4), index(4)...), make([]byte, 8)...)} // struct ifinfomsg
	h := &Host{Links: []*Link{{Index: 2}, {Index: 3}, parseLink(msg.With(unix.IFLA_IFNAME, []byte("hsr0\x00")).With(unix.IFLA_LINKINFO, info))}}
	for i := 2; i <= 4; i++ {
		if got := names(h.Above(i)); i < 4 && !slices.Equal(got, []string{"hsr0"}) || i == 4 && len(got) > 0 {
			t.Errorf("above %d: %q", i, got)
		}
	}
}
