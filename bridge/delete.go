package bridge

import (
	"context"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// To delete an interface the kernel waits until nobody can be using it any more
// (netdev_run_todo: rcu_barrier), 40 ms or so for each message. All interfaces of a group
// it deletes in one go (rtnl_group_dellink), and waits once, and 17 ms for each bridge
// (br_multicast_dev_del). So what stop deletes is put into a group that no other
// interface has, and deleted by that.
//
// One system call does both, and the kernel carries all of it out even if the process is
// killed meanwhile. Nobody knows the group beforehand, since its number comes from the
// time at which the host was read. What is left in it all the same, because the kernel
// has refused something, gets its own group back by mend, as all else that differs.

// doomed is what stop deletes: an interface, or a pair.
type doomed struct {
	name    string
	indexes []int
	remove  *remove
	again   []plan.Op // make it again
}

// delete has what those steps make deleted at the end, as one step for all. Of the
// steps, one makes it, and the others are around that.
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

// deletion is the step that deletes what is doomed. It comes last: others may take an
// index at once, and then the interface could not be made again for the steps that are
// about it.
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
	for _, d := range slices.Backward(b.doomed) {
		s.Undo = append(s.Undo, d.again...)
	}
	return s
}

// freeGroup is the number of a group that no interface has. It comes from the time at
// which the host was read, so that nobody can know it before, and is the same for the
// same snapshot.
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

// together deletes interfaces that were created, all at once: see above. It undoes
// nothing, so it is in no journal.
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

// messages put those interfaces into the group, and delete the group.
func (t *together) messages(indexes []int) (msgs []rtnl.Msg) {
	for _, index := range indexes {
		msgs = append(msgs, setLink(index, attrU32(unix.IFLA_GROUP, t.Group)))
	}
	return append(msgs, delGroup(t.Group))
}

// Do implements plan.Op. If an interface has the group by now, whatever it is, or the
// kernel refuses anything, as one before Linux 4.1 does, those that are still there are
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
