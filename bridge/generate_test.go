package bridge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes up a host: shell commands, some of which the kernel may
// refuse, as it may some of an admin's script.
type generator struct {
	*rand.Rand
	nic, other   string // the NIC that becomes a port, and another one
	peer         string // the other end of the NIC's cable
	lines        []string
	four, six    []string // addresses of the NIC
	on           bool     // the NIC stays switched on
	carrier      bool     // the NIC has one
	gate4, gate6 []string // gateways within reach of the NIC or of the other
}

// sometimes is true with a probability of one to n.
func (g *generator) sometimes(n int) bool { return g.IntN(n) == 0 }

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

// maybe is one of the texts, or nothing.
func (g *generator) maybe(of ...string) string {
	if g.sometimes(2) {
		return ""
	}
	return " " + g.pick(of...)
}

func (g *generator) add(format string, args ...any) {
	g.lines = append(g.lines, fmt.Sprintf(format, args...))
}

// generate makes the commands of a host and the name of its NIC, which stays
// switched on if on is set.
func generate(seed, number uint64, on bool) (script []string, nic string) {
	g := &generator{on: on, Rand: rand.New(rand.NewPCG(seed, number)), other: "eth9", peer: "lan0"}
	g.nic = g.pick("eth0", "eth0", "eth1", "enp3s0", "eno1", "em1.2", "wan")
	g.links()
	g.addrs4()
	g.addrs6()
	g.linkLocal()
	g.neighbours()
	g.nexthops()
	g.routes4()
	g.routes6()
	g.rules()
	g.settings()
	return g.lines, g.nic
}

func (g *generator) links() {
	for _, s := range []string{"default/accept_dad", "all/accept_dad", "default/router_solicitations"} {
		g.add("sysctl -qw net/ipv6/conf/%s=0", s)
	}
	for i, l := range [][2]string{{g.nic, g.peer}, {g.other, "lan9"}} {
		g.add("ip link add %s address 00:16:3e:00:00:0%d type veth peer name %s address 02:16:3e:00:00:0%d", l[0], i, l[1], i)
		g.add("sysctl -qw net/ipv6/conf/%s/disable_ipv6=1", l[1])
	}
	g.add("ip link set lan9 up")
	g.add("ip link set eth9 up")
	if g.carrier = !g.sometimes(8); g.carrier {
		g.add("ip link set lan0 up")
	}
	for _, change := range []string{
		"mtu " + g.pick("1400", "1280", "1492"), "txqueuelen " + g.pick("0", "1", "500"), "alias " + g.pick("uplink", "'rack 3, port 7'"),
		"group " + g.pick("1", "77"), "multicast off", "allmulticast on", "promisc on", "addrgenmode " + g.pick("none", "random"),
	} {
		if g.sometimes(4) {
			g.add("ip link set %s %s", g.nic, change)
		}
	}
	for range g.IntN(3) {
		g.add("ip link property add dev %s altname %s", g.nic, g.pick("uplink", "ens5", "enx00163e000000", "a-name-that-is-longer-than-any-interface-name"))
	}
	if !g.carrier {
		// Dom0's interface has a carrier and gets its link-local address.
		g.add("ip link set %s addrgenmode none", g.nic)
	}
	if off := g.sometimes(6); !off || g.on {
		g.add("ip link set %s up", g.nic)
	}
}

func (g *generator) addrs4() {
	for range g.IntN(7) {
		net := fmt.Sprintf("10.0.%d.", g.IntN(4))
		addr := fmt.Sprintf("%s%d", net, 2+g.IntN(9))
		if slices.Contains(g.four, addr) {
			continue // with another prefix: the order of its two local routes is not kept
		}
		size := g.pick("/24", "/24", "/24", "/24", "/32", "/25", "/31")
		if g.sometimes(8) {
			addr, size = addr+" peer 10.9.9."+g.pick("1", "2"), g.pick("/32", "/32", "/24")
		}
		g.add("ip addr add %s%s%s%s%s%s%s%s dev %s", addr, size,
			g.maybe("brd +", "brd +", "broadcast 0.0.0.0", "broadcast 10.255.255.255"),
			g.maybe("label "+g.nic, "label "+g.nic+":"+g.pick("1", "2", "web")),
			g.oneIn(6, "scope link", "scope host"), g.oneIn(5, "metric 100", "metric 77"), g.oneIn(6, "noprefixroute"),
			g.oneIn(4, "valid_lft 3000 preferred_lft 2000", "valid_lft 900 preferred_lft 0", "valid_lft forever preferred_lft 700"), g.nic)
		g.four = append(g.four, strings.Fields(addr)[0])
		g.gate4 = append(g.gate4, net+"1")
	}
	for range g.IntN(3) {
		net := fmt.Sprintf("10.0.%d.", g.IntN(6))
		g.add("ip addr add %s%d/24%s%s dev %s", net, 20+g.IntN(9), g.maybe("brd +"), g.oneIn(4, "metric 100"), g.other)
		g.gate4 = append(g.gate4, net+"1")
	}
	g.gate4 = append(g.gate4, "10.0.0.1")
}

// oneIn is one of the texts in one of n cases, otherwise nothing.
func (g *generator) oneIn(n int, of ...string) string {
	if !g.sometimes(n) {
		return ""
	}
	return " " + g.pick(of...)
}

func (g *generator) addrs6() {
	for range g.IntN(5) {
		net := fmt.Sprintf("2001:db8:%d::", g.IntN(3))
		addr := fmt.Sprintf("%s%d", net, 2+g.IntN(9))
		g.add("ip addr add %s%s%s%s%s%s%s dev %s", addr, g.pick("/64", "/64", "/64", "/128", "/48"),
			g.oneIn(5, "home"), g.oneIn(4, "nodad"), g.oneIn(6, "noprefixroute", "mngtmpaddr"), g.oneIn(5, "metric 300"),
			g.oneIn(3, "valid_lft 3000 preferred_lft 2000", "valid_lft 900 preferred_lft 0", "valid_lft forever preferred_lft 0"), g.nic)
		g.six = append(g.six, addr)
		g.gate6 = append(g.gate6, net+"1")
	}
	for range g.IntN(2) {
		net := fmt.Sprintf("2001:db8:%d::", g.IntN(4))
		g.add("ip addr add %s%d/64%s dev %s", net, 20+g.IntN(9), g.oneIn(4, "metric 300"), g.other)
		g.gate6 = append(g.gate6, net+"1")
	}
	g.gate6 = append(g.gate6, "fe80::1")
}

func (g *generator) linkLocal() {
	switch g.IntN(6) {
	case 0:
		g.add("ip -6 addr flush dev %s scope link", g.nic)
	case 1:
		g.add("ip -6 addr flush dev %s scope link", g.nic)
		g.add("ip addr add fe80::%d/64%s dev %s", 5+g.IntN(4), g.oneIn(2, "noprefixroute"), g.nic)
	case 2:
		if !g.carrier {
			return // see links
		}
		g.add("sysctl -qw net/ipv6/conf/%s/stable_secret=2001:db8::5ec", g.nic)
		g.add("ip link set %s addrgenmode stable_secret", g.nic)
	case 3:
		g.add("ip addr add fe80::%d/64%s dev %s", 5+g.IntN(4), g.maybe("nodad"), g.nic)
	}
}

func (g *generator) neighbours() {
	if !g.carrier {
		return // the kernel drops them up to a second later
	}
	for range g.IntN(6) {
		to := g.pick(g.gate4...)
		if g.sometimes(2) {
			to = g.pick(g.gate6...)
		}
		if g.sometimes(4) {
			g.add("ip neigh add proxy %s%s dev %s", to, g.oneIn(4, "router"), g.nic)
			continue
		}
		g.add("ip neigh add %s lladdr 02:00:00:00:00:%02d dev %s nud %s%s", to, g.IntN(99), g.nic,
			g.pick("permanent", "stale", "reachable"), g.maybe("router", "extern_learn", "protocol static"))
	}
}

func (g *generator) nexthops() {
	for id := 1; id <= g.IntN(5); id++ {
		switch g.IntN(5) {
		case 0:
			g.add("ip nexthop add id %d dev %s", id, g.device())
		case 1:
			g.add("ip nexthop add id %d via %s dev %s", id, g.pick(g.gate6...), g.device())
		case 2:
			g.add("ip nexthop add id %d group 1/2", id)
		case 3:
			g.add("ip nexthop add id %d group 1,3", id)
		default:
			g.add("ip nexthop add id %d via %s dev %s%s", id, g.pick(g.gate4...), g.device(), g.maybe("onlink", "protocol static"))
		}
	}
}

// device is the NIC, or now and then the other.
func (g *generator) device() string {
	if g.sometimes(4) {
		return g.other
	}
	return g.nic
}

func (g *generator) routes4() {
	for range g.IntN(12) {
		to := g.pick("default", "10.20.0.0/16", "10.20.0.0/16", "10.21.0.0/16", "10.22.0.0/16", "10.20.1.0/24", "192.0.2.1")
		attrs := g.oneIn(3, "metric 10", "metric 20") + g.oneIn(3, "table 100", "table 2000", "table local") + g.oneIn(6, "tos 0x10") +
			g.oneIn(4, "proto static", "proto dhcp", "proto kernel") + g.oneIn(5, "mtu 1300", "mtu lock 1300 advmss 1200", "initcwnd 12 quickack 1")
		if len(g.four) > 0 {
			attrs += g.oneIn(4, "src "+g.pick(g.four...))
		}
		g.add("ip route %s %s%s%s", g.pick("add", "add", "append", "prepend"), to, g.hop4(), attrs)
	}
}

// hop4 is where a route leads; attributes may follow unless it has several
// legs.
func (g *generator) hop4() string {
	switch g.IntN(9) {
	case 0:
		return " dev " + g.device()
	case 1:
		return " dev " + g.device() + " scope link"
	case 2:
		return " via 172.16.0.1 dev " + g.nic + " onlink"
	case 3:
		return " nexthop via " + g.pick(g.gate4...) + g.oneIn(2, "weight 3") + " nexthop via " + g.pick(g.gate4...) + " weight 2"
	case 4:
		return fmt.Sprintf(" nhid %d", 1+g.IntN(4))
	case 5:
		return " via inet6 fe80::9 dev " + g.nic
	}
	return " via " + g.pick(g.gate4...)
}

func (g *generator) routes6() {
	for range g.IntN(9) {
		to := g.pick("default", "default", "2001:db8:20::/48", "2001:db8:20::/48", "2001:db8:21::/48", "2001:db8:22::7")
		attrs := g.oneIn(3, "metric 10", "metric 1024") + g.oneIn(4, "table 100") + g.oneIn(4, "proto static", "proto ra", "proto kernel") +
			g.oneIn(5, "expires 900") + g.oneIn(5, "mtu 1300", "hoplimit 33")
		if len(g.six) > 0 {
			attrs += g.oneIn(5, "src "+g.pick(g.six...))
		}
		g.add("ip -6 route %s %s%s%s", g.pick("add", "add", "append", "prepend"), to, attrs, g.hop6())
	}
}

func (g *generator) hop6() string {
	switch g.IntN(8) {
	case 0:
		return " dev " + g.device()
	case 1:
		return " nexthop via fe80::1 dev " + g.device() + g.oneIn(2, "weight 3") + " nexthop via fe80::2 dev " + g.device()
	case 2:
		return fmt.Sprintf(" nhid %d", 1+g.IntN(4))
	case 3:
		return " via 2001:db8:99::1 dev " + g.nic + " onlink"
	case 4:
		return " via " + g.pick(g.gate6...)
	}
	return " via " + g.pick("fe80::1", "fe80::2") + " dev " + g.device() + g.oneIn(3, "pref high", "pref low")
}

func (g *generator) rules() {
	for range g.IntN(3) {
		g.add("ip%s rule add %s %s lookup 100", g.pick("", " -6"), g.pick("iif", "oif"), g.nic)
	}
	if g.sometimes(3) {
		g.add("ip route add blackhole 10.30.0.0/16")
	}
}

// settings are the interface's sysctls, by directory and name, with possible
// values.
var settings = [][]string{
	{"ipv4/conf/%s/arp_ignore", "1", "2"}, {"ipv4/conf/%s/arp_notify", "1"}, {"ipv4/conf/%s/arp_announce", "2"},
	{"ipv4/conf/%s/rp_filter", "0", "1", "2"}, {"ipv4/conf/%s/proxy_arp", "1"}, {"ipv4/conf/%s/forwarding", "1"},
	{"ipv4/conf/%s/accept_local", "1"}, {"ipv4/conf/%s/promote_secondaries", "1"}, {"ipv4/conf/%s/log_martians", "1"},
	{"ipv4/conf/%s/send_redirects", "0"}, {"ipv4/conf/%s/ignore_routes_with_linkdown", "1"}, {"ipv4/conf/%s/drop_gratuitous_arp", "1"},
	{"ipv4/neigh/%s/gc_stale_time", "77"}, {"ipv4/neigh/%s/base_reachable_time_ms", "15000"}, {"ipv4/neigh/%s/retrans_time_ms", "700"},
	{"ipv4/neigh/%s/ucast_solicit", "5"}, {"ipv4/neigh/%s/unres_qlen_bytes", "100000"},
	{"ipv6/conf/%s/accept_ra", "0", "2"}, {"ipv6/conf/%s/forwarding", "1"}, {"ipv6/conf/%s/hop_limit", "33"}, {"ipv6/conf/%s/mtu", "1280"},
	{"ipv6/conf/%s/use_tempaddr", "0"}, {"ipv6/conf/%s/proxy_ndp", "1"}, {"ipv6/conf/%s/autoconf", "0"}, {"ipv6/conf/%s/ndisc_notify", "1"},
	{"ipv6/conf/%s/keep_addr_on_down", "1"}, {"ipv6/conf/%s/dad_transmits", "3"}, {"ipv6/conf/%s/optimistic_dad", "1"},
	{"ipv6/conf/%s/accept_redirects", "0"}, {"ipv6/conf/%s/ignore_routes_with_linkdown", "1"}, {"ipv6/conf/%s/disable_ipv6", "1"},
	{"ipv6/neigh/%s/retrans_time_ms", "700"}, {"ipv6/neigh/%s/gc_stale_time", "77"},
}

func (g *generator) settings() {
	for _, s := range settings {
		if g.sometimes(12) {
			if strings.HasSuffix(s[0], "disable_ipv6") && strings.Contains(strings.Join(g.lines, "\n"), "nexthop add") {
				continue // nexthop objects outlive its IPv6, and the kernel would not accept them again
			}
			if s[0] == "ipv6/conf/%s/forwarding" {
				if !g.carrier {
					continue // it joins anycast addresses only when a carrier comes
				}
				// If it is written while the kernel still works on new
				// addresses, it joins their anycast addresses twice and leaves
				// them once.
				g.settle()
			}
			g.add("sysctl -qw net/"+s[0]+"=%s", g.nic, g.pick(s[1:]...))
		}
	}
	if !g.sometimes(4) {
		g.settle() // until then, the addresses are accepted without detection
		g.add("sysctl -qw net/ipv6/conf/%s/accept_dad=1", g.nic)
	}
}

// settle waits until the kernel has finished with the addresses.
func (g *generator) settle() {
	g.add("i=0; while ip -6 addr show dev %s tentative | grep -q inet6 && [ $((i += 1)) -lt 60 ]; do sleep 0.05; done; sleep 0.1", g.nic)
}
