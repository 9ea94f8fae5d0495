package holders

import (
	"fmt"

	"xbr-script/internal/mpls"
	"xbr-script/internal/sysctl"
)

// readMPLS reads what sends packets with labels by the interfaces, and lets them in.
func readMPLS(r *reader) error {
	all, err := mpls.Read(r.conn)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.UsesAny(r.indexes) {
			r.Tagged = append(r.Tagged, m)
		}
	}
	for index := range r.indexes {
		value, err := sysctl.Get(mpls.Input(r.Host.Index(index).Name))
		if err != nil {
			return err
		}
		if value != "" && value != "0" {
			if r.Input == nil {
				r.Input = map[int]bool{}
			}
			r.Input[index] = true
		}
	}
	return nil
}

// LabelledBy are the labels of the routes of MPLS by an interface.
func (d *Data) LabelledBy(index int) (labels []string) {
	for _, m := range d.Tagged {
		if m.Uses(index) {
			labels = append(labels, fmt.Sprint(mpls.Label(m)))
		}
	}
	return labels
}

// findMPLS: routes leave by the other interface, and that lets packets in (package carry).
func findMPLS(d *Data, m Move) (all []Holder) {
	if labels := d.LabelledBy(m.From.Index); len(labels) > 0 {
		all = append(all, Holder{Kind: "MPLS", What: "routes of the labels " + some(labels), Outcome: Moves, Then: "they leave by dom0's " + m.To.Name})
	}
	if d.Input[m.From.Index] {
		all = append(all, Holder{Kind: "MPLS", What: "packets with labels that come in by it (" + mpls.Input(m.From.Name) + ")", Outcome: Moves, Then: "dom0's " + m.To.Name + " lets them in"})
	}
	return all
}
