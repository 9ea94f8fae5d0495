package bridge

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// bridgeStep is the step that provides the bridge, and its index.
func (b *builder) bridgeStep(s site) (int, plan.Step) {
	if s.br == nil {
		return b.makeBridge(s.Bridge)
	}
	return s.br.Index, b.adoptBridge(s.br)
}

// adoptBridge is the step that makes a bridge that is there already the one
// that the network needs. The kernel takes a forward delay of 0 only after STP
// is off, and any when it is not yet on (br_set_forward_delay), but looks at
// the delay first in one message.
func (b *builder) adoptBridge(br *host.Link) plan.Step {
	const flags = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_UP
	return plan.Step{
		Title: "use the bridge " + b.names[br.Index],
		Do: b.ops(
			setLink(br.Index, attrBridge(false, br.Bridge.ForwardDelay, false), attrAddrGen(addrGenNone)),
			setFlags(br.Index, unix.IFF_NOARP|unix.IFF_UP, flags, attrMAC(portMAC), attrBridge(false, 0, false))),
		Undo: b.ops(setFlags(br.Index, br.Flags, flags,
			attrMAC(br.MAC), attrBridge(br.Bridge.STP, br.Bridge.ForwardDelay, br.Bridge.Snooping), attrAddrGen(br.AddrGen))),
	}
}

// found is what was there before start of dom0's side of the bridge, as it was:
// a pair, or a bridge alone.
type found struct {
	Dev          *host.Link
	DevSettings  sysctl.Device
	Port         *host.Link    `json:",omitempty"`
	PortSettings sysctl.Device `json:",omitempty"`
	Addrs6       []rtnl.Msg    `json:",omitempty"` // link-local ones of a bridge
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
func (b *builder) adoptPair(f *found, like *host.Link, settings sysctl.Device, bridge int, up bool) plan.Step {
	dev, port := f.Dev, f.Port
	name, portName := b.names[dev.Index], b.names[port.Index]
	flags := like.Flags & carried
	if up {
		flags |= unix.IFF_UP
	}
	const portFlags = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_UP

	do := b.settingsOf(dev.Index, hushed(settings), f.DevSettings)
	do = append(do, b.noInet6(port.Index)...)
	do = append(do, b.batch(
		setFlags(port.Index, unix.IFF_NOARP|unix.IFF_UP, portFlags, attrMAC(portMAC),
			attrU32(unix.IFLA_MTU, like.MTU), attrMaster(bridge), attrAddrGen(addrGenNone)),
		// Apart: in one message the kernel switches it on first, and IPv6
		// makes it an address.
		setLink(dev.Index, b.shape(like, addrGenNone)...),
		setFlags(dev.Index, flags, carried|unix.IFF_UP),
	))
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
// interface. It goes on working for guests that are in it.
func (b *builder) adoptDom0Bridge(f *found, like *host.Link, settings sysctl.Device, up bool) plan.Step {
	br, name := f.Dev, b.names[f.Dev.Index]
	flags := like.Flags & carried
	if up {
		flags |= unix.IFF_UP
	}
	do := append(b.ops(delAddrs(f.Addrs6)...), b.settingsOf(br.Index, hushed(settings), f.DevSettings)...)
	do = append(do, b.batch(
		setLink(br.Index, attrBridge(false, br.Bridge.ForwardDelay, false)), // first, see adoptBridge
		setLink(br.Index, append(b.shape(like, addrGenNone), attrBridge(false, 0, false))...),
		setFlags(br.Index, flags, carried|unix.IFF_UP),
	))
	do = append(do, b.turnToken(br.Index, br, like, settings)...)
	undo := append(b.turnToken(br.Index, like, br, settings), b.batch(setFlags(br.Index, br.Flags, carried|unix.IFF_UP,
		append(b.shape(br, br.AddrGen), attrBridge(br.Bridge.STP, br.Bridge.ForwardDelay, br.Bridge.Snooping))...)))
	undo = append(undo, b.settingsOf(br.Index, f.DevSettings, awake(settings))...)
	var back []rtnl.Msg
	for _, m := range f.Addrs6 {
		back = append(back, quiet(m), final(m))
	}
	undo = append(undo, b.ops(back...)...)
	return plan.Step{Title: "use the bridge " + name + " for dom0", Do: do, Undo: undo}
}

// shape is all attributes of a link that adopting one changes.
func (b *builder) shape(l *host.Link, addrGen uint8) []*nl.RtAttr {
	alias := nl.NewRtAttr(unix.IFLA_IFALIAS, nl.ZeroTerminated(l.Alias))
	return []*nl.RtAttr{
		attrMAC(l.MAC), attrU32(unix.IFLA_MTU, l.MTU), attrU32(unix.IFLA_TXQLEN, l.TxQLen),
		attrU32(unix.IFLA_GROUP, l.Group), alias, attrAddrGen(addrGen),
	}
}
