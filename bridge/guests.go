package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/guest"
	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// others are the ports of the bridge that are neither the NIC nor dom0's, ordered by
// their port numbers: attached in this order they get these numbers again.
func (s *parts) others(h *host.Host) []*host.Link {
	if s.br == nil {
		return nil
	}
	list := slices.DeleteFunc(h.Ports(s.br.Index), func(l *host.Link) bool { return l == s.nic || l == s.port })
	slices.SortStableFunc(list, func(a, b *host.Link) int { return cmp.Compare(portNumber(a), portNumber(b)) })
	return list
}

// portNumber is the number that a port has in its bridge: among several with the same
// priority, spanning tree prefers the lowest.
func portNumber(l *host.Link) uint64 {
	return numberIn(rtnl.FindAttr(l.PortAttrs, unix.IFLA_BRPORT_NO))
}

// noGuest says what an interface is instead of a guest's port, "" if it may be one.
// The kind of device counts more than its name: an admin may name a guest's port
// (vifname=), and a toolstack gives its ports any names.
func noGuest(l *host.Link) string {
	switch {
	case l.Bus != "" && l.Bus != "xen-backend":
		return "it is a NIC"
	case guest.IsPort(l.Name) && (l.Kind == "" || l.Kind == "veth" || l.Kind == "tun" || l.Kind == "dummy" || l.Kind == "ifb"):
		return ""
	case l.Kind == "tun", l.Kind == "" && l.Bus == "xen-backend":
		return ""
	case l.Kind == "veth" && guest.IsNIC(l.Name):
		return "it is called as a NIC is"
	case l.Kind == "veth":
		return "" // a container's
	case l.Kind == "":
		return "it is no guest's"
	}
	a := "a "
	if strings.IndexAny(l.Kind, "aeiou") == 0 {
		a = "an "
	}
	return "it is " + a + l.Kind + " interface"
}

// comeBack are the ports in kept that become ports of that bridge again, and why other
// existing ones do not. Ports of guests that have ended meanwhile are not mentioned.
func (k *kept) comeBack(h *host.Host, bridge *host.Link) (back []*host.Link, set []keptPort, stay []string) {
	for _, g := range k.Guests {
		l, same := h.Name(g.Name), h.Index(g.Index)
		if l == nil && same != nil && same.Kind == g.Kind {
			stay = append(stay, fmt.Sprintf("%s (it was called %s)", same.Name, g.Name))
		}
		if l == nil || bridge != nil && l.Master == bridge.Index {
			continue
		}
		if why := g.stays(h, l); why != "" {
			stay = append(stay, fmt.Sprintf("%s (%s)", l.Name, why))
			continue
		}
		back, set = append(back, l), append(set, g)
	}
	return back, set, stay
}

// stays says why an interface with a port's name does not become that port again, ""
// if it does. In the file's first form only the name is known.
func (g keptPort) stays(h *host.Host, l *host.Link) string {
	switch {
	case l.Name != g.Name, g.Index != 0 && (l.Index != g.Index || l.Kind != g.Kind):
		return "it is another interface than then"
	case l.Master != 0:
		return "it is a port of " + h.Names().Of(l.Master)
	case noGuest(l) != "":
		return noGuest(l)
	}
	s := h.State(l.Index)
	if !bare(s) {
		return "it has an address"
	}
	if len(rtnl.Rest(s.Routes, rtnl.Msg.ByKernel)) > 0 {
		return "it has a route"
	}
	return ""
}

// portText says what becomes of ports; "" if there are none.
func portText(intro, sep string, ports []string) string {
	if len(ports) == 0 {
		return ""
	}
	return intro + strings.Join(ports, sep)
}

// MayBeGuests says whether a port of a bridge may be a guest's, and is not a way out of
// the host.
func MayBeGuests(l *host.Link) bool { return noGuest(l) == "" }
