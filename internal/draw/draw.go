// Package draw draws a host's network: what is outside, NICs, bridges, and who hangs on
// them. Look finds out what there is to be drawn, from a snapshot and nothing else; Text,
// SVG and Dot draw that.
package draw

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/guest"
	"xbr-script/internal/guestname"
	"xbr-script/internal/host"
	"xbr-script/internal/shell"
)

// Picture is what there is to be drawn.
type Picture struct {
	Bridges []Bridge `json:"bridges"`
	// Loose are NICs and dom0's other interfaces with addresses that are in no bridge.
	Loose []Loose `json:"loose"`
}

// Bridge is a bridge with all that is in it.
type Bridge struct {
	Name     string   `json:"name"`
	Link     Link     `json:"link"`
	NICs     []NIC    `json:"nics"`
	Gateways []string `json:"gateways"` // of default routes that lead out by this bridge
	Ends     []End    `json:"ends"`     // dom0's first
}

// Link is how an interface is.
type Link string

// The states of a link.
const (
	Up        Link = "up"
	Off       Link = "off" // it is not switched on
	NoCarrier Link = "no carrier"
)

// NIC is a way out.
type NIC struct {
	Name string `json:"name"`
	Link Link   `json:"link"`
	// What it is, if it is not a plain NIC: "bond of eth2, eth3", "leads nowhere".
	What string `json:"what,omitempty"`
}

// End is who hangs on a bridge.
type End struct {
	Port string `json:"port"` // "" if the bridge itself is dom0's interface
	Link Link   `json:"link"`
	// Who is "dom0", or a guest by its name; "" if that is not known.
	Who       string   `json:"who,omitempty"`
	Dom0      bool     `json:"dom0,omitempty"`
	Device    string   `json:"device,omitempty"` // its own name of its interface
	Addresses []string `json:"addresses"`
	Elsewhere []Other  `json:"elsewhere,omitempty"` // its ports in other bridges
	what      string
}

// Other is a port of the same guest in another bridge.
type Other struct {
	Port   string `json:"port"`
	Bridge string `json:"bridge"`
}

// Loose is an interface in no bridge.
type Loose struct {
	NIC
	Gateways  []string `json:"gateways"`
	Addresses []string `json:"addresses"`
}

// look is what a picture is made from.
type look struct {
	h      *host.Host
	up     []bridge.Spec
	guests []guestname.Guest
	drawn  map[int]bool // by index: what has its place in the picture
}

// Look finds out what there is to be drawn: of all bridges, or of those that are named,
// in that order. up are the networks that the program knows to be up.
func Look(h *host.Host, up []bridge.Spec, guests []guestname.Guest, names ...string) *Picture {
	l := &look{h, up, guests, map[int]bool{}}
	p := &Picture{Bridges: []Bridge{}, Loose: []Loose{}}
	for _, br := range l.bridges(names) {
		p.Bridges = append(p.Bridges, l.bridge(br))
	}
	if len(names) > 0 && len(p.Bridges) > 0 {
		return p
	}
	for _, i := range h.Links {
		if l.isLoose(i) {
			nic := Loose{l.nic(i), l.gateways(i), l.addresses(i)}
			for _, w := range up {
				if w.PDev == i.Name {
					nic.What = "not in " + w.Bridge
				}
			}
			p.Loose = append(p.Loose, nic)
		}
	}
	return p
}

// bridges are those that are to be drawn.
func (l *look) bridges(names []string) (list []*host.Link) {
	add := func(br *host.Link) {
		if br != nil && br.Kind == "bridge" && !slices.Contains(list, br) {
			list = append(list, br)
		}
	}
	for _, name := range names {
		add(l.h.Name(name))
	}
	if len(names) > 0 {
		return list
	}
	for _, w := range l.up {
		add(l.h.Name(w.Bridge))
	}
	for _, i := range l.h.Links {
		add(i)
	}
	return list
}

// bridge is one with its ports.
func (l *look) bridge(br *host.Link) Bridge {
	b := Bridge{Name: br.Name, Link: linkOf(br), NICs: []NIC{}, Gateways: l.gateways(br), Ends: []End{}}
	l.drawn[br.Index] = true
	onBridge := slices.ContainsFunc(l.up, func(w bridge.Spec) bool { return w.Bridge == br.Name && w.VIF == "" })
	if addrs := l.addresses(br); onBridge || len(addrs) > 0 {
		b.Ends = append(b.Ends, End{Link: b.Link, Who: dom0, Dom0: true, Device: br.Name, Addresses: addrs})
	}
	var guests []End
	for _, port := range l.h.Ports(br.Index) {
		l.drawn[port.Index] = true
		switch dev := l.own(port); {
		case l.isNIC(port):
			b.NICs = append(b.NICs, l.nic(port))
		case dev != nil:
			l.drawn[dev.Index] = true
			b.Gateways = append(b.Gateways, l.gateways(dev)...)
			b.Ends = append(b.Ends, End{Port: port.Name, Link: linkOf(port), Who: dom0, Dom0: true, Device: dev.Name, Addresses: l.addresses(dev)})
		default:
			guests = append(guests, l.guestOf(port))
		}
	}
	b.Ends = append(b.Ends, guests...)
	return b
}

const dom0 = "dom0"

// own is dom0's interface at the other end of a port, nil if that is no port of dom0's.
func (l *look) own(port *host.Link) *host.Link {
	if guest.IsPort(port.Name) {
		return nil
	}
	if port.Kind == "veth" && !port.Elsewhere {
		return l.h.Index(port.Lower)
	}
	for _, w := range l.up { // the kernel of Xen 3 does not tell of its pairs
		if w.VIF != "" && w.VIF == port.Name {
			return l.h.Name(w.NetDev)
		}
	}
	return nil
}

// isNIC says whether a port is a way out.
func (l *look) isNIC(port *host.Link) bool {
	known := slices.ContainsFunc(l.up, func(w bridge.Spec) bool { return w.PDev == port.Name })
	return known || l.own(port) == nil && !bridge.MayBeGuests(port)
}

// nic says what a NIC is.
func (l *look) nic(i *host.Link) NIC {
	l.drawn[i.Index] = true
	return NIC{i.Name, linkOf(i), l.what(i, 0)}
}

// deepest is how far down what an interface stands on is followed.
const deepest = 4

// what says what an interface stands on.
func (l *look) what(i *host.Link, depth int) string {
	var below []string
	for _, s := range l.h.Links {
		if s.Master == i.Index && i.Kind != "bridge" {
			l.drawn[s.Index] = true
			below = append(below, withTrouble(s))
		}
	}
	lower := l.h.Index(i.Lower)
	switch {
	case len(below) > 0:
		return i.Kind + " of " + strings.Join(below, ", ")
	case i.Kind == "dummy" || i.Kind == "ifb":
		return nowhere + ": " + i.Kind
	case i.Kind == "" || i.Kind == "veth":
		return ""
	case lower != nil && !i.Elsewhere && depth < deepest:
		l.drawn[lower.Index] = true
		text := i.Kind + " on " + withTrouble(lower)
		if more := l.what(lower, depth+1); more != "" {
			text += ", " + more
		}
		return text
	}
	return i.Kind
}

func withTrouble(i *host.Link) string {
	if s := linkOf(i); s != Up {
		return fmt.Sprintf("%s (%s)", i.Name, s)
	}
	return i.Name
}

func linkOf(i *host.Link) Link {
	switch {
	case !i.Up():
		return Off
	case !i.Running():
		return NoCarrier
	}
	return Up
}

// guestOf is whose a port is.
func (l *look) guestOf(port *host.Link) End {
	e := End{Port: port.Name, Link: linkOf(port), Addresses: []string{}}
	if g := guestname.Of(l.guests, port.Name); g != nil {
		e.Who, e.Device, e.Addresses = g.Name, g.Device, append(e.Addresses, g.Addresses...)
	}
	for _, other := range l.h.Links {
		br := l.h.Index(other.Master)
		if br == nil || br.Index == port.Master || br.Kind != "bridge" || !l.same(port, other) {
			continue
		}
		e.Elsewhere = append(e.Elsewhere, Other{other.Name, br.Name})
	}
	return e
}

// same says whether two ports are of the same guest: by its name or, where nobody tells
// that, by the number of Xen's domain in the names of its ports.
func (l *look) same(a, b *host.Link) bool {
	x, y := guestname.Of(l.guests, a.Name), guestname.Of(l.guests, b.Name)
	if x != nil && y != nil && x.Name != "" {
		return x.Name == y.Name && x.By == y.By
	}
	return x == nil && y == nil && domain(a.Name) != "" && domain(a.Name) == domain(b.Name)
}

// domain is the number of the domain in a port's name, "" if there is none.
func domain(port string) string {
	number, _, found := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(port, "vif"), "tap"), ".")
	if !found || number == "" || strings.Trim(number, "0123456789") != "" || number == "0" {
		return ""
	}
	return number
}

// addresses are those of an interface of dom0's, and those of VLANs and the like on it.
// The kernel's own link-local ones say nothing.
func (l *look) addresses(i *host.Link) []string {
	list := []string{}
	add := func(of *host.Link, before string) {
		l.drawn[of.Index] = true
		st := l.h.State(of.Index)
		for _, m := range slices.Concat(st.Addrs4, st.Addrs6) {
			addr, ok := netip.AddrFromSlice(m.Local())
			if ok && (addr.Is4() || !addr.IsLinkLocalUnicast()) {
				list = append(list, before+netip.PrefixFrom(addr, int(m.Body[1])).String())
			}
		}
	}
	add(i, "")
	for _, above := range l.h.Above(i.Index) {
		if above.Master == 0 && above.Kind != "bridge" {
			add(above, above.Name+": ")
		}
	}
	return list
}

// gateways are those of the default routes of the main table by an interface.
func (l *look) gateways(i *host.Link) []string {
	list := []string{}
	for _, m := range l.h.State(i.Index).Routes {
		if m.Fixed()[1] != 0 || m.Table() != unix.RT_TABLE_MAIN {
			continue
		}
		m.EachGateway(i.Index, func(addr []byte, _ bool) {
			if a, ok := netip.AddrFromSlice(addr); ok && !slices.Contains(list, a.String()) {
				list = append(list, a.String())
			}
		})
	}
	return list
}

// isLoose says whether an interface has a place beside the bridges: a NIC, or what has
// addresses.
func (l *look) isLoose(i *host.Link) bool {
	if l.drawn[i.Index] || i.Master != 0 || i.Kind == "bridge" || i.Flags&unix.IFF_LOOPBACK != 0 {
		return false
	}
	isPort := slices.ContainsFunc(l.up, func(w bridge.Spec) bool { return w.PDev == i.Name })
	return isPort || i.Bus != "" && i.Bus != "xen-backend" || i.Kind == "bond" || len(l.addresses(i)) > 0
}

// visible is a text of one line of which every character can be seen.
func visible(text string) string {
	return shell.Visible(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}
