package antispoof

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// record is what start leaves behind for one bridge under guard.
type record struct {
	Bridge  Bridge
	Style   style
	Backend string       // nft or legacy: where the rules are
	Calls   []sysctl.Set // the bridge's flags before
}

// hostRecord is what was on the host before its first bridge came under
// guard.
type hostRecord struct {
	NewTables map[string][]string `json:",omitempty"` // by iptables or ip6tables: those that nf_tables did not have
}

const recordPrefix = "antispoof."

func (p *Planner) path(bridge string) string {
	return filepath.Join(p.Dir, recordPrefix+bridge+".json")
}

// hostPath cannot be a bridge's: that has a name between the dots.
func (p *Planner) hostPath() string { return filepath.Join(p.Dir, "antispoof.json") }

// load reads a bridge's record; nil if it is not under guard.
func (p *Planner) load(bridge string) (*record, error) {
	rec := &record{}
	if found, err := readJSON(p.path(bridge), rec); err != nil || !found {
		return nil, err
	}
	return rec, nil
}

// all reads every record.
func (p *Planner) all() (map[string]*record, error) {
	paths, err := filepath.Glob(filepath.Join(p.Dir, recordPrefix+"*.json"))
	if err != nil {
		return nil, err
	}
	recs := map[string]*record{}
	for _, path := range paths {
		if path == p.hostPath() {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), recordPrefix), ".json")
		if recs[name], err = p.load(name); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

func (p *Planner) loadHost() (*hostRecord, error) {
	rec := &hostRecord{}
	if found, err := readJSON(p.hostPath(), rec); err != nil || !found {
		return nil, err
	}
	return rec, nil
}

func readJSON(path string, v any) (found bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return false, fmt.Errorf("cannot read the record %s: %w", path, err)
	}
	return true, nil
}

// keep is the step that gives a record a content, nil for none; empty if it
// has it.
func keep(path string, v any) (plan.Step, error) {
	var to, from *string
	if v != nil {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return plan.Step{}, err
		}
		text := string(data) + "\n"
		to = &text
	}
	if data, err := os.ReadFile(path); err == nil {
		text := string(data)
		from = &text
	}
	if from == to || from != nil && to != nil && *from == *to {
		return plan.Step{}, nil
	}
	return plan.Remember("write "+path, path, from, to), nil
}
