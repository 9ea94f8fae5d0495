package holders

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfrule"
	"xbr-script/internal/tcmirred"
)

// Own is what holds on to an interface that is there before it becomes dom0's. It stays with
// it: stop turns what came with dom0, and what came later.
type Own struct {
	Rules     []nfrule.Kept  // of nftables, and sets
	Policy    bool           // rules for routing have its name
	Labels    []netip.Prefix // for which there are address labels
	Redirects []uint32       // actions of traffic control that send to it, by their own indexes
	Bound     []uint64       // sockets that are bound to it, or send by it, by their cookies
	Packet    []int          // packet sockets, by their inodes
	Members   []Membership
}

// Membership is a socket that has joined a group.
type Membership struct {
	Cookie uint64
	Group  netip.Addr
}

// empty says whether there is nothing.
func (o *Own) empty() bool {
	return !o.Policy && len(o.Rules)+len(o.Labels)+len(o.Redirects)+len(o.Bound)+len(o.Packet)+len(o.Members) == 0
}

// Own is what the interface that is to be dom0's has already, before start; nil if it has
// nothing, or is yet to be made.
func (d *Data) Own(m Move) *Own {
	l := d.Host.Index(m.To.Index)
	if l == nil || !m.Start {
		return nil
	}
	o := &Own{Rules: d.rulesOf(l.Index, l.Name), Policy: d.Host.HasRule(l.Name)}
	for _, label := range d.Labels {
		if label.Index == l.Index {
			o.Labels = append(o.Labels, label.Prefix)
		}
	}
	for _, a := range d.Redirects {
		if a.To == l.Index {
			o.Redirects = append(o.Redirects, a.Index)
		}
	}
	for _, s := range d.Bound {
		if s.Index == l.Index {
			o.Bound = append(o.Bound, s.Cookie)
		}
	}
	for _, s := range d.Senders {
		if s.Index == l.Index {
			o.Bound = append(o.Bound, s.Cookie)
		}
	}
	for _, s := range d.Packet {
		if s.Index == l.Index {
			o.Packet = append(o.Packet, s.Inode)
		}
	}
	for _, g := range d.Groups {
		for _, member := range g.Members {
			if ship := (Membership{member.Cookie, g.Addr}); g.Index == l.Index && !slices.Contains(o.Members, ship) {
				o.Members = append(o.Members, ship)
			}
		}
	}
	if o.empty() {
		return nil
	}
	return o
}

// rulesOf are the rules and sets of nftables that are about an interface.
func (d *Data) rulesOf(index int, name string) (all []nfrule.Kept) {
	for _, r := range d.Rules {
		if wire := r.Family == unix.NFPROTO_BRIDGE || r.Family == unix.NFPROTO_NETDEV; !wire && (slices.Contains(r.Indexes, index) || r.meant(name)) {
			all = append(all, r.kept())
		}
	}
	if d.Ruleset == nil {
		return all
	}
	for _, id := range d.Ruleset.Sets(index) {
		all = append(all, nfrule.Kept{Family: id.Family, Table: id.Table, Set: id.Name})
	}
	return all
}

func (r Rule) kept() nfrule.Kept {
	return nfrule.Kept{Family: r.Family, Table: r.Table, Handle: r.Handle}
}

// Leave leaves out, before stop, what dom0's interface has had before start. Rules are known
// by their handles, which are others if somebody has loaded them anew: then nobody can tell
// which are which, and all stay with the interface that they name.
func (d *Data) Leave(m Move, o *Own) {
	if o == nil {
		return
	}
	on, now := m.From.Index, d.rulesOf(m.From.Index, m.From.Name)
	d.Left = append(d.Left, o.Rules...)
	if slices.ContainsFunc(o.Rules, func(k nfrule.Kept) bool { return !slices.Contains(now, k) }) {
		d.Left = append(d.Left, now...)
	}
	if o.Policy {
		d.LeftNames = append(d.LeftNames, m.From.Name)
	}
	d.Labels = slices.DeleteFunc(d.Labels, func(l Label) bool { return l.Index == on && slices.Contains(o.Labels, l.Prefix) })
	d.Bound = slices.DeleteFunc(d.Bound, func(s Bound) bool { return s.Index == on && slices.Contains(o.Bound, s.Cookie) })
	d.Senders = slices.DeleteFunc(d.Senders, func(s Sender) bool { return s.Index == on && slices.Contains(o.Bound, s.Cookie) })
	d.Packet = slices.DeleteFunc(d.Packet, func(s Packet) bool { return s.Index == on && slices.Contains(o.Packet, s.Inode) })
	d.Redirects = slices.DeleteFunc(d.Redirects, func(a tcmirred.Action) bool { return a.To == on && slices.Contains(o.Redirects, a.Index) })
	for i := range d.Groups {
		if g := &d.Groups[i]; g.Index == on {
			all := g.sockets()
			g.Members = slices.DeleteFunc(g.Members, func(member Member) bool {
				return slices.Contains(o.Members, Membership{member.Cookie, g.Addr})
			})
			g.Users -= all - g.sockets()
		}
	}
}

// left says whether a rule, or a set, is left with the interface.
func (d *Data) left(k nfrule.Kept) bool { return slices.Contains(d.Left, k) }
