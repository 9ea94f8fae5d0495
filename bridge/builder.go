package bridge

import (
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// builder makes the steps of one plan. It knows what the host will look like at the
// point that the plan has reached: names and routes change on the way.
type builder struct {
	conn  *rtnl.Conn
	h     *host.Host  // with routes, nexthops and addresses as they are at this point, after catchUp
	names ipcmd.Names // operations keep only what they need of it, so that a plan grows with the number of bridges, not its square
	next  int         // an interface index that is free
	specs []Spec      // all that the call is about
	// pending are the moves that are not yet in h, from one index to another.
	pending [][2]int
	// warnings are what the plan cannot keep.
	warnings []string
	// ends are what else the check at the end looks for, by index.
	ends map[int]end
	// doomed are the interfaces that are gone at the end.
	doomed []doomed
	// waits says that the change waits to be confirmed.
	waits bool
	// changed are the places that the plan changes, as they were before.
	changed []parts
	// guestSteps are the steps about guestSteps' ports, which have a place of their own in
	// the plan.
	guestSteps []plan.Step
}

func newBuilder(c *rtnl.Conn, h *host.Host) *builder {
	b := &builder{conn: c, h: h, names: h.Names(), next: 1, ends: map[int]end{}}
	for _, l := range h.Links {
		b.next = max(b.next, l.Index+1)
	}
	return b
}

// moved notes that everything on one interface has moved to another. With very many
// routes it is costly to carry that out in h, and perhaps nobody asks.
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

// index gives the index of an interface to be created. The plan chooses it (Linux has
// accepted it since 3.7), so that every later message is known before the first one
// is sent.
func (b *builder) index(name string) int {
	i := b.next
	b.next++
	b.setName(i, name)
	return i
}

// setName notes the name that an interface has from this point on.
func (b *builder) setName(index int, name string) {
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

// remove is the operation that deletes an interface that was created with that MAC
// address and gets the name later once it is in its place; peer is the other end of a
// pair.
func (b *builder) remove(index int, kind, later string, mac net.HardwareAddr, peer int) []plan.Op {
	return []plan.Op{&remove{
		Batch: *b.batch(delLink(index)), Name: b.names[index], Later: later, What: kind, MAC: mac, Peer: peer, Conn: b.conn,
	}}
}

// rename is the step that renames an interface, unless it has that name already.
func (b *builder) rename(index int, to string) plan.Step {
	from := b.names[index]
	if from == to {
		return plan.Step{}
	}
	do := b.ops(setLink(index, attrName(to)))
	b.setName(index, to)
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
