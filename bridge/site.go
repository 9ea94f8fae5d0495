package bridge

import (
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/guest"
	"xbr-script/internal/host"
)

// site is what stands of one wanted bridge on the host. A missing part is
// nil.
type site struct {
	Want
	nic  *host.Link // the NIC, under whichever of its two names
	dev  *host.Link // dom0's own interface: ethN when up, vethN before
	port *host.Link // its port vif0.N
	br   *host.Link
	up   bool // the NIC has its second name and dom0's interface the first
}

// look finds the parts of a wanted bridge.
func look(w Want, h *host.Host) site {
	s := site{Want: w, br: h.Name(w.Bridge), port: h.Name(w.VIF)}
	if nic := h.Name(w.PDev); nic != nil {
		s.up = true
		s.nic, s.dev = nic, h.Name(w.NetDev)
		return s
	}
	s.nic, s.dev = h.Name(w.NetDev), h.Name(w.VDev)
	return s
}

// guests are the ports of the bridge that are neither the NIC nor dom0's.
func (s *site) guests(h *host.Host) []*host.Link {
	if s.br == nil {
		return nil
	}
	var guests []*host.Link
	for _, p := range h.Ports(s.br.Index) {
		if p != s.nic && p != s.port {
			guests = append(guests, p)
		}
	}
	return guests
}

// ready says why start cannot build on this host, nil if it can.
func (s *site) ready(h *host.Host) error {
	for _, check := range []func(*host.Host) error{s.checkNIC, s.checkAbove, s.checkNames, s.checkBridge} {
		if err := check(h); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) checkNIC(h *host.Host) error {
	switch n := s.nic; {
	case n == nil:
		return refuse("the host has "+candidates(h)+"; name one with netdev=", "cannot find the interface %s", s.NetDev)
	case n.Flags&unix.IFF_LOOPBACK != 0 || !n.Ethernet:
		return refuse("the host has "+candidates(h)+"; name one with netdev=", "cannot put %s into a bridge: it is no Ethernet interface", s.NetDev)
	case n.Kind == "bridge":
		return refuse("name the NIC that shall be its port with netdev=", "cannot put %s into a bridge: it is a bridge itself", s.NetDev)
	case n.Master != 0:
		return refuse("take it out first: ip link set dev "+s.NetDev+" nomaster",
			"cannot put %s into %s: it is a port of %s", s.NetDev, s.Bridge, h.Names().Of(n.Master))
	}
	return nil
}

// candidates lists the interfaces that netdev= could mean.
func candidates(h *host.Host) string {
	var names []string
	for _, l := range h.Links {
		if l.Ethernet && l.Flags&unix.IFF_LOOPBACK == 0 && l.Kind != "bridge" && l.Master == 0 && !guest.IsPort(l.Name) {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return "no Ethernet interface"
	}
	return strings.Join(names, ", ")
}

// checkAbove looks at what stands on the NIC. A VLAN takes its frames before
// the bridge does and stays. The others either claim every frame of the NIC
// as a bridge does, or are bound to it by index and would lose their way.
func (s *site) checkAbove(h *host.Host) error {
	for _, l := range h.Above(s.nic.Index) {
		switch l.Kind {
		case "vlan":
		case "macvlan", "macvtap", "ipvlan", "ipvtap":
			return refuse("remove it first, or give its users a port in the bridge instead",
				"cannot put %s into a bridge: %s (%s) takes its frames", s.NetDev, l.Name, l.Kind)
		default:
			return refuse("remove it, start, and make it again on the new "+s.NetDev,
				"cannot move %s: %s (%s) is bound to it and would be cut off", s.NetDev, l.Name, l.Kind)
		}
	}
	return nil
}

// checkNames looks whether the names that start gives are free.
func (s *site) checkNames(h *host.Host) error {
	for name, l := range map[string]*host.Link{s.VDev: s.dev, s.VIF: s.port, s.Bridge: s.br} {
		if l != nil && l.Name != name {
			return s.taken(name, l)
		}
	}
	switch {
	case s.dev == nil && s.port != nil && s.port.Master != 0:
		return refuse("use another vifnum=", "cannot use vifnum=%d for %s: %s is a port of %s", s.VifNum, s.Bridge, s.VIF, h.Names().Of(s.port.Master))
	case s.dev == nil && s.port != nil:
		return s.taken(s.VIF, s.port)
	case s.dev != nil && s.port == nil:
		return s.taken(s.VDev, s.dev)
	}
	if s.dev == nil {
		return nil
	}
	if s.dev.Kind == "veth" && s.dev.Lower != s.port.Index {
		return refuse("use another vifnum=", "cannot use %s and %s: they are no pair", s.VDev, s.VIF)
	}
	if s.port.Master != 0 {
		return refuse("use another vifnum=", "cannot use %s: it is a port of %s", s.VIF, h.Names().Of(s.port.Master))
	}
	if st := h.State(s.dev.Index); len(st.Addrs4) > 0 {
		return refuse("use another vifnum=", "cannot use %s: it has addresses of its own", s.VDev)
	}
	return nil
}

// taken refuses because an interface has a name that start has to give.
func (s *site) taken(name string, l *host.Link) error {
	if l.Name != name {
		return refuse("take it off: ip link property del dev "+l.Name+" altname "+name,
			"cannot use the name %s for %s: it is an alternative name of %s", name, s.Bridge, l.Name)
	}
	hint := "use another vifnum=, or remove it: ip link del dev " + name
	if name == s.PDev {
		hint = "rename it: ip link set dev " + name + " name " + name + "-old"
	}
	return refuse(hint, "cannot use the name %s for %s: there is an interface %s already", name, s.Bridge, name)
}

func (s *site) checkBridge(h *host.Host) error {
	if s.br == nil {
		return nil
	}
	if s.br.Kind != "bridge" {
		return refuse("give another bridge=", "cannot use %s: it is no bridge", s.Bridge)
	}
	for _, g := range s.guests(h) {
		if !guest.IsPort(g.Name) {
			return refuse("give another bridge=, or take the port out: ip link set dev "+g.Name+" nomaster",
				"cannot use the bridge %s: it has the port %s, which is no guest's", s.Bridge, g.Name)
		}
	}
	return nil
}

// distinct says which two of the wanted bridges are in each other's way.
func distinct(wants []Want) error {
	for i, a := range wants {
		for _, b := range wants[:i] {
			for _, same := range []struct{ key, a, b string }{
				{"bridge", a.Bridge, b.Bridge}, {"netdev", a.NetDev, b.NetDev}, {"vifnum", fmt.Sprint(a.VifNum), fmt.Sprint(b.VifNum)},
			} {
				if same.a == same.b {
					return refuse("give every bridge its own vifnum=, bridge= and netdev=",
						"cannot tell %s and %s apart: both have %s=%s", b.Bridge, a.Bridge, same.key, same.a)
				}
			}
		}
	}
	return nil
}

// sameMAC compares hardware addresses.
func sameMAC(a, b net.HardwareAddr) bool { return a.String() == b.String() }
