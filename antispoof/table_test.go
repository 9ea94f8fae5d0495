package antispoof

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// attacks are those in the table.
func (s *testbed) attacks() []attack {
	m, gw, victim := s.mallory, s.gw, s.victim
	stranger := ip("192.0.2.1")
	list := []attack{
		s.udpAttack("IPv4: as the gateway, to dom0", nil, gw.v4),
		s.udpAttack("IPv4: as another guest, to dom0", nil, victim.v4),
		s.udpAttack("IPv4: as another guest, to the gateway", gw, victim.v4),
		s.udpAttack("IPv4: as a stranger, to the gateway", gw, stranger),
		s.udpAttack("IPv4: as dom0, to the gateway", gw, dom0IPv4),
		s.udpAttack("IPv4: as dom0, to another guest", victim, dom0IPv4),
		s.udpAttack("IPv4: as the gateway, to another guest", victim, gw.v4),
		s.fragments("IPv4: as another guest, to the gateway, in fragments", gw, victim.v4),
		s.fragments("IPv4: as the gateway, to dom0, in fragments", nil, gw.v4),
		s.fragments("IPv4: as dom0, to another guest, in fragments", victim, dom0IPv4),
		s.fragments("IPv4: as the gateway, to another guest, in fragments", victim, gw.v4),
		s.frame("IPv4: as another guest, broadcast", gw, func(mk string) []byte {
			typ, p := datagram(victim.v4, ip("10.0.0.255"), mk)
			return ethernet(everybody, m.mac, typ, p)
		}),
		s.toBridge("IPv4: own address, to the bridge's MAC", m.v4, dom0IPv4),
		s.toBridge("IPv4: as another guest, to the bridge's MAC", victim.v4, dom0IPv4),
		s.frame("IPv4: as another guest, to a container, by the bridge's MAC", s.container, func(mk string) []byte {
			p := ipv4Packet(victim.v4, s.container.v4, udp(victim.v4, s.container.v4, 4242, 80, mk), 0, false)
			return ethernet(s.bridgeMAC, m.mac, 0x0800, p)
		}),
		s.looseAttack("IPv4: a guest without ip=, as another guest, to the gateway", victim.v4),
		s.looseAttack("IPv4: a guest without ip=, as dom0, to the gateway", dom0IPv4),
		s.looseAttack("IPv4: a guest without ip=, as dom0 by its lease, to the gateway", dom0Lease),
		s.udpAttack("IPv6: as dom0, to the gateway", gw, dom0IPv6),
		s.udpAttack("IPv6: as dom0, to another guest", victim, dom0IPv6),
		s.udpAttack("IPv6: as dom0, link-local, to another guest", victim, dom0Local),
		s.udpAttack("IPv6: as the gateway, to dom0", nil, gw.v6),
		s.udpAttack("IPv6: as another guest, to dom0", nil, victim.v6),
		s.udpAttack("IPv6: as another guest, to the gateway", gw, victim.v6),
		s.udpAttack("IPv6: as the gateway, to another guest", victim, gw.v6),
		s.udpAttack("IPv6: as a stranger, to the gateway", gw, ip("2001:db8::1")),
		s.fragments("IPv6: as another guest, to the gateway, in fragments", gw, victim.v6),
		s.fragments("IPv6: as the gateway, to dom0, in fragments", nil, gw.v6),
		s.fragments("IPv6: as dom0, to another guest, in fragments", victim, dom0IPv6),
		s.toBridge("IPv6: own address, to the bridge's MAC", m.v6, dom0IPv6),
		s.toBridge("IPv6: as another guest, to the bridge's MAC", victim.v6, dom0IPv6),
	}
	return append(list, s.outside()...)
}

// outside are the attacks that rules of iptables cannot see, or cannot judge.
func (s *testbed) outside() []attack {
	m, gw, victim := s.mallory, s.gw, s.victim
	forged := func(mk string) []byte {
		typ, p := datagram(victim.v4, gw.v4, mk)
		return ethernet(gw.mac, m.mac, typ, p)
	}
	return []attack{
		s.frame("ARP: the gateway is here, to another guest", victim, func(mk string) []byte {
			return ethernet(victim.mac, m.mac, unix.ETH_P_ARP, arp(m.mac, ip("10.0.0.200"), victim.mac, victim.v4, mk))
		}),
		s.frame("ND: the gateway is here, to another guest", victim, func(mk string) []byte {
			return ethernet(victim.mac, m.mac, 0x86dd, advert6(m.v6, victim.v6, gw.v6, m.mac, mk))
		}),
		s.frame("RA: I am a router", victim, func(mk string) []byte {
			return ethernet(allNodes, m.mac, 0x86dd, routerAdvert(m.local, mk))
		}),
		s.frame("MAC: another guest's, own IPv4", gw, func(mk string) []byte {
			typ, p := datagram(m.v4, gw.v4, mk)
			return ethernet(gw.mac, victim.mac, typ, p)
		}),
		s.frame("MAC and IPv6 of another guest", gw, func(mk string) []byte {
			typ, p := datagram(victim.v6, gw.v6, mk)
			return ethernet(gw.mac, victim.mac, typ, p)
		}),
		{name: "MAC: dom0's, to get what the gateway sends to dom0", from: m, to: m, frames: func(string) [][]byte {
			return [][]byte{ethernet(gw.mac, dom0MAC, unix.ETH_P_ARP, arp(dom0MAC, m.v4, gw.mac, gw.v4, ""))}
		}, then: func(mk string) {
			typ, p := datagram(gw.v4, dom0IPv4, mk)
			s.send(gw, ethernet(dom0MAC, gw.mac, typ, p))
		}},
		s.frame("DHCP: I am the server, own IPv4, to another guest", victim, func(mk string) []byte {
			dst := ip("255.255.255.255")
			return ethernet(everybody, m.mac, 0x0800, ipv4Packet(m.v4, dst, udp(m.v4, dst, 67, 68, mk), 0, false))
		}),
		s.frame("PPPoE around a forged IPv4", gw, func(mk string) []byte {
			_, p := datagram(victim.v4, gw.v4, mk)
			return ethernet(gw.mac, m.mac, unix.ETH_P_PPP_SES, pppoe(p))
		}),
		s.frame("VLAN tag on a forged IPv4", gw, func(mk string) []byte { return tagged(forged(mk), 0x8100, 7) }),
		s.frame("VLAN 0 tag on a forged IPv4", gw, func(mk string) []byte { return tagged(forged(mk), 0x8100, 0) }),
		s.frame("two VLAN tags on a forged IPv4", gw, func(mk string) []byte {
			return tagged(tagged(forged(mk), 0x8100, 7), 0x88a8, 8)
		}),
		// It is the last one, as it draws to mallory what others send to the
		// gateway.
		{name: "MAC: the gateway's, to get what another guest sends to it", from: m, to: m, frames: func(string) [][]byte {
			return [][]byte{ethernet(victim.mac, gw.mac, unix.ETH_P_ARP, arp(gw.mac, m.v4, victim.mac, victim.v4, ""))}
		}, then: func(mk string) {
			typ, p := datagram(victim.v4, gw.v4, mk)
			s.send(victim, ethernet(gw.mac, victim.mac, typ, p))
		}},
	}
}

// looseAttack comes from a guest that Xen allows any address.
func (s *testbed) looseAttack(name string, src netip.Addr) attack {
	return attack{name: name, from: s.loose, to: s.gw, frames: func(mk string) [][]byte {
		typ, p := datagram(src, s.gw.v4, mk)
		return [][]byte{ethernet(s.gw.mac, s.loose.mac, typ, p)}
	}}
}

// toBridge is a packet for dom0, sent to the MAC address of the bridge.
func (s *testbed) toBridge(name string, src, dst netip.Addr) attack {
	return s.frame(name, nil, func(mk string) []byte {
		typ, p := datagram(src, dst, mk)
		return ethernet(s.bridgeMAC, s.mallory.mac, typ, p)
	})
}

// fragments are two; the second has the marker.
func (s *testbed) fragments(name string, to *box, src netip.Addr) attack {
	return attack{name: name, from: s.mallory, to: to, frames: func(mk string) [][]byte {
		hw, dst4, dst6 := dom0MAC, dom0IPv4, dom0IPv6
		if to != nil {
			hw, dst4, dst6 = to.mac, to.v4, to.v6
		}
		const cut = 32
		data := strings.Repeat("x", cut) + mk
		if src.Is4() {
			whole := udp(src, dst4, 4242, port, data)
			return [][]byte{
				ethernet(hw, s.mallory.mac, 0x0800, ipv4Packet(src, dst4, whole[:cut], 0, true)),
				ethernet(hw, s.mallory.mac, 0x0800, ipv4Packet(src, dst4, whole[cut:], cut, false)),
			}
		}
		whole := udp(src, dst6, 4242, port, data)
		return [][]byte{
			ethernet(hw, s.mallory.mac, 0x86dd, ipv6Packet(src, dst6, 44, 64, fragment6(17, 0, true, whole[:cut]))),
			ethernet(hw, s.mallory.mac, 0x86dd, ipv6Packet(src, dst6, 44, 64, fragment6(17, cut, false, whole[cut:]))),
		}
	}}
}

// columns of the table.
var columns = []string{"none", "original, today", "original, br_nf", "yes", "yes, allow", "yes, old vif"}

// yesColumn is the column of antispoof=yes with today's Xen.
const yesColumn = 3

// arrives says in which columns each attack arrives (x).
var arrives = map[string]string{
	"IPv4: as the gateway, to dom0":                                   "xx--x-",
	"IPv4: as another guest, to dom0":                                 "xx--x-",
	"IPv4: as another guest, to the gateway":                          "xx--x-",
	"IPv4: as a stranger, to the gateway":                             "xx--x-",
	"IPv4: as dom0, to the gateway":                                   "xx----",
	"IPv4: as dom0, to another guest":                                 "xxx---",
	"IPv4: as the gateway, to another guest":                          "xxxxx-",
	"IPv4: as another guest, to the gateway, in fragments":            "xx--x-",
	"IPv4: as the gateway, to dom0, in fragments":                     "xx--x-",
	"IPv4: as dom0, to another guest, in fragments":                   "xxx---",
	"IPv4: as the gateway, to another guest, in fragments":            "xxxxx-",
	"IPv4: as another guest, broadcast":                               "xx--x-",
	"IPv4: own address, to the bridge's MAC":                          "xxx---",
	"IPv4: as another guest, to the bridge's MAC":                     "xxx---",
	"IPv4: as another guest, to a container, by the bridge's MAC":     "x-----",
	"IPv4: a guest without ip=, as another guest, to the gateway":     "xxxxxx",
	"IPv4: a guest without ip=, as dom0, to the gateway":              "xxx---",
	"IPv4: a guest without ip=, as dom0 by its lease, to the gateway": "xxx---",
	"IPv6: as dom0, to the gateway":                                   "xxx---",
	"IPv6: as dom0, to another guest":                                 "xxx---",
	"IPv6: as dom0, link-local, to another guest":                     "xxx---",
	"IPv6: as the gateway, to dom0":                                   "xxx-x-",
	"IPv6: as another guest, to dom0":                                 "xxx-x-",
	"IPv6: as another guest, to the gateway":                          "xxx-x-",
	"IPv6: as the gateway, to another guest":                          "xxx-x-",
	"IPv6: as a stranger, to the gateway":                             "xxx-x-",
	"IPv6: as another guest, to the gateway, in fragments":            "xxx-x-",
	"IPv6: as the gateway, to dom0, in fragments":                     "xxx-x-",
	"IPv6: as dom0, to another guest, in fragments":                   "xxx---",
	"IPv6: own address, to the bridge's MAC":                          "xxx---",
	"IPv6: as another guest, to the bridge's MAC":                     "xxx---",
	"ARP: the gateway is here, to another guest":                      "xxxxxx",
	"ND: the gateway is here, to another guest":                       "xxxxxx",
	"RA: I am a router":                                               "xxxxxx",
	"DHCP: I am the server, own IPv4, to another guest":               "xxxxxx",
	"MAC: another guest's, own IPv4":                                  "xxxxxx",
	"MAC and IPv6 of another guest":                                   "xxxxxx",
	"MAC: dom0's, to get what the gateway sends to dom0":              "xxx---",
	"MAC: the gateway's, to get what another guest sends to it":       "xxxxxx",
	"PPPoE around a forged IPv4":                                      "xxxxxx",
	"VLAN tag on a forged IPv4":                                       "xxxxxx",
	"VLAN 0 tag on a forged IPv4":                                     "xxxxxx",
	"two VLAN tags on a forged IPv4":                                  "xxxxxx",
}

// onBridge says what differs where the bridge is dom0's interface: frames for
// dom0 are not bridged, so guests' rules never see them; and nobody can claim
// the bridge's own MAC address.
var onBridge = map[string]string{
	"IPv4: as the gateway, to dom0":                               "xxxxxx",
	"IPv4: as another guest, to dom0":                             "xxxxxx",
	"IPv4: as the gateway, to dom0, in fragments":                 "xxxxxx",
	"IPv4: own address, to the bridge's MAC":                      "xxxxxx",
	"IPv4: as another guest, to the bridge's MAC":                 "xxxxxx",
	"IPv4: as another guest, to a container, by the bridge's MAC": "x--xxx",
	"IPv6: as the gateway, to dom0":                               "xxxxxx",
	"IPv6: as another guest, to dom0":                             "xxxxxx",
	"IPv6: as the gateway, to dom0, in fragments":                 "xxxxxx",
	"IPv6: own address, to the bridge's MAC":                      "xxxxxx",
	"IPv6: as another guest, to the bridge's MAC":                 "xxxxxx",
	"MAC: dom0's, to get what the gateway sends to dom0":          "------",
}

// dead says which flows do not work, and in which columns (x).
var dead = map[string]string{
	"container, routed, to gateway":            "-xx---",
	"container, routed, to guest":              "-xx---",
	"container's published port, from gateway": "-xx---",
	"container's published port, from guest":   "-xx---",
	"containers on a bridge of their own":      "--x---",
	"VPN to gateway":                           "-xx---",
	"gateway to VPN":                           "-xx---",
}

func works(flow string, column int) bool {
	in, known := dead[flow]
	return !known || in[column] == '-'
}

// expect fails unless what arrives and works is what the table says.
func (s *testbed) expect(column int, arrived, worked []tried) {
	s.Helper()
	for _, w := range worked {
		if w.got != works(w.name, column) {
			s.Errorf("%s: works: %t: %s", columns[column], w.got, w.name)
		}
	}
	for _, a := range arrived {
		in := arrives[a.name]
		if other := onBridge[a.name]; other != "" && s.b.Port == "" {
			in = other
		}
		if in == "" || a.got != (in[column] == 'x') {
			s.Errorf("%s: arrives: %t: %s", columns[column], a.got, a.name)
		}
	}
}

// TestTable prints which attacks arrive and which flows work: without
// protection, with that of the original, and with ours.
func TestTable(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		for name, onBridge := range map[string]bool{"dom0=veth": false, "dom0=bridge": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				newTestbed(t, backend, onBridge).measure(t)
			})
		}
	})
}

// measure fills the columns of the table.
func (s *testbed) measure(t *testing.T) {
	s.world()
	var arrived, worked [][]tried
	measure := func() {
		column := len(arrived)
		arrived, worked = append(arrived, s.try(s.attacks())), append(worked, s.work(s.flows(), column))
		s.expect(column, arrived[column], worked[column])
	}
	vif := func(op string) string {
		return vifRules(op, "vif1.0", s.mallory.v4) + vifRules(op, "vif2.0", s.victim.v4) + vifRules(op, "vif3.0")
	}
	forward := nstest.Run(t, "iptables", "-S", "FORWARD")

	measure()
	nstest.Script(t, original+vif("-I")+vifRules("-I", "c4", ip("10.0.0.44")))
	measure()
	nstest.Script(t, strings.ReplaceAll(brNetfilter, "VALUE", "1"))
	measure()
	nstest.Script(t, strings.ReplaceAll(brNetfilter, "VALUE", "0")+"iptables -F FORWARD\n"+asCommands(forward))
	nstest.Script(t, vif("-I"))
	_, notes := s.start(yes(s.b))
	if !says(notes, "no rule lets c4 send IPv4; allow it: iptables -I FORWARD -m physdev --physdev-is-bridged --physdev-in c4 -s ADDRESS -j ACCEPT") {
		t.Errorf("notes: %q", notes)
	}
	nstest.Script(t, allow("iptables", "-I", "c4", ip("10.0.0.44"))+allow("ip6tables", "-I", "vif3.0", own))
	measure()

	b := s.b
	b.GuestsAllow = true
	s.start(yes(b))
	measure()

	s.stop(s.b)
	nstest.Script(t, vif("-D"))
	s.scripts(oldScript)
	s.start(yes(s.b))
	nstest.Script(t, vif("-A"))
	measure()

	// Restarted while the guests are up, and beside another bridge.
	column, other := len(columns)-1, s.bridge(1)
	s.stop(s.b)
	s.start(yes(s.b), yes(other))
	s.expect(column, s.try(s.attacks()), s.work(s.flows(), column))
	t.Log("\n" + table(columns, arrived, "-", "ARRIVES") + "\n" + table(columns, worked, "DEAD", "works"))
}

// allow is the rule that the notes suggest for a guest without rules.
func allow(program, op, port string, src netip.Addr) string {
	return fmt.Sprintf("%s %s FORWARD -m physdev --physdev-is-bridged --physdev-in %s -s %s -j ACCEPT\n", program, op, port, src)
}

// brNetfilter switches the filtering of all bridges.
const brNetfilter = "for f in iptables ip6tables; do echo VALUE >/proc/sys/net/bridge/bridge-nf-call-$f; done\n"

// original is what antispoof=yes of Xen's network-bridge does.
const original = `
	iptables -P FORWARD DROP
	iptables -F FORWARD
	iptables -A FORWARD -m physdev --physdev-in peth0 -j ACCEPT
	iptables -A FORWARD -m physdev --physdev-in vif0.0 -j ACCEPT
`

// asCommands turns the output of iptables -S into commands.
func asCommands(saved string) string {
	var out strings.Builder
	for line := range strings.Lines(saved) {
		out.WriteString("iptables " + line)
	}
	return out.String()
}

func table(columns []string, results [][]tried, no, yes string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-64s", "")
	for _, c := range columns {
		fmt.Fprintf(&out, " %-15s", c)
	}
	for i := range results[0] {
		fmt.Fprintf(&out, "\n%-64s", results[0][i].name)
		for _, r := range results {
			word := no
			if r[i].got {
				word = yes
			}
			fmt.Fprintf(&out, " %-15s", word)
		}
	}
	return out.String() + "\n"
}
