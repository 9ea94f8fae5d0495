package plan

import (
	"encoding/json"
	"errors"
	"io/fs"

	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
)

// Load reads a record that a step of Keep wrote into v; found is false if
// there is none.
func Load(path string, v any) (found bool, err error) {
	data, err := rundir.Read(path, rundir.MaxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return false, err
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return false, refusal.Wrap(err, "stop can do without it, as far as what is there tells: rm "+path, "cannot read the record %s", path)
	}
	return true, nil
}

// Keep is the step that makes v the record at path, or with nil removes it. It
// is empty where that is so already.
func Keep(path string, v any) (Step, error) {
	var from, to *string
	if v != nil {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return Step{}, err
		}
		text := string(data) + "\n"
		to = &text
	}
	switch data, err := rundir.Read(path, rundir.MaxRecord); {
	case err == nil:
		text := string(data)
		from = &text
	case !errors.Is(err, fs.ErrNotExist):
		return Step{}, err
	}
	switch {
	case to != nil && from != nil && *to == *from:
		return Step{}, nil
	case to != nil:
		return Remember("write "+path, path, from, to), nil
	case from != nil:
		return Remember("remove "+path, path, from, nil), nil
	}
	return Step{}, nil
}
