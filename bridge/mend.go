package bridge

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// The undoing of a step assumes that what the plan has not taken away is still there.
// But others may have taken it: systemd-networkd drops the addresses of an interface
// that is renamed, an admin flushes a table. So the first step of a plan, whose
// undoing comes last in a rollback, does nothing but keep what the host had. When
// undone, it reads what is there, and makes what is missing.

// mend is the operation. What has been added is left alone; what is missing is made
// again, whoever took it away.
type mend struct {
	Links []asItWas
	Names ipcmd.Names
	At    time.Duration // boottime.Now when was was read
	// was is the host before the plan, or only what was on the links, if it was read
	// from a journal.
	was  *host.Host
	Conn *rtnl.Conn
}

// asItWas is an interface as it was.
type asItWas struct {
	Link     *host.Link
	Settings []sysctl.Set // those of IPv6 that are lost with it
	Pins     [][]byte     // MAC addresses that static entries of the bridge send to it
}

const mendKind = "mend"

// keepers are the settings that say whether IPv6 is on an interface at all, and those
// that IPv6 would forget.
var keepers = []sysctl.Key{disableIPv6, ipv6MTU}

// keep is the step that keeps what these parts have.
func (b *builder) keep(h *host.Host, changed []parts) plan.Step {
	if len(changed) == 0 {
		return plan.Step{}
	}
	m := &mend{Names: h.Names(), At: h.At, was: h, Conn: b.conn}
	for _, s := range changed {
		for _, l := range []*host.Link{s.nic, s.dev, s.port, s.br} {
			m.keep(h, l)
		}
		if s.port != nil && s.dev != nil && s.up && h.Pinned(s.port.Index, s.dev.MAC) {
			i := m.find(s.port.Index)
			m.Links[i].Pins = append(m.Links[i].Pins, s.dev.MAC)
		}
	}
	return plan.Step{Title: "keep what is there", Undo: []plan.Op{m}}
}

// keep adds an interface and the VLANs on it.
func (m *mend) keep(h *host.Host, l *host.Link) {
	if l == nil || m.find(l.Index) >= 0 {
		return
	}
	k := asItWas{Link: l}
	for _, key := range keepers {
		if v := h.Setting(key.Of(l.Name)); v != "" {
			k.Settings = append(k.Settings, key.Set(l.Index, l.Name, v))
		}
	}
	m.Links = append(m.Links, k)
	for _, above := range h.Above(l.Index) {
		if above.Kind == "vlan" {
			m.keep(h, above)
		}
	}
}

func (m *mend) find(index int) int {
	return slices.IndexFunc(m.Links, func(k asItWas) bool { return k.Link.Index == index })
}

// Kind implements plan.Op.
func (*mend) Kind() string { return mendKind }

// Commands implements plan.Op: usually there is nothing to do.
func (*mend) Commands() []string { return nil }

// Head implements plan.Bulky.
func (m *mend) Head() any { return formOfMend(m) }

// Bulk implements plan.Bulky: what was on the links.
func (m *mend) Bulk() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var w rtnl.Wire
		for msg := range m.mine() {
			if w = w[:0].Add(msg); !yield(w) {
				return
			}
		}
	}
}

// SetBulk implements plan.Bulky.
func (m *mend) SetBulk(bulk []byte) error {
	w := rtnl.Wire(bulk)
	if err := w.Check(); err != nil {
		return err
	}
	m.was = &host.Host{At: m.At}
	for _, k := range m.Links {
		m.was.Links = append(m.was.Links, k.Link)
	}
	lists := map[uint16]*[]rtnl.Msg{
		unix.RTM_NEWADDR: &m.was.Addrs, unix.RTM_NEWNEIGH: &m.was.Neighs,
		unix.RTM_NEWNEXTHOP: &m.was.Nexthops, unix.RTM_NEWROUTE: &m.was.Routes,
	}
	for msg := range w.All() {
		list := lists[msg.Type]
		if list == nil || msg.Fixed() == nil {
			return errors.New("a message is of no known kind")
		}
		*list = append(*list, msg)
	}
	return nil
}

// mine yields what the host had on the links, and what is lost with that: routes with
// an address of theirs as the source, or by a nexthop object on them. It includes IPv4
// routes with the same destination, because these have an order.
func (m *mend) mine() iter.Seq[rtnl.Msg] {
	is := m.isMine()
	return func(yield func(rtnl.Msg) bool) {
		for _, list := range [][]rtnl.Msg{m.was.Addrs, m.was.Neighs, m.was.Nexthops} {
			for _, msg := range list {
				if is(msg) && !yield(msg) {
					return
				}
			}
		}
		m.mineRoutes(is, yield)
	}
}

// mineRoutes is mine for routes. There may be very many.
func (m *mend) mineRoutes(is func(rtnl.Msg) bool, yield func(rtnl.Msg) bool) {
	all := m.was.Routes
	for begin, end := range routes.Groups(all) {
		if end-begin == 1 && host.ByAddress(all[begin]) || !slices.ContainsFunc(all[begin:end], is) {
			continue // one that comes and goes with an address does so by itself
		}
		for _, msg := range all[begin:end] {
			if !yield(msg) {
				return
			}
		}
	}
}

// isMine says what is on the links or lost with that.
func (m *mend) isMine() func(rtnl.Msg) bool {
	on := map[int]bool{}
	ids, sources := map[uint32]bool{}, map[string]bool{}
	for _, k := range m.Links {
		on[k.Link.Index] = true
		s := m.was.State(k.Link.Index)
		for _, a := range slices.Concat(s.Addrs4, s.Addrs6) {
			sources[string(a.Local())] = true
		}
		for _, n := range s.Nexthops {
			ids[n.U32(unix.NHA_ID)] = true
		}
	}
	return func(msg rtnl.Msg) bool {
		switch msg.Type {
		case unix.RTM_NEWNEXTHOP:
			return ids[msg.U32(unix.NHA_ID)]
		case unix.RTM_NEWROUTE:
			for a := range msg.Attrs {
				if a.Type == unix.RTA_OIF && on[int(rtnl.U32(a.Value))] ||
					a.Type == rtnl.RtaNhID && ids[rtnl.U32(a.Value)] || a.Type == unix.RTA_PREFSRC && sources[string(a.Value)] {
					return true
				}
			}
			return msg.HasAny(unix.RTA_MULTIPATH) && msg.UsesAny(on)
		}
		return msg.UsesAny(on)
	}
}

// mendTries is how often missing things are made: what is put back may be taken away
// again.
const mendTries = 3

// Do implements plan.Op.
func (m *mend) Do(ctx context.Context, _ bool) error {
	for try := 0; ; try++ {
		l, err := m.compare(try)
		if err != nil || l.empty() {
			return err
		}
		if try == mendTries {
			return errors.Join(l.errors()...)
		}
		l.make(ctx)
	}
}
