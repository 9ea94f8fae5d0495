package bridge

import (
	"net/netip"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
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

// Store is records and what stop keeps of guests' ports.
type Store plan.Records

func (s Store) records() plan.Records { return plan.Records(s) }

// recordPrefix begins the names of records of bridges.
const recordPrefix = "bridge."

func recordName(bridge string) string { return recordPrefix + bridge + ".json" }
func guestsName(bridge string) string { return "guests." + bridge + ".json" }

// Load reads a bridge's record; nil if there is none.
func (s Store) Load(bridge string) (*Record, error) {
	rec := &Record{}
	if found, err := s.records().Load(recordName(bridge), rec); err != nil || !found {
		return nil, err
	}
	return rec, nil
}

// All reads every record, by the bridges' names.
func (s Store) All() ([]*Record, error) {
	names, err := s.records().List(recordPrefix)
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, name := range names {
		rec := &Record{}
		if _, err := s.records().Load(name, rec); err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	return all, nil
}
