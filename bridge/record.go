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
// for its own.
type Record struct {
	Want   Want
	NICMAC string // the NIC's own address
	NICOff bool   `json:",omitempty"` // it was switched off
	// StandIn is the token that start gave dom0's interface in place of the NIC's
	// stable addresses; invalid if it gave none.
	StandIn netip.Addr `json:",omitzero"`

	// What was there before start, as it was; nil for what start created.
	FoundBridge *host.Link `json:",omitempty"`
	FoundDom0   *found     `json:",omitempty"`
}

// Store keeps records and detached guests' ports below a directory.
type Store struct{ Dir string }

func (s Store) path(bridge string) string { return filepath.Join(s.Dir, "bridge."+bridge+".json") }
func (s Store) guestPath(bridge string) string {
	return filepath.Join(s.Dir, "guests."+bridge+".json")
}

// Load reads a bridge's record; nil if there is none.
func (s Store) Load(bridge string) (*Record, error) {
	rec := &Record{}
	if found, err := plan.Load(s.path(bridge), rec); err != nil || !found {
		return nil, err
	}
	return rec, nil
}

// All reads every record, by the bridges' names.
func (s Store) All() ([]*Record, error) {
	names, err := rundir.List(s.Dir, "bridge.", ".json")
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, name := range names {
		rec := &Record{}
		if _, err := plan.Load(filepath.Join(s.Dir, name), rec); err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	return all, nil
}
