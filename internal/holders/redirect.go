package holders

import (
	"fmt"

	"golang.org/x/sys/unix"

	"xbr-script/internal/tcmirred"
)

// readRedirects reads the actions of traffic control that send to another interface,
// wherever they are used.
func readRedirects(r *reader) error {
	all, err := tcmirred.Read(r.conn)
	if lacks(err, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOENT) {
		return nil
	}
	for _, a := range all {
		if r.indexes[a.To] {
			r.Redirects = append(r.Redirects, a)
		}
	}
	return err
}

// findRedirects: what was sent to the NIC is for the wire, and what was to come in by it
// comes to dom0 by the bridge, as what comes from the wire does. What is sent to dom0's
// interface is sent to the NIC when that goes (package carry).
func findRedirects(d *Data, m Move) (all []Holder) {
	for _, a := range d.Redirects {
		if a.To != m.From.Index {
			continue
		}
		h := Holder{Kind: "traffic control", What: fmt.Sprintf("action mirred, index %d, which sends to it", a.Index), Outcome: Stays, Then: "it goes on sending to the wire"}
		switch {
		case !m.Start:
			h.Outcome, h.Then = Moves, "it sends to "+m.To.Name
		case a.Ingress():
			h.What = fmt.Sprintf("action mirred, index %d, whose packets come in by it", a.Index)
			h.Then = "they come to dom0 by the bridge"
		}
		all = append(all, h)
	}
	return all
}

// Redirected are the actions that are turned at a move, by their indexes.
func (d *Data) Redirected(m Move) (indexes []uint32) {
	for _, a := range d.Redirects {
		if !m.Start && a.To == m.From.Index {
			indexes = append(indexes, a.Index)
		}
	}
	return indexes
}
