package plan

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"xbr-script/internal/rundir"
)

// FileKind names a File in a journal.
const FileKind = "file"

// File is an operation that gives one of the program's own files a content, or removes
// the file if Content is nil. It has no command to print: an admin who types the others
// has no use for it.
type File struct {
	Path    string  `json:"Path"`
	Content *string `json:"Content"`
}

// Kind implements Op.
func (*File) Kind() string { return FileKind }

// Commands implements Op.
func (*File) Commands() []string { return nil }

// Do implements Op. The file changes at once or not at all.
func (f *File) Do(context.Context, bool) error {
	if f.Content == nil {
		return rundir.Remove(f.Path)
	}
	return rundir.Write(f.Path, []byte(*f.Content))
}

// confined refuses a journal whose steps would touch other files than the records
// beside it.
func confined(dir string, steps []Step) error {
	for _, s := range steps {
		for _, op := range slices.Concat(s.Do, s.Undo) {
			f, ok := op.(*File)
			if ok && (filepath.Dir(f.Path) != filepath.Clean(dir) || !strings.HasSuffix(f.Path, ".json")) {
				return fmt.Errorf("it is about the file %q", f.Path)
			}
		}
	}
	return nil
}

// Remember is the step that changes a file's content from one to another; nil
// is no file.
func Remember(title, path string, from, to *string) Step {
	return Step{Title: title, Do: []Op{&File{path, to}}, Undo: []Op{&File{path, from}}}
}
