package bridge

import (
	"net"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// parts are the interfaces of one wanted bridge that exist on the host. A
// missing one is nil.
type parts struct {
	Spec
	nic  *host.Link // the NIC, under whichever of its two names
	dev  *host.Link // dom0's own interface: ethN when up, vethN before; or the bridge
	port *host.Link // its port vif0.N, if it is not the bridge
	br   *host.Link
	up   bool // the NIC has its second name
}

// findParts finds the parts of a wanted bridge.
func findParts(w Spec, h *host.Host) parts {
	s := parts{Spec: w, nic: h.Name(w.PDev)}
	dom0 := w.Dom0()
	if l := h.Index(w.Strayed); s.nic == nil && l != nil && l.Master != 0 {
		s.nic = l
	}
	if s.up = s.nic != nil; !s.up {
		s.nic, dom0 = h.Name(w.NetDev), w.VDev
	}
	s.dev = h.Name(dom0)
	if w.onBridge() {
		s.br = s.dev
	} else {
		s.br, s.port = h.Name(w.Bridge), h.Name(w.VIF)
	}
	return s
}

// Up says whether the NIC is a port: something of the network is up.
func (w Spec) Up(h *host.Host) bool { return findParts(w, h).up }

// Interfaces are the interface that has dom0's addresses and the NIC, which
// may be the same one; nil if they are missing.
func (w Spec) Interfaces(h *host.Host) (dom0, nic *host.Link) {
	s := findParts(w, h)
	return s.dom0Link(), s.nic
}

// dom0Link is the interface that has dom0's addresses.
func (s *parts) dom0Link() *host.Link {
	if s.up {
		return s.dev
	}
	return s.nic
}

// bare says whether an interface has no addresses except those that it gets by
// being switched on.
func bare(s host.State) bool {
	return len(s.Addrs4) == 0 && !slices.ContainsFunc(s.Addrs6, notLinkLocal)
}

// notLinkLocal says whether an IPv6 address is one that somebody gave.
func notLinkLocal(m rtnl.Msg) bool { return m.Body[3] != unix.RT_SCOPE_LINK } // ifa_scope

// number is the vifnum that names are made of, "" if none is.
func (w Spec) number() string {
	if w.onBridge() {
		return ""
	}
	return strconv.Itoa(w.VifNum)
}

// sameMAC compares hardware addresses.
func sameMAC(a, b net.HardwareAddr) bool { return a.String() == b.String() }
