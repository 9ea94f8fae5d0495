package antispoof

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	sys "xbr-script/internal/program"
)

// Bridge is what the rules of one bridge need.
type Bridge struct {
	Name, NIC, Port  string           // xenbr0, peth0, vif0.0: the names after start; no Port if the bridge itself is dom0's interface
	Index, PortIndex int              `json:"-"` // of the bridge and of Port
	MAC              net.HardwareAddr // dom0's: frames for it go to Port, whoever claims it; nil: not taken care of
	Addrs            []netip.Prefix   // dom0's addresses there, which nobody else may send with
	Want             config.AntiSpoof `json:"-"` // antispoof=
	GuestsAllow      bool             // guests=allow: guests may send what they like, but not as dom0

	// routed: the bridge has IP addresses itself, so dom0 is meant to be reached by
	// the bridge's MAC address, and to route what arrives there.
	routed bool
}

// own are the bridge's ports that are not a guest's.
func (b Bridge) own() []string {
	if b.Port == "" {
		return []string{b.NIC}
	}
	return []string{b.NIC, b.Port}
}

// Planner makes plans for one host, of which it has everything that they are made from.
type Planner struct {
	Records plan.Records
	Host    *host.Host
	Seen    *Seen // what a Reader found; nil if it was not asked
}

// Kinds are the operations of this package.
func Kinds() plan.Kinds {
	return plan.Kinds{
		editKind:   func() plan.Op { return &edit{} },
		loadKind:   func() plan.Op { return &load{} },
		nfCallKind: func() plan.Op { return &nfCall{} },
		stickyKind: func() plan.Op { return &sticky{} },
		tablesKind: func() plan.Op { return &dropTables{} },
	}
}

// Start plans that every bridge with antispoof=yes is guarded, and that every one
// with antispoof=no is not; what is not as it should be is mended. Its steps belong
// after those that make the bridges. notes are for the user.
func (p *Planner) Start(bridges []Bridge) (steps []plan.Step, notes []string, err error) {
	records, err := allRecords(p.Records)
	if err != nil {
		return nil, nil, err
	}
	on, off := sortOut(bridges, records)
	return p.change(records, on, off)
}

// sortOut tells which bridges a start guards, and which it does not guard any more.
func sortOut(bridges []Bridge, records map[string]*record) (on, off []Bridge) {
	for _, b := range bridges {
		rec := records[b.Name]
		switch {
		case (b.Want == config.AntiSpoofAsIs || b.Want == config.AntiSpoofStrict) && rec == nil:
		case b.Want == config.AntiSpoofAsIs:
			b.GuestsAllow = b.GuestsAllow || rec.Bridge.GuestsAllow
			on = append(on, b)
		case b.Want == config.AntiSpoofYes:
			on = append(on, b)
		default:
			off = append(off, b)
		}
	}
	return on, off
}

// Stop plans that none of the bridges is guarded any more; the last one restores
// what was there before the first. Its steps belong before those that take the
// bridges down.
func (p *Planner) Stop(bridges []Bridge) (steps []plan.Step, notes []string, err error) {
	records, err := allRecords(p.Records)
	if err != nil {
		return nil, nil, err
	}
	return p.change(records, nil, bridges)
}

// change plans both.
func (p *Planner) change(records map[string]*record, on, off []Bridge) ([]plan.Step, []string, error) {
	bridges := slices.Concat(on, off)
	if len(bridges) == 0 {
		return nil, nil, nil
	}
	err := p.Seen.known()
	if len(on) > 0 {
		err = p.Seen.allKnown()
	}
	recorded := slices.ContainsFunc(off, func(b Bridge) bool { return records[b.Name] != nil })
	if len(on) == 0 && !recorded && errors.Is(err, sys.ErrMissing) {
		return nil, nil, nil // nor are there chains of bridges without a record
	}
	var s *draft
	if err == nil {
		s, err = p.begin(records)
	}
	if err != nil {
		return nil, nil, explain(bridges[0].Name, err)
	}
	if err := s.change(on, off); err != nil {
		return nil, nil, explain(s.at, err)
	}
	return s.plan.Steps, s.notes, p.Host.Err()
}
