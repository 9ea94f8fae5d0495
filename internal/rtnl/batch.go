package rtnl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/plan"
)

// Batch is a list of messages that are sent together, in order: one operation
// of a plan. It can be kept, so that another process can carry it out.
type Batch struct {
	Wire  Wire
	Names Names         // what the interface indexes of the messages are called at that point, for Commands
	At    time.Duration // boottime.Now when the lifetimes in Msgs were read

	Conn *Conn `json:"-"` // carries the messages
}

// Kind names a Batch in a journal.
const Kind = "netlink"

// Kinds are the operations of this package, with the connection that carries
// their messages.
func Kinds(c *Conn) plan.Kinds {
	return plan.Kinds{Kind: func() plan.Op { return &Batch{Conn: c} }}
}

// Kind implements plan.Op.
func (*Batch) Kind() string { return Kind }

// Commands are the ip(8) and bridge(8) command lines that do the same. Each
// calls interfaces as they are called when its turn comes.
func (b *Batch) Commands() []string {
	return b.Names.commands(b.Wire.Msgs())
}

// Do sends the messages. What is already as asked counts as done, and so
// does, when undoing, what has gone with an interface.
func (b *Batch) Do(_ context.Context, undoing bool) error {
	wire := aged(b.Wire, boottime.Now()-b.At)
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
			lines = b.Names.commands(msgs)
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
	Cause   *Error
	// Taken says that it was to create an interface, and that its name or its
	// index is somebody else's.
	Taken bool
}

// FailedCommand is the command that would have done it.
func (r *Refused) FailedCommand() string { return r.Command }

func (r *Refused) Error() string { return fmt.Sprintf("%s: %s", r.Command, r.Cause) }

// Unwrap gives the kernel's error.
func (r *Refused) Unwrap() error { return r.Cause }

// already says whether the refusal means that the object is there, or gone,
// as the message wanted it.
func already(typ uint16, e unix.Errno) bool {
	switch typ {
	case unix.RTM_NEWADDR, unix.RTM_NEWROUTE, unix.RTM_NEWNEIGH, unix.RTM_NEWNEXTHOP, unix.RTM_NEWMDB, NewLinkProp:
		return e == unix.EEXIST
	case unix.RTM_DELNEIGH:
		return e == unix.EOPNOTSUPP || gone(e) // EOPNOTSUPP: it is no port any more, and its entries went with that
	case unix.RTM_DELADDR, unix.RTM_DELROUTE, unix.RTM_DELNEXTHOP, unix.RTM_DELLINK:
		return gone(e)
	case DelLinkProp:
		return e == unix.EINVAL || gone(e) // EINVAL: another interface has the name
	}
	return false
}

// losses tells what of a batch cannot be because interfaces are gone: pulled
// out, or deleted by somebody.
type losses struct {
	msgs []Msg
	conn *Conn
	gone map[int]bool // by index; nil until it is asked for
	// dark are those that have no carrier: the kernel flushed their nexthops
	// when they lost it, and takes none (nh_netdev_event, nh_create_ipv4).
	dark    map[int]bool
	flushed bool // a nexthop is lost so
}

// undone says whether the refusal of a message means that there is nothing to
// undo: what it is about is gone with its interface, or what would be created
// again was never deleted. Nothing else counts as gone: an error says what
// could not be done, and seldom why.
func (l *losses) undone(m Msg, e unix.Errno) bool {
	if m.Type == unix.RTM_NEWLINK && m.Flags&unix.NLM_F_CREATE != 0 {
		if l.gone == nil {
			l.look()
		}
		return e == unix.EEXIST && !l.lost(m)
	}
	return l.lost(m)
}

// lost says whether a message stands on an interface that is gone, or needs
// something that does and so may be gone, too.
func (l *losses) lost(m Msg) bool {
	if l.gone == nil {
		l.look()
	}
	for index := range l.gone {
		if m.Uses(index) || int(m.master()) == index {
			return true
		}
	}
	for index := range l.dark {
		if m.Type == unix.RTM_NEWNEXTHOP && m.Uses(index) {
			l.flushed = true
			return true
		}
	}
	return len(l.gone) > 0 && m.dependent() || l.flushed && m.overNexthop()
}

// look finds out which interfaces of the batch are gone.
func (l *losses) look() {
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
		case err == nil && U32(link.Fixed()[8:12])&unix.IFF_LOWER_UP == 0: // ifi_flags
			l.dark[index] = true
		}
	}
	for _, m := range l.msgs {
		m.eachIndex(func(b []byte) { see(int(native.Uint32(b))) })
		see(int(m.master()))
	}
}

// master is the interface of which a message makes another a port, 0 if none.
func (m Msg) master() uint32 {
	if m.Type != unix.RTM_NEWLINK {
		return 0
	}
	return m.U32(unix.IFLA_MASTER)
}

// dependent says whether a message needs an object besides its interface: a
// nexthop, or an address as the source.
func (m Msg) dependent() bool {
	return m.overNexthop() || m.isRoute() && m.Get(unix.RTA_PREFSRC) != nil
}

// overNexthop says whether a message is a route over a nexthop object, or a
// group of some.
func (m Msg) overNexthop() bool {
	return m.isRoute() && m.Get(rtaNhID) != nil || m.Type == unix.RTM_NEWNEXTHOP && m.Get(unix.NHA_GROUP) != nil
}

func (m Msg) isRoute() bool { return m.Type == unix.RTM_NEWROUTE || m.Type == unix.RTM_DELROUTE }

// gone says whether the refusal means that what the message is about does not
// exist.
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

// infinity is the lifetime that never ends (linux/if_addr.h).
const infinity = ^uint32(0)

// aged takes the time that has passed since they were read off the messages'
// lifetimes, and leaves out what has expired in the meantime.
func aged(w Wire, passed time.Duration) Wire {
	seconds := uint32(passed / time.Second)
	if seconds == 0 || !w.expires() {
		return w
	}
	var out Wire
	for m := range w.All() {
		if m, alive := m.aged(seconds); alive {
			out = out.Add(m)
		}
	}
	return out
}

// expires says whether something has a lifetime: as a rule nothing, of very
// many, has.
func (w Wire) expires() bool {
	for m := range w.All() {
		switch {
		case m.Type == unix.RTM_NEWADDR && m.HasAny(unix.IFA_CACHEINFO), m.Type == unix.RTM_NEWROUTE && m.HasAny(rtaExpires):
			return true
		}
	}
	return false
}

// Leased tells whether an address is valid for a time only.
func (m Msg) Leased() bool {
	ci := m.Get(unix.IFA_CACHEINFO)
	return len(ci) >= 8 && native.Uint32(ci[4:]) != infinity // ifa_valid
}

// Preferred is an address that is preferred for so many seconds at most.
func (m Msg) Preferred(seconds uint32) Msg {
	ci := m.Get(unix.IFA_CACHEINFO)
	if len(ci) < 4 || native.Uint32(ci) <= seconds {
		return m
	}
	ci = append([]byte(nil), ci...)
	native.PutUint32(ci, seconds)
	return m.With(unix.IFA_CACHEINFO, ci)
}

// Aged is the message after so much time: with its lifetimes shortened; false
// if it has expired.
func (m Msg) Aged(passed time.Duration) (Msg, bool) { return m.aged(uint32(passed / time.Second)) }

// aged is Aged by whole seconds.
func (m Msg) aged(seconds uint32) (Msg, bool) {
	switch m.Type {
	case unix.RTM_NEWADDR:
		ci := m.Get(unix.IFA_CACHEINFO)
		if len(ci) < 8 || native.Uint32(ci) == infinity && native.Uint32(ci[4:]) == infinity {
			return m, true
		}
		ci = append([]byte(nil), ci...)
		native.PutUint32(ci, shorten(native.Uint32(ci), seconds))
		native.PutUint32(ci[4:], shorten(native.Uint32(ci[4:]), seconds))
		return m.With(unix.IFA_CACHEINFO, ci), native.Uint32(ci[4:]) > 0
	case unix.RTM_NEWROUTE:
		b := m.Get(rtaExpires)
		if len(b) != 4 {
			return m, true
		}
		left := shorten(U32(b), seconds)
		return m.With(rtaExpires, U32Bytes(left)), left > 0
	}
	return m, true
}

func shorten(lifetime, seconds uint32) uint32 {
	if lifetime == infinity {
		return lifetime
	}
	return lifetime - min(lifetime, seconds)
}
