// Package carry lets what knows a NIC only by its index mean dom0's interface: it plans,
// from what package holders has found, the steps that turn it from one interface to the
// other.
package carry

import (
	"xbr-script/internal/holders"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
)

// Kinds are the operations of this package.
func Kinds() plan.Kinds {
	return plan.Kinds{RulesKind: func() plan.Op { return &Rules{} }, UntrackedKind: func() plan.Op { return &Untracked{} }}
}

// Plan turns what is to be carried over.
func Plan(d *holders.Data, moves []holders.Move) (part plan.Part) {
	for _, m := range moves {
		if first, last := rules(d, m); !first.Empty() {
			part.First, part.Host = append(part.First, first), append([]plan.Step{last}, part.Host...)
		}
		on := Untracked{On: true, Bridge: m.Bridge, MAC: m.MAC}
		off := on
		off.On = false
		switch {
		case d.Untracks(m):
			part.First = append(part.First, plan.Step{
				Title: "leave dom0's packets on " + m.Bridge + " untracked", Do: []plan.Op{&on}, Undo: []plan.Op{&off}})
		case !m.Start && d.Untracked[m.Bridge]:
			part.Host = append(part.Host, plan.Step{
				Title: "track packets on " + m.Bridge + " again", Do: []plan.Op{&off}, Undo: []plan.Op{&on}})
		}
	}
	return part
}

// rules are the steps that turn rules of nftables. While the network moves, packets come
// by either interface, so rules mean both from before the first step of the network to
// after the last one.
func rules(d *holders.Data, m holders.Move) (first, last plan.Step) {
	kept, _, some := d.Carries(m)
	if !some {
		return first, last
	}
	from, to := m.From.Index, m.To.Index
	names := ipcmd.Names{from: m.From.Name, to: m.To.Name}
	turn := func(by ...int) []plan.Op {
		return []plan.Op{&Rules{Of: [2]int{from, to}, By: by, Kept: kept, Names: names}}
	}
	first = plan.Step{Title: "let rules by the index of " + m.From.Name + " mean dom0's next interface, too", Do: turn(from, to), Undo: turn(from)}
	last = plan.Step{Title: "let rules by the index mean only dom0's " + m.To.Name, Do: turn(to), Undo: turn(from, to)}
	return first, last
}
