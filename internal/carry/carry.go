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
func Kinds() plan.Kinds { return plan.Kinds{RulesKind: func() plan.Op { return &Rules{} }} }

// Plan turns what is to be carried over. While the network moves, packets come by either
// interface, so rules mean both from before the first step of the network to after the
// last one.
func Plan(d *holders.Data, moves []holders.Move) (part plan.Part) {
	for _, m := range moves {
		kept, _, some := d.Carries(m)
		if !some {
			continue
		}
		from, to := m.From.Index, m.To.Index
		names := ipcmd.Names{from: m.From.Name, to: m.To.Name}
		turn := func(by ...int) []plan.Op {
			return []plan.Op{&Rules{Of: [2]int{from, to}, By: by, Kept: kept, Names: names}}
		}
		first := plan.Step{Title: "let rules by the index of " + m.From.Name + " mean dom0's next interface, too", Do: turn(from, to), Undo: turn(from)}
		last := plan.Step{Title: "let rules by the index mean only dom0's " + m.To.Name, Do: turn(to), Undo: turn(from, to)}
		part.First, part.Host = append(part.First, first), append([]plan.Step{last}, part.Host...)
	}
	return part
}
