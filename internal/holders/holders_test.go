package holders

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// The moves of a call.
var (
	up     = Move{Start: true, From: Interface{"eth0", 2}, To: Interface{"eth0", 7}}
	down   = Move{From: Interface{"eth0", 7}, To: Interface{"eth0", 2}}
	asBr0  = Move{Start: true, OnBridge: true, From: Interface{"eth0", 2}, To: Interface{"br0", 7}}
	offBr0 = Move{OnBridge: true, From: Interface{"br0", 7}, To: Interface{"eth0", 2}}
)

// on is a host with these interfaces on its NIC.
func on(kinds ...string) *host.Host {
	h := &host.Host{Links: []*host.Link{{Index: 2, Name: "eth0"}}, Asked: &host.Asked{Rules: []string{}}}
	for i, kind := range kinds {
		h.Links = append(h.Links, &host.Link{Index: 20 + i, Name: kind + "0", Kind: kind, Lower: 2})
	}
	return h
}

// TestFind decides what becomes of holders, at start and stop, where dom0's interface
// keeps its name and where it does not.
func TestFind(t *testing.T) {
	rule := func(r Rule) Data { r.Family, r.Table, r.Chain = 1, "t", "c"; return Data{Rules: []Rule{r}} }
	owned := func(d Data, o Owner) Data { d.Owners = map[int][]Owner{5: {o}}; return d }
	packet := func(protocol uint16, program string) Data {
		return owned(Data{Packet: []Packet{{2, protocol, 5}, {7, protocol, 5}}}, Owner{Program: program, PID: 9})
	}
	bound := func(protocol uint8, local, peer, program string) Data {
		p, _ := netip.ParseAddrPort(peer)
		l := netip.MustParseAddrPort(local)
		return owned(Data{Bound: []Bound{{2, protocol, l, p, 5}, {7, protocol, l, p, 5}}}, Owner{program, 9, "x.service"})
	}
	hook := func(byName, flowtable bool) Data {
		return Data{ByName: byName, Hooks: []Hook{{5, "t", "h", flowtable, []string{"lan", "eth0"}}}}
	}
	member := func(owners ...Owner) Data {
		return Data{Groups: []Group{{2, netip.MustParseAddr("ff02::fb"), owners}, {7, netip.MustParseAddr("ff02::fb"), owners}}}
	}
	addr := netip.MustParseAddr("192.0.2.2")
	addressed, ruled := on(), on()
	for _, index := range []uint32{2, 7} {
		body := append([]byte{unix.AF_INET, 24, 0, 0}, rtnl.U32Bytes(index)...) // struct ifaddrmsg
		addressed.Addrs = append(addressed.Addrs, rtnl.Msg{Type: unix.RTM_NEWADDR, Body: body}.With(unix.IFA_LOCAL, addr.AsSlice()))
	}
	ruled.Asked.Rules = []string{"eth0"}
	wide := on("vxlan")
	wide.Links[0].MTU, wide.Links[1].MTU = 1400, 1450
	for _, c := range []struct {
		what          string
		data          Data
		up, down      Outcome
		asBr0, offBr0 Outcome
		contains      string // of the line at start
	}{
		{"a rule by the NIC's index", rule(Rule{Indexes: []int{2}}), Breaks, Stays, Breaks, Stays, "1 rule by the index of eth0 (iif, oif) in table inet t, chain c"},
		{"a rule by dom0's index", rule(Rule{Indexes: []int{7}}), Stays, Breaks, Stays, Breaks, ""},
		{"a rule by another index", rule(Rule{Indexes: []int{3}}), "", "", "", "", ""},
		{"a rule by name", rule(Rule{Names: []string{"eth0"}}), Moves, Moves, Breaks, "", ""},
		{"a rule by both names", rule(Rule{Names: []string{"eth0", "br0"}}), Moves, Moves, Moves, Moves, ""},
		{"a rule by the beginning of the name", rule(Rule{Names: []string{"eth*"}}), Moves, Moves, Breaks, "", ""},
		{"a rule by any name", rule(Rule{Names: []string{"*"}}), Moves, Moves, Moves, Moves, ""},
		{"a rule by the bridge's name", rule(Rule{Names: []string{"br0"}}), "", "", "", Breaks, ""},
		{"antispoof's own", rule(Rule{Names: []string{"br0", "eth0"}, JumpsTo: "XBR-br0"}), "", "", "", "", ""},
		{"iptables-legacy", Data{Legacy: []string{"nat of iptables"}}, "", "", Breaks, Breaks, ""},
		{"a hook", hook(false, false), Stays, Breaks, Stays, "", "the chain h in table netdev t, on eth0"},
		{"a hook by name", hook(true, false), Moves, Moves, Breaks, "", ""},
		{"a flowtable", hook(true, true), Moves, Moves, Stays, "", "the flowtable h"},
		{"a packet socket", packet(unix.ETH_P_ARP, "arpd"), Breaks, Breaks, Breaks, Breaks, "packet socket: ARP of arpd (pid 9): restart it afterwards"},
		{"LLDP", packet(unix.ETH_P_LLDP, "lldpd"), Stays, Breaks, Stays, Breaks, "LLDP of lldpd"},
		{"a watcher", packet(unix.ETH_P_ALL, "tcpdump"), Stays, Breaks, Stays, Breaks, "all protocols of tcpdump"},
		{"a DHCP client", packet(unix.ETH_P_IP, "dhclient"), Followed, Followed, Followed, Followed, "it goes on renewing the lease"},
		{"its UDP socket", bound(unix.IPPROTO_UDP, "0.0.0.0:68", "", "udhcpc"), Followed, Followed, Followed, Followed, ""},
		{"a DHCPv6 client", bound(unix.IPPROTO_UDP, "[fe80::1]:546", "", "dhclient"), Followed, Followed, Followed, Followed, "[fe80::1]:546 of dhclient (pid 9, x.service): it goes on renewing the lease"},
		{"its next process", bound(unix.IPPROTO_UDP, "[fe80::1]:546", "", "dhcpcd"), Followed, Followed, Followed, Followed, "it is run again"},
		{"networkd", bound(unix.IPPROTO_RAW, "[::]:58", "", "systemd-network"), Followed, Followed, Followed, Followed, ""},
		{"a session", bound(unix.IPPROTO_TCP, "[fe80::1]:22", "[fe80::2]:9999", "sshd"), Breaks, Breaks, Breaks, Breaks, "TCP connection bound to it: [fe80::1]:22 to [fe80::2]:9999 of sshd (pid 9, x.service): the connection ends"},
		{"a group", member(Owner{Program: "mdnsd", PID: 1}), Breaks, Breaks, Breaks, Breaks, "multicast group: ff02::fb of mdnsd (pid 1)"},
		{"a group of nobody known", member(), Breaks, Breaks, Breaks, Breaks, ""},
		{"a group of one that joins again", member(Owner{Program: "avahi-daemon"}), Followed, Followed, Followed, Followed, ""},
		{"a group of two", member(Owner{Program: "avahi-daemon"}, Owner{Program: "mdnsd"}), Breaks, Breaks, Breaks, Breaks, ""},
		{"a label", Data{Labels: []Label{{2, netip.MustParsePrefix("2001:db8::/32"), 99}}}, Moves, "", Moves, "", "label 99 for 2001:db8::/32: dom0's eth0 gets it"},
		{"masqueraded connections", Data{Host: addressed, Masked: map[netip.Addr]int{addr: 3, netip.MustParseAddr("192.0.2.9"): 1}}, Moves, Moves, Moves, Moves, "masquerade: 3 connections"},
		{"masqueraded connections with helpers", Data{Host: addressed, Tied: map[netip.Addr]int{addr: 3}}, Breaks, Breaks, Breaks, Breaks, "masquerade: 3 connections"},
		{"connections as another host", Data{Host: addressed, Masked: map[netip.Addr]int{netip.MustParseAddr("192.0.2.9"): 1}}, "", "", "", "", ""},
		{"published ports", Data{Bridged: []Bridged{{Setting: "s", Sent: 2}}}, Breaks, "", "", "", "published ports: s=1, and rules that send connections elsewhere (DNAT): 2"},
		{"a chain that drops", Data{Bridged: []Bridged{{Setting: "s", Drops: "table ip filter, chain FORWARD"}}}, Breaks, "", Breaks, "", "dom0's own packets do not get through"},
		{"nothing that drops", Data{Bridged: []Bridged{{Setting: "s"}}}, "", "", "", "", ""},
		{"a program", Data{Uses: []Use{{2, "XDP", "program 7", Stays, "why"}, {7, "XDP", "program 7", Stays, "why"}}}, Stays, Breaks, Stays, Breaks, "XDP: program 7: why"},
		{"a session", Data{Uses: []Use{{2, "PPPoE", "session 1", Breaks, "dial"}, {7, "PPPoE", "session 1", Breaks, "dial"}}}, Breaks, Breaks, Breaks, Breaks, "PPPoE: session 1: dial"},
		{"a rule for routing", Data{Host: ruled}, Moves, Moves, InTheWay, "", ""},
		{"a VLAN", Data{Host: on("vlan")}, Stays, "", Stays, "", "vlan0 (vlan)"},
		{"a macvlan", Data{Host: on("macvlan")}, InTheWay, "", InTheWay, "", ""},
		{"a tunnel", Data{Host: on("gretap")}, Moves, "", Moves, "", "gretap0 (gretap): it sends by dom0's eth0"},
		{"entries of a VXLAN", Data{Entries: []Entry{{2, "vx0", 3}, {7, "vx0", 3}}}, Moves, Moves, Moves, Moves, "VXLAN: forwarding entries of vx0 by eth0: 3: they send by dom0's eth0"},
		{"one of another kind", Data{Host: on("macsec")}, InTheWay, "", InTheWay, "", "macsec0 (macsec)"},
		{"a VXLAN that would get another MTU", Data{Host: wide}, InTheWay, "", InTheWay, "", "vxlan0 (vxlan)"},
	} {
		if c.data.Host == nil {
			c.data.Host = on()
		}
		for i, want := range []Outcome{c.up, c.down, c.asBr0, c.offBr0} {
			m := []Move{up, down, asBr0, offBr0}[i]
			found := Find(&c.data, []Move{m})
			switch {
			case want == "" && len(found) == 0:
			case len(found) != 1 || found[0].Outcome != want || found[0].Interface != m.From.Name:
				t.Errorf("%s, start %t, from %s to %s: %+v, want %q", c.what, m.Start, m.From.Name, m.To.Name, found, want)
			case i == 0 && !strings.Contains(found[0].String(), c.contains):
				t.Errorf("%s: %q does not contain %q", c.what, found[0].String(), c.contains)
			}
		}
	}
}

// TestFindMany joins what is of one kind and owner, and tells what breaks first.
func TestFindMany(t *testing.T) {
	d := &Data{Host: on("vlan"), Owners: map[int][]Owner{}}
	for i := range 5 {
		d.Rules = append(d.Rules, Rule{Family: 1, Table: []string{"a", "b"}[i%2], Chain: string(rune('a' + i)), Indexes: []int{2}})
		d.Packet = append(d.Packet, Packet{2, unix.ETH_P_IP, 0})
	}
	var lines []string
	for _, h := range Find(d, []Move{up}) {
		lines = append(lines, string(h.Outcome)+" "+h.Kind+": "+h.What)
	}
	want := []string{
		"will break nftables: 3 rules by the index of eth0 (iif, oif) in table inet a, chains a, c, e",
		"will break nftables: 2 rules by the index of eth0 (iif, oif) in table inet b, chains b, d",
		"will break packet socket: IPv4, IPv4, IPv4 and 2 more",
		"stays with the NIC interface: vlan0 (vlan)",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestUnit finds systemd's unit in /proc/PID/cgroup.
func TestUnit(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/chrony.service\n":                                  "chrony.service",
		"0::/system.slice/docker.service/init\n":                             "docker.service",
		"12:pids:/user.slice\n1:name=systemd:/system.slice/lldpd.service\n":  "lldpd.service",
		"0::/user.slice/user-0.slice/session-1.scope\n":                      "",
		"0::/user.slice/user-0.slice/user@0.service/app.slice/x.service/a\n": "",
		"0::/\n": "", "": "", "\n": "", "nonsense": "",
	} {
		if got := unitIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestRestart: nobody is told to restart what would take dom0's addresses away.
func TestRestart(t *testing.T) {
	for unit, want := range map[string]string{
		"lldpd.service": "restart it afterwards: systemctl restart lldpd.service", "getty@tty1.service": "restart it afterwards: systemctl restart getty@tty1.service",
		"": "restart it afterwards", "networking.service": "restart it afterwards", "ifup@eth0.service": "restart it afterwards",
		"NetworkManager.service": "restart it afterwards", "systemd-networkd.service": "restart it afterwards", "dhcpcd@eth0.service": "restart it afterwards",
	} {
		if got := restart([]Owner{{Program: "x", PID: 9, Unit: unit}}); got != want {
			t.Errorf("%s: %s", unit, got)
		}
	}
}
