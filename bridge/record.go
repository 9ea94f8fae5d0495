package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
)

// Record is what start leaves behind for stop and status. Without it both
// read the live network; only what start found and must leave is then taken
// for its own.
type Record struct {
	Want   Want
	NICMAC string // the NIC's own address

	// What was there before start, as it was; nil for what start created.
	FoundBridge *host.Link `json:",omitempty"`
	FoundPair   *found     `json:",omitempty"`
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
	if found, err := readJSON(s.path(bridge), rec); err != nil || !found {
		return nil, err
	}
	return rec, nil
}

// All reads every record, by the bridges' names.
func (s Store) All() ([]*Record, error) {
	names, err := filepath.Glob(s.path("*"))
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, name := range names {
		rec := &Record{}
		if _, err := readJSON(name, rec); err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	return all, nil
}

// guests are the names of the ports that stop detached from the bridge.
func (s Store) guests(bridge string) (names []string, err error) {
	_, err = readJSON(s.guestPath(bridge), &names)
	return names, err
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

// keep is the step that changes a record; nil values are no record.
func keep(title, path string, v any) (plan.Step, error) {
	var to *string
	if v != nil {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return plan.Step{}, err
		}
		text := string(data) + "\n"
		to = &text
	}
	var from *string
	if data, err := os.ReadFile(path); err == nil {
		text := string(data)
		from = &text
	}
	if from == nil && to == nil {
		return plan.Step{}, nil
	}
	return plan.Remember(title, path, from, to), nil
}
