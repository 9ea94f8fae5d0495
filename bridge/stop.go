package bridge

import (
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// stop plans the reverse of start from what is there now: what dom0's interface
// carries goes back to the NIC.
//
// The names change first: IPv4 labels do not survive a renaming (see relabel), so the
// addresses are put on the NIC when it has its own name again. Until the NIC leaves
// the bridge, dom0 is reached through its port as before.
func (b *builder) stop(s parts, rec *Record, ps *ports) []plan.Step {
	m := b.backMove(s, rec, ps)
	b.ends[m.s.nic.Index] = end{m.s.nic.MAC, m.settings[disableIPv6]}
	var p plan.Plan
	p.Add(m.giveBack().Reverse("leave what was set on " + s.Bridge))
	if b.h.LiveRename {
		p.Add(m.liveBack()...)
	} else {
		p.Add(m.offlineBack()...)
	}
	b.guestSteps = append(b.guestSteps, m.leaveTree(), m.detach())
	p.Add(m.removePair(rec)...)
	p.Add(m.removeBridge(rec))
	if rec.NICOff && s.onBridge() && bare(m.state) {
		p.Add(m.offAgain())
	}
	return p.Steps
}

// leaveTree is a step that does nothing. When undone, it gives the bridge its
// spanning tree settings back once its ports forward: dom0's ports may have lost
// their carrier meanwhile.
func (m *move) leaveTree() plan.Step {
	tree := m.treeOps()
	if len(tree) == 0 {
		return plan.Step{}
	}
	undo := m.carrierOps(m.now)
	if p := m.s.port; p != nil && p.PortState == host.Forwarding {
		undo = append(undo, m.forwards())
	}
	return plan.Step{Title: "leave the spanning tree of " + m.s.Bridge, Undo: append(undo, tree...)}
}

// offAgain is the step that switches the NIC off, as it was found: for a bridge that
// is dom0's interface, start had to leave the NIC on.
func (m *move) offAgain() plan.Step {
	m.catchUp()
	return m.off("switch "+m.s.NetDev+" off, as it was found", m.s.nic, nil)
}

// backMove describes the move as start would make it from the host that stop is to
// leave: there the NIC has everything that dom0's interface has now.
func (b *builder) backMove(s parts, rec *Record, ps *ports) *move {
	nic, now := *s.dev, s.nic
	nic.Index = now.Index
	if s.onBridge() && !sameMAC(now.MAC, portMAC) {
		nic.MAC = now.MAC // it has kept it
	} else if mac, err := net.ParseMAC(rec.NICMAC); err == nil {
		nic.MAC = mac
	}
	s.nic = &nic
	m := &move{
		builder:  b,
		s:        s,
		ports:    ps,
		pair:     pair{dev: s.dev.Index},
		settings: b.h.Settings(s.Dom0()),
		own:      rec.FoundDom0 == nil,
		now:      now,
	}
	m.state = b.moving(s.dev.Index, m.settings)
	m.ownToken(rec)
	m.bridge = now.Master // 0 if somebody took the bridge away
	if s.port != nil {
		m.pair.port = s.port.Index
	}
	return m
}

func (m *move) liveBack() []plan.Step {
	nic, dev := m.s.nic, m.pair.dev
	there := m.state // on dom0's interface
	m.state = routes.Relabeled(routes.Unspent(m.h, there), m.s.Dom0(), m.s.NetDev).On(nic.Index)
	give := func() plan.Step { return m.strip().Reverse("give " + m.s.NetDev + " its address and what dom0 has") }
	steps := []plan.Step{
		m.renameLoaded(there, m.s.VDev, nic.Index),
		undoOf(give()),
		m.rename(nic.Index, m.s.NetDev),
		m.moveAltNames(dev, nic.Index, nic.AltNames),
		m.resize(),
	}
	steps = append(steps, m.resettle()...)
	steps = append(steps, m.inet6(dev).Reverse("hush IPv6 on "+m.s.VDev))
	steps = append(steps, m.shield(), doOf(give()))
	steps = append(steps, m.moveRoutes(there, nic.Index, nic.Power()),
		m.addNeighs(there).Reverse("take the neighbours off "+m.s.VDev),
		m.awaitBridge(m.now).Reverse("leave "+m.s.Bridge+" without a carrier"),
		m.enslave().Reverse("take "+m.s.NetDev+" out of "+m.s.Bridge),
		m.unshield(), m.strictAgain(),
		m.hushNIC().Reverse("let IPv6 on "+m.s.NetDev+" go on as before"))
	steps = append(steps, m.awaitPort().Reverse("wait for "+m.s.VIF+" to forward"))
	return append(steps, m.addState(there, nic.Power()).Reverse("take the addresses off "+m.s.VDev))
}

// resize gives the NIC the MTU, queue length, group and alias that dom0's
// interface has now.
func (m *move) resize() plan.Step {
	nic := m.now.Index
	msgs, undo := differing(m.now, m.s.nic)
	if m.now.MTU < minMTU6 { // with a larger one IPv6 makes an address at once
		for _, gen := range addrGenAt(m.s.nic.MTU, addrGenNone) {
			msgs = append(msgs, setLink(nic, gen))
		}
	}
	do := m.ops(msgs...)
	if m.now.MTU < minMTU6 {
		do = append(do, m.noInet6(nic, m.s.nic.MTU)...)
	}
	return plan.Step{
		Title: "give " + m.names[nic] + " the size that dom0 uses",
		Do:    do,
		Undo:  m.ops(undo...),
	}
}

// differing are the messages that turn one link into the other and back.
func differing(from, to *host.Link) (do, undo []rtnl.Msg) {
	var a, b []*nl.RtAttr
	for _, v := range []struct {
		typ      int
		from, to uint32
	}{
		{unix.IFLA_MTU, from.MTU, to.MTU}, {unix.IFLA_TXQLEN, from.TxQLen, to.TxQLen}, {unix.IFLA_GROUP, from.Group, to.Group},
	} {
		if v.from != v.to {
			a, b = append(a, attrU32(v.typ, v.to)), append(b, attrU32(v.typ, v.from))
		}
	}
	if from.Alias != to.Alias {
		a, b = append(a, attrAlias(to.Alias)), append(b, attrAlias(from.Alias))
	}
	if len(a) == 0 {
		return nil, nil
	}
	return []rtnl.Msg{setLink(from.Index, a...)}, []rtnl.Msg{setLink(from.Index, b...)}
}

// resettle gives the NIC the settings that dom0's interface has now.
// Switching IPv6 on is left to the step that brings the addresses.
func (m *move) resettle() []plan.Step {
	from, to := hushed(m.h.Settings(m.now.Name)), hushed(m.settings)
	nic := m.now.Index
	do, undo := m.settingsOf(nic, to, from), m.settingsOf(nic, from, to)
	if from[forwarding] != to[forwarding] {
		// Without this flag the kernel neither joins the group of all routers nor leaves it
		// (dev_forward_change).
		multicast := m.s.nic.Flags & unix.IFF_MULTICAST
		do = append(m.ops(setFlags(nic, multicast, unix.IFF_MULTICAST)), do...)
		undo = append(undo, m.batch(setFlags(nic, m.now.Flags, unix.IFF_MULTICAST)))
	}
	return m.keepRouters(plan.Step{
		Title: "give " + m.names[nic] + " the settings that dom0 uses",
		Do:    do,
		Undo:  undo,
	}, nil, from[forwarding], to[forwarding])
}

// removePair deletes dom0's interface and port at the end, or leaves a pair that start
// found as it was.
func (m *move) removePair(rec *Record) []plan.Step {
	dev := *m.s.dev
	power := host.Power(m.h.LiveRename && dev.Up()) // else it is down at this point
	switch {
	case m.s.onBridge() && rec.FoundDom0 != nil:
		return m.keepOnMaking(m.leaveDom0Bridge(rec.FoundDom0, &dev, power), rec.FoundDom0)
	case m.s.onBridge():
		m.delete(m.keepOnMaking(m.makeDom0Bridge(&dev, power), nil), m.s.VDev, dev.Index)
		return nil
	case rec.FoundDom0 != nil:
		leave := m.adoptPair(rec.FoundDom0, &dev).Reverse("leave " + m.s.VDev + " and " + m.s.VIF + " as they were found")
		return m.keepOnMaking(leave, rec.FoundDom0)
	}
	m.delete(m.keepOnMaking(m.makePair(&dev), nil), m.s.VDev+" with "+m.s.VIF, m.pair.dev, m.pair.port)
	return nil
}

// removeBridge deletes the bridge at the end, or leaves one that start found as it was.
func (m *move) removeBridge(rec *Record) plan.Step {
	switch {
	case m.s.br == nil || m.s.onBridge():
	case rec.FoundBridge != nil:
		return m.leaveBridge(rec.FoundBridge, m.s.br)
	default:
		m.delete([]plan.Step{m.makeBridge(m.s.br.Index)}, m.s.Bridge, m.s.br.Index)
	}
	return plan.Step{}
}
