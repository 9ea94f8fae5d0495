package rundir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// must ends the test if something cannot be prepared.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(dir, "record.json")
	if _, err := Read(path, MaxRecord); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	for _, content := range []string{"one", "", "three\n"} {
		must(t, Write(path, []byte(content)))
		got, err := Read(path, MaxRecord)
		if err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	if names, err := List(dir, "rec", ".json"); err != nil || !slices.Equal(names, []string{"record.json"}) {
		t.Errorf("%q, %v", names, err)
	}
	for range 2 {
		must(t, Remove(path))
	}
	if _, err := Read(path, MaxRecord); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestStrange has things that only somebody else can have made: they are
// refused at once, with a hint, and left as they are.
func TestStrange(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files of others need root")
	}
	for name, c := range map[string]struct {
		make func(path string) error
		why  string
	}{
		"a link":      {func(path string) error { return os.Symlink("/etc/hostname", path) }, "it is a link"},
		"a FIFO":      {func(path string) error { return unix.Mkfifo(path, 0o600) }, "it is not a regular file"},
		"a directory": {func(path string) error { return os.Mkdir(path, 0o700) }, "it is not a regular file"},
		"a device":    {func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) }, "it is not a regular file"},
		"another's": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 1234, 0))
		}, "it belongs to user 1234"},
		"anybody's": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666))
		}, "others may write it"},
		"a huge one": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, MaxRecord+1))
		}, "it has 16777217 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "record.json")
			must(t, c.make(path))
			begin := time.Now()
			_, err := Read(path, MaxRecord)
			if err == nil || !strings.HasSuffix(err.Error(), path+": "+c.why) {
				t.Errorf("reading: %v", err)
			}
			if _, err := Open(path, os.O_CREATE|os.O_RDWR, MaxRecord); err == nil {
				t.Error("it is opened")
			}
			if time.Since(begin) > 10*time.Second {
				t.Error("it held the call up")
			}
		})
	}
	for name, c := range map[string]struct {
		make func(dir string) error
		why  string
	}{
		"a link":    {func(dir string) error { return os.Symlink(os.TempDir(), dir) }, "it is not a directory"},
		"a file":    {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "it is not a directory"},
		"another's": {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, 1234, 0)) }, "it belongs to user 1234"},
		"anybody's": {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o777)) }, "others may write it"},
	} {
		t.Run("the directory is "+name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			must(t, c.make(dir))
			path := filepath.Join(dir, "record.json")
			_, errRead := Read(path, MaxRecord)
			_, errList := List(dir, "", ".json")
			_, errCreate := Create(path)
			for what, err := range map[string]error{"make": Make(dir), "read": errRead, "list": errList, "create": errCreate, "write": Write(path, nil)} {
				if err == nil || !strings.HasSuffix(err.Error(), dir+": "+c.why) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// TestLeftOver removes what a process that died has left, and whatever is in
// its place.
func TestLeftOver(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	target := filepath.Join(t.TempDir(), "target")
	must(t, os.WriteFile(target, []byte("kept"), 0o600))
	path := filepath.Join(dir, "record.json")
	must(t, os.Symlink(target, path+".new"))
	must(t, Write(path, []byte("content")))
	if data, err := os.ReadFile(target); err != nil || string(data) != "kept" {
		t.Errorf("a link was followed: %q, %v", data, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "journal.new"), nil, 0o600))
	must(t, os.Symlink(target, filepath.Join(dir, "other.new")))
	must(t, Sweep(dir))
	if names, err := List(dir, "", ""); err != nil || !slices.Equal(names, []string{"record.json"}) {
		t.Errorf("left: %q, %v", names, err)
	}
}
