package bridge

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// To delete an interface the kernel waits until nobody can be using it any more
// (netdev_run_todo: rcu_barrier), some 40 ms for each message. All interfaces
// of a group are deleted in one go (rtnl_group_dellink), with one such wait and
// 17 ms for each bridge (br_multicast_dev_del). So what stop deletes is put
// into a group that no other interface has, and the group is deleted.
//
// One system call does both, and the kernel completes it even if the process is
// killed meanwhile. Nobody knows the group beforehand, since its number comes
// from the time at which the host was read. An interface that is left in it,
// because the kernel has refused something, gets its former group back by mend,
// like everything else that differs.

// doomed is what stop deletes: an interface, or a pair.
type doomed struct {
	name    string
	indexes []int
	remove  *remove
	again   []plan.Op // make it again
}

// delete adds the interfaces with these indexes to those that one step deletes
// at the end. making are the steps by which start would make them.
func (b *builder) delete(making []plan.Step, name string, indexes ...int) {
	d := doomed{name: name, indexes: indexes}
	for _, s := range making {
		d.again = append(d.again, s.Do...)
		for _, op := range s.Undo {
			if r, ok := op.(*remove); ok {
				d.remove = r
			}
		}
	}
	b.doomed = append(b.doomed, d)
}

// removed are the indexes of what is deleted.
func (b *builder) removed() (indexes []int) {
	for _, d := range b.doomed {
		indexes = append(indexes, d.indexes...)
	}
	return indexes
}

// deletion is the step that deletes everything doomed. It comes last: others
// may take an index at once, and then the interface could not be made again for
// the steps that are about it.
func (b *builder) deletion() plan.Step {
	if len(b.doomed) == 0 {
		return plan.Step{}
	}
	var names []string
	t := &together{Group: b.freeGroup(), Names: b.names, Conn: b.conn}
	for _, d := range b.doomed {
		names = append(names, d.name)
		t.Each = append(t.Each, d.remove)
	}
	s := plan.Step{Title: "delete " + strings.Join(names, ", "), Do: []plan.Op{t}, Final: true}
	if len(t.Each) == 1 {
		s.Do = []plan.Op{t.Each[0]}
	}
	s.Undo = []plan.Op{b.vacant()}
	if b.waits {
		a := b.advance()
		s.Do, s.Undo = slices.Insert(s.Do, 0, plan.Op(a)), append(s.Undo, a)
	}
	for _, d := range slices.Backward(b.doomed) {
		s.Undo = append(s.Undo, d.again...)
	}
	return s
}

// freeGroup is the number of a group that no interface has. It comes from the
// time at which the host was read, so that nobody knows it beforehand, and the
// same snapshot gives the same number.
func (b *builder) freeGroup() uint32 {
	const golden = 0x9e3779b97f4a7c15          // 2^64 divided by the golden ratio, which spreads the bits
	n := uint32(uint64(b.h.At) * golden >> 33) // ip takes it for a signed number
	for n == 0 || inGroup(b.h.Links, n) {
		n = (n + 1) & math.MaxInt32
	}
	return n
}

func inGroup(links []*host.Link, group uint32) bool {
	return slices.ContainsFunc(links, func(l *host.Link) bool { return l.Group == group })
}

const removeKind = "remove"

// remove deletes an interface that was created. Its index is its own as long as it
// exists, and the kernel gives out no index twice. But the interface may never have
// been created, because somebody else was first to take the index or a name; or it may
// be gone, and another one may have been given its index on purpose. So it must also
// be of the right kind, and have one of its names or the MAC address that it was made
// with. An admin may have changed names and address: then an interface that is known
// to have been made is recognised by what it is made of.
type remove struct {
	Batch netop.Batch      `json:"Batch"`           // RTM_DELLINK
	Name  string           `json:"Name"`            // it is made with
	Later string           `json:"Later,omitempty"` // it is given later
	What  string           `json:"What"`            // its kind
	MAC   net.HardwareAddr `json:"MAC"`
	Peer  int              `json:"Peer,omitempty"` // index of the other end of a pair
	Conn  *rtnl.Conn       `json:"-"`
}

// Kind implements plan.Op.
func (*remove) Kind() string { return removeKind }

// Commands implements plan.Op.
func (r *remove) Commands() []string { return r.Batch.Commands() }

// Do implements plan.Op.
func (r *remove) Do(ctx context.Context, _ bool) error { return r.Unmake(ctx, true) }

// Unmake implements plan.Maker.
func (r *remove) Unmake(ctx context.Context, made bool) error {
	index, err := r.index()
	if err != nil {
		return err
	}
	l, err := host.ReadLink(r.Conn, index)
	if errors.Is(err, unix.ENODEV) || err == nil && !r.is(l, made) {
		return nil
	}
	if err != nil {
		return err
	}
	b := r.Batch
	b.Conn = r.Conn
	return b.Do(ctx, true)
}

// index is that of the interface.
func (r *remove) index() (int, error) {
	msgs := r.Batch.Wire.Msgs()
	if len(msgs) != 1 || msgs[0].Fixed() == nil {
		return 0, errors.New("it names no interface")
	}
	return int(int32(rtnl.U32(msgs[0].Fixed()[4:8]))), nil // ifi_index
}

// is says whether the interface that has the index is the one.
func (r *remove) is(l *host.Link, made bool) bool {
	switch {
	case l.Kind != r.What:
		return false
	case l.Name == r.Name, l.Name == r.Later, sameMAC(l.MAC, r.MAC):
		return true
	case r.Peer != 0:
		return made && l.Lower == r.Peer
	}
	return made && l.Bridge.ForwardDelay == 0 && !l.Bridge.Snooping // see attrBridge
}

// together deletes several interfaces that were created, all at once: see
// above. It undoes nothing, so it is never in a journal.
type together struct {
	Each  []*remove
	Group uint32
	Names ipcmd.Names
	Conn  *rtnl.Conn
}

// Kind implements plan.Op.
func (*together) Kind() string { return "together" }

// Commands implements plan.Op.
func (t *together) Commands() []string {
	var indexes []int
	for _, r := range t.Each {
		if index, err := r.index(); err == nil {
			indexes = append(indexes, index)
		}
	}
	return t.Names.Commands(t.messages(indexes))
}

// messages are those that put the interfaces into the group, and delete the
// group.
func (t *together) messages(indexes []int) (msgs []rtnl.Msg) {
	for _, index := range indexes {
		msgs = append(msgs, setLink(index, attrU32(unix.IFLA_GROUP, t.Group)))
	}
	return append(msgs, delGroup(t.Group))
}

// Do implements plan.Op. If an interface is in the group already, or the kernel
// refuses anything, as it does before Linux 4.1, those that still exist are
// deleted one by one.
func (t *together) Do(ctx context.Context, _ bool) error {
	links, err := host.ReadLinkList(t.Conn)
	if err != nil {
		return err
	}
	var indexes []int
	for _, r := range t.Each {
		index, err := r.index()
		if err != nil {
			return err
		}
		if l := linkOf(links, index); l != nil && r.is(l, true) {
			indexes = append(indexes, index)
		}
	}
	if len(indexes) == 0 {
		return nil
	}
	if !inGroup(links, t.Group) {
		refused, err := t.Conn.Send(rtnl.Pack(t.messages(indexes)...))
		if err != nil || len(refused) == 0 {
			return err
		}
	}
	for _, r := range t.Each {
		if err := r.Do(ctx, false); err != nil {
			return err
		}
	}
	return nil
}

func linkOf(links []*host.Link, index int) *host.Link {
	for _, l := range links {
		if l.Index == index {
			return l
		}
	}
	return nil
}
