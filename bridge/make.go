package bridge

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// bridgeStep is the step that provides a bridge beside dom0's interface.
func (m *move) bridgeStep() plan.Step {
	if m.s.br != nil {
		m.bridge = m.s.br.Index
		return m.adoptBridge(m.s.br, m.s.nic)
	}
	m.bridge = m.index(m.s.Bridge)
	return m.makeBridge(m.bridge)
}

// pairStep is the step that provides dom0's interface and port, like the NIC that
// it will stand for.
func (m *move) pairStep(f *found, like *host.Link) plan.Step {
	if f == nil {
		m.pair = pair{dev: m.index(m.s.VDev), port: m.index(m.s.VIF)}
		return m.makePair(like)
	}
	m.pair = pair{f.Dev.Index, f.Port.Index}
	return m.adoptPair(f, like)
}

// dom0BridgeStep is the step that provides a bridge which is dom0's interface,
// like the NIC that it will stand for.
func (m *move) dom0BridgeStep(f *found, like *host.Link) plan.Step {
	// If only an interface that is off can be renamed, it is switched on once it has
	// its name.
	power := host.Power(m.h.LiveRename || m.s.VDev == m.s.Bridge)
	if f == nil {
		m.bridge = m.index(m.s.VDev)
		m.pair.dev = m.bridge
		return m.makeDom0Bridge(like, power)
	}
	m.bridge, m.pair.dev = f.Dev.Index, f.Dev.Index
	m.ports.became(m.ports.Index, m.bridge)
	return m.adoptDom0Bridge(f, like, power)
}

// makeBridge is the step that creates the bridge, with that index. The kernel adjusts
// an MTU that nobody has set to the ports' (br_mtu_auto_adjust), and setting it to the
// value that it has already does not count as set.
func (m *move) makeBridge(index int) plan.Step {
	name, p, as := m.names[index], m.ports, m.ports.asBridge
	p.became(p.Index, index)
	// In an operation of its own: if it is refused, what follows must not act on
	// somebody else's interface with that index.
	do := m.ops(addLink(index, attrName(name), attrMAC(as.MAC), attrU32(unix.IFLA_MTU, as.MTU^1), p.newBridge()))
	more := append([]*nl.RtAttr{attrU32(unix.IFLA_MTU, as.MTU)}, addrGenAt(as.MTU, addrGenNone)...)
	more = append(more, m.marks(as)...)
	do = append(do, m.batch(append([]rtnl.Msg{setFlags(index, as.Flags, quietFlags(as), more...)}, p.vlanMsgs(index, p.Bridge, rtnl.BridgeFlagsSelf)...)...))
	do = append(do, m.noInet6(index, as.MTU)...)
	do = append(do, m.batch(setFlags(index, unix.IFF_UP, unix.IFF_UP)))
	return plan.Step{Title: "create the bridge " + name, Do: do, Undo: m.remove(index, "bridge", name, portMAC, 0)}
}

// quietFlags are the flags to set on an interface that is nobody's: usually it is not
// to answer ARP, nor to receive multicast.
func quietFlags(as *host.Link) uint32 {
	return unix.IFF_NOARP | unix.IFF_MULTICAST | as.Flags&carried
}

// marks are what somebody may have given an interface to recognise it by, and the
// length of its queue.
func (b *builder) marks(l *host.Link) (attrs []*nl.RtAttr) {
	if l.TxQLen != 0 {
		attrs = append(attrs, attrU32(unix.IFLA_TXQLEN, l.TxQLen))
	}
	if l.Group != 0 {
		attrs = append(attrs, attrU32(unix.IFLA_GROUP, l.Group))
	}
	if l.Alias != "" {
		attrs = append(attrs, attrAlias(l.Alias))
	}
	return attrs
}

// carried are the flags of dom0's interface that follow its state.
const carried = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_PROMISC | unix.IFF_ALLMULTI

// pair is dom0's side of one bridge.
type pair struct {
	dev, port int // indexes of vethN and vif0.N; or the bridge's and 0, if it is dom0's interface
}

// makePair is the step that creates dom0's interface with its port in the bridge: the
// interface is like the NIC that it will stand for, with its settings, and switched on
// if the NIC is, and if it can still be renamed then.
func (m *move) makePair(like *host.Link) plan.Step {
	p, w, ps, as := m.pair, m.s.Spec, m.ports, m.ports.asPort
	ps.became(ps.Dom0.Index, p.port)
	size := []*nl.RtAttr{attrU32(unix.IFLA_MTU, like.MTU), attrU32(unix.IFLA_TXQLEN, like.TxQLen)}
	peer := []*nl.RtAttr{attrName(w.VIF), attrMAC(as.MAC), attrU32(unix.IFLA_MTU, as.MTU)}
	attrs := append([]*nl.RtAttr{attrName(w.VDev), attrMAC(like.MAC)}, size...)
	attrs = append(attrs, attrVeth(p.port, peer...))
	do := m.ops(addLink(p.dev, attrs...)) // in an operation of its own, as in makeBridge
	join := append([]*nl.RtAttr{attrMaster(m.bridge)}, addrGenAt(as.MTU, addrGenNone)...)
	join = append(join, m.marks(as)...)
	msgs := append([]rtnl.Msg{setFlags(p.port, as.Flags, quietFlags(as), join...)}, ps.portMsgs(p.port, ps.Dom0.Settings)...)
	do = append(do, m.batch(append(msgs, setFlags(p.dev, like.Flags, carried, m.identity(like)...))...))
	do = append(do, m.noInet6(p.port, as.MTU)...)
	do = append(do, m.settingsOf(p.dev, hushed(m.settings), m.h.NewDevice())...)
	do = append(do, m.likeToken(p.dev, like, m.settings)...)
	on := []rtnl.Msg{setFlags(p.port, unix.IFF_UP, unix.IFF_UP)}
	do = append(do, m.batch(append(on, switchedTo(host.Power(m.h.LiveRename && like.Up()), p.dev, like)...)...))
	return plan.Step{
		Title: "create " + w.VDev + " and " + w.VIF + ", dom0's port in " + w.Bridge,
		Do:    do,
		Undo:  m.remove(p.dev, "veth", w.Dom0(), like.MAC, p.port),
	}
}

// makeDom0Bridge is the step that creates a bridge that is dom0's interface:
// like the NIC it will stand for, with its settings.
func (m *move) makeDom0Bridge(like *host.Link, power host.Power) plan.Step {
	index, name, p := m.pair.dev, m.s.VDev, m.ports
	p.became(p.Index, index)
	// The MTU as in makeBridge.
	do := m.ops(addLink(index, attrName(name), attrMAC(like.MAC), attrU32(unix.IFLA_MTU, like.MTU^1),
		attrU32(unix.IFLA_TXQLEN, like.TxQLen), p.newBridge()))
	msgs := []rtnl.Msg{setFlags(index, like.Flags, carried, append(m.identity(like), attrU32(unix.IFLA_MTU, like.MTU))...)}
	do = append(do, m.batch(append(msgs, p.vlanMsgs(index, p.Bridge, rtnl.BridgeFlagsSelf)...)...))
	do = append(do, m.settingsOf(index, hushed(m.settings), m.h.NewDevice())...)
	do = append(do, m.likeToken(index, like, m.settings)...)
	do = append(do, m.ops(switchedTo(power, index, like)...)...)
	return plan.Step{Title: "create the bridge " + name + " for dom0", Do: do, Undo: m.remove(index, "bridge", m.s.Dom0(), like.MAC, 0)}
}

// switchedTo keeps IPv6 from making addresses on a new interface, and switches the
// interface on if it is to be on.
func switchedTo(power host.Power, index int, like *host.Link) (msgs []rtnl.Msg) {
	if like.Inet6 {
		msgs = append(msgs, setLink(index, attrAddrGen(addrGenNone))) // a stable_secret has changed it
	}
	if power == host.On {
		msgs = append(msgs, setFlags(index, unix.IFF_UP, unix.IFF_UP))
	}
	return msgs
}

// identity is what makes an interface another's equal besides size, address
// and flags. IPv6 makes no addresses of its own on it yet.
func (b *builder) identity(like *host.Link) []*nl.RtAttr {
	attrs := []*nl.RtAttr{attrU32(unix.IFLA_GROUP, like.Group)}
	if like.Inet6 {
		attrs = append(attrs, attrAddrGen(addrGenNone))
	}
	if like.Alias != "" {
		attrs = append(attrs, attrAlias(like.Alias))
	}
	return attrs
}
