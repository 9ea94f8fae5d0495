package plan

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"xbr-script/internal/rundir"
)

// Records are the records in one directory. Planning uses them as they were when
// Files was read; if that is nil, they are read when they are needed.
type Records struct {
	Dir   string
	Files map[string]RecordFile // by name
}

// RecordFile is the content of a file, or why it cannot be read.
type RecordFile struct {
	Data []byte
	Err  error
}

// ReadRecords reads all records of a directory. If one cannot be read, that is an
// error only for whoever asks for it.
func ReadRecords(dir string) (Records, error) {
	r := Records{dir, map[string]RecordFile{}}
	names, err := rundir.List(dir, "", recordSuffix)
	for _, name := range names {
		data, err := rundir.Read(r.Path(name), rundir.MaxRecord)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		r.Files[name] = RecordFile{data, err}
	}
	return r, err
}

// recordSuffix ends the name of each record.
const recordSuffix = ".json"

// Path is where the record of that name is.
func (r Records) Path(name string) string { return filepath.Join(r.Dir, name) }

// read returns the content of a record; the error is fs.ErrNotExist if there is
// none.
func (r Records) read(name string) ([]byte, error) {
	if r.Files == nil {
		return rundir.Read(r.Path(name), rundir.MaxRecord)
	}
	f, there := r.Files[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return f.Data, f.Err
}

// List returns the names of the records with this prefix, sorted.
func (r Records) List(prefix string) (names []string, err error) {
	if r.Files == nil {
		return rundir.List(r.Dir, prefix, recordSuffix)
	}
	for name := range r.Files {
		if len(name) > len(prefix)+len(recordSuffix) && strings.HasPrefix(name, prefix) && strings.HasSuffix(name, recordSuffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
