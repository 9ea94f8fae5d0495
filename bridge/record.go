package bridge

import (
	"net/netip"
	"path/filepath"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rundir"
)

// Record is what start leaves behind for stop and status. Without it both
// read the live network; only what start found and must leave is then taken
// for its own. How it lies on disk is said in form_record.go.
type Record struct {
	Want   Want
	NICMAC string // the NIC's own address
	NICOff bool   // it was switched off
	// StandIn is the token that start gave dom0's interface in place of the NIC's
	// stable addresses; invalid if it gave none.
	StandIn netip.Addr

	// What was there before start, as it was; nil for what start created.
	FoundBridge *host.Link
	FoundDom0   *found
}

// Store keeps records and detached guests' ports below a directory.
type Store struct{ Dir string }

func (s Store) path(bridge string) string { return filepath.Join(s.Dir, "bridge."+bridge+".json") }
func (s Store) guestPath(bridge string) string {
	return filepath.Join(s.Dir, "guests."+bridge+".json")
}

// Load reads a bridge's record; nil if there is none.
func (s Store) Load(bridge string) (*Record, error) { return recordForms.Load(s.path(bridge)) }

// All reads every record, by the bridges' names.
func (s Store) All() ([]*Record, error) {
	names, err := rundir.List(s.Dir, "bridge.", ".json")
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, name := range names {
		rec, err := recordForms.Load(filepath.Join(s.Dir, name))
		if err != nil {
			return nil, err
		}
		if rec != nil {
			all = append(all, rec)
		}
	}
	return all, nil
}

// keep is the step that makes rec a bridge's record; nil is none.
func (s Store) keep(bridge string, rec *Record) (plan.Step, error) {
	return recordForms.Keep(s.path(bridge), rec)
}

// kept reads what stop has kept of a bridge, nothing if it has not.
func (s Store) kept(bridge string) (kept, error) {
	k, err := keptForms.Load(s.guestPath(bridge))
	if err != nil || k == nil {
		return kept{}, err
	}
	return *k, nil
}

// keepGuests is the step that makes k what stop has kept of a bridge; nil is
// nothing.
func (s Store) keepGuests(bridge string, k *kept) (plan.Step, error) {
	return keptForms.Keep(s.guestPath(bridge), k)
}
