package antispoof

import (
	"fmt"
	"net/netip"
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
		{"IPv4: routed by dom0, by the bridge's MAC", m, gw, func(mk string) [][]byte {
			typ, p := datagram(victim.v4, gw.v4, mk)
			return [][]byte{ethernet(bridgeMAC, m.mac, typ, p)}
		}},
		{"IPv4: a guest without ip=, as another guest, to the gateway", s.loose, gw, func(mk string) [][]byte {
			typ, p := datagram(victim.v4, gw.v4, mk)
			return [][]byte{ethernet(gw.mac, s.loose.mac, typ, p)}
		}},
		{"IPv4: a guest without ip=, as dom0, to the gateway", s.loose, gw, func(mk string) [][]byte {
			typ, p := datagram(dom0IPv4, gw.v4, mk)
			return [][]byte{ethernet(gw.mac, s.loose.mac, typ, p)}
		}},
		s.udpAttack("IPv6: as dom0, to the gateway", gw, dom0IPv6),
		s.udpAttack("IPv6: as dom0, to another guest", victim, dom0IPv6),
		s.udpAttack("IPv6: as the gateway, to dom0", nil, gw.v6),
		s.udpAttack("IPv6: as another guest, to dom0", nil, victim.v6),
		s.udpAttack("IPv6: as another guest, to the gateway", gw, victim.v6),
		s.udpAttack("IPv6: as the gateway, to another guest", victim, gw.v6),
		s.udpAttack("IPv6: as a stranger, to the gateway", gw, ip("2001:db8::1")),
		{"IPv6: as another guest, to the gateway, in fragments", m, gw, func(mk string) [][]byte {
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
		s.frame("VLAN tag on a forged IPv4", gw, func(mk string) []byte { return tagged(forged(mk), 0x8100, 7) }),
		s.frame("VLAN 0 tag on a forged IPv4", gw, func(mk string) []byte { return tagged(forged(mk), 0x8100, 0) }),
		s.frame("two VLAN tags on a forged IPv4", gw, func(mk string) []byte {
			return tagged(tagged(forged(mk), 0x8100, 7), 0x88a8, 8)
		}),
	}
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
	return attack{name, s.mallory, to, func(mk string) [][]byte {
		whole := udp(src, to.v4, 4242, port, strings.Repeat("x", 32)+mk)
		part := func(offset, end int, more bool) []byte {
			return ethernet(to.mac, s.mallory.mac, 0x0800, ipv4Packet(src, to.v4, 17, whole[offset:end], offset, more))
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

// TestTable prints which attacks arrive and which flows work.
func TestTable(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		s := newSite(t, backend)
		s.world()
		ipt, ip6t := s.planner.programs[0], s.planner.programs[1]
		var columns []string
		var arrived, works [][]tried
		measure := func(name string) {
			columns, arrived, works = append(columns, name), append(arrived, s.try(s.attacks())), append(works, s.work(s.flows()))
		}
		vif := s.vifRules("vif1.0", s.mallory.v4) + s.vifRules("vif2.0", s.victim.v4) + s.vifRules("vif3.0")
		forward := nstest.Run(t, ipt, "-S", "FORWARD")

		measure("none")
		nstest.Script(t, original(ipt)+vif)
		measure("original, today")
		nstest.Script(t, "echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; echo 1 >/proc/sys/net/bridge/bridge-nf-call-ip6tables")
		measure("original, br_nf")
		nstest.Script(t, "echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables; echo 0 >/proc/sys/net/bridge/bridge-nf-call-ip6tables")
		nstest.Script(t, ipt+" -F FORWARD\n"+asCommands(ipt, forward)+vif)
		nstest.Script(t, ip6t+" -I FORWARD -m physdev --physdev-is-bridged --physdev-in vif3.0 -s "+own.String()+" -j ACCEPT")
		s.start(yes(s.b))
		measure("ours")
		b := s.b
		b.GuestsAllow = true
		s.start(yes(b))
		measure("guests=allow")
		s.stop(s.b)
		t.Log("\n" + table(columns, arrived, "stopped", "ARRIVES") + "\n" + table(columns, works, "DEAD", "works"))
	})
}

// original is what antispoof=yes of Xen's network-bridge does.
func original(iptables string) string {
	return strings.ReplaceAll(`
		iptables -P FORWARD DROP
		iptables -F FORWARD
		iptables -A FORWARD -m physdev --physdev-in peth0 -j ACCEPT
		iptables -A FORWARD -m physdev --physdev-in vif0.0 -j ACCEPT
		`, "iptables", iptables)
}

// asCommands makes commands from what iptables -S prints.
func asCommands(iptables, saved string) string {
	var out strings.Builder
	for line := range strings.Lines(saved) {
		out.WriteString(iptables + " " + line)
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
