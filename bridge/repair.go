package bridge

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// difference is one thing that is not as it should be on a network that is
// up.
type difference struct {
	text     string
	do, undo []rtnl.Msg // what mends it; none if it cannot be mended in place
}

// differences compares a network that is up with what start would build. Only
// the first of those that cannot be mended is told: the rest follow from it.
func (s *site) differences(h *host.Host) []difference {
	switch {
	case len(s.Unfit) > 0:
		return broken("%s", strings.Join(s.Unfit, "; "))
	case s.dev == nil:
		return broken("dom0's interface %s is missing", s.Dom0())
	case !s.onBridge() && s.port == nil:
		return broken("dom0's port %s is missing", s.VIF)
	case s.dev.Kind == "veth" && s.port != nil && s.dev.Lower != s.port.Index:
		return broken("%s and %s are no pair", s.NetDev, s.VIF)
	case s.br == nil && s.nic.Master != 0:
		return broken("%s is a port of %s", s.PDev, h.Names().Of(s.nic.Master))
	case s.br == nil:
		return broken("the bridge %s is missing", s.Bridge)
	case s.br.Kind != "bridge":
		return broken("%s is no bridge", s.Bridge)
	}
	var ds []difference
	for _, port := range []*host.Link{s.nic, s.port} {
		if port == nil {
			continue
		}
		if port.Master != 0 && port.Master != s.br.Index {
			return broken("%s is a port of %s", port.Name, h.Names().Of(port.Master))
		}
		ds = append(ds, s.portDifferences(h, port)...)
	}
	return append(ds, s.bridgeDifferences()...)
}

func broken(format string, args ...any) []difference {
	return []difference{{text: fmt.Sprintf(format, args...)}}
}

// portDifferences looks at the NIC or dom0's port.
func (s *site) portDifferences(h *host.Host, l *host.Link) []difference {
	var ds []difference
	if l.Master == 0 {
		ds = append(ds, difference{l.Name + " is not in " + s.Bridge,
			[]rtnl.Msg{setLink(l.Index, attrMaster(s.br.Index))}, []rtnl.Msg{setLink(l.Index, attrMaster(0))}})
	}
	ds = append(ds, flagDifferences(l, isOn, noARP)...)
	if s.onBridge() {
		return ds // the NIC keeps its own address
	}
	if l == s.nic && sameMAC(l.MAC, s.dev.MAC) {
		return append(ds, s.pinDifference(h)...)
	}
	return append(ds, macDifference(l)...)
}

// pinDifference looks at a NIC that keeps its own address, see setMAC.
func (s *site) pinDifference(h *host.Host) []difference {
	if h.Pinned(s.port.Index, s.nic.MAC) {
		return nil
	}
	pin := func(typ uint16) []rtnl.Msg { return []rtnl.Msg{fdb(typ, replaceFlags, s.port.Index, s.nic.MAC)} }
	return []difference{{fmt.Sprintf("frames to %s are not sent to %s", s.nic.MAC, s.port.Name),
		pin(unix.RTM_NEWNEIGH), pin(unix.RTM_DELNEIGH)}}
}

// bridgeDifferences looks at the bridge itself.
func (s *site) bridgeDifferences() []difference {
	ds := flagDifferences(s.br, isOn)
	if !s.onBridge() {
		ds = append(flagDifferences(s.br, isOn, noARP), macDifference(s.br)...)
	}
	b := s.br.Bridge
	if b.STP || b.ForwardDelay != 0 {
		ds = append(ds, difference{s.Bridge + " has STP or a forward delay",
			[]rtnl.Msg{
				setLink(s.br.Index, attrBridge(false, b.ForwardDelay, b.Snooping)),
				setLink(s.br.Index, attrBridge(false, 0, b.Snooping)),
			},
			[]rtnl.Msg{setLink(s.br.Index, attrBridge(b.STP, b.ForwardDelay, b.Snooping))}})
	}
	return ds
}

// flag is a flag of an interface, how it should be, and what to say if it is not.
type flag struct {
	mask, want uint32
	text       string
}

// Flags of the parts of a bridge.
var (
	isOn  = flag{unix.IFF_UP, unix.IFF_UP, " is switched off"}
	noARP = flag{unix.IFF_NOARP, unix.IFF_NOARP, " answers ARP"}
)

func flagDifferences(l *host.Link, flags ...flag) []difference {
	var ds []difference
	for _, f := range flags {
		if l.Flags&f.mask != f.want {
			ds = append(ds, difference{l.Name + f.text,
				[]rtnl.Msg{setFlags(l.Index, f.want, f.mask)}, []rtnl.Msg{setFlags(l.Index, l.Flags, f.mask)}})
		}
	}
	return ds
}

func macDifference(l *host.Link) []difference {
	if sameMAC(l.MAC, portMAC) {
		return nil
	}
	return []difference{{fmt.Sprintf("%s has the MAC address %s instead of %s", l.Name, l.MAC, portMAC),
		[]rtnl.Msg{setLink(l.Index, attrMAC(portMAC))}, []rtnl.Msg{setLink(l.Index, attrMAC(l.MAC))}}}
}

// repair plans what a network that is up lacks: nothing, as a rule.
func (p *Planner) repair(b *builder, pl *plan.Plan, s site) (Outcome, error) {
	if taken, err := p.nameTaken(s); taken || err != nil {
		return Outcome{}, cmp.Or(err, s.taken(s.PDev, s.nic))
	}
	if m := p.Host.Index(s.nic.Master); m != nil && m != s.br {
		return Outcome{}, refuse("to move it, stop it there first: xbr-script stop bridge="+m.Name+" netdev="+s.NetDev,
			"cannot put %s into %s: its card %s is in %s already", s.NetDev, s.Bridge, s.PDev, m.Name)
	}
	ds := s.differences(p.Host)
	if len(ds) == 0 {
		return Outcome{Want: s.Want, Text: s.Bridge + " is up already"}, nil
	}
	var texts []string
	for _, d := range ds {
		if len(d.do) == 0 {
			return Outcome{}, refuse("xbr-script stop "+s.args()+" puts the NIC back, then start again",
				"cannot start %s, which is up in part: %s", s.Bridge, d.text)
		}
		texts = append(texts, d.text)
		pl.Add(plan.Step{Title: "mend that " + d.text, Do: b.ops(d.do...), Undo: b.ops(d.undo...)})
	}
	return Outcome{s.Want, true, s.Bridge + " was up in part, mended: " + strings.Join(texts, "; ")}, nil
}

// nameTaken says whether what has the NIC's second name is something else: no
// part of the bridge is there, and start has not made it.
func (p *Planner) nameTaken(s site) (bool, error) {
	if s.nic.Name != s.PDev {
		return true, nil
	}
	if s.dev == nil || s.port != nil || s.onBridge() && s.dev.Kind == "bridge" {
		return false, nil
	}
	rec, err := p.Store.Load(s.Bridge)
	return rec == nil, err
}

// args is how this bridge is named on the command line.
func (w Want) args() string {
	return fmt.Sprintf("vifnum=%d bridge=%s netdev=%s", w.VifNum, w.Bridge, w.NetDev)
}
