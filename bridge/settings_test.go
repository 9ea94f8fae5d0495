package bridge_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// chosen are things that an admin, a wrapper or a daemon may do to a network
// that is up. $br is the bridge, $port what dom0 has in it.
var chosen = []string{
	"ip link set $br type bridge stp_state 1",
	"ip link set $br type bridge stp_state 0; ip link set $br type bridge forward_delay 700",
	"ip link set $br type bridge ageing_time 0",
	"ip link set $br type bridge priority 4096 hello_time 500 max_age 1000",
	"ip link set $br type bridge group_fwd_mask 16400 group_address 01:80:c2:00:00:0e",
	"ip link set $br type bridge mcast_snooping 1 mcast_querier 1 mcast_router 2 mcast_query_use_ifaddr 1",
	"ip link set $br type bridge mcast_hash_max 1024 mcast_last_member_count 3 mcast_startup_query_count 4 mcast_last_member_interval 200",
	"ip link set $br type bridge mcast_membership_interval 20000 mcast_querier_interval 20000 mcast_query_interval 11000 mcast_query_response_interval 900 mcast_startup_query_interval 3000",
	"ip link set $br type bridge mcast_stats_enabled 1 mcast_igmp_version 3 mcast_mld_version 2 no_linklocal_learn 1",
	"ip link set peth0 promisc on allmulticast on",
	"ip link set peth0 arp on multicast on",
	"ip link set peth0 alias 'to the LAN' txqueuelen 77",
	"ip link set $port arp on multicast on promisc on",
	"if [ $port = vif0.0 ]; then ip link set $port alias dom0 group 4 txqueuelen 66; fi",
	"if [ $br = xenbr0 ]; then ip link set $br group 3 alias 'all guests'; fi",
	"ip link set peth0 mtu 1400; ip link set $br mtu 1400",
	"ip link set peth0 mtu 1500; ip link set $br mtu 1500",
	"ip link set eth9 master $br",
	"ip link set vif1.0 master $br",
	"ip link set vif2.0 master $br",
	"ip link set vif1.0 type bridge_slave isolated on hairpin on learning off guard on",
	"ip link set vif1.0 type bridge_slave cost 100 priority 1 root_block on mcast_fast_leave on flood off",
	"ip link set vif1.0 type bridge_slave mcast_flood off bcast_flood off mcast_to_unicast on neigh_suppress on",
	"ip link set vif1.0 type bridge_slave group_fwd_mask 16 locked on proxy_arp on proxy_arp_wifi on mcast_router 0 vlan_tunnel on",
	"ip link set vif2.0 type bridge_slave backup_port vif1.0",
	"bridge link set dev vif2.0 state 4",
	"ip link set peth0 type bridge_slave isolated on cost 55 learning off",
	"ip link set $port type bridge_slave isolated on mcast_router 2 priority 3",
	"bridge fdb add 02:00:00:00:77:01 dev vif1.0 master static",
	"bridge fdb add 02:00:00:00:77:02 dev vif2.0 master static sticky",
	"bridge fdb add 02:00:00:00:77:03 dev peth0 master extern_learn",
	"bridge fdb add 02:00:00:00:77:04 dev $port master static",
	"bridge mdb add dev $br port vif1.0 grp 239.1.1.1 permanent",
	"bridge mdb add dev $br port vif2.0 grp ff05::77 src 2001:db8::9 permanent",
	"bridge mdb add dev $br port $port grp 239.1.1.7 permanent",
	"bridge mdb add dev $br port peth0 grp 01:02:03:04:05:06 permanent",
}

// guestPorts are ports as the toolstack makes them.
const guestPorts = `
ip link add vif1.0 address 00:16:3e:00:01:00 type veth peer name g1
ip link add vif2.0 address 00:16:3e:00:02:00 mtu 1300 type veth peer name g2
for i in 1 2; do ip link set g$i addrgenmode none up; ip link set vif$i.0 addrgenmode none up; done
`

// chooser is the network on which they are tried.
var chooser = network{name: "chosen", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth9", "lan9", "00:16:3e:00:00:09") + `
ip addr add 192.168.0.20/24 brd + dev eth0
ip route add default via 192.168.0.1
` + guestPorts, specs: seed000.specs[:1]}

// TestChosenStays tries each of them on a network that is up. A second start
// then has nothing to do, and after stop and start the ports and the bridge are
// as they were.
func TestChosenStays(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(chooser) {
		for _, live := range []bool{true, false} {
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, live)
				before := nstest.ReadState(t)
				l.mustRun(true)
				port := "vif0.0"
				if n.onBridge() {
					port = "peth0" // dom0 has no port there
				}
				for _, c := range append(chosen, portVLANs) {
					c = strings.NewReplacer("$br", n.specs[0].Bridge, "$port", port).Replace(c)
					nstest.Script(t, c)
					if pl := l.plan(true); len(pl.Steps) > 0 {
						t.Errorf("after %s a second start has steps: %q", c, pl.Commands())
					}
				}
				was := nstest.Rest(t)
				l.mustRun(false)
				if d := nstest.Settled(t, before, nstest.Whole); d != "" {
					t.Errorf("after stop the host is not as before start:\n%s", d)
				}
				l.mustRun(true)
				nstest.Rest(t)
				if d := nstest.Settled(t, was, inBridge); d != "" {
					t.Errorf("after stop and start the bridge is not as it was:\n%s", d)
				}
				if left := must(filepath.Glob(filepath.Join(l.dir, "guests.*"))); len(left) > 0 {
					t.Errorf("start leaves %q", left)
				}
			})
		}
	}
}

// Of dom0's interfaces, what belongs to the NIC must come back; of the bridge
// and the ports, what belongs to the bridge.
var (
	ownIndex  = regexp.MustCompile(`^[0-9]+: ([^:@]+)(@[^:]+)?: <[^>]*>.*(group \S+) .*`)
	portPlace = regexp.MustCompile(` port_(id|no) \S+| promiscuity .*`)
)

// inBridge is what belongs to the bridge and its ports, without eth9, which is
// no guest's.
func inBridge(s nstest.State) nstest.State {
	keep := func(section string) bool {
		_, device, _ := strings.Cut(section, " ")
		parts := []string{"peth0", "vif0.0", "xenbr0", "vif1.0", "vif2.0"}
		return strings.HasPrefix(section, "bridge") || strings.HasPrefix(section, "link ") && slices.Contains(parts, device)
	}
	return s.Filter(keep, func(section, line string) string {
		if strings.Contains(line, "eth9") || section == "link peth0" && strings.Contains(line, "alias") {
			return ""
		}
		if strings.HasPrefix(section, "link ") {
			line = ownIndex.ReplaceAllString(line, "$1: $3")
		}
		if section == "bridge" {
			line = placeInList.ReplaceAllString(line, "$1")
		}
		return portPlace.ReplaceAllString(line, "")
	})
}

var placeInList = regexp.MustCompile(`^[0-9]+: ([^:@]+).* master`)

// TestComesBack changes a guest's port between stop and start in such a way
// that it must not come back, though the rest does.
func TestComesBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, says string }{
		{"as it was", "", ""},
		{"gone", "ip link del vif1.0", ""},
		{"IPv4 address", "ip addr add 198.51.100.2/24 dev vif1.0", "vif1.0 (it has an address)"},
		{"IPv6 address", "ip addr add 2001:db8:9::2/64 dev vif1.0", "vif1.0 (it has an address)"},
		{"link-local address", "ip addr add fe80::77/64 dev vif1.0", ""},
		{"route", "ip route add 198.51.100.7/32 dev vif1.0", "vif1.0 (it has a route)"},
		{"in another bridge", "ip link add other type bridge; ip link set vif1.0 master other", "vif1.0 (it is a port of other)"},
		{"another of its name", "ip link del vif1.0; ip link add vif1.0 type veth peer name g1", "vif1.0 (it is another interface than then)"},
		{"another of its index", "i=$(cat /sys/class/net/vif1.0/ifindex); ip link del vif1.0; ip link add vif8.0 index $i type ifb", ""},
		{"renamed", "ip link set vif1.0 name vif8.0", "vif8.0 (it was called vif1.0)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, chooser, true)
			l.mustRun(true)
			nstest.Script(t, "ip link set vif1.0 master xenbr0\nip link set vif2.0 master xenbr0\nip link set eth9 master xenbr0")
			if _, said := l.planned(false); !strings.HasSuffix(said, ", guests' ports detached: vif1.0 vif2.0, taken out for good: eth9 (it is called as a NIC is)") {
				t.Error("stop says", said)
			}
			l.mustRun(false)
			nstest.Script(t, c.script)
			pl, said := l.planned(true)
			if _, stay, _ := strings.Cut(said, ", not taken back: "); stay != c.says {
				t.Errorf("start says %q of what stays", stay)
			}
			if err := l.runner().Run(t.Context(), pl); err != nil {
				t.Fatal(err)
			}
			back := ports(t, "xenbr0")
			for name, want := range map[string]bool{"vif1.0": c.says == "" && (c.name == "as it was" || c.name == "link-local address"), "vif2.0": true, "vif8.0": false, "eth9": false} {
				if slices.Contains(back, name) != want {
					t.Errorf("%s is a port: %t; all are %q", name, !want, back)
				}
			}
		})
	}
}

// ports are the names of a bridge's ports.
func ports(t *testing.T, bridge string) (names []string) {
	t.Helper()
	for _, e := range must(os.ReadDir("/sys/class/net/" + bridge + "/brif")) {
		names = append(names, e.Name())
	}
	return names
}

// TestMTU has guests with other MTUs than the NIC's: the bridge's MTU is always
// the NIC's, until somebody sets it.
func TestMTU(t *testing.T) {
	t.Parallel()
	found := chooser
	found.name, found.script = "found", found.script+"ip link add xenbr0 mtu 1492 type bridge\n"
	foundOn := chooser.shaped(true)
	foundOn.name, foundOn.script, foundOn.specs[0].Bridge, foundOn.specs[0].VDev = "found, dom0=bridge", found.script, "xenbr0", "xenbr0"
	for _, n := range append(shapes(chooser), found, foundOn) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			n.script += "ip link set eth0 mtu 1492\nip link set vif1.0 mtu 9000\n"
			l := newLab(t, n, true)
			br := n.specs[0].Bridge
			mtu := func(want string) {
				t.Helper()
				if got := strings.TrimSpace(nstest.Run(t, "cat", "/sys/class/net/"+br+"/mtu")); got != want {
					t.Errorf("%s has the MTU %s instead of %s", br, got, want)
				}
			}
			l.mustRun(true)
			for _, guest := range []string{"vif2.0", "vif1.0"} {
				nstest.Run(t, "ip", "link", "set", guest, "master", br)
				mtu("1492")
			}
			l.mustRun(false)
			l.mustRun(true)
			mtu("1492")
			nstest.Script(t, "for i in vif2.0 vif1.0; do ip link set $i nomaster; ip link set $i master "+br+"; done")
			mtu("1492")
			nstest.Run(t, "ip", "link", "set", br, "mtu", "1400")
			if pl := l.plan(true); len(pl.Steps) > 0 {
				t.Errorf("a second start has steps: %q", pl.Commands())
			}
			mtu("1400")
		})
	}
}
