package antispoof

import (
	"strings"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// record is what start leaves behind for one guarded bridge. form.go has its form on
// disk.
type record struct {
	Bridge  Bridge
	Style   style
	Backend string       // nft or legacy: where the rules are
	Flags   []sysctl.Set // the bridge's flags before
}

// hostRecord is what was on the host before its first bridge was guarded.
type hostRecord struct {
	NewTables map[string][]string // by iptables or ip6tables: the tables that nf_tables did not have
}

const recordPrefix = "antispoof."

func recordName(bridge string) string { return recordPrefix + bridge + ".json" }

// hostName cannot be the name of a bridge's record, which has a name between the
// dots.
const hostName = "antispoof.json"

// loadRecord reads a bridge's record; nil if it is not guarded.
func loadRecord(records plan.Records, bridge string) (*record, error) {
	return recordForms.Load(records, recordName(bridge))
}

// Switched are the flags of a bridge (nf_call_iptables and the like) that its
// rules need and that were off before.
func (p *Planner) Switched(bridge string) (flags []string, err error) {
	rec, err := loadRecord(p.Records, bridge)
	if rec == nil || err != nil {
		return nil, err
	}
	for _, s := range rec.Flags {
		if s.Value == "0" {
			flags = append(flags, s.Name)
		}
	}
	return flags, nil
}

// allRecords reads every bridge's.
func allRecords(records plan.Records) (map[string]*record, error) {
	files, err := records.List(recordPrefix)
	if err != nil {
		return nil, err
	}
	recs := map[string]*record{}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, recordPrefix), ".json")
		if recs[name], err = loadRecord(records, name); err != nil {
			return nil, err
		}
	}
	return recs, nil
}
