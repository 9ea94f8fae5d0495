package bridge

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/config"
	"xbr-script/internal/guest"
	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/tunnel"
)

// What start and stop refuse before the first step.

// refusals says why start cannot build on this host, nil if it can: what is wrong
// with the NIC, what with the names and the bridge.
func (s *parts) refusals(h *host.Host) error {
	if err := s.checkNIC(h); err != nil {
		return err
	}
	taken := cmp.Or(s.checkNames(h), s.checkBridge(h))
	if !s.onBridge() {
		return errors.Join(s.checkAbove(h), taken, s.checkRules(h, s.nic))
	}
	return errors.Join(s.checkAbove(h), s.checkOn(h), taken, s.checkByName(h), s.checkRules(h, s.nic))
}

// checkRules refuses where a rule for routing would keep the kernel from taking the
// routes that this interface has, and no other can come before it.
func (s *parts) checkRules(h *host.Host, from *host.Link) error {
	rule, caught := routes.CaughtAtOnce(h, h.State(from.Index))
	if !caught {
		return nil
	}
	later := rtnl.Msg{Type: rule.Type, Body: rule.Body}.With(unix.FRA_PRIORITY, rtnl.U32Bytes(1))
	names := h.Names()
	return refuse("give it another priority than 0: "+names.Command(later.As(unix.RTM_NEWRULE, rtnl.Add))+" && "+names.Command(rule.As(unix.RTM_DELRULE, 0)),
		"cannot move the routes of %s: an ip rule with the priority 0 keeps the kernel from finding their gateways", from.Name)
}

func (s *parts) checkNIC(h *host.Host) error {
	switch n := s.nic; {
	case n == nil:
		return missingNIC(h, s.NetDev)
	case n.Flags&unix.IFF_LOOPBACK != 0 || !n.Ethernet:
		return refuse("the host has "+candidates(h)+"; name one with netdev=", "cannot put %s into a bridge: it is not an Ethernet interface", s.NetDev)
	case h.IsStation(n):
		return refuse("name another NIC with netdev=; by Wi-Fi guests can only be routed, as by Xen's scripts vif-route and vif-nat",
			"cannot put %s into a bridge: its access point takes frames from its own MAC address alone", s.NetDev)
	case switches(n) != nil:
		return switches(n)
	case dom0Port(n.Name, n, h) != nil:
		return s.refuseDom0(h, dom0Port(n.Name, n, h))
	case n.Master != 0:
		return refuse(ofMaster(h.Index(n.Master)), "cannot put %s into %s: it is a port of %s", s.NetDev, s.Bridge, h.Names().Of(n.Master))
	}
	return nil
}

// switches is the error for what connects guests already, and is no NIC; nil for a NIC.
func switches(l *host.Link) error {
	switch l.Kind {
	case "bridge":
		return refuse(asItIs(l.Name)+"; or name a NIC with netdev=", "cannot put %s into a bridge: it is a bridge itself", l.Name)
	case openVSwitch:
		// Its daemon knows such an interface by its name.
		return refuse(byOpenVSwitch+"; or name a NIC with netdev=", "cannot put %s into a bridge: it is an interface of Open vSwitch", l.Name)
	}
	return nil
}

// refuseDom0 is the error for a NIC that is dom0's interface in truth, with that port.
// If the NIC is in the same bridge, somebody has renamed dom0's interface.
func (s *parts) refuseDom0(h *host.Host, port *host.Link) error {
	for _, l := range h.Ports(port.Master) {
		for _, name := range firstNames(l.Name, h) {
			if h.Name(name) == nil {
				return refuse("give it its name back: ip link set dev "+shell.Quote(s.NetDev)+" name "+shell.Quote(name),
					"cannot put %s into a bridge: it is dom0's interface by the port %s, and %s is its NIC", s.NetDev, port.Name, l.Name)
			}
		}
	}
	return refuse("the host has "+candidates(h)+"; name one with netdev=",
		"cannot put %s into a bridge: it is dom0's interface by the port %s, and its NIC is missing", s.NetDev, port.Name)
}

// asItIs is a hint for a host that is bridged already. Nobody is told to take that
// bridge apart: he may be logged in over it.
func asItIs(bridge string) string {
	return "guests can use " + bridge + " as it is (bridge=" + bridge + " in their configuration)"
}

// openVSwitch is the kind of what Open vSwitch has made, and byOpenVSwitch what to do
// with it.
const (
	openVSwitch   = "openvswitch"
	byOpenVSwitch = "guests can use a bridge of Open vSwitch as it is, by Xen's script vif-openvswitch"
)

// ofMaster is the hint for a NIC that is a port.
func ofMaster(master *host.Link) string {
	switch {
	case master != nil && master.Kind == "bridge":
		return asItIs(master.Name) + "; or name another NIC with netdev="
	case master != nil && (master.Kind == "bond" || master.Kind == "team" || master.Kind == "batadv"):
		return "give netdev=" + master.Name + ", and it is put into the bridge with all its ports"
	case master != nil && master.Kind == openVSwitch:
		return byOpenVSwitch + "; or name another NIC with netdev="
	}
	return "name another NIC with netdev="
}

// missingNIC is the error for a NIC that is not there.
func missingNIC(h *host.Host, name string) error {
	hint := "the host has " + candidates(h) + "; name one with netdev="
	if l := similar(h, name); l != nil {
		hint = "did you mean netdev=" + l.Name + "?"
	}
	return refuse(hint, "cannot find the interface %s", name)
}

// similar is the interface that somebody may mean by a name that there is not: in other
// letters, or as ip(8) shows it (eth0@if5); nil if it is none.
func similar(h *host.Host, name string) *host.Link {
	before, _, _ := strings.Cut(name, "@")
	i := slices.IndexFunc(h.Links, func(l *host.Link) bool { return l.Ethernet && strings.EqualFold(l.Name, before) })
	if i < 0 {
		return nil
	}
	return h.Links[i]
}

// candidates lists the interfaces that netdev= could mean.
func candidates(h *host.Host) string {
	var names []string
	for _, l := range h.Links {
		if l.Ethernet && l.Flags&unix.IFF_LOOPBACK == 0 && l.Kind != "bridge" && l.Master == 0 && !h.IsStation(l) && !guest.IsPort(l.Name) {
			names = append(names, l.Name)
		}
	}
	if len(names) == 0 {
		return "no Ethernet interface"
	}
	return strings.Join(names, ", ")
}

// checkAbove looks for interfaces on top of the NIC. A VLAN takes its frames
// before the bridge does and stays. A tunnel is given dom0's interface (package carry).
// The others either claim every frame of the NIC, as a bridge does, or are bound to it
// by its index and would be left on the wrong interface.
func (s *parts) checkAbove(h *host.Host) error {
	refused := s.checkFar(h)
	for _, l := range h.Above(s.nic.Index) {
		hint := "remove it, start, and make it again on the new " + s.NetDev
		if claims(l.Kind) {
			hint = "remove it first, or give its users a port in the bridge instead"
		}
		hint = s.without(h, l, hint)
		switch why := s.stuck(h, l); {
		case StaysOn(l.Kind), tunnel.Known(l.Kind) && why == nil:
		case why != nil:
			refused = errors.Join(refused, why)
		case claims(l.Kind):
			refused = errors.Join(refused, refuse(hint,
				"cannot put %s into a bridge: %s (%s) takes its frames", s.NetDev, l.Name, l.Kind))
		default:
			refused = errors.Join(refused, refuse(hint,
				"cannot move %s: %s (%s) is bound to it and would be cut off", s.NetDev, l.Name, l.Kind))
		}
	}
	return refused
}

// checkFar does the same for what stands on the NIC in other network namespaces, those of
// containers for instance. From here such a tunnel is given nothing.
func (s *parts) checkFar(h *host.Host) error {
	var refused error
	for _, l := range h.AboveFar(s.nic.Index) {
		switch other := "name another NIC with netdev=; or "; {
		case StaysOn(l.Kind):
		case claims(l.Kind):
			refused = errors.Join(refused, refuse(other+"end what uses it, and give it a port in the bridge instead",
				"cannot put %s into a bridge: %s (%s) in %s takes its frames", s.NetDev, l.Name, l.Kind, l.Place))
		default:
			refused = errors.Join(refused, refuse(other+"remove it, start, and make it again on the new "+s.NetDev,
				"cannot move %s: %s (%s) in %s is bound to it and would be cut off", s.NetDev, l.Name, l.Kind, l.Place))
		}
	}
	return refused
}

// stuck says why a tunnel cannot be given dom0's interface in place of the NIC without
// losing something; nil if it can, or if no tunnel of that kind can.
func (s *parts) stuck(h *host.Host, l *host.Link) error {
	if most := tunnel.MTU(l, s.nic.MTU); most != 0 && l.MTU > most {
		return refuse("let it have that MTU: ip link set dev "+shell.Quote(l.Name)+" mtu "+utoa(most),
			"cannot move %s: the MTU of %s (%s) would go from %d to %d, as %s has %d", s.NetDev, l.Name, l.Kind, l.MTU, most, s.NetDev, s.nic.MTU)
	}
	if tunnel.Reserved(l) {
		return refuse(s.without(h, l, "remove it, start, and make it again on the new "+s.NetDev),
			"cannot move %s: %s (%s) is bound to it, and the kernel would forget which bits of its header it uses", s.NetDev, l.Name, l.Kind)
	}
	if group := tunnel.Group(l); group != nil && !h.Rejoins {
		return refuse(s.without(h, l, "remove it, start, and make it again on the new "+s.NetDev),
			"cannot move %s: %s (%s) has joined %s there, and this kernel would not join elsewhere (Linux 6.15 does)", s.NetDev, l.Name, l.Kind, group)
	}
	return nil
}

// Carries says whether what stands on a NIC is given dom0's interface instead, at start
// and at stop.
func Carries(h *host.Host, l, nic *host.Link) bool {
	s := parts{Spec: Spec{NetDev: nic.Name}, nic: nic}
	return tunnel.Known(l.Kind) && s.stuck(h, l) == nil
}

// without is a hint for whoever has to do without an interface for a while.
func (s *parts) without(h *host.Host, l *host.Link, hint string) string {
	if used := carrier(h, l, map[int]bool{}); used != "" {
		hint = used + " has addresses, and whoever is logged in over them needs it: name another NIC with netdev=; or, from the console, " + hint
	}
	return hint
}

// StaysOn says whether interfaces of a kind that stand on a NIC go on there when the NIC
// is a port.
func StaysOn(kind string) bool { return kind == "vlan" }

// carrier is an interface with addresses that stands on the given one, or is that one
// or its master; "" if there is none.
func carrier(h *host.Host, l *host.Link, seen map[int]bool) string {
	if seen[l.Index] {
		return ""
	}
	seen[l.Index] = true
	if !bare(h.State(l.Index)) {
		return l.Name
	}
	over := h.Above(l.Index)
	if master := h.Index(l.Master); master != nil {
		over = append(over, master)
	}
	for _, o := range over {
		if name := carrier(h, o, seen); name != "" {
			return name
		}
	}
	return ""
}

// claims says whether interfaces of a kind take every frame of the one that they stand on.
func claims(kind string) bool {
	return slices.Contains([]string{"macvlan", "macvtap", "ipvlan", "ipvtap"}, kind)
}

// checkNames checks that the names that start gives are free.
func (s *parts) checkNames(h *host.Host) error {
	if s.onBridge() {
		return s.checkName(h, s.VDev, s.dev)
	}
	err := cmp.Or(s.checkName(h, s.VDev, s.dev), s.checkName(h, s.VIF, s.port), s.checkName(h, s.Bridge, s.br))
	if err != nil {
		return err
	}
	switch {
	case s.dev == nil && s.port != nil && s.port.Master != 0:
		return refuse("use another vifnum=", "cannot use vifnum=%d for %s: %s is a port of %s", s.VifNum, s.Bridge, s.VIF, h.Names().Of(s.port.Master))
	case s.dev == nil && s.port != nil:
		return s.taken(h, s.VIF, s.port)
	case s.dev != nil && s.port == nil:
		return s.taken(h, s.VDev, s.dev)
	}
	if s.dev == nil {
		return nil
	}
	if s.dev.Kind == "veth" && s.dev.Lower != s.port.Index {
		return refuse("use another vifnum=", "cannot use %s and %s: they are not a pair", s.VDev, s.VIF)
	}
	if s.port.Master != 0 {
		return refuse("use another vifnum=", "cannot use %s: it is a port of %s", s.VIF, h.Names().Of(s.port.Master))
	}
	if st := h.State(s.dev.Index); len(st.Addrs4) > 0 {
		return refuse("use another vifnum=", "cannot use %s: it has addresses of its own", s.VDev)
	}
	return nil
}

// checkName refuses an interface that has the name as an alternative one, or
// that has a name which the bridge needs for a moment.
func (s *parts) checkName(h *host.Host, name string, l *host.Link) error {
	if l == nil || l.Name == name && name != spareName(s.NetDev) {
		return nil
	}
	return s.taken(h, name, l)
}

// checkFree checks that an existing bridge is used for nothing but its ports. If it
// becomes dom0's interface, addresses of its own could not be told from dom0's at stop;
// else it would not answer for them any more. The bridges of libvirt's networks with
// NAT, of Docker and of CNI are such, and their DHCP server would serve the LAN.
func (s *parts) checkFree(h *host.Host) error {
	hint := "give another bridge=; " + asItIs(s.Bridge)
	st, as := h.State(s.br.Index), ""
	if s.onBridge() {
		as = " as dom0's interface"
	}
	if !bare(st) || len(rtnl.Rest(st.Routes, rtnl.Msg.ByKernel)) > 0 {
		return refuse(hint, "cannot use the bridge %s%s: it has addresses or routes of its own", s.Bridge, as)
	}
	for _, l := range h.Above(s.br.Index) {
		return refuse(hint, "cannot use the bridge %s%s: %s (%s) is on top of it", s.Bridge, as, l.Name, l.Kind)
	}
	if s.br.Master != 0 {
		return refuse(hint, "cannot use the bridge %s%s: it is a port of %s", s.Bridge, as, h.Names().Of(s.br.Master))
	}
	return nil
}

// checkOn refuses a NIC that is switched off, if it has something to lose by
// being on: a bridge has to be on, for the guests.
func (s *parts) checkOn(h *host.Host) error {
	st := h.State(s.nic.Index)
	if s.nic.Up() || bare(st) && len(st.Neighs) == 0 {
		return nil
	}
	return refuse("switch it on first: ip link set dev "+shell.Quote(s.NetDev)+" up",
		"cannot give the addresses of %s to %s: it is switched off, and the bridge will be on", s.NetDev, s.Bridge)
}

// checkByName looks for what goes by the NIC's name, and would be lost when
// dom0's interface has another.
func (s *parts) checkByName(h *host.Host) error {
	if s.Dom0() == s.NetDev {
		return nil
	}
	if h.HasRule(s.NetDev) {
		return refuse("give bridge="+s.NetDev+", and dom0's interface keeps its name",
			"cannot give the addresses of %s to %s: there is an ip rule for %s by its name", s.NetDev, s.Bridge, s.NetDev)
	}
	for _, m := range h.State(s.nic.Index).Addrs4 {
		if label := routes.LabelOn(s.Bridge, m, s.NetDev); len(label) > nameMax {
			return refuse("give bridge="+s.NetDev+", and dom0's interface keeps its name",
				"cannot give the addresses of %s to %s: the label %s has more than %d bytes", s.NetDev, s.Bridge, label, nameMax)
		}
	}
	return nil
}

// taken refuses because an interface has a name that start has to give.
func (s *parts) taken(h *host.Host, name string, l *host.Link) error {
	if l.Name != name {
		return refuse("take it off: ip link property del dev "+shell.Quote(l.Name)+" altname "+shell.Quote(name),
			"cannot use the name %s for %s: it is an alternative name of %s", name, s.Bridge, l.Name)
	}
	hint := "use another vifnum="
	switch {
	case name == s.PDev || name == s.VDev && s.onBridge():
		hint = renamed(h, l, name)
	case !l.Up(): // nobody is logged in over it
		hint += ", or remove it: ip link del dev " + shell.Quote(name)
	}
	return refuse(hint, "cannot use the name %s for %s: there is an interface %s already", name, s.Bridge, name)
}

func (s *parts) checkBridge(h *host.Host) error {
	if s.br == nil {
		return nil
	}
	if s.br.Kind != "bridge" {
		return refuse("give another bridge=", "cannot use %s: it is not a bridge", s.Bridge)
	}
	for _, g := range s.others(h) {
		if why := noGuest(g); why != "" {
			return refuse("give another bridge=; or, if "+g.Name+" is the way out, "+asItIs(s.Bridge),
				"cannot use the bridge %s: it has the port %s, which is not a guest's: %s", s.Bridge, g.Name, why)
		}
	}
	return s.checkFree(h)
}

// stray is dom0's interface if somebody has given it another name; else nil.
func (s *parts) stray(h *host.Host) *host.Link {
	switch {
	case s.dev != nil:
	case s.onBridge():
		if l := h.Index(s.nic.Master); l != nil && l.Kind == "bridge" && sameMAC(l.MAC, s.nic.MAC) {
			return l
		}
	case s.port != nil:
		if l := h.Index(s.port.Lower); l != nil && l.Kind == "veth" && l.Lower == s.port.Index {
			return l
		}
	}
	return nil
}

// strayed refuses a network of which somebody has renamed dom0's interface.
func (s *parts) strayed(h *host.Host, undertaking string) error {
	l := s.stray(h)
	if l == nil {
		return nil
	}
	return refuse("give it its name back: ip link set dev "+shell.Quote(l.Name)+" name "+shell.Quote(s.Dom0()),
		"cannot %s: dom0's interface %s has got the name %s", undertaking, s.Dom0(), l.Name)
}

// standing says why stop cannot take this network down, nil if it can.
func (s *parts) standing(h *host.Host) error {
	if err := s.strayed(h, "stop "+s.Bridge); err != nil {
		return err
	}
	switch {
	case s.dev == nil:
		return refuse("give the NIC its name back by hand: ip link set dev "+shell.Quote(s.PDev)+" name "+shell.Quote(s.NetDev),
			"cannot find %s, dom0's interface, though %s is there", s.Dom0(), s.PDev)
	case s.onBridge() && s.br.Kind != "bridge":
		return refuse("give the NIC its name back by hand: ip link set dev "+shell.Quote(s.PDev)+" name "+shell.Quote(s.NetDev),
			"cannot take %s down: it is not a bridge, though %s is there", s.Bridge, s.PDev)
	case !s.onBridge() && (s.port == nil || s.dev.Kind == "veth" && s.dev.Lower != s.port.Index):
		return refuse("name the vifnum= that start had", "cannot take %s down: %s is not dom0's port for %s", s.Bridge, s.VIF, s.NetDev)
	case s.nic.Master != 0 && (s.br == nil || s.nic.Master != s.br.Index):
		return refuse("name the bridge= that start had", "cannot take %s down: %s is a port of %s", s.Bridge, s.PDev, h.Names().Of(s.nic.Master))
	}
	return s.checkRules(h, s.dev)
}

// distinct says which of the wanted bridges need the same name.
func distinct(specs []Spec) error {
	var refused []error
	first := map[string]Spec{} // by what no other may have
	for _, w := range specs {
		for _, own := range []struct{ key, value string }{{"bridge", w.Bridge}, {"netdev", w.NetDev}, {"vifnum", w.number()}} {
			word := own.key + "=" + own.value
			switch f, taken := first[word]; {
			case own.value == "":
			case taken:
				refused = append(refused, refuse("give every bridge its own vifnum=, bridge= and netdev=",
					"cannot tell %s and %s apart: both have %s", f.Bridge, w.Bridge, word))
			default:
				first[word] = w
			}
		}
	}
	return errors.Join(refused...)
}

// fit refuses names that this program would not take on its command line: the
// default route's device may have such a name, since the kernel accepts nearly any.
func (w Spec) fit() error {
	for _, name := range []string{w.NetDev, w.PDev, w.Bridge, w.VDev, w.Dom0()} {
		if reason := config.CheckName(name); reason != "" {
			return refuse("let udev give it another name at the next boot (systemd.link(5), Name=)",
				"cannot use the name %s", reason)
		}
	}
	return nil
}
