package bridge

import (
	"maps"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// builder makes the steps of one plan. It keeps what the host will look like
// at the point that the plan has reached: names and routes change on the way.
type builder struct {
	conn  *rtnl.Conn
	h     *host.Host // with routes, nexthops and addresses as they are at this point
	names rtnl.Names
	next  int // an interface index that is free
}

func newBuilder(c *rtnl.Conn, h *host.Host) *builder {
	b := &builder{conn: c, h: h, names: h.Names(), next: 1}
	for _, l := range h.Links {
		b.next = max(b.next, l.Index+1)
	}
	return b
}

// index hands out the index of an interface to be created. The plan chooses
// it (Linux 3.7 and later take it), so that every later message is known
// before the first is sent. What is there already keeps its own.
func (b *builder) index(name string) int {
	for i, n := range b.names {
		if n == name {
			return i
		}
	}
	i := b.next
	b.next++
	b.names[i] = name
	return i
}

// batch is an operation from messages.
func (b *builder) batch(msgs ...rtnl.Msg) *rtnl.Batch {
	return &rtnl.Batch{Msgs: msgs, Names: maps.Clone(b.names), At: b.h.At, Conn: b.conn}
}

// ops is the operation from messages, none if there are none.
func (b *builder) ops(msgs ...rtnl.Msg) []plan.Op {
	if len(msgs) == 0 {
		return nil
	}
	return []plan.Op{b.batch(msgs...)}
}

// rename is the step that renames an interface. What else the kernel renames
// with it, the labels of IPv4 addresses, is put right both ways: addrs are
// the addresses it has, spare an interface that can hold them meanwhile.
func (b *builder) rename(index int, to string, addrs []rtnl.Msg, spare int) plan.Step {
	from := b.names[index]
	do := b.batch(setLink(index, attrName(to)))
	b.names[index] = to
	undo := []plan.Op{b.batch(setLink(index, attrName(from)))}
	if len(addrs) > 0 {
		undo = append(undo, &relabel{Addrs: *b.batch(flagged(addrs, unix.RTM_NEWADDR, addFlags)...), Index: index, Spare: spare, Conn: b.conn})
	}
	return plan.Step{Title: "rename " + from + " to " + to, Do: []plan.Op{do}, Undo: undo}
}

// moveAltNames is the step that gives one interface's alternative names to
// another.
func (b *builder) moveAltNames(from, to int, names []string) plan.Step {
	move := func(from, to int) []rtnl.Msg {
		var msgs []rtnl.Msg
		for _, n := range names {
			msgs = append(msgs, altName(rtnl.DelLinkProp, from, n), altName(rtnl.NewLinkProp, to, n))
		}
		return msgs
	}
	return plan.Step{
		Title: "move the alternative names of " + b.names[from],
		Do:    b.ops(move(from, to)...),
		Undo:  b.ops(move(to, from)...),
	}
}

// makeBridge is the step that creates the bridge.
func (b *builder) makeBridge(name string) (int, plan.Step) {
	index := b.index(name)
	do := []plan.Op{b.batch(
		addLink(index, attrName(name), attrMAC(portMAC), attrBridge(false, 0, false)),
		setFlags(index, unix.IFF_NOARP, unix.IFF_NOARP|unix.IFF_MULTICAST, attrAddrGen(addrGenNone)),
	)}
	do = append(do, b.noInet6(name)...)
	do = append(do, b.batch(setFlags(index, unix.IFF_UP, unix.IFF_UP)))
	return index, plan.Step{Title: "create the bridge " + name, Do: do, Undo: b.ops(delLink(index))}
}

// noInet6 switches IPv6 off on an interface that has no business with it.
func (b *builder) noInet6(name string) []plan.Op {
	if _, ok := b.h.NewDevice[disableIPv6]; !ok {
		return nil
	}
	return []plan.Op{&sysctl.Write{Sets: []sysctl.Set{{Name: disableIPv6.Of(name), Value: "1"}}}}
}

var disableIPv6 = sysctl.Key{Dir: "net/ipv6/conf", Name: "disable_ipv6"}

// carried are the flags of dom0's interface that follow its state.
const carried = unix.IFF_NOARP | unix.IFF_MULTICAST | unix.IFF_PROMISC | unix.IFF_ALLMULTI

// pair is dom0's side of one bridge.
type pair struct {
	dev, port int // indexes of vethN and vif0.N
}

// makePair is the step that creates dom0's interface with its port in the
// bridge: the interface like the NIC it will stand for, with its settings,
// and switched on if the NIC is and it may still be renamed then.
func (b *builder) makePair(w Want, like *host.Link, settings sysctl.Device, bridge int, up bool) (pair, plan.Step) {
	p := pair{dev: b.index(w.VDev), port: b.index(w.VIF)}
	size := []*nl.RtAttr{attrU32(unix.IFLA_MTU, like.MTU), attrU32(unix.IFLA_TXQLEN, like.TxQLen)}
	peer := append([]*nl.RtAttr{attrName(w.VIF), attrMAC(portMAC)}, attrU32(unix.IFLA_MTU, like.MTU))
	attrs := append([]*nl.RtAttr{attrName(w.VDev), attrMAC(like.MAC)}, size...)
	attrs = append(attrs, attrVeth(p.port, peer...))
	do := []plan.Op{b.batch(
		addLink(p.dev, attrs...),
		setFlags(p.port, unix.IFF_NOARP, unix.IFF_NOARP|unix.IFF_MULTICAST, attrMaster(bridge), attrAddrGen(addrGenNone)),
		setFlags(p.dev, like.Flags, carried, b.identity(like)...),
	)}
	do = append(do, b.noInet6(w.VIF)...)
	do = append(do, settingsOf(w.VDev, settings, b.h.NewDevice, like.MTU)...)
	on := []rtnl.Msg{setFlags(p.port, unix.IFF_UP, unix.IFF_UP)}
	if up {
		on = append(on, setFlags(p.dev, unix.IFF_UP, unix.IFF_UP))
	}
	do = append(do, b.batch(on...))
	return p, plan.Step{
		Title: "create " + w.VDev + " and " + w.VIF + ", dom0's port in " + w.Bridge,
		Do:    do,
		Undo:  b.ops(delLink(p.dev)),
	}
}

// identity is what makes an interface another's equal besides size, address
// and flags. IPv6 makes no addresses of its own on it yet.
func (b *builder) identity(like *host.Link) []*nl.RtAttr {
	attrs := []*nl.RtAttr{attrU32(unix.IFLA_GROUP, like.Group)}
	if like.Inet6 {
		attrs = append(attrs, attrAddrGen(addrGenNone))
	}
	if like.Alias != "" {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_IFALIAS, nl.ZeroTerminated(like.Alias)))
	}
	return attrs
}

// settingsOf is the operation that gives an interface those settings, where
// it does not have them yet.
func settingsOf(name string, want, have sysctl.Device, mtu uint32) []plan.Op {
	var sets []sysctl.Set
	for k, v := range want {
		if k == ipv6MTU {
			continue
		}
		if old, ok := have[k]; v != old && (ok || k.Name == stableSecret) {
			sets = append(sets, sysctl.Set{Name: k.Of(name), Value: v})
		}
	}
	slices.SortFunc(sets, bySetting)
	if v, ok := want[ipv6MTU]; ok && v != utoa(mtu) {
		sets = append(sets, sysctl.Set{Name: ipv6MTU.Of(name), Value: v})
	}
	if len(sets) == 0 {
		return nil
	}
	return []plan.Op{&sysctl.Write{Sets: sets}}
}

// IPv6's own MTU follows the interface's until a router or an admin lowers
// it.
var ipv6MTU = sysctl.Key{Dir: "net/ipv6/conf", Name: "mtu"}

// stableSecret is a setting that a new interface does not have: it cannot be
// read before it was written.
const stableSecret = "stable_secret"

func bySetting(a, b sysctl.Set) int { return strings.Compare(a.Name, b.Name) }

// flagged gives messages a type and flags.
func flagged(msgs []rtnl.Msg, typ, flags uint16) []rtnl.Msg {
	out := make([]rtnl.Msg, len(msgs))
	for i, m := range msgs {
		out[i] = m.As(typ, flags)
	}
	return out
}

// reversed is the messages in the other order: what was made last goes first.
func reversed(msgs []rtnl.Msg) []rtnl.Msg {
	out := slices.Clone(msgs)
	slices.Reverse(out)
	return out
}
