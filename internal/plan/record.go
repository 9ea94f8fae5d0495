package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
)

// sealVersion is the version of the envelope around every record. Its content has a
// form of its own.
const sealVersion = 1

// envelope is a record in its file.
type envelope struct {
	Version int             `json:"version"`
	Sum     string          `json:"sum"` // checksum of Record without white space
	Record  json.RawMessage `json:"record"`
}

// Form is how one kind of record looks on disk. What the program works with, a T, is
// converted to it and from it, so a change of T changes nothing on disk. A form that
// changes gets the next version, and the former ones can still be read: an upgrade finds
// what the previous version has written.
type Form[T any] struct {
	// Version is the version of the form that is written.
	Version int
	// Write gives a value that form: a struct with json tags, of which the first is
	// its version.
	Write func(*T) any
	// Read has a function for each form, by its version. The first forms contain no
	// version, and count as 1. See FormOf.
	Read map[int]func(form []byte) (*T, error)
	// What names the record in a message, with %s for its path; "" means "the record
	// %s".
	What string
	// Without says what to expect if the record is removed, for the hint if it cannot
	// be read.
	Without string
}

// FormOf reads the form F and nothing but what F knows, and makes a T of it.
func FormOf[F, T any](convert func(*F) (*T, error)) func([]byte) (*T, error) {
	return func(data []byte) (*T, error) {
		form := new(F)
		if err := Strict(data, form); err != nil {
			return nil, err
		}
		return convert(form)
	}
}

// newer is the error for something that a later version of the program has written.
type newer struct{ text string }

func (n *newer) Error() string { return n.text }

// useNewer is the first part of the hint then.
const useNewer = "a newer xbr-script has written it, use that one"

// Load reads the record of that name; nil if there is none.
func (f Form[T]) Load(r Records, name string) (*T, error) {
	data, err := r.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return nil, err
	}
	var v *T
	if err == nil {
		err = guard(func() (err error) {
			v, err = f.open(data)
			return err
		})
	}
	if err != nil {
		return nil, f.explain(r.Path(name), err)
	}
	return v, nil
}

// explain says that the record cannot be read.
func (f Form[T]) explain(path string, err error) error {
	what := f.What
	if what == "" {
		what = "the record %s"
	}
	hint := f.Without + ": rm " + path
	if errors.As(err, new(*newer)) {
		hint = useNewer + "; " + hint
	}
	return refusal.Wrap(err, hint, "cannot read "+what, path)
}

// open takes a record out of its envelope. A record without one was written by an
// earlier version, before an upgrade.
func (f Form[T]) open(data []byte) (*T, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); errors.As(err, new(*json.SyntaxError)) {
		return nil, err
	}
	if err := Strict(data, &e); err != nil || e.Record == nil {
		return f.read(data)
	}
	if e.Version != sealVersion {
		return nil, otherVersion(e.Version, sealVersion)
	}
	sum, err := sumOf(e.Record)
	if err != nil {
		return nil, err
	}
	if sum != e.Sum {
		return nil, errors.New("it is damaged: its checksum is wrong")
	}
	return f.read(e.Record)
}

// versionOf is the version that JSON says to be of, or another if it says none.
func versionOf(data []byte, none int) (int, error) {
	head := struct {
		Version int `json:"version"`
	}{none}
	err := json.Unmarshal(data, &head)
	if errors.As(err, new(*json.UnmarshalTypeError)) {
		err = nil // it is a list, or its version is no number
	}
	return head.Version, err
}

// otherVersion is the error for a version of a file that is not the one, or
// the last of those, that this program reads.
func otherVersion(is, known int) error {
	text := fmt.Sprintf("its version is %d, this program reads %d", is, known)
	if is > known {
		return &newer{text}
	}
	return errors.New(text)
}

// read reads a record by its form.
func (f Form[T]) read(record []byte) (*T, error) {
	if len(bytes.TrimSpace(record)) <= len("null") {
		return nil, errShort // nothing, in one of JSON's ways
	}
	version, err := versionOf(record, 1)
	if err != nil {
		return nil, err
	}
	if read := f.Read[version]; read != nil {
		return read(record)
	}
	text := fmt.Sprintf("it has the form %d, and this version knows %d", version, f.Version)
	if version > f.Version {
		return nil, &newer{text}
	}
	return nil, errors.New(text)
}

// sumOf is the checksum of JSON, however it is laid out.
func sumOf(data []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return "", err
	}
	return sumText(checksum(0, b.Bytes(), 0)), nil
}

// Keep is the step that makes v the record of that name, or with nil removes the record,
// whatever its form. It is empty if that is so already, even in a former form: an upgrade
// is no reason to write.
func (f Form[T]) Keep(r Records, name string, v *T) (Step, error) {
	path := r.Path(name)
	data, err := r.read(name)
	none := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !none:
		return Step{}, err
	case v == nil && none:
		return Step{}, nil
	}
	from := string(data)
	if v == nil {
		return Remember("remove "+path, path, &from, nil), nil
	}
	to, err := f.seal(v)
	switch {
	case err != nil:
		return Step{}, err
	case none:
		return Remember("write "+path, path, nil, &to), nil
	}
	if old, err := f.open(data); err == nil {
		if same, err := f.seal(old); err == nil && same == to {
			return Step{}, nil
		}
	}
	return Remember("write "+path, path, &from, &to), nil
}

// Store writes the record of that name at once, outside of any plan.
func (f Form[T]) Store(r Records, name string, v *T) error {
	text, err := f.seal(v)
	if err != nil {
		return err
	}
	return rundir.Write(r.Path(name), []byte(text))
}

// seal gives a record its form, in its envelope.
func (f Form[T]) seal(v *T) (string, error) {
	record, err := json.Marshal(f.Write(v))
	if err != nil {
		return "", err
	}
	sum, err := sumOf(record)
	if err != nil {
		return "", err
	}
	data, err := json.MarshalIndent(envelope{sealVersion, sum, record}, "", "  ")
	return string(data) + "\n", err
}
