package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"xbr-script/internal/refusal"
)

// recordVersion is of what is around every record; what is in it, the record's
// owner knows.
const recordVersion = 1

// envelope is a record in its file.
type envelope struct {
	Version int             `json:"version"`
	Sum     string          `json:"sum"` // checksum of Record without white space
	Record  json.RawMessage `json:"record"`
}

// Load reads the record of that name, which a step of Keep wrote, into v; found
// is false if there is none.
func (r Records) Load(name string, v any) (found bool, err error) {
	return r.LoadElse(name, v, func(err error) error {
		path := r.Path(name)
		return refusal.Wrap(err, "stop can do without it, as far as what is there tells: rm "+path, "cannot read the record %s", path)
	})
}

// LoadElse is Load with another error for a record that cannot be read.
func (r Records) LoadElse(name string, v any, explain func(error) error) (found bool, err error) {
	data, err := r.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return false, err
	}
	if err == nil {
		err = guard(func() error { return open(data, v) })
	}
	if err != nil {
		return false, explain(err)
	}
	return true, nil
}

// open takes a record out of its envelope. One that has none was written by an
// earlier version, before an upgrade.
func open(data []byte, v any) error {
	var e envelope
	if err := json.Unmarshal(data, &e); errors.As(err, new(*json.SyntaxError)) {
		return err
	}
	if err := strict(data, &e); err != nil || e.Record == nil {
		if len(bytes.TrimSpace(data)) <= len("null") {
			return errShort // nothing, in one of JSON's ways
		}
		return strict(data, v)
	}
	if e.Version != recordVersion {
		return fmt.Errorf("its version is %d, this program reads %d", e.Version, recordVersion)
	}
	sum, err := sumOf(e.Record)
	if err != nil {
		return err
	}
	if sum != e.Sum {
		return errors.New("it is damaged: its checksum is wrong")
	}
	return strict(e.Record, v)
}

// sumOf is the checksum of JSON, however it is laid out.
func sumOf(data []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return "", err
	}
	return sumText(crc32.Checksum(b.Bytes(), castagnoli)), nil
}

// seal puts a record into its envelope.
func seal(v any) (string, error) {
	record, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum, err := sumOf(record)
	if err != nil {
		return "", err
	}
	data, err := json.MarshalIndent(envelope{recordVersion, sum, record}, "", "  ")
	return string(data) + "\n", err
}

// Keep is the step that makes v the record of that name, or with nil removes it.
// It is empty where that is so already.
func (r Records) Keep(name string, v any) (Step, error) {
	path := r.Path(name)
	var from, to *string
	if v != nil {
		text, err := seal(v)
		if err != nil {
			return Step{}, err
		}
		to = &text
	}
	switch data, err := r.read(name); {
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
