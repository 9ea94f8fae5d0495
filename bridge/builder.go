package bridge

import (
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// builder makes the steps of one plan. It keeps what the host will look like
// at the point that the plan has reached: names and routes change on the way.
type builder struct {
	conn  *rtnl.Conn
	h     *host.Host  // with routes, nexthops and addresses as they are at this point, after catchUp
	names ipcmd.Names // operations keep what they need of it, so that a plan grows with the bridges, not their square
	next  int         // an interface index that is free
	wants []Want      // all that the call is about
	// pending are the moves that h does not show yet, from one index to another.
	pending [][2]int
	// warnings are what the plan cannot keep.
	warnings []string
	// ends are what the check at the end looks for besides, by index.
	ends map[int]end
	// removed are the interfaces that are no more at the end, by index.
	removed []int
	// sites are the places that the plan changes, as they were before.
	sites []site
	// guests are the steps about guests' ports, which have a place of their
	// own in the plan.
	guests []plan.Step
}

func newBuilder(c *rtnl.Conn, h *host.Host) *builder {
	b := &builder{conn: c, h: h, names: h.Names(), next: 1, ends: map[int]end{}}
	for _, l := range h.Links {
		b.next = max(b.next, l.Index+1)
	}
	return b
}

// moved notes that everything on one interface has moved to another. With very
// many routes that is costly to write down, and nobody may ask.
func (b *builder) moved(from, to int) {
	b.pending = append(b.pending, [2]int{from, to})
}

// catchUp brings h up to date after moved.
func (b *builder) catchUp() {
	for _, move := range b.pending {
		b.h = b.h.Moved(move[0], move[1])
	}
	b.pending = nil
}

// index hands out the index of an interface to be created. The plan chooses
// it (Linux 3.7 and later take it), so that every later message is known
// before the first is sent.
func (b *builder) index(name string) int {
	i := b.next
	b.next++
	b.call(i, name)
	return i
}

// call notes what an interface is called from this point on.
func (b *builder) call(index int, name string) {
	b.names[index] = name
}

// batch is an operation from messages.
func (b *builder) batch(msgs ...rtnl.Msg) *netop.Batch {
	return b.wire(rtnl.Pack(msgs...))
}

func (b *builder) wire(w rtnl.Wire) *netop.Batch {
	return &netop.Batch{Wire: w, Names: b.names.In(w), At: b.h.At, Conn: b.conn}
}

// ops is the operation from messages, none if there are none.
func (b *builder) ops(msgs ...rtnl.Msg) []plan.Op { return b.wireOps(rtnl.Pack(msgs...)) }

// wireOps is ops for messages that are in wire form already.
func (b *builder) wireOps(w rtnl.Wire) []plan.Op {
	if len(w) == 0 {
		return nil
	}
	return []plan.Op{b.wire(w)}
}

// remove is the operation that deletes an interface that was created with that
// MAC address, and is called later once it is in its place; peer is the other end
// of a pair.
func (b *builder) remove(index int, kind, later string, mac net.HardwareAddr, peer int) []plan.Op {
	return []plan.Op{&remove{
		Batch: *b.batch(delLink(index)), Name: b.names[index], Later: later, What: kind, MAC: mac, Peer: peer, Conn: b.conn,
	}}
}

// rename is the step that renames an interface that is not called so yet.
func (b *builder) rename(index int, to string) plan.Step {
	from := b.names[index]
	if from == to {
		return plan.Step{}
	}
	do := b.ops(setLink(index, attrName(to)))
	b.call(index, to)
	return plan.Step{Title: "rename " + from + " to " + to, Do: do, Undo: b.ops(setLink(index, attrName(from)))}
}

// renameLoaded is the step that renames the interface which has that state.
// Its undoing puts right what the kernel does to the labels of IPv4 addresses,
// and of those that come meanwhile; spare is an interface that can hold them.
func (b *builder) renameLoaded(s host.State, to string, spare int) plan.Step {
	name := b.names[s.Index]
	if name == to {
		return plan.Step{}
	}
	back := b.batch(rtnl.AllAs(s.Addrs4, unix.RTM_NEWADDR, rtnl.Add)...)
	back.Names = b.names.In(back.Wire, spare, s.Index)
	var order []plan.Op
	if b.h.LiveRename && routes.FirstLost(name, s.Addrs4) < len(s.Addrs4) { // else it is down and has no routes, or none is lost
		order = b.wireOps(routes.KeepOrder(b.h, s))
	}
	step := b.rename(s.Index, to)
	step.Undo = append(step.Undo, &relabel{Addrs: *back, Index: s.Index, Spare: spare, Conn: b.conn})
	step.Undo = append(step.Undo, order...)
	return step
}

// makeBridge is the step that creates the bridge, with that index. An MTU that
// nobody has set the kernel adjusts to the ports' (br_mtu_auto_adjust), and one
// that is set to what it is already it takes for not set.
func (b *builder) makeBridge(index int, p *ports) plan.Step {
	name, as := b.names[index], p.asBridge
	p.became(p.Index, index)
	// Apart: were it refused, what follows must not act on another's interface
	// with that index.
	do := b.ops(addLink(index, attrName(name), attrMAC(as.MAC), attrU32(unix.IFLA_MTU, as.MTU^1), p.newBridge()))
	more := append([]*nl.RtAttr{attrU32(unix.IFLA_MTU, as.MTU), attrAddrGen(addrGenNone)}, b.marks(as)...)
	do = append(do, b.batch(append([]rtnl.Msg{setFlags(index, as.Flags, quietFlags(as), more...)}, p.vlanMsgs(index, p.Bridge, rtnl.BridgeFlagsSelf)...)...))
	do = append(do, b.noInet6(index)...)
	do = append(do, b.batch(setFlags(index, unix.IFF_UP, unix.IFF_UP)))
	return plan.Step{Title: "create the bridge " + name, Do: do, Undo: b.remove(index, "bridge", name, portMAC, 0)}
}

// quietFlags are the flags that are set of an interface which is no one's: as a
// rule it shall not answer ARP, nor take multicast.
func quietFlags(as *host.Link) uint32 {
	return unix.IFF_NOARP | unix.IFF_MULTICAST | as.Flags&carried
}

// marks are what somebody may have given an interface to tell it by, and the
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

// makePair is the step that creates dom0's interface with its port in the
// bridge: the interface like the NIC it will stand for, with its settings,
// and switched on if the NIC is and it may still be renamed then.
func (b *builder) makePair(p pair, w Want, like *host.Link, settings sysctl.Device, bridge int, ps *ports, up bool) plan.Step {
	ps.became(ps.Dom0.Index, p.port)
	as := ps.asPort
	size := []*nl.RtAttr{attrU32(unix.IFLA_MTU, like.MTU), attrU32(unix.IFLA_TXQLEN, like.TxQLen)}
	peer := []*nl.RtAttr{attrName(w.VIF), attrMAC(as.MAC), attrU32(unix.IFLA_MTU, as.MTU)}
	attrs := append([]*nl.RtAttr{attrName(w.VDev), attrMAC(like.MAC)}, size...)
	attrs = append(attrs, attrVeth(p.port, peer...))
	do := b.ops(addLink(p.dev, attrs...)) // apart, as in makeBridge
	join := append([]*nl.RtAttr{attrMaster(bridge), attrAddrGen(addrGenNone)}, b.marks(as)...)
	msgs := append([]rtnl.Msg{setFlags(p.port, as.Flags, quietFlags(as), join...)}, ps.portMsgs(p.port, ps.Dom0.Settings)...)
	do = append(do, b.batch(append(msgs, setFlags(p.dev, like.Flags, carried, b.identity(like)...))...))
	do = append(do, b.noInet6(p.port)...)
	do = append(do, b.settingsOf(p.dev, hushed(settings), b.h.NewDevice())...)
	do = append(do, b.likeToken(p.dev, like, settings)...)
	on := []rtnl.Msg{setFlags(p.port, unix.IFF_UP, unix.IFF_UP)}
	do = append(do, b.batch(append(on, switchOn(p.dev, like, up)...)...))
	return plan.Step{
		Title: "create " + w.VDev + " and " + w.VIF + ", dom0's port in " + w.Bridge,
		Do:    do,
		Undo:  b.remove(p.dev, "veth", w.Dom0(), like.MAC, p.port),
	}
}

// makeDom0Bridge is the step that creates a bridge that is dom0's interface:
// like the NIC it will stand for, with its settings.
func (b *builder) makeDom0Bridge(index int, w Want, like *host.Link, settings sysctl.Device, p *ports, up bool) plan.Step {
	name := w.VDev
	p.became(p.Index, index)
	// The MTU as in makeBridge.
	do := b.ops(addLink(index, attrName(name), attrMAC(like.MAC), attrU32(unix.IFLA_MTU, like.MTU^1),
		attrU32(unix.IFLA_TXQLEN, like.TxQLen), p.newBridge()))
	msgs := []rtnl.Msg{setFlags(index, like.Flags, carried, append(b.identity(like), attrU32(unix.IFLA_MTU, like.MTU))...)}
	do = append(do, b.batch(append(msgs, p.vlanMsgs(index, p.Bridge, rtnl.BridgeFlagsSelf)...)...))
	do = append(do, b.settingsOf(index, hushed(settings), b.h.NewDevice())...)
	do = append(do, b.likeToken(index, like, settings)...)
	do = append(do, b.ops(switchOn(index, like, up)...)...)
	return plan.Step{Title: "create the bridge " + name + " for dom0", Do: do, Undo: b.remove(index, "bridge", w.Dom0(), like.MAC, 0)}
}

// switchOn has IPv6 make no addresses on a new interface, and switches it on
// if up.
func switchOn(index int, like *host.Link, up bool) (msgs []rtnl.Msg) {
	if like.Inet6 {
		msgs = append(msgs, setLink(index, attrAddrGen(addrGenNone))) // a stable_secret has changed it
	}
	if up {
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

// settingsOf is the operation that gives the interface with that index those
// settings, where it does not have them yet. What it has is not known of a stable_secret that
// was never written, nor, in a network namespace, of a new interface's
// neighbour settings.
func (b *builder) settingsOf(index int, want, have sysctl.Device) []plan.Op {
	var sets []sysctl.Set
	for k, v := range want {
		if old, known := have[k]; !known || v != old {
			sets = append(sets, k.Set(index, b.names[index], v))
		}
	}
	if len(sets) == 0 {
		return nil
	}
	slices.SortFunc(sets, bySetting)
	return []plan.Op{&sysctl.Write{Sets: sets}}
}

func bySetting(a, b sysctl.Set) int { return strings.Compare(a.Name, b.Name) }
