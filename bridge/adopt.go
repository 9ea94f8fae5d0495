package bridge

import (
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
// that the network needs.
func (b *builder) adoptBridge(br *host.Link) plan.Step {
	const flags = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_UP
	return plan.Step{
		Title: "use the bridge " + b.names[br.Index],
		Do: b.ops(setFlags(br.Index, unix.IFF_NOARP|unix.IFF_UP, flags,
			attrMAC(portMAC), attrBridge(false, 0, false))),
		Undo: b.ops(setFlags(br.Index, br.Flags, flags,
			attrMAC(br.MAC), attrBridge(br.Bridge.STP, br.Bridge.ForwardDelay, br.Bridge.Snooping))),
	}
}

// pairStep is the step that provides dom0's interface and port.
func (b *builder) pairStep(s site, settings sysctl.Device, bridge int, up bool) (pair, plan.Step) {
	if s.dev == nil {
		return b.makePair(s.Want, s.nic, settings, bridge, up)
	}
	return pair{s.dev.Index, s.port.Index}, b.adoptPair(s.dev, s.port, s.nic, settings, bridge, up)
}

// adoptPair is the step that makes a pair that is there already (Xen 3
// kernels have one for each vifnum) dom0's: dev like the NIC, port in the
// bridge.
func (b *builder) adoptPair(dev, port, like *host.Link, settings sysctl.Device, bridge int, up bool) plan.Step {
	name := b.names[dev.Index]
	have := b.h.Settings(dev.Name)
	on := uint32(0)
	if up {
		on = unix.IFF_UP
	}
	identity := append(b.identity(like), attrMAC(like.MAC), attrU32(unix.IFLA_MTU, like.MTU), attrU32(unix.IFLA_TXQLEN, like.TxQLen))
	was := append(b.identity(dev), attrMAC(dev.MAC), attrU32(unix.IFLA_MTU, dev.MTU), attrU32(unix.IFLA_TXQLEN, dev.TxQLen))

	do := settingsOf(name, settings, have, like.MTU)
	do = append(do, b.batch(
		setFlags(port.Index, unix.IFF_NOARP|unix.IFF_UP, unix.IFF_NOARP|unix.IFF_MULTICAST|unix.IFF_UP,
			attrMAC(portMAC), attrMaster(bridge), attrAddrGen(addrGenNone)),
		setFlags(dev.Index, like.Flags&carried|on, carried|unix.IFF_UP, identity...),
	))
	do = append(do, b.noInet6(b.names[port.Index])...)
	undo := []plan.Op{b.batch([]rtnl.Msg{
		setFlags(dev.Index, dev.Flags, carried|unix.IFF_UP, was...),
		setFlags(port.Index, port.Flags, unix.IFF_NOARP|unix.IFF_MULTICAST|unix.IFF_UP,
			attrMAC(port.MAC), attrMaster(0), attrAddrGen(port.AddrGen)),
	}...)}
	undo = append(undo, settingsOf(name, have, settings, dev.MTU)...)
	return plan.Step{Title: "use " + name + " and " + b.names[port.Index] + ", dom0's port", Do: do, Undo: undo}
}
