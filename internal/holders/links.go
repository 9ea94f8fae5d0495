package holders

import (
	"xbr-script/bridge"
)

// findAbove: what stands on the NIC stays there, or start refuses it. What stands on
// dom0's interface goes with it at stop.
func findAbove(d *Data, m Move) []Holder {
	var all []Holder
	for _, l := range d.Host.Above(m.From.Index) {
		h := Holder{Kind: "interface", What: l.Name + " (" + l.Kind + ")", Outcome: Breaks, Then: "make it anew on " + m.To.Name + " afterwards"}
		switch {
		case m.Start && bridge.StaysOn(l):
			h.Outcome, h.Then = Stays, "it takes its frames before the bridge does"
		case m.Start:
			h.Outcome, h.Then = InTheWay, ""
		}
		all = append(all, h)
	}
	return all
}
