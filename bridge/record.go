package bridge

import (
	"net/netip"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
)

// Record is what start leaves behind for stop and status. Without it both read the
// live network; but then what start found, and must leave, counts as its own.
// form_record.go has the record's form on disk.
type Record struct {
	Spec   Spec
	NICMAC string // the NIC's own address
	NICOff bool   // it was switched off
	// StandIn is the token that start gave dom0's interface in place of the NIC's
	// stable addresses; invalid if it gave none.
	StandIn netip.Addr

	// AnyLease says that start was told to move addresses that expire whoever renews them:
	// stop does not ask again.
	AnyLease bool

	// What was there before start, as it was; nil for what start created.
	FoundBridge *host.Link
	FoundDom0   *found
}

// Store has the records, and what stop keeps of guests' ports.
type Store plan.Records

func (s Store) records() plan.Records { return plan.Records(s) }

// recordPrefix begins the names of records of bridges.
const recordPrefix = "bridge."

func recordName(bridge string) string { return recordPrefix + bridge + ".json" }
func guestsName(bridge string) string { return "guests." + bridge + ".json" }

// Load reads a bridge's record; nil if there is none.
func (s Store) Load(bridge string) (*Record, error) {
	return recordForms.Load(s.records(), recordName(bridge))
}

// All reads every record, by the bridges' names.
func (s Store) All() ([]*Record, error) {
	names, err := s.records().List(recordPrefix)
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, name := range names {
		rec, err := recordForms.Load(s.records(), name)
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
	return recordForms.Keep(s.records(), recordName(bridge), rec)
}

// kept reads what stop has kept of a bridge, which may be nothing.
func (s Store) kept(bridge string) (kept, error) {
	k, err := keptForms.Load(s.records(), guestsName(bridge))
	if err != nil || k == nil {
		return kept{}, err
	}
	return *k, nil
}

// keepGuests is the step that makes k what stop has kept of a bridge; nil is
// nothing.
func (s Store) keepGuests(bridge string, k *kept) (plan.Step, error) {
	return keptForms.Keep(s.records(), guestsName(bridge), k)
}
