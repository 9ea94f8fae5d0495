package antispoof

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nstest"
)

// attacks are what the table is about.
func (s *site) attacks() []attack {
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
		s.fragments("IPv4: as dom0, to another guest, in fragments", victim, dom0IPv4),
		s.frame("IPv4: as another guest, broadcast", gw, func(mk string) []byte {
			typ, p := datagram(victim.v4, ip("10.0.0.255"), mk)
			return ethernet(everybody, m.mac, typ, p)
		}),
		s.toBridge("IPv4: own address, to the bridge's MAC", m.v4, dom0IPv4),
		s.toBridge("IPv4: as another guest, to the bridge's MAC", victim.v4, dom0IPv4),
		s.frame("IPv4: as another guest, to a container, by the bridge's MAC", s.container, func(mk string) []byte {
			p := ipv4Packet(victim.v4, s.container.v4, udp(victim.v4, s.container.v4, 4242, 80, mk), 0, false)
			return ethernet(bridgeMAC, m.mac, 0x0800, p)
		}),
		s.looseAttack("IPv4: a guest without ip=, as another guest, to the gateway", victim.v4),
		s.looseAttack("IPv4: a guest without ip=, as dom0, to the gateway", dom0IPv4),
		s.udpAttack("IPv6: as dom0, to the gateway", gw, dom0IPv6),
		s.udpAttack("IPv6: as dom0, to another guest", victim, dom0IPv6),
		s.udpAttack("IPv6: as the gateway, to dom0", nil, gw.v6),
		s.udpAttack("IPv6: as another guest, to dom0", nil, victim.v6),
		s.udpAttack("IPv6: as another guest, to the gateway", gw, victim.v6),
		s.udpAttack("IPv6: as the gateway, to another guest", victim, gw.v6),
		s.udpAttack("IPv6: as a stranger, to the gateway", gw, ip("2001:db8::1")),
		{name: "IPv6: as another guest, to the gateway, in fragments", from: m, to: gw, frames: func(mk string) [][]byte {
			return s.fragments6(gw, victim.v6, mk)
		}},
		s.toBridge("IPv6: own address, to the bridge's MAC", m.v6, dom0IPv6),
	}
	return append(list, s.outside()...)
}

// outside are the attacks that rules of iptables cannot see, or not judge.
func (s *site) outside() []attack {
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
		s.frame("VLAN tag on a forged IPv4", gw, func(mk string) []byte { return tagged(forged(mk), 0x8100, 7) }),
		s.frame("VLAN 0 tag on a forged IPv4", gw, func(mk string) []byte { return tagged(forged(mk), 0x8100, 0) }),
		s.frame("two VLAN tags on a forged IPv4", gw, func(mk string) []byte {
			return tagged(tagged(forged(mk), 0x8100, 7), 0x88a8, 8)
		}),
	}
}

// looseAttack is by a guest that may send with any address, as far as Xen goes.
func (s *site) looseAttack(name string, src netip.Addr) attack {
	return attack{name: name, from: s.loose, to: s.gw, frames: func(mk string) [][]byte {
		typ, p := datagram(src, s.gw.v4, mk)
		return [][]byte{ethernet(s.gw.mac, s.loose.mac, typ, p)}
	}}
}

// toBridge is a packet for dom0, sent to the MAC address of the bridge.
func (s *site) toBridge(name string, src, dst netip.Addr) attack {
	return s.frame(name, nil, func(mk string) []byte {
		typ, p := datagram(src, dst, mk)
		return ethernet(bridgeMAC, s.mallory.mac, typ, p)
	})
}

// fragments are two; the marker is in the second.
func (s *site) fragments(name string, to *box, src netip.Addr) attack {
	return attack{name: name, from: s.mallory, to: to, frames: func(mk string) [][]byte {
		whole := udp(src, to.v4, 4242, port, strings.Repeat("x", 32)+mk)
		part := func(offset, end int, more bool) []byte {
			return ethernet(to.mac, s.mallory.mac, 0x0800, ipv4Packet(src, to.v4, whole[offset:end], offset, more))
		}
		return [][]byte{part(0, 32, true), part(32, len(whole), false)}
	}}
}

func (s *site) fragments6(to *box, src netip.Addr, mk string) [][]byte {
	whole := udp(src, to.v6, 4242, port, strings.Repeat("x", 32)+mk)
	part := func(offset, end int, more bool) []byte {
		return ethernet(to.mac, s.mallory.mac, 0x86dd, ipv6Packet(src, to.v6, 44, 64, fragment6(17, offset, more, whole[offset:end])))
	}
	return [][]byte{part(0, 32, true), part(32, len(whole), false)}
}

// TestTable prints which attacks arrive and which flows work, without
// protection, with the original's and with ours. What ours lets through is the
// list in arrives.
func TestTable(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		s := newSite(t, backend)
		s.world()
		var columns []string
		var arrived, works [][]tried
		measure := func(name string) {
			columns, arrived, works = append(columns, name), append(arrived, s.try(s.attacks())), append(works, s.work(s.flows()))
		}
		vif := func(op string) string {
			return vifRules(op, "vif1.0", s.mallory.v4) + vifRules(op, "vif2.0", s.victim.v4) + vifRules(op, "vif3.0")
		}
		forward := nstest.Run(t, "iptables", "-S", "FORWARD")

		measure("none")
		nstest.Script(t, original+vif("-I"))
		measure("original, today")
		nstest.Script(t, strings.ReplaceAll(brNetfilter, "VALUE", "1"))
		measure("original, br_nf")
		nstest.Script(t, strings.ReplaceAll(brNetfilter, "VALUE", "0")+"iptables -F FORWARD\n"+asCommands(forward))
		nstest.Script(t, "ip6tables -I FORWARD -m physdev --physdev-is-bridged --physdev-in vif3.0 -s "+own.String()+" -j ACCEPT")
		nstest.Script(t, vif("-I"))
		s.start(yes(s.b))
		measure("yes")
		s.expect(arrived[3], works[3], arrives)

		b := s.b
		b.GuestsAllow = true
		s.start(yes(b))
		measure("yes, allow")
		s.expect(nil, works[4], nil)

		s.stop(s.b)
		nstest.Script(t, vif("-D"))
		s.scripts(oldScript)
		s.start(yes(s.b))
		nstest.Script(t, vif("-A"))
		measure("yes, old vif")
		s.expect(arrived[5], works[5], arrivesOld)
		t.Log("\n" + table(columns, arrived, "-", "ARRIVES") + "\n" + table(columns, works, "DEAD", "works"))
	})
}

// brNetfilter switches filtering of all bridges.
const brNetfilter = "for f in iptables ip6tables; do echo VALUE >/proc/sys/net/bridge/bridge-nf-call-$f; done\n"

// original is what antispoof=yes of Xen's network-bridge does.
const original = `
	iptables -P FORWARD DROP
	iptables -F FORWARD
	iptables -A FORWARD -m physdev --physdev-in peth0 -j ACCEPT
	iptables -A FORWARD -m physdev --physdev-in vif0.0 -j ACCEPT
`

// arrivesOld is what antispoof=yes does not stop: what iptables does not see,
// or not judge.
var arrivesOld = []string{
	"IPv4: a guest without ip=, as another guest, to the gateway",
	"ARP: the gateway is here, to another guest",
	"ND: the gateway is here, to another guest",
	"RA: I am a router",
	"MAC: another guest's, own IPv4",
	"MAC and IPv6 of another guest",
	"VLAN tag on a forged IPv4",
	"VLAN 0 tag on a forged IPv4",
	"two VLAN tags on a forged IPv4",
}

// arrives has besides what the rules of a newer vif-bridge let through: they
// come first and accept everything that is sent to a guest.
var arrives = append([]string{"IPv4: as the gateway, to another guest"}, arrivesOld...)

// expect fails unless all works, and exactly what is listed arrives.
func (s *site) expect(arrived, works []tried, list []string) {
	s.Helper()
	for _, w := range works {
		if !w.got {
			s.Errorf("does not work: %s", w.name)
		}
	}
	for _, a := range arrived {
		if a.got != slices.Contains(list, a.name) {
			s.Errorf("arrives: %t: %s", a.got, a.name)
		}
	}
}

// asCommands makes commands from what iptables -S prints.
func asCommands(saved string) string {
	var out strings.Builder
	for line := range strings.Lines(saved) {
		out.WriteString("iptables " + line)
	}
	return out.String()
}

func table(columns []string, results [][]tried, no, yes string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-60s", "")
	for _, c := range columns {
		fmt.Fprintf(&out, " %-15s", c)
	}
	for i := range results[0] {
		fmt.Fprintf(&out, "\n%-60s", results[0][i].name)
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
