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

// bridgeStep is the step that provides the bridge, and its index.
func (b *builder) bridgeStep(s site, ps *ports) (int, plan.Step) {
	if s.br == nil {
		index := b.index(s.Bridge)
		return index, b.makeBridge(index, ps)
	}
	return s.br.Index, b.adoptBridge(s.br, s.nic)
}

// adoptBridge is the step that makes a bridge that is there already the one
// that the network needs. If its MTU is the NIC's it stays that, whatever guests
// come; another one is somebody's choice, or follows its ports as before.
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

// adopted is a bridge as start makes it of one that it found.
func adopted(br *host.Link) *host.Link {
	to := *br
	to.MAC, to.AddrGen = portMAC, addrGenNone
	to.Flags = br.Flags&^adoptedFlags | unix.IFF_NOARP | unix.IFF_UP
	to.Bridge.STP, to.Bridge.ForwardDelay, to.Bridge.Snooping = false, 0, false
	return &to
}

// left is a bridge as stop leaves it: as start found it, but for what somebody
// has changed since.
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

// turn makes of a bridge in one state one in the other. The kernel takes a
// forward delay of 0 only after STP is off, and any when it is not yet on
// (br_set_forward_delay), but looks at the delay first in one message. IPv6
// makes an address of an interface that is switched on, unless it may not.
func turn(from, to *host.Link) []rtnl.Msg {
	first := []*nl.RtAttr{attrInfo(untree(from.Bridge, to.Bridge))}
	then := []*nl.RtAttr{attrMAC(to.MAC), attrInfo(to.Bridge)}
	if gen := attrAddrGen(to.AddrGen); to.AddrGen == addrGenNone {
		first = append(first, gen)
	} else {
		then = append(then, gen)
	}
	return []rtnl.Msg{setLink(to.Index, first...), setFlags(to.Index, to.Flags, adoptedFlags, then...)}
}

// untree is what a bridge must have before it gets its settings in to: no STP if
// it shall have none.
func untree(from, to host.BridgeInfo) host.BridgeInfo {
	from.STP = from.STP && to.STP
	from.Snooping = to.Snooping
	return from
}

func attrInfo(b host.BridgeInfo) *nl.RtAttr { return attrBridge(b.STP, b.ForwardDelay, b.Snooping) }

// found is what was there before start of dom0's side of the bridge, as it was:
// a pair, or a bridge alone.
type found struct {
	Dev          *host.Link
	DevSettings  sysctl.Device
	Port         *host.Link
	PortSettings sysctl.Device
	Addrs6       []rtnl.Msg // link-local ones of a bridge
}

// foundDom0 is what is found at that site, nil if start has to create it.
func (b *builder) foundDom0(s site) *found {
	switch {
	case s.dev == nil:
		return nil
	case s.onBridge():
		return &found{Dev: s.dev, DevSettings: b.h.Settings(s.VDev), Addrs6: b.h.State(s.dev.Index).Addrs6}
	}
	return &found{Dev: s.dev, DevSettings: b.h.Settings(s.VDev), Port: s.port, PortSettings: b.h.Settings(s.VIF)}
}

// adoptPair is the step that makes a pair that is there already (Xen 3
// kernels have one for each vifnum) dom0's: dev like the NIC, port in the
// bridge.
func (b *builder) adoptPair(f *found, like *host.Link, settings sysctl.Device, bridge int, ps *ports, up bool) plan.Step {
	dev, port, as := f.Dev, f.Port, ps.asPort
	ps.became(ps.Dom0.Index, port.Index)
	name, portName := b.names[dev.Index], b.names[port.Index]
	flags := like.Flags & carried
	if up {
		flags |= unix.IFF_UP
	}
	const portFlags = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_UP

	do := b.settingsOf(dev.Index, hushed(settings), f.DevSettings)
	do = append(do, b.noInet6(port.Index)...)
	msgs := []rtnl.Msg{setFlags(port.Index, as.Flags|unix.IFF_UP, portFlags, attrMAC(as.MAC),
		attrU32(unix.IFLA_MTU, as.MTU), attrMaster(bridge), attrAddrGen(addrGenNone))}
	msgs = append(msgs, ps.portMsgs(port.Index, ps.Dom0.Settings)...)
	do = append(do, b.batch(append(msgs,
		// Apart: in one message the kernel switches it on first, and IPv6
		// makes it an address.
		setLink(dev.Index, b.shape(like, addrGenNone)...),
		setFlags(dev.Index, flags, carried|unix.IFF_UP),
	)...))
	do = append(do, b.turnToken(dev.Index, dev, like, settings)...)
	undo := b.turnToken(dev.Index, like, dev, settings)
	undo = append(undo, b.batch(
		setFlags(dev.Index, dev.Flags, carried|unix.IFF_UP, b.shape(dev, dev.AddrGen)...),
		setFlags(port.Index, port.Flags, portFlags, attrMAC(port.MAC),
			attrU32(unix.IFLA_MTU, port.MTU), attrMaster(0), attrAddrGen(port.AddrGen)),
	))
	undo = append(undo, b.settingsOf(dev.Index, f.DevSettings, awake(settings))...)
	if v, ok := f.PortSettings[disableIPv6]; ok {
		undo = append(undo, b.set(disableIPv6, port.Index, v))
	}
	return plan.Step{Title: "use " + name + " and " + portName + ", dom0's port", Do: do, Undo: undo}
}

// adoptDom0Bridge is the step that makes a bridge that is there already dom0's
// interface, like another link: a NIC has no settings of a bridge, which is how
// start wants them. It goes on working for guests that are in it.
func (b *builder) adoptDom0Bridge(f *found, like *host.Link, settings sysctl.Device, up bool) plan.Step {
	br, name := f.Dev, b.names[f.Dev.Index]
	flags := like.Flags & carried
	if up {
		flags |= unix.IFF_UP
	}
	do := append(b.ops(routes.DelAddrs(f.Addrs6)...), b.settingsOf(br.Index, hushed(settings), f.DevSettings)...)
	first := []*nl.RtAttr{attrInfo(untree(br.Bridge, like.Bridge))} // see turn
	if br.MTU == like.MTU {
		first = append(first, attrU32(unix.IFLA_MTU, like.MTU^1)) // see makeBridge
	}
	do = append(do, b.batch(
		setLink(br.Index, first...),
		setLink(br.Index, append(b.shape(like, addrGenNone), attrInfo(like.Bridge))...),
		setFlags(br.Index, flags, carried|unix.IFF_UP),
	))
	do = append(do, b.turnToken(br.Index, br, like, settings)...)
	undo := append(b.turnToken(br.Index, like, br, settings), b.batch(setFlags(br.Index, br.Flags, carried|unix.IFF_UP,
		append(b.shape(br, br.AddrGen), attrInfo(br.Bridge))...)))
	undo = append(undo, b.settingsOf(br.Index, f.DevSettings, awake(settings))...)
	var back []rtnl.Msg
	for _, m := range f.Addrs6 {
		back = append(back, routes.Quiet(m), routes.Final(m))
	}
	undo = append(undo, b.ops(back...)...)
	return plan.Step{Title: "use the bridge " + name + " for dom0", Do: do, Undo: undo}
}

// leaveDom0Bridge is the step that leaves a bridge which was dom0's interface,
// now as it is, as it was found; but for what somebody has changed since that
// only bridges have.
func (m *move) leaveDom0Bridge(f *found, now *host.Link, up bool) plan.Step {
	to, br := *f, *f.Dev
	br.Bridge = leftInfo(br.Bridge, now.Bridge)
	to.Dev = &br
	return m.adoptDom0Bridge(&to, now, m.settings, up).Reverse("leave " + m.s.VDev + " as it was found")
}

// shape is all attributes of a link that adopting one changes.
func (b *builder) shape(l *host.Link, addrGen uint8) []*nl.RtAttr {
	return []*nl.RtAttr{
		attrMAC(l.MAC), attrU32(unix.IFLA_MTU, l.MTU), attrU32(unix.IFLA_TXQLEN, l.TxQLen),
		attrU32(unix.IFLA_GROUP, l.Group), attrAlias(l.Alias), attrAddrGen(addrGen),
	}
}
