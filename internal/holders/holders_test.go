package holders

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/mptcp"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sockets"
	"xbr-script/internal/tcmirred"
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
	h := &host.Host{Links: []*host.Link{{Index: 2, Name: "eth0"}}, Asked: &host.Asked{Rules: []rtnl.Msg{}}}
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
		return owned(Data{Bound: []Bound{{2, protocol, l, p, 5, 55}, {7, protocol, l, p, 5, 55}}}, Owner{program, 9, "x.service"})
	}
	reached := func(d Data) Data { d.Places = map[int][]sockets.Place{5: {{PID: 9, FD: 3}}}; return d }
	hook := func(byName, flowtable bool) Data {
		return Data{ByName: byName, Hooks: []Hook{{Family: 5, Table: "t", Name: "h", Flowtable: flowtable, Devices: []string{"lan", "eth0"}}}}
	}
	labelled := func(index uint32) rtnl.Msg {
		m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: make([]byte, unix.SizeofRtMsg)}
		return m.With(unix.RTA_DST, []byte{0, 6, 0x51, 0}).With(unix.RTA_OIF, rtnl.U32Bytes(index))
	}
	member := func(users int, owners ...Owner) Data {
		var d Data
		for _, index := range []int{2, 7} {
			g := Group{Index: index, Addr: netip.MustParseAddr("ff02::fb"), Users: users}
			for i, o := range owners {
				g.Members = append(g.Members, Member{o, uint64(10*index + i/2), sockets.Place{PID: o.PID, FD: 3}}) // two have each
			}
			d.Groups = append(d.Groups, g)
		}
		return d
	}
	routing := func(indexes ...int) Data {
		d := Data{Sockets: map[Use][]int{}}
		for _, index := range indexes {
			u := Use{index, "multicast routing", "interface 0", Breaks, ""}
			d.Uses, d.Sockets[u] = append(d.Uses, u), []int{5}
		}
		return d
	}
	live := func(d Data) Data { d.Host = on(); d.Host.LiveRename = true; return d }
	addr := netip.MustParseAddr("192.0.2.2")
	addressed, ruled := on(), on()
	for _, index := range []uint32{2, 7} {
		body := append([]byte{unix.AF_INET, 24, 0, 0}, rtnl.U32Bytes(index)...) // struct ifaddrmsg
		addressed.Addrs = append(addressed.Addrs, rtnl.Msg{Type: unix.RTM_NEWADDR, Body: body}.With(unix.IFA_LOCAL, addr.AsSlice()))
	}
	ruled.Asked.Rules = []rtnl.Msg{rtnl.Msg{Type: unix.RTM_NEWRULE, Body: make([]byte, unix.SizeofRtMsg)}.With(unix.FRA_IIFNAME, []byte("eth0\x00"))}
	far := func(kind string, last byte) Data {
		h, mac := on(), net.HardwareAddr{2, 0, 0, 0, 0, last}
		h.Links[0].MAC = net.HardwareAddr{2, 0, 0, 0, 0, 9}
		for _, index := range []int{2, 7} {
			h.Asked.Far = append(h.Asked.Far, host.Far{Name: "far0", Kind: kind, MAC: mac, Lower: index, Place: "the network namespace box"})
		}
		return Data{Host: h}
	}
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
		{"LLDP", packet(unix.ETH_P_LLDP, "systemd"), Stays, Breaks, Stays, Breaks, "LLDP of systemd"},
		{"802.1X", packet(unix.ETH_P_PAE, "wpa_supplicant"), Stays, Breaks, Stays, Breaks, "802.1X of wpa_supplicant (pid 9): 802.1X belongs to the wire"},
		{"one that only sends", packet(0, "arper"), Stays, Breaks, Stays, Breaks, "it only sends"},
		{"lldpd", packet(unix.ETH_P_ALL, "lldpd"), Followed, Followed, Followed, Followed, "it turns to dom0's new interface by itself"},
		{"a DHCP server", packet(unix.ETH_P_ALL, "dhcpd"), Stays, Breaks, Stays, Breaks, "it goes on with what is on the wire"},
		{"one for all protocols", live(packet(unix.ETH_P_ALL, "ucarp")), Stays, Breaks, Stays, Breaks, "it goes on with what is on the wire"},
		{"the same, where the NIC goes off", packet(unix.ETH_P_ALL, "ucarp"), Breaks, Breaks, Breaks, Breaks, "some programs end with that: restart it afterwards"},
		{"a watcher", packet(unix.ETH_P_ALL, "tcpdump"), Stays, Breaks, Stays, Breaks, "all protocols of tcpdump"},
		{"a DHCP client", packet(unix.ETH_P_IP, "dhclient"), Followed, Followed, Followed, Followed, "it goes on renewing the lease"},
		{"its UDP socket", bound(unix.IPPROTO_UDP, "0.0.0.0:68", "", "udhcpc"), Followed, Followed, Followed, Followed, ""},
		{"a DHCPv6 client", bound(unix.IPPROTO_UDP, "[fe80::1]:546", "", "dhclient"), Followed, Followed, Followed, Followed, "[fe80::1]:546 of dhclient (pid 9, x.service): it goes on renewing the lease"},
		{"its next process", bound(unix.IPPROTO_UDP, "[fe80::1]:546", "", "dhcpcd"), Followed, Followed, Followed, Followed, "it is run again"},
		{"networkd", bound(unix.IPPROTO_RAW, "[::]:58", "", "systemd-network"), Followed, Followed, Followed, Followed, ""},
		{"a session", bound(unix.IPPROTO_TCP, "[fe80::1]:22", "[fe80::2]:9999", "sshd"), Breaks, Breaks, Breaks, Breaks, "TCP connection bound to it: [fe80::1]:22 to [fe80::2]:9999 of sshd (pid 9, x.service): the connection ends"},
		{"a session of a program that can be reached", reached(bound(unix.IPPROTO_TCP, "[fe80::1]:22", "[fe80::2]:9999", "sshd")), Moves, Moves, Moves, Moves, "sshd (pid 9, x.service): it is bound to dom0's eth0"},
		{"a socket of one", reached(bound(unix.IPPROTO_UDP, "0.0.0.0:9", "", "x")), Moves, Moves, Moves, Moves, "0.0.0.0:9 of x (pid 9, x.service): it is bound to dom0's eth0"},
		{"a DHCPv6 client that could be reached", reached(bound(unix.IPPROTO_UDP, "[fe80::1]:546", "", "dhclient")), Followed, Followed, Followed, Followed, ""},
		{"a group", member(1, Owner{Program: "mdnsd", PID: 1}), Moves, Moves, Moves, Moves, "multicast group: ff02::fb of mdnsd (pid 1): it joins on dom0's eth0 instead"},
		{"a group of FRR", member(1, Owner{Program: "ospfd", PID: 1}), Breaks, Breaks, Breaks, Breaks, "of ospfd (pid 1): restart it"},
		{"a group of keepalived", member(1, Owner{Program: "keepalived", PID: 1}), Followed, Followed, Followed, Followed, "it joins on eth0 by itself"},
		{"an NTP server", reached(bound(unix.IPPROTO_UDP, "[fe80::1]:123", "", "ntpd")), Followed, Followed, Followed, Followed, ""},
		{"a group of nobody known", member(1), Breaks, Breaks, Breaks, Breaks, ""},
		{"a group of one that joins again", member(1, Owner{Program: "avahi-daemon"}), Followed, Followed, Followed, Followed, ""},
		{"a socket of two programs", member(1, Owner{Program: "mdnsd", PID: 1}, Owner{Program: "mdnsd", PID: 2}), Moves, Moves, Moves, Moves, "mdnsd (pid 1), mdnsd (pid 2)"},
		{"a label", Data{Labels: []Label{{2, netip.MustParsePrefix("2001:db8::/32"), 99}}}, Moves, "", Moves, "", "label 99 for 2001:db8::/32: dom0's eth0 gets it"},
		{"an endpoint", Data{Endpoints: []mptcp.Endpoint{{Addr: addr, ID: 3, Flags: 2, Index: 2}, {Addr: addr, ID: 3, Flags: 2, Index: 7}}}, Moves, Moves, Moves, Moves, "MPTCP: endpoint 192.0.2.2, id 3: it is made anew for dom0's eth0"},
		{"an endpoint that a connection needs", Data{Endpoints: []mptcp.Endpoint{{Addr: addr, ID: 3, Flags: 10, Index: 2}}, Subflows: []mptcp.Subflow{{Token: 1, Local: addr}}}, Breaks, "", Breaks, "",
			"would end 1 connection; once that is no matter: ip mptcp endpoint delete id 3; ip mptcp endpoint add 192.0.2.2 id 3 subflow fullmesh dev eth0"},
		{"an endpoint of NetworkManager's that a connection needs", Data{LetGo: map[int]bool{2: true}, Endpoints: []mptcp.Endpoint{{Addr: addr, ID: 3, Flags: 2, Index: 2}}, Subflows: []mptcp.Subflow{{Token: 1, Local: addr}}}, Breaks, "", Breaks, "",
			"id 3: NetworkManager may delete it as it lets eth0 go, and make it anew: that ends 1 connection"},
		{"an endpoint that is told to others", Data{Endpoints: []mptcp.Endpoint{{Addr: addr, ID: 3, Flags: 1, Index: 2}}, Subflows: []mptcp.Subflow{{Token: 1, Local: addr}}}, Followed, "", Followed, "", "whatever its interface"},
		{"routes of MPLS", Data{Tagged: []rtnl.Msg{labelled(2), labelled(7)}}, Moves, Moves, Moves, Moves, "MPLS: routes of the labels 101: they leave by dom0's eth0"},
		{"packets with labels", Data{Input: map[int]bool{2: true}}, Moves, "", Moves, "", "MPLS: packets with labels that come in by it (net/mpls/conf/eth0/input): dom0's eth0 lets them in"},
		{"a unit that may use it", Data{Restricted: []Restricted{{"x.service", []string{"lo", "eth0"}, false}}}, Breaks, Breaks, Breaks, Breaks, "unit: x.service may use only lo, eth0: restart it afterwards: systemctl restart x.service"},
		{"a unit that may not", Data{Restricted: []Restricted{{"x.scope", []string{"eth0"}, true}}}, Breaks, Breaks, Breaks, Breaks, "unit: x.scope may not use eth0: end it and begin it anew afterwards"},
		{"a unit that may use something else", Data{Restricted: []Restricted{{"x.service", []string{"eth1"}, false}}}, "", "", "", "", ""},
		{"masqueraded connections", Data{Host: addressed, Masked: map[netip.Addr]int{addr: 3, netip.MustParseAddr("192.0.2.9"): 1}}, Moves, Moves, Moves, Moves, "masquerade: 3 connections"},
		{"masqueraded connections with helpers", Data{Host: addressed, Tied: map[netip.Addr]int{addr: 3}}, Breaks, Breaks, Breaks, Breaks, "masquerade: 3 connections"},
		{"connections as another host", Data{Host: addressed, Masked: map[netip.Addr]int{netip.MustParseAddr("192.0.2.9"): 1}}, "", "", "", "", ""},
		{"published ports", Data{Bridged: []Bridged{{Setting: "s", Sent: 2}}}, Breaks, "", "", "", "published ports: s=1, and rules that send connections elsewhere (DNAT): 2"},
		{"a chain that drops", Data{Bridged: []Bridged{{Setting: "s", Drops: []Drop{{Hook: Hook{Family: 2, Table: "filter", Name: "FORWARD"}}}}}}, Breaks, "", Breaks, "", "dom0's own packets do not get through"},
		{"nothing that drops", Data{Bridged: []Bridged{{Setting: "s"}}}, "", "", "", "", ""},
		{"a program", Data{Uses: []Use{{2, "XDP", "program 7", Stays, "why"}, {7, "XDP", "program 7", Stays, "why"}}}, Stays, Breaks, Stays, Breaks, "XDP: program 7: why"},
		{"a session", Data{Uses: []Use{{2, "PPPoE", "session 1", Breaks, "dial"}, {7, "PPPoE", "session 1", Breaks, "dial"}}}, Breaks, Breaks, Breaks, Breaks, "PPPoE: session 1: dial"},
		{"the kernel's log", Data{Consoles: []Console{{2, "lan"}, {7, "lan"}}}, Breaks, Breaks, Breaks, Breaks, "netconsole: target lan: set it up anew on eth0 afterwards"},
		{"the kernel's log, where a veth cannot send it", Data{Consoles: []Console{{2, "lan"}, {7, "lan"}}, NoConsole: true}, Breaks, Breaks, Breaks, Breaks, "give dom0=bridge"},
		{"multicast routing", owned(routing(2, 7), Owner{Program: "smcrouted", PID: 9}), Breaks, Breaks, Breaks, Breaks, "multicast routing: interface 0 of smcrouted (pid 9): restart it afterwards"},
		{"a redirect", Data{Redirects: []tcmirred.Action{{Index: 1, To: 2}, {Index: 2, To: 7}}}, Stays, Moves, Stays, Moves, "traffic control: action mirred, index 1, which sends to it: it goes on sending to the wire"},
		{"a rule for routing", Data{Host: ruled}, Moves, Moves, InTheWay, "", ""},
		{"a VLAN", Data{Host: on("vlan")}, Stays, "", Stays, "", "vlan0 (vlan)"},
		{"a macvlan", Data{Host: on("macvlan")}, InTheWay, "", InTheWay, "", ""},
		{"a tunnel", Data{Host: on("gretap")}, Moves, "", Moves, "", "gretap0 (gretap): it sends by dom0's eth0"},
		{"entries of a VXLAN", Data{Entries: []Entry{{2, "vx0", 3}, {7, "vx0", 3}}}, Moves, Moves, Moves, Moves, "VXLAN: forwarding entries of vx0 by eth0: 3: they send by dom0's eth0"},
		{"one of another kind", Data{Host: on("macsec")}, InTheWay, "", InTheWay, "", "macsec0 (macsec)"},
		{"a macvlan elsewhere", far("macvlan", 1), InTheWay, Breaks, InTheWay, Breaks, "interface: far0 (macvlan) in the network namespace box"},
		{"a tunnel elsewhere", far("gre", 1), InTheWay, Breaks, InTheWay, Breaks, ""},
		{"a VLAN elsewhere", far("vlan", 1), Stays, Breaks, Stays, Breaks, ""},
		{"one with the NIC's MAC address", far("vlan", 9), Breaks, Breaks, Stays, Breaks, "ip link set dev far0 address 02:00:00:00:00:09, there"},
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

// TestGroupOfMany tells members of one group apart: who joins again by himself, who is
// let join, and whom nobody knows, unless he is a tunnel.
func TestGroupOfMany(t *testing.T) {
	g := Group{Index: 2, Addr: netip.MustParseAddr("239.1.1.1"), Users: 4, Members: []Member{
		{Owner{Program: "avahi-daemon", PID: 1}, 11, sockets.Place{PID: 1, FD: 3}},
		{Owner{Program: "mdnsd", PID: 2}, 12, sockets.Place{PID: 2, FD: 3}},
	}}
	h := on("vxlan")
	h.Links[0].MTU, h.Links[1].Flags, h.Links[1].VXLANAttrs, h.Rejoins = 1500, unix.IFF_UP, []byte{8, 0, 2, 0, 239, 1, 1, 1}, true
	for users, want := range map[int]string{3: "", 4: "will break multicast group: 239.1.1.1: restart it afterwards"} {
		g.Users = users
		d := &Data{Host: h, Groups: []Group{g}}
		var lines []string
		for _, found := range Find(d, []Move{up}) {
			if found.Kind == "multicast group" {
				lines = append(lines, string(found.Outcome)+" "+found.String())
			}
		}
		wanted := []string{"followed multicast group: 239.1.1.1 of avahi-daemon (pid 1): it joins on eth0 by itself",
			"moves multicast group: 239.1.1.1 of mdnsd (pid 2): it joins on dom0's eth0 instead"}
		if want != "" {
			wanted = append([]string{want}, wanted...)
		}
		if !slices.Equal(lines, wanted) {
			t.Errorf("%d users: %q, want %q", users, lines, wanted)
		}
		turned := d.Turned(up)
		if len(turned) != 1 || turned[0].Cookie != 12 || turned[0].Bound || !slices.Equal(turned[0].Groups, []netip.Addr{g.Addr}) {
			t.Errorf("%+v", turned)
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
