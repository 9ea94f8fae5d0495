// Package netop has the operation that sends rtnetlink messages.
package netop

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// Batch is a list of messages that are sent together, in order: one operation of
// a plan. It can be kept in a journal, so that another process can carry it out.
type Batch struct {
	Wire  rtnl.Wire     `json:"Wire"`
	Names ipcmd.Names   `json:"Names"` // the names of the messages' interface indexes at that point of the plan, for Commands
	At    time.Duration `json:"At"`    // boottime.Now when the lifetimes in Wire were read

	Conn *rtnl.Conn `json:"-"` // carries the messages
}

// Kind names a Batch in a journal.
const Kind = "netlink"

// Kinds are the operations of this package, with the connection that carries
// their messages.
func Kinds(c *rtnl.Conn) plan.Kinds {
	return plan.Kinds{Kind: func() plan.Op { return &Batch{Conn: c} }}
}

// Kind implements plan.Op.
func (*Batch) Kind() string { return Kind }

// Commands are the ip(8) and bridge(8) command lines that do the same. Each uses
// the names that interfaces have when its turn comes.
func (b *Batch) Commands() []string {
	return b.Names.Commands(b.Wire.Msgs())
}

// Do sends the messages. What is already as asked for counts as done, and when
// undoing so does what has gone with an interface.
func (b *Batch) Do(_ context.Context, undoing bool) error {
	wire := b.Wire.Aged(boottime.Now() - b.At)
	refused, err := b.Conn.Send(wire)
	if err != nil || len(refused) == 0 {
		return err
	}
	var errs []error
	var lines []string // rendered when the first is needed
	msgs := wire.Msgs()
	l := losses{msgs: msgs, conn: b.Conn}
	for _, e := range refused {
		m := msgs[e.Index]
		if already(m.Type, e.Errno) || undoing && l.undone(m, e.Errno) {
			continue
		}
		if lines == nil {
			lines = b.Names.Commands(msgs)
		}
		errs = append(errs, &Refused{
			Command: lines[e.Index], Cause: e,
			Taken: m.Type == unix.RTM_NEWLINK && m.Flags&unix.NLM_F_EXCL != 0 && e.Errno == unix.EEXIST,
		})
		if !undoing {
			break // the rest may only have failed because of this one
		}
	}
	return errors.Join(errs...)
}

// Refused says which message the kernel did not accept.
type Refused struct {
	Command string // as an admin would type it
	Cause   *rtnl.Error
	// Taken says that the message was to create an interface, and that another one
	// has its name or its index.
	Taken bool
}

// FailedCommand is the command that would have done it.
func (r *Refused) FailedCommand() string { return r.Command }

func (r *Refused) Error() string { return fmt.Sprintf("%s: %s", r.Command, r.Cause) }

// Unwrap gives the kernel's error.
func (r *Refused) Unwrap() error { return r.Cause }

// already says whether the refusal means that the object is already there, or
// gone, as the message was to make it.
func already(typ uint16, e unix.Errno) bool {
	switch typ {
	case unix.RTM_NEWADDR, unix.RTM_NEWROUTE, unix.RTM_NEWNEIGH, unix.RTM_NEWNEXTHOP, unix.RTM_NEWMDB, unix.RTM_NEWRULE, rtnl.NewLinkProp:
		return e == unix.EEXIST
	case unix.RTM_DELNEIGH:
		return e == unix.EOPNOTSUPP || gone(e) // EOPNOTSUPP: it is no longer a port, and so has no entries
	case unix.RTM_DELADDR, unix.RTM_DELROUTE, unix.RTM_DELNEXTHOP, unix.RTM_DELLINK, unix.RTM_DELRULE:
		return gone(e)
	case rtnl.DelLinkProp:
		return e == unix.EINVAL || gone(e) // EINVAL: another interface has the name
	}
	return false
}

// losses knows what of a batch is impossible because interfaces are gone: pulled
// out, or deleted by somebody.
type losses struct {
	msgs []rtnl.Msg
	conn *rtnl.Conn
	gone map[int]bool // by index; nil until it is needed
	// dark are those without a carrier: the kernel flushed their nexthops when they
	// lost it, and accepts none (nh_netdev_event, nh_create_ipv4).
	dark    map[int]bool
	flushed bool       // a nexthop is lost in that way, or with an address
	addrs   []rtnl.Msg // the host's addresses; nil until they are needed
}

// undone says whether the refusal of a message means that there is nothing to
// undo: its object is gone with an interface, or the object that it would create
// again was never deleted. Nothing else counts as gone, because an error says
// what could not be done, but seldom why.
func (l *losses) undone(m rtnl.Msg, e unix.Errno) bool {
	if m.Type == unix.RTM_NEWLINK && m.Flags&unix.NLM_F_CREATE != 0 {
		if l.gone == nil {
			l.read()
		}
		return e == unix.EEXIST && !l.lost(m)
	}
	return l.lost(m) || l.homeless(m, e)
}

// homeless says whether a route or a nexthop was refused because of an address that the
// host has no longer: a lease has run out. If somebody has taken the address, what keeps
// the host as it was (package bridge) gives it back, with the route.
func (l *losses) homeless(m rtnl.Msg, e unix.Errno) bool {
	if e != unix.EINVAL && e != unix.ENETUNREACH && e != unix.EHOSTUNREACH && e != unix.EADDRNOTAVAIL {
		return false
	}
	if l.addrs == nil {
		var err error
		if l.addrs, err = l.conn.Dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg)); err != nil {
			return false
		}
	}
	is := m.Homeless(l.addrs)
	l.flushed = l.flushed || is && m.Type == unix.RTM_NEWNEXTHOP
	return is
}

// lost says whether a message is about an interface that is gone, or needs
// something on such an interface, which may be gone, too.
func (l *losses) lost(m rtnl.Msg) bool {
	if l.gone == nil {
		l.read()
	}
	for index := range l.gone {
		if m.Uses(index) || master(m) == index {
			return true
		}
	}
	for index := range l.dark {
		if m.Type == unix.RTM_NEWNEXTHOP && m.Uses(index) {
			l.flushed = true
			return true
		}
	}
	return len(l.gone) > 0 && dependent(m) || l.flushed && overNexthop(m)
}

// read finds out which interfaces of the batch are gone.
func (l *losses) read() {
	l.gone, l.dark = map[int]bool{}, map[int]bool{}
	seen := map[int]bool{}
	see := func(index int) {
		if index == 0 || seen[index] {
			return
		}
		seen[index] = true
		link, err := l.conn.Link(index)
		switch {
		case errors.Is(err, unix.ENODEV):
			l.gone[index] = true
		case err == nil && rtnl.U32(link.Fixed()[8:12])&unix.IFF_LOWER_UP == 0: // ifi_flags
			l.dark[index] = true
		}
	}
	for _, m := range l.msgs {
		for index := range m.Indexes {
			see(index)
		}
		see(master(m))
	}
}

// master is the interface that gets a new port by a message, 0 if none does.
func master(m rtnl.Msg) int {
	if m.Type != unix.RTM_NEWLINK {
		return 0
	}
	return int(m.U32(unix.IFLA_MASTER))
}

// dependent says whether a message needs an object besides its interface: a
// nexthop, or an address as the source.
func dependent(m rtnl.Msg) bool {
	return overNexthop(m) || isRoute(m) && m.Get(unix.RTA_PREFSRC) != nil
}

// overNexthop says whether a message is a route over a nexthop object, or a
// group of some.
func overNexthop(m rtnl.Msg) bool {
	return isRoute(m) && m.Get(rtnl.RtaNhID) != nil || m.Type == unix.RTM_NEWNEXTHOP && m.Get(unix.NHA_GROUP) != nil
}

func isRoute(m rtnl.Msg) bool { return m.Type == unix.RTM_NEWROUTE || m.Type == unix.RTM_DELROUTE }

// gone says whether the refusal means that the message's object does not exist.
func gone(e unix.Errno) bool {
	return e == unix.ENODEV || e == unix.ENOENT || e == unix.ESRCH || e == unix.EADDRNOTAVAIL
}

// Head implements plan.Bulky.
func (b *Batch) Head() any { return &Batch{Names: b.Names, At: b.At} }

// Bulk implements plan.Bulky.
func (b *Batch) Bulk() iter.Seq[[]byte] { return slices.Values([][]byte{b.Wire}) }

// SetBulk implements plan.Bulky.
func (b *Batch) SetBulk(bulk []byte) error {
	b.Wire = bulk
	return b.Wire.Check()
}
