package bridge

import (
	"context"
	"slices"
	"strconv"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// A temporary address (RFC 8981) is made by the kernel for each address of a
// router's prefix (mngtmpaddr), and by nobody else: one that is moved becomes an
// ordinary address. So it goes along for who uses it, but no new connection
// takes it for long, and the kernel makes another on the new interface. In the
// next call, what was moved by this one goes along only while a socket uses it
// (host.Spent): a host does not collect them.
//
// The kernel tries to make one when an address gets the mark mngtmpaddr on an
// interface with use_tempaddr, and switches use_tempaddr off for good if the
// interface is not ready (ipv6_create_tempaddr). So an address first comes
// without the mark (see quiet), and use_tempaddr is 0 until all is there.

var useTempAddr = sysctl.Key{Dir: "net/ipv6/conf", Name: "use_tempaddr"}

// lingers is how long new connections may still be made from a temporary
// address that was moved: until the kernel has found its successor unique.
const lingers = 10 // seconds

// moving is the state of an interface as it shall be moved: with temporary
// addresses in the form that they take then.
func (b *builder) moving(index int, settings sysctl.Device) host.State {
	s := b.h.State(index)
	preferred := uint32(0) // use_tempaddr=1: new connections are made from lasting ones
	if v, err := strconv.Atoi(settings[useTempAddr]); err == nil && v > 1 {
		preferred = lingers
	}
	s.Addrs6 = slices.Clone(s.Addrs6)
	for i, m := range s.Addrs6 {
		if m.IsTemporary() {
			s.Addrs6[i] = host.AsTemporary(m.Preferred(preferred))
		}
	}
	return s
}

// allowTemporary is the operation before addresses get the mark mngtmpaddr on
// an interface: if that is ready, the kernel makes temporary ones for them.
// If it is not, the kernel makes one when an advertisement comes.
func (m *move) allowTemporary(index int) []plan.Op {
	v, err := strconv.Atoi(m.settings[useTempAddr])
	if err != nil || v <= 0 || !slices.ContainsFunc(m.state.Addrs6, rtnl.Msg.MakesTemporary) {
		return nil
	}
	return []plan.Op{&whenReady{Index: index, Set: useTempAddr.Set(index, m.names[index], strconv.Itoa(v)), Conn: m.conn}}
}

const whenReadyKind = "whenready"

// whenReady gives a setting its value if the interface can send by now.
type whenReady struct {
	Index int        `json:"Index"`
	Set   sysctl.Set `json:"Set"`
	Conn  *rtnl.Conn `json:"-"`
}

// Kind implements plan.Op.
func (*whenReady) Kind() string { return whenReadyKind }

// Commands implements plan.Op.
func (w *whenReady) Commands() []string { return (&sysctl.Write{Sets: []sysctl.Set{w.Set}}).Commands() }

// Do implements plan.Op. An interface that is gone is not ready.
func (w *whenReady) Do(ctx context.Context, undoing bool) error {
	l, err := host.ReadLink(w.Conn, w.Index)
	if err != nil || !l.Up() || !l.Running() || !l.OperUp {
		return nil //nolint:nilerr // what follows fails, too, and says why
	}
	return (&sysctl.Write{Sets: []sysctl.Set{w.Set}}).Do(ctx, undoing)
}
