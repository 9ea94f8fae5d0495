package nstest_test

import (
	"strings"
	"testing"
	"time"

	"xbr-script/internal/testing/nstest"
)

// host is a host with some of everything that a State shows.
const host = `
	sysctl -qw net/ipv6/conf/default/accept_dad=0 net/ipv6/conf/all/accept_dad=0
	ip link add eth0 type veth peer name lan0
	ip link add eth1 type veth peer name lan1
	for i in eth0 lan0 eth1 lan1; do ip link set $i up; done
	ip addr add 10.0.0.2/24 dev eth0
	ip addr add 10.0.1.2/24 dev eth0 valid_lft 1000 preferred_lft 900
	ip addr add 10.0.9.2/24 dev eth1
	ip addr add 2001:db8::2/64 dev eth0
	ip route add 10.20.0.0/16 dev eth0
	ip route append 10.20.0.0/16 dev eth1
	ip nexthop add id 5 via 10.0.0.5 dev eth0
	ip rule add iif eth0 lookup 100
	ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
	ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev eth0 nud stale
	ip neigh add proxy 10.0.0.77 dev eth0
	ip link add br0 type bridge mcast_snooping 1
	ip link add port type veth peer name lan2
	ip link set port master br0 up
	ip link set br0 up`

// furnish makes the host and waits until it is at rest.
func furnish(t *testing.T) nstest.State {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, host)
	nstest.Rest(t)
	return nstest.ReadState(t)
}

// renewed gives the address with lifetimes those that it had at first, and reads the state:
// they go on meanwhile, on a busy machine by some seconds. at is when it got them.
func renewed(t *testing.T) (s nstest.State, at time.Time) {
	t.Helper()
	nstest.Script(t, "ip addr change 10.0.1.2/24 dev eth0 valid_lft 1000 preferred_lft 900")
	at = time.Now()
	return nstest.ReadState(t), at
}

// TestDiff changes one thing at a time. Each must show, in its section, and
// must not show any more when it is changed back.
func TestDiff(t *testing.T) {
	_ = furnish(t)
	before, renewal := renewed(t)
	if d := before.Diff(nstest.ReadState(t)); d != "" {
		t.Fatalf("nothing was changed, and it differs:\n%s", d)
	}
	for _, c := range []struct{ change, back, section, line string }{
		{"ip addr add 10.0.0.3/24 dev eth0", "ip addr del 10.0.0.3/24 dev eth0", "addr eth0", "+     inet 10.0.0.3/24"},
		{"ip addr add 2001:db8::3/64 dev eth0", "ip addr del 2001:db8::3/64 dev eth0", "addr eth0", "+     inet6 2001:db8::3/64"},
		{"ip addr change 10.0.1.2/24 dev eth0 valid_lft 1010 preferred_lft 900", "ip addr change 10.0.1.2/24 dev eth0 valid_lft 1000 preferred_lft 900", "addr eth0", "-        valid_lft 1000sec"},
		{"ip addr change 10.0.1.2/24 dev eth0 valid_lft 1000 preferred_lft 890", "ip addr change 10.0.1.2/24 dev eth0 valid_lft 1000 preferred_lft 900", "addr eth0", "preferred_lft 890sec"},
		{"ip addr change 10.0.1.2/24 dev eth0 valid_lft forever preferred_lft 900", "ip addr change 10.0.1.2/24 dev eth0 valid_lft 1000 preferred_lft 900", "addr eth0", "valid_lft forever"},
		{"ip route del 10.20.0.0/16 dev eth0; ip route append 10.20.0.0/16 dev eth0", "ip route del 10.20.0.0/16 dev eth1; ip route append 10.20.0.0/16 dev eth1", "route", "10.20.0.0/16 dev eth"},
		{"ip route add blackhole 10.30.0.0/16 table 7", "ip route del blackhole 10.30.0.0/16 table 7", "route", "+ blackhole 10.30.0.0/16"},
		{"sysctl -qw net/ipv4/conf/eth0/arp_notify=1", "sysctl -qw net/ipv4/conf/eth0/arp_notify=0", "sysctl eth0", "+ ipv4/conf arp_notify 1"},
		{"sysctl -qw net/ipv6/neigh/eth1/gc_stale_time=9", "sysctl -qw net/ipv6/neigh/eth1/gc_stale_time=60", "sysctl eth1", "- ipv6/neigh gc_stale_time 60"},
		{"ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500", "link eth0", "mtu 1400"},
		{"ip link set eth0 alias x", "ip link set eth0 alias ''", "link eth0", "+     alias x"},
		{"ip link add br9 type bridge", "ip link del br9", "link br9", "+ "},
		{"ip nexthop replace id 5 via 10.0.0.6 dev eth0", "ip nexthop replace id 5 via 10.0.0.5 dev eth0", "nexthop", "- id 5 via 10.0.0.5"},
		{"ip rule add oif eth0 lookup 100 pref 9", "ip rule del pref 9", "rule", "+ 9:"},
		{"ip neigh change 10.0.0.9 lladdr 02:00:00:00:00:07 dev eth0 nud permanent", "ip neigh change 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent", "neigh", "02:00:00:00:00:07 PERMANENT"},
		{"ip neigh del proxy 10.0.0.77 dev eth0", "ip neigh add proxy 10.0.0.77 dev eth0", "proxy", "- 10.0.0.77"},
		{"ip -6 rule add oif eth0 lookup 100 pref 9", "ip -6 rule del pref 9", "rule6", "+ 9:"},
		{"ip -6 route add blackhole 2001:db8:7::/48 table 7", "ip -6 route del blackhole 2001:db8:7::/48 table 7", "route6", "+ blackhole 2001:db8:7::/48"},
		{"ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:07 dev eth0 nud permanent", "ip neigh del 2001:db8::9 dev eth0", "neigh", "+ 2001:db8::9"},
		{"ip neigh add proxy 2001:db8::77 dev eth0", "ip neigh del proxy 2001:db8::77 dev eth0", "proxy", "+ 2001:db8::77"},
		{"bridge link set dev port guard on", "bridge link set dev port guard off", "link port", "guard on"},
		{"ip link set port nomaster", "ip link set port master br0", "bridge", "port@lan2"},
		{"bridge fdb add 02:00:00:00:00:05 dev port master static", "bridge fdb del 02:00:00:00:00:05 dev port master", "bridge fdb", "+ 02:00:00:00:00:05 dev port master br0 static"},
		{"bridge mdb add dev br0 port port grp 239.1.2.3 permanent", "bridge mdb del dev br0 port port grp 239.1.2.3 permanent", "bridge mdb", "grp 239.1.2.3 permanent"},
		{"sysctl -qw net/ipv4/ip_forward=1", "sysctl -qw net/ipv4/ip_forward=0", "host", "+ ip_forward 1"},
	} {
		nstest.Script(t, c.change)
		d := before.Diff(nstest.ReadState(t))
		if !strings.Contains(d, "["+c.section+"]\n") || !strings.Contains(d, c.line) {
			t.Errorf("%s: reported is:\n%s", c.change, d)
		}
		nstest.Script(t, c.back)
		if strings.Contains(c.back, "valid_lft") {
			before = before.Later(time.Since(renewal))
			renewal = time.Now()
		}
		if d := nstest.Settled(t, before, nstest.Whole); d != "" {
			t.Errorf("%s: after it was taken back:\n%s", c.change, d)
		}
	}
}

// TestDiffPasses makes changes that do not count: what the kernel does by
// itself.
func TestDiffPasses(t *testing.T) {
	_ = furnish(t)
	for _, change := range []string{
		"ip addr change 10.0.1.2/24 dev eth0 valid_lft 1001 preferred_lft 899",
		"ip neigh change 10.0.0.8 lladdr 02:00:00:00:00:08 dev eth0 nud reachable",
		"ip neigh add 10.0.0.66 dev eth0 nud failed",
	} {
		before, _ := renewed(t)
		nstest.Script(t, change)
		if d := before.Diff(nstest.ReadState(t)); d != "" {
			t.Errorf("%s: reported as a difference:\n%s", change, d)
		}
	}
}

// TestSettled lets a difference pass that goes away, like a link's state, but
// not one that would go away and still counts: an address that is checked
// again.
func TestSettled(t *testing.T) {
	before := furnish(t)
	nstest.Script(t, `ip link set eth0 mtu 1400; (sleep 1; ip link set eth0 mtu 1500) >/dev/null 2>&1 &`)
	if d := nstest.Settled(t, before, nstest.Whole); d != "" {
		t.Errorf("a difference that passes:\n%s", d)
	}
	nstest.Script(t, `
		echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad
		ip addr del 2001:db8::2/64 dev eth0 && ip addr add 2001:db8::2/64 dev eth0`)
	start := time.Now()
	d := nstest.Settled(t, before.Filter(isAddr, nil), func(s nstest.State) nstest.State { return s.Filter(isAddr, nil) })
	if !strings.Contains(d, "2001:db8::2/64 scope global tentative") {
		t.Errorf("an address that is checked anew is reported as:\n%s\nafter %s", d, time.Since(start))
	}
	nstest.Rest(t)
	if d := before.Filter(isAddr, nil).Diff(nstest.ReadState(t).Filter(isAddr, nil)); d != "" {
		t.Errorf("after it was found unique:\n%s", d)
	}
}

func isAddr(section string) bool { return strings.HasPrefix(section, "addr ") }

// TestTentativeBefore has an address that is tentative for want of a carrier,
// which is not the same as being checked again.
func TestTentativeBefore(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `
		ip link add eth0 type veth peer name lan0
		ip link set eth0 up
		ip addr add 2001:db8::2/64 dev eth0`)
	before := nstest.Rest(t)
	if !strings.Contains(strings.Join(before.Section("addr eth0"), "\n"), "tentative") {
		t.Fatal("not tentative without a carrier:\n", before)
	}
	nstest.Script(t, `ip link set eth0 mtu 1400; (sleep 0.3; ip link set eth0 mtu 1500) >/dev/null 2>&1 &`)
	if d := nstest.Settled(t, before, nstest.Whole); d != "" {
		t.Errorf("a difference that passes:\n%s", d)
	}
}

func TestFilter(t *testing.T) {
	s := nstest.State{Sections: []nstest.Section{{Name: "a", Lines: []string{"1", "2"}}, {Name: "b", Lines: []string{"3"}}}}
	got := s.Filter(func(name string) bool { return name == "a" }, func(section, line string) string {
		return strings.TrimPrefix(section+line, "a1")
	})
	if want := "[a]\na2\n"; got.String() != want {
		t.Errorf("%q, want %q", got, want)
	}
	if s.Section("none") != nil {
		t.Error("a section that is not there has lines")
	}
	other := nstest.State{Sections: []nstest.Section{{Name: "a", Lines: []string{"2", "1"}}, {Name: "c", Lines: []string{"3"}}}}
	if got, want := s.Diff(other), "[a]\n- 1\n+ 1\n[b]\n- 3\n[c]\n+ 3\n"; got != want && got != strings.Replace(want, "- 1\n+ 1\n", "+ 2\n- 2\n", 1) {
		t.Errorf("difference %q, want %q", got, want)
	}
}
