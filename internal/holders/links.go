package holders

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
	"xbr-script/internal/tunnel"
)

// findAbove: a tunnel is given the other interface (package carry). What else stands on
// the NIC stays there, or start refuses it; what stands on dom0's interface goes with it
// at stop.
func findAbove(d *Data, m Move) []Holder {
	var all []Holder
	for _, l := range d.Host.Above(m.From.Index) {
		h := Holder{Kind: "interface", What: l.Name + " (" + l.Kind + ")", Outcome: Breaks, Then: "make it anew on " + m.To.Name + " afterwards"}
		switch {
		case bridge.Carries(d.Host, l, d.Host.Index(m.From.Index)):
			h.Outcome, h.Then = Moves, "it sends by dom0's "+m.To.Name
		case m.Start && bridge.StaysOn(l.Kind):
			h.Outcome, h.Then = Stays, "it takes its frames before the bridge does"
		case m.Start:
			h.Outcome, h.Then = InTheWay, ""
		}
		all = append(all, h)
	}
	for _, l := range d.Host.AboveFar(m.From.Index) {
		all = append(all, findFar(d, m, l))
	}
	return all
}

// findFar: the same for one in another network namespace.
func findFar(d *Data, m Move, l host.Far) Holder {
	h := Holder{Kind: "interface", What: l.Name + " (" + l.Kind + ") in " + l.Place, Outcome: InTheWay}
	nic := d.Host.Index(m.From.Index)
	switch {
	case !m.Start:
		h.Outcome, h.Then = Breaks, "make it anew on "+m.To.Name+" afterwards"
	case bridge.StaysOn(l.Kind) && !m.OnBridge && bytes.Equal(l.MAC, nic.MAC):
		h.Outcome, h.Then = Breaks, "it gets another MAC address, unless it has been given this one: ip link set dev "+shell.Quote(l.Name)+" address "+l.MAC.String()+", there"
	case bridge.StaysOn(l.Kind):
		h.Outcome, h.Then = Stays, "it takes its frames before the bridge does"
	}
	return h
}

// Entry are entries in the forwarding table of a VXLAN that leave by an interface.
type Entry struct {
	Index int    // the interface's
	VXLAN string // whose they are
	Count int
}

// readEntries reads them, if there is a VXLAN.
func readEntries(r *reader) error {
	some := map[int]string{}
	for _, l := range r.Host.Links {
		if l.Kind == "vxlan" {
			some[l.Index] = l.Name
		}
	}
	if len(some) == 0 {
		return nil
	}
	req := make([]byte, unix.SizeofNdMsg)
	req[0] = unix.AF_BRIDGE
	var all []Entry
	err := r.conn.DumpEach(unix.RTM_GETNEIGH, req, func() { all = nil }, func(m rtnl.Msg) {
		for by := range r.indexes {
			if tunnel.Leaves(m, by) {
				all = addEntry(all, Entry{by, some[int(rtnl.U32(m.Fixed()[4:8]))], 1}) // ndm_ifindex
			}
		}
	})
	r.Entries = all
	return err
}

func addEntry(all []Entry, e Entry) []Entry {
	for i := range all {
		if all[i].Index == e.Index && all[i].VXLAN == e.VXLAN {
			all[i].Count++
			return all
		}
	}
	return append(all, e)
}

// findEntries: they get the other interface with the tunnels.
func findEntries(d *Data, m Move) (all []Holder) {
	for _, e := range d.Entries {
		if l := d.Host.Name(e.VXLAN); e.Index == m.From.Index && (l == nil || l.Lower != m.From.Index) {
			what := fmt.Sprintf("forwarding entries of %s by %s: %d", e.VXLAN, m.From.Name, e.Count)
			all = append(all, Holder{Kind: "VXLAN", What: what, Outcome: Moves, Then: "they send by dom0's " + m.To.Name})
		}
	}
	return all
}
