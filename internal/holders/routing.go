package holders

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// findPolicy: rules for routing go by the name (ip rule … iif, oif). If that changes
// start refuses them.
func findPolicy(d *Data, m Move) []Holder {
	if !d.Host.HasRule(m.From.Name) || slices.Contains(d.LeftNames, m.From.Name) {
		return nil
	}
	h := Holder{Kind: "ip rule", What: "by the name " + m.From.Name, Outcome: Moves, Then: "it means dom0's " + m.To.Name}
	switch {
	case m.From.Name == m.To.Name:
	case m.Start:
		h.Outcome, h.Then = InTheWay, ""
	default:
		h.Outcome, h.Then = Breaks, "dom0's interface is called "+m.To.Name+" then: make it anew with that name"
	}
	return []Holder{h}
}

// Label is an entry by which the kernel selects source addresses (RFC 6724), for one
// interface.
type Label struct {
	Index  int
	Prefix netip.Prefix
	Label  uint32
}

// readLabels reads them (RTM_GETADDRLABEL, linux/if_addrlabel.h).
func readLabels(r *reader) error {
	const sizeofMsg, address, label = 12, 1, 2 // struct ifaddrlblmsg, IFAL_ADDRESS, IFAL_LABEL
	req := make([]byte, sizeofMsg)
	req[0] = unix.AF_INET6
	msgs, err := r.conn.Dump(unix.RTM_GETADDRLABEL, req)
	if lacks(err, unix.EOPNOTSUPP, unix.EAFNOSUPPORT) {
		return nil // a kernel without IPv6
	}
	for _, m := range msgs { // as long as a struct rtmsg, so that its attributes are found
		if len(m.Body) < sizeofMsg {
			continue
		}
		addr, _ := netip.AddrFromSlice(m.Get(address))
		l := Label{int(rtnl.U32(m.Body[4:8])), netip.PrefixFrom(addr, int(m.Body[2])), m.U32(label)}
		if r.indexes[l.Index] {
			r.Labels = append(r.Labels, l)
		}
	}
	return err
}

// findLabels: such an entry has the interface by its index. It is given to the other one
// (package carry).
func findLabels(d *Data, m Move) []Holder {
	var all []Holder
	for _, l := range d.Labels {
		if l.Index != m.From.Index {
			continue
		}
		h := Holder{Kind: "address label", What: fmt.Sprintf("label %d for %v", l.Label, l.Prefix), Outcome: Moves, Then: "dom0's " + m.To.Name + " gets it"}
		switch other := d.label(m.To.Index, l.Prefix); {
		case other == nil:
		case other.Label == l.Label:
			h.Outcome, h.Then = Stays, m.To.Name+" has it already"
		default:
			h.Outcome, h.Then = Breaks, fmt.Sprintf("%s has the label %d for that", m.To.Name, other.Label)
		}
		all = append(all, h)
	}
	return all
}

// label is the one that an interface has for a prefix; nil if it has none.
func (d *Data) label(index int, prefix netip.Prefix) *Label {
	for i, l := range d.Labels {
		if l.Index == index && l.Prefix == prefix {
			return &d.Labels[i]
		}
	}
	return nil
}

// Labelled are the labels that are carried over at a move: those for which the other
// interface has none of its own.
func (d *Data) Labelled(m Move) (all []Label) {
	for _, l := range d.Labels {
		if l.Index == m.From.Index && d.label(m.To.Index, l.Prefix) == nil {
			all = append(all, l)
		}
	}
	return all
}
