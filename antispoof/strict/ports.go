package strict

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// state is what a bridge's table has to know.
func (d *draft) state(b Bridge) State {
	others := slices.ContainsFunc(slices.Collect(maps.Keys(d.records)), func(n string) bool { return n != b.Name })
	s := State{
		Bridge: b.Name, NIC: b.NIC, Port: b.Port, MAC: b.MAC, ByBridge: d.Seen.ByBridge,
		Guests: d.guestsOf(b.Name, d.all(), others), Taken: d.taken(b),
	}
	if s.ByBridge {
		return s
	}
	s.Shut, s.Elsewhere = d.strangers(b), d.elsewhere(&s)
	return s
}

// elsewhere are the ports with names as Xen gives them that are not this bridge's, or will
// not be: those in other bridges, on their way there, and whom other tables are for.
func (d *draft) elsewhere(s *State) []string {
	var names []string
	br := d.Host.Name(s.Bridge)
	for _, l := range d.Host.Links {
		if l.Master != 0 && (br == nil || l.Master != br.Index) {
			names = append(names, l.Name)
		}
	}
	for bridge, port := range d.dom0 {
		if bridge != s.Bridge {
			names = append(names, port)
		}
	}
	for bridge := range d.records {
		if bridge != s.Bridge {
			for _, g := range d.guestsOf(bridge, d.all(), true) {
				names = append(names, g.Port)
			}
		}
	}
	for port := range d.coming {
		names = append(names, port)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		own := name == s.Port || d.coming[name] == s.Bridge || slices.ContainsFunc(s.Guests, func(g Guest) bool { return g.Port == name })
		return own || slices.Contains(d.dismissed, name) || !strings.HasPrefix(name, "vif") && !strings.HasPrefix(name, "tap")
	})
}

// guestsOf are the guests of a bridge: those that are there, are on their way there, or are
// said to be there. One that is nowhere may turn up at any of the bridges.
func (d *draft) guestsOf(bridge string, guests []Guest, several bool) (list []Guest) {
	br := d.Host.Name(bridge)
	for _, g := range guests {
		l := d.Host.Name(g.Port)
		switch {
		case g.Bridge == "" && d.coming[g.Port] != "":
			if d.coming[g.Port] != bridge {
				continue
			}
		case g.Bridge != "":
			if g.Bridge != bridge {
				continue
			}
		case several && l != nil && l.Master != 0 && (br == nil || l.Master != br.Index):
			continue
		}
		list = append(list, g)
	}
	return list
}

// strangers are ports that nobody admitted, and that are in the bridge or are to
// be.
func (d *draft) strangers(b Bridge) []string { return d.portsWithout(b, d.all()) }

// portsWithout are such ports that belong to none of these guests.
func (d *draft) portsWithout(b Bridge, guests []Guest) []string {
	return slices.DeleteFunc(d.portsOf(b), func(name string) bool {
		return slices.ContainsFunc(guests, func(g Guest) bool { return g.Port == name })
	})
}

// portsOf are the ports that are in the bridge or are to be, but for dom0's and the NIC.
func (d *draft) portsOf(b Bridge) (names []string) {
	names = slices.Clone(b.Back)
	if l := d.Host.Name(b.Name); l != nil {
		for _, p := range d.Host.Ports(l.Index) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		return name == b.NIC || b.Port != "" && name == b.Port || name == strings.TrimPrefix(b.NIC, "p")
	})
}

// refuseStrangers names each with the line that admits it.
func refuseStrangers(bridge string, ports []string) error {
	return refusal.New("admit each, and start again: "+admitLines(ports),
		"cannot guard %s with antispoof=strict: nobody admitted %s, and they would be cut off", bridge, strings.Join(ports, ", "))
}

// admitLines are the commands that admit the guests of ports of which nothing is known.
func admitLines(ports []string) string {
	var lines []string
	for _, p := range ports {
		lines = append(lines, "xbr-script admit port="+shell.Quote(p)+" mac=MAC ip=ADDRESS")
	}
	return strings.Join(lines, "; ")
}

// admitBy is the command that admits the guest of a port that is cut off: of one that
// xenstore knows start has all that is needed.
func (d *draft) admitBy(port string) string {
	if d.knows() {
		if v := d.Xen.Of(port); v != nil {
			if _, err := d.guestOfVIF(*v, port); err == nil {
				return "xbr-script start"
			}
		}
	}
	return admitLines([]string{port})
}

// taken are addresses that no guest can have: dom0's and those of its gateways that may be
// at this bridge.
func (d *draft) taken(b Bridge) (list []netip.Addr) {
	for _, p := range b.Addrs {
		list = append(list, p.Addr())
	}
	for _, m := range slices.Concat(d.Host.Routes, d.Host.Nexthops) {
		if m.Type == unix.RTM_NEWROUTE && m.Fixed()[1] != 0 { // rtm_dst_len
			continue
		}
		for _, l := range d.Host.Links {
			m.EachGateway(l.Index, func(addr []byte, _ bool) {
				if a, ok := netip.AddrFromSlice(addr); ok && !d.outOf(b, l, a) {
					list = append(list, a)
				}
			})
		}
	}
	for _, m := range d.Host.Addrs {
		if l := d.Host.Index(addrIndex(m)); l != nil && b.isDom0(l) {
			if a, ok := netip.AddrFromSlice(m.Local()); ok {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// outOf says whether a gateway that dom0 has by some interface cannot be at this bridge, so
// that a guest that routes there may forward what it sends. Where that is not certain it is
// kept from guests: two NICs may have the same LAN.
func (d *draft) outOf(b Bridge, by *host.Link, gateway netip.Addr) bool {
	if b.isDom0(by) {
		return false
	}
	nic := d.Host.Name(b.NIC)
	if nic == nil {
		nic = d.Host.Name(strings.TrimPrefix(b.NIC, "p")) // before it is moved
	}
	if nic != nil && nic.Kind == "dummy" {
		return true // nobody but guests is there
	}
	// Of dom0's addresses at the bridge these say which network is there.
	own := slices.DeleteFunc(slices.Clone(b.Addrs), func(p netip.Prefix) bool {
		return p.Addr().Is4() != gateway.Is4() || p.IsSingleIP() || p.Addr().IsLinkLocalUnicast()
	})
	there := func(p netip.Prefix) bool { return p.Contains(gateway) }
	return len(own) > 0 && !gateway.IsLinkLocalUnicast() && !slices.ContainsFunc(own, there)
}

// isDom0 says whether a link is dom0's interface at the bridge, before start or after it.
func (b Bridge) isDom0(l *host.Link) bool {
	return l.Name == b.Name || l.Name == strings.TrimPrefix(b.NIC, "p")
}

func addrIndex(m rtnl.Msg) int { return int(rtnl.U32(m.Fixed()[4:8])) } // ifa_index

// clash refuses guests with the same address: they could answer for one another. One
// guest may have two ports while it is restarted. Of two, the one that is asked for is too
// much.
func (d *draft) clash(asked string) error {
	guests := d.all()
	for i, g := range guests {
		for _, o := range guests[:i] {
			g := g
			if o.Port == asked {
				g, o = o, g
			}
			for _, p := range g.Addresses {
				if at := slices.IndexFunc(o.Addresses, p.Overlaps); at >= 0 && o.MAC != g.MAC {
					return refusal.New(d.wayOut(g, o), "cannot admit %s with %s: %s has %s", g.Port, addrText(p), o.Port, addrText(o.Addresses[at]))
				}
			}
		}
	}
	return nil
}

// wayOut is what can be done about two guests with the same address. What xenstore says
// comes from their vif lines.
func (d *draft) wayOut(g, o Guest) string {
	switch {
	case d.admittedAt(o.Port) != nil:
		return "dismiss the one that is gone: xbr-script dismiss port=" + shell.Quote(o.Port)
	case d.admittedAt(g.Port) != nil:
		return "dismiss the one that is gone: xbr-script dismiss port=" + shell.Quote(g.Port)
	}
	router := g
	if len(router.Addresses) < len(o.Addresses) {
		router = o
	}
	return "a guest that routes for others needs only its own: xbr-script admit port=" + shell.Quote(router.Port) + " mac=" + router.MAC + " ip=ADDRESS router=yes"
}
