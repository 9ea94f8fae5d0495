package bridge

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// adoptBridge is the step that turns a bridge that is there already into the one that
// the network needs. If its MTU is the NIC's it stays so, whatever guests join;
// another MTU is somebody's choice, or follows the bridge's ports as before.
func (b *builder) adoptBridge(br, nic *host.Link) plan.Step {
	to := adopted(br)
	do := turn(br, to)
	if br.MTU == nic.MTU { // see makeBridge
		do = append(do, setLink(br.Index, attrU32(unix.IFLA_MTU, br.MTU^1)), setLink(br.Index, attrU32(unix.IFLA_MTU, br.MTU)))
	}
	return plan.Step{Title: "use the bridge " + b.names[br.Index], Do: b.ops(do...), Undo: b.ops(turn(to, br)...)}
}

// leaveBridge is the step that leaves a bridge as it was found.
func (b *builder) leaveBridge(br, now *host.Link) plan.Step {
	to := left(br, now)
	return plan.Step{Title: "leave " + b.names[br.Index] + " as it was found", Do: b.ops(turn(now, to)...), Undo: b.ops(turn(to, now)...)}
}

// adoptedFlags are the flags of a bridge that adopting it changes.
const adoptedFlags = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_UP

// adopted is what start makes of a bridge that it found.
func adopted(br *host.Link) *host.Link {
	to := *br
	to.MAC, to.AddrGen = portMAC, addrGenNone
	to.Flags = br.Flags&^adoptedFlags | unix.IFF_NOARP | unix.IFF_UP
	to.Bridge.STP, to.Bridge.ForwardDelay, to.Bridge.Snooping = false, 0, false
	return &to
}

// left is a bridge as stop leaves it: as start found it, except for what somebody has
// changed since.
func left(found, now *host.Link) *host.Link {
	to, made := *found, adopted(found)
	if !sameMAC(now.MAC, made.MAC) {
		to.MAC = now.MAC
	}
	if now.AddrGen != made.AddrGen {
		to.AddrGen = now.AddrGen
	}
	changed := (now.Flags ^ made.Flags) & adoptedFlags
	to.Flags = found.Flags&^changed | now.Flags&changed
	to.Bridge = leftInfo(found.Bridge, now.Bridge)
	return &to
}

// leftInfo is left for the settings that only bridges have.
func leftInfo(found, now host.BridgeInfo) host.BridgeInfo {
	if now.STP {
		found.STP = true
	}
	if now.ForwardDelay != 0 {
		found.ForwardDelay = now.ForwardDelay
	}
	if now.Snooping {
		found.Snooping = true
	}
	return found
}

// turn changes a bridge from one state to another. The kernel accepts a forward delay
// of 0 only after STP is off, and any delay before STP is on (br_set_forward_delay),
// but within one message it looks at the delay first. IPv6 makes an address on an
// interface that is switched on, unless it is told not to.
func turn(from, to *host.Link) []rtnl.Msg {
	first := []*nl.RtAttr{attrBridge(untree(from.Bridge, to.Bridge))}
	then := []*nl.RtAttr{attrMAC(to.MAC), attrBridge(to.Bridge)}
	if gen := addrGenAt(to.MTU, to.AddrGen); to.AddrGen == addrGenNone {
		first = append(first, gen...)
	} else {
		then = append(then, gen...)
	}
	return []rtnl.Msg{setLink(to.Index, first...), setFlags(to.Index, to.Flags, adoptedFlags, then...)}
}

// untree is what a bridge must have before it gets its settings in to: no STP if it is
// to have none.
func untree(from, to host.BridgeInfo) host.BridgeInfo {
	from.STP = from.STP && to.STP
	from.Snooping = to.Snooping
	return from
}

// found is what was there of dom0's side of the bridge before start, as it was: a
// pair, or only a bridge.
type found struct {
	Dev          *host.Link
	DevSettings  sysctl.Device
	Port         *host.Link
	PortSettings sysctl.Device
	Addrs6       []rtnl.Msg // link-local ones of a bridge
}

// foundDom0 is what exists of dom0's side, nil if start has to create it.
func (b *builder) foundDom0(s parts) *found {
	switch {
	case s.dev == nil:
		return nil
	case s.onBridge():
		return &found{Dev: s.dev, DevSettings: b.h.Settings(s.VDev), Addrs6: b.h.State(s.dev.Index).Addrs6}
	}
	return &found{Dev: s.dev, DevSettings: b.h.Settings(s.VDev), Port: s.port, PortSettings: b.h.Settings(s.VIF)}
}

// adoptPair is the step that makes a pair that is there already (Xen 3 kernels have
// one for each vifnum) dom0's: dev becomes like the NIC, port joins the bridge.
func (m *move) adoptPair(f *found, like *host.Link) plan.Step {
	dev, port, ps, as := f.Dev, f.Port, m.ports, m.ports.asPort
	ps.became(ps.Dom0.Index, port.Index)
	name, portName := m.names[dev.Index], m.names[port.Index]
	flags := like.Flags & carried
	if m.h.LiveRename && like.Up() {
		flags |= unix.IFF_UP
	}
	const portFlags = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_UP

	do := m.settingsOf(dev.Index, hushed(m.settings), f.DevSettings)
	do = append(do, m.noInet6(port.Index, as.MTU)...)
	join := append([]*nl.RtAttr{attrMAC(as.MAC), attrU32(unix.IFLA_MTU, as.MTU), attrMaster(m.bridge)}, addrGenAt(as.MTU, addrGenNone)...)
	msgs := []rtnl.Msg{setFlags(port.Index, as.Flags|unix.IFF_UP, portFlags, join...)}
	msgs = append(msgs, ps.portMsgs(port.Index, ps.Dom0.Settings)...)
	do = append(do, m.batch(append(msgs,
		// In messages of their own: in one message the kernel would switch it on
		// first, and IPv6 would make an address for it.
		setLink(dev.Index, m.attrsLike(like, addrGenNone)...),
		setFlags(dev.Index, flags, carried|unix.IFF_UP),
	)...))
	do = append(do, m.turnToken(dev.Index, dev, like, m.settings)...)
	undo := m.turnToken(dev.Index, like, dev, m.settings)
	leave := append([]*nl.RtAttr{attrMAC(port.MAC), attrU32(unix.IFLA_MTU, port.MTU), attrMaster(0)}, addrGenAt(port.MTU, port.AddrGen)...)
	undo = append(undo, m.batch(
		setFlags(dev.Index, dev.Flags, carried|unix.IFF_UP, m.attrsLike(dev, dev.AddrGen)...),
		setFlags(port.Index, port.Flags, portFlags, leave...),
	))
	undo = append(undo, m.settingsOf(dev.Index, f.DevSettings, awake(m.settings))...)
	if v, ok := f.PortSettings[disableIPv6]; ok {
		undo = append(undo, m.set(disableIPv6, port.Index, v))
	}
	return plan.Step{Title: "use " + name + " and " + portName + ", dom0's port", Do: do, Undo: undo}
}

// adoptDom0Bridge is the step that makes a bridge that is there already dom0's
// interface, like another link. If that is a NIC, it has no settings of a bridge, and
// the bridge gets those of a new one. It goes on working for guests that are in it.
func (m *move) adoptDom0Bridge(f *found, like *host.Link, power host.Power) plan.Step {
	br, name := f.Dev, m.names[f.Dev.Index]
	flags := like.Flags & carried
	if power == host.On {
		flags |= unix.IFF_UP
	}
	do := append(m.ops(routes.DelAddrs(f.Addrs6)...), m.settingsOf(br.Index, hushed(m.settings), f.DevSettings)...)
	first := []*nl.RtAttr{attrBridge(untree(br.Bridge, like.Bridge))} // see turn
	if br.MTU == like.MTU {
		first = append(first, attrU32(unix.IFLA_MTU, like.MTU^1)) // see makeBridge
	}
	do = append(do, m.batch(
		setLink(br.Index, first...),
		setLink(br.Index, append(m.attrsLike(like, addrGenNone), attrBridge(like.Bridge))...),
		setFlags(br.Index, flags, carried|unix.IFF_UP),
	))
	do = append(do, m.turnToken(br.Index, br, like, m.settings)...)
	undo := append(m.turnToken(br.Index, like, br, m.settings), m.batch(setFlags(br.Index, br.Flags, carried|unix.IFF_UP,
		append(m.attrsLike(br, br.AddrGen), attrBridge(br.Bridge))...)))
	undo = append(undo, m.settingsOf(br.Index, f.DevSettings, awake(m.settings))...)
	var back []rtnl.Msg
	for _, a := range f.Addrs6 {
		back = append(back, routes.Quiet(a), routes.Final(a))
	}
	undo = append(undo, m.ops(back...)...)
	return plan.Step{Title: "use the bridge " + name + " for dom0", Do: do, Undo: undo}
}

// leaveDom0Bridge is the step that leaves a bridge that was dom0's interface, and is
// now as given, as it was found; except for settings of a bridge that somebody has
// changed since.
func (m *move) leaveDom0Bridge(f *found, now *host.Link, power host.Power) plan.Step {
	to, br := *f, *f.Dev
	br.Bridge = leftInfo(br.Bridge, now.Bridge)
	to.Dev = &br
	return m.adoptDom0Bridge(&to, now, power).Reverse("leave " + m.s.VDev + " as it was found")
}

// attrsLike are all attributes of a link that adopting one changes.
func (b *builder) attrsLike(l *host.Link, addrGen uint8) []*nl.RtAttr {
	return append([]*nl.RtAttr{
		attrMAC(l.MAC), attrU32(unix.IFLA_MTU, l.MTU), attrU32(unix.IFLA_TXQLEN, l.TxQLen),
		attrU32(unix.IFLA_GROUP, l.Group), attrAlias(l.Alias),
	}, addrGenAt(l.MTU, addrGen)...)
}
