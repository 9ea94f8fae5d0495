package bridge

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// difference is one thing that is not as it should be on a network that is up.
type difference struct {
	text     string
	do, undo []rtnl.Msg // what mends it; none if it cannot be mended in place
}

// differences compares a network that is up with what start would build. Of
// those that cannot be mended it returns only the first: the rest follow from
// it.
func (s *parts) differences(h *host.Host) []difference {
	switch {
	case len(s.Unfit) > 0:
		return broken("%s", strings.Join(s.Unfit, "; "))
	case s.stray(h) != nil:
		return broken("dom0's interface %s has got the name %s", s.Dom0(), s.stray(h).Name)
	case s.dev == nil:
		return broken("dom0's interface %s is missing", s.Dom0())
	case !s.onBridge() && s.port == nil:
		return broken("dom0's port %s is missing", s.VIF)
	case s.dev.Kind == "veth" && s.port != nil && s.dev.Lower != s.port.Index:
		return broken("%s and %s are not a pair", s.NetDev, s.VIF)
	case s.br == nil && s.nic.Master != 0:
		return broken("%s is a port of %s", s.PDev, h.Names().Of(s.nic.Master))
	case s.br == nil:
		return broken("the bridge %s is missing", s.Bridge)
	case s.br.Kind != "bridge":
		return broken("%s is not a bridge", s.Bridge)
	}
	ds := s.nameDifference(h)
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

// nameDifference looks at the NIC's name as a port.
func (s *parts) nameDifference(h *host.Host) []difference {
	if s.Strayed != s.nic.Index || s.nic.Name == s.PDev {
		return nil
	}
	text := fmt.Sprintf("the NIC is called %s instead of %s", s.nic.Name, s.PDev)
	if !h.LiveRename && s.nic.Up() {
		return broken("%s", text)
	}
	return []difference{{text, []rtnl.Msg{setLink(s.nic.Index, attrName(s.PDev))}, []rtnl.Msg{setLink(s.nic.Index, attrName(s.nic.Name))}}}
}

// portDifferences compares the NIC as a port, or dom0's port.
func (s *parts) portDifferences(h *host.Host, l *host.Link) []difference {
	var ds []difference
	if l.Master == 0 {
		ds = append(ds, difference{l.Name + " is not in " + s.Bridge,
			[]rtnl.Msg{setLink(l.Index, attrMaster(s.br.Index))}, []rtnl.Msg{setLink(l.Index, attrMaster(0))}})
	}
	ds = append(ds, offDifference(l)...)
	if s.onBridge() {
		return ds // the NIC keeps its own address
	}
	if l == s.nic && sameMAC(l.MAC, s.dev.MAC) {
		return append(ds, s.pinDifference(h)...)
	}
	return append(ds, s.macDifference(l)...)
}

// pinDifference looks at a NIC that keeps its own address, see setMAC.
func (s *parts) pinDifference(h *host.Host) []difference {
	if h.Pinned(s.port.Index, s.nic.MAC) {
		return nil
	}
	pin := func(typ uint16) []rtnl.Msg { return []rtnl.Msg{rtnl.FDB(typ, rtnl.Replace, s.port.Index, s.nic.MAC)} }
	return []difference{{fmt.Sprintf("frames to %s are not sent to %s", s.nic.MAC, s.port.Name),
		pin(unix.RTM_NEWNEIGH), pin(unix.RTM_DELNEIGH)}}
}

// bridgeDifferences looks at the bridge itself.
func (s *parts) bridgeDifferences() []difference {
	ds := offDifference(s.br)
	if !s.onBridge() {
		ds = append(ds, s.macDifference(s.br)...)
	}
	return ds
}

// offDifference reports an interface that is switched off.
func offDifference(l *host.Link) []difference {
	if l.Up() {
		return nil
	}
	return []difference{{l.Name + " is switched off",
		[]rtnl.Msg{setFlags(l.Index, unix.IFF_UP, unix.IFF_UP)}, []rtnl.Msg{setFlags(l.Index, 0, unix.IFF_UP)}}}
}

// macDifference reports an interface beside dom0's that has dom0's MAC address:
// the bridge would take frames for dom0 for its own.
func (s *parts) macDifference(l *host.Link) []difference {
	if !sameMAC(l.MAC, s.dev.MAC) {
		return nil
	}
	return []difference{{fmt.Sprintf("%s has dom0's MAC address %s", l.Name, l.MAC),
		[]rtnl.Msg{setLink(l.Index, attrMAC(portMAC))}, []rtnl.Msg{setLink(l.Index, attrMAC(l.MAC))}}}
}

// notes report what is not as start makes it but works: somebody has chosen it,
// so it stays.
func (s *parts) notes() (notes []string) {
	if s.br == nil {
		return nil
	}
	if b := s.br.Bridge; b.STP {
		notes = append(notes, fmt.Sprintf("%s has STP: a port that joins it waits %d s", s.Bridge, 2*b.ForwardDelay/userHz))
	} else if b.ForwardDelay != 0 {
		notes = append(notes, fmt.Sprintf("%s has a forward delay of %d s", s.Bridge, b.ForwardDelay/userHz))
	}
	if s.br.Bridge.VLANFiltering {
		notes = append(notes, s.Bridge+" filters VLANs")
	}
	if s.onBridge() {
		return notes
	}
	for _, l := range []*host.Link{s.br, s.nic, s.port} {
		if l == nil {
			continue
		}
		if l.Flags&unix.IFF_NOARP == 0 {
			notes = append(notes, l.Name+" answers ARP")
		}
		if s.dev != nil && !sameMAC(l.MAC, portMAC) && !sameMAC(l.MAC, s.dev.MAC) {
			notes = append(notes, l.Name+" has the MAC address "+l.MAC.String())
		}
	}
	return notes
}

// userHz is the unit of a bridge's times: hundredths of a second.
const userHz = 100

// repair plans what a network that is up lacks: nothing, as a rule.
func (p *Planner) repair(b *builder, pl *plan.Plan, s parts) (outcome, error) {
	if taken, err := p.nameTaken(s); taken || err != nil {
		return outcome{}, cmp.Or(err, s.taken(p.Host, s.PDev, s.nic))
	}
	if err := s.strayed(p.Host, "start "+s.Bridge); err != nil {
		return outcome{}, err
	}
	if m := p.Host.Index(s.nic.Master); m != nil && m != s.br {
		return outcome{}, refuse("to move it, stop it there first: xbr-script stop bridge="+shell.Quote(m.Name)+" netdev="+shell.Quote(s.NetDev),
			"cannot put %s into %s: its NIC %s is in %s already", s.NetDev, s.Bridge, s.PDev, m.Name)
	}
	ds := s.differences(p.Host)
	if len(ds) == 0 {
		return outcome{Spec: s.Spec, text: s.Bridge + " is up already"}, nil
	}
	var texts []string
	for _, d := range ds {
		if len(d.do) == 0 {
			return outcome{}, refuse(s.anew(), "cannot start %s, which is up in part: %s", s.Bridge, d.text)
		}
		texts = append(texts, d.text)
		pl.Add(plan.Step{Title: "mend that " + d.text, Do: b.ops(d.do...), Undo: b.ops(d.undo...)})
	}
	return outcome{s.Spec, true, s.Bridge + " was up in part, mended: " + strings.Join(texts, "; ")}, nil
}

// Mend is the command that mends a network that is up but not as asked; if there is
// none, the way out.
func (p *Planner) Mend(w Spec) (command, hint string) {
	s := findParts(w, p.Host)
	_, err := p.repair(newBuilder(p.Conn, p.Host), &plan.Plan{}, s)
	if err == nil {
		return w.Command(config.Start), ""
	}
	if hint = refusal.Advice(err); hint == w.anew() {
		if err := s.standing(p.Host); err != nil {
			hint = refusal.Advice(err)
		}
	}
	return "", hint
}

// anew is the way out for a network that cannot be mended in place.
func (w Spec) anew() string {
	return "xbr-script stop " + w.args() + " puts the NIC back, then start again"
}

// Command is the call that is about this network, and asks for nothing else.
func (w Spec) Command(c config.Command) string {
	return shell.Join("xbr-script", string(c), "bridge="+w.Bridge, "netdev="+w.NetDev)
}

// nameTaken says whether what has the NIC's second name is something else: no
// part of the bridge is there, and start has not made it.
func (p *Planner) nameTaken(s parts) (bool, error) {
	if s.nic.Name != s.PDev && s.nic.Index != s.Strayed {
		return true, nil
	}
	if s.dev == nil || s.port != nil || s.onBridge() && s.dev.Kind == "bridge" {
		return false, nil
	}
	rec, err := p.Store.Load(s.Bridge)
	return rec == nil, err
}

// args is how this bridge is named on the command line.
func (w Spec) args() string {
	return fmt.Sprintf("vifnum=%d bridge=%s netdev=%s", w.VifNum, shell.Quote(w.Bridge), shell.Quote(w.NetDev))
}
