package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// FileKind names a File in a journal.
const FileKind = "file"

// File is an operation that gives a file of the tool's own a content, or
// removes it where Content is nil. It has no command to print: an admin who
// types the others has no use for it.
type File struct {
	Path    string
	Content *string
}

// Kind implements Op.
func (*File) Kind() string { return FileKind }

// Commands implements Op.
func (*File) Commands() []string { return nil }

// Do implements Op. The file changes at once or not at all.
func (f *File) Do(bool) error {
	if f.Content == nil {
		if err := os.Remove(f.Path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	tmp := f.Path + ".new"
	if err := os.WriteFile(tmp, []byte(*f.Content), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, f.Path)
}

// Remember is the step that changes a file's content from one to another; nil
// is no file.
func Remember(title, path string, from, to *string) Step {
	return Step{Title: title, Do: []Op{&File{path, to}}, Undo: []Op{&File{path, from}}}
}
