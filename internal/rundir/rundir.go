// Package rundir reads and writes files in the program's own directory,
// /run/xbr-script. They decide what is changed on the host, so only a directory
// and files that nobody else can have made are accepted.
package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/eintr"
	"xbr-script/internal/refusal"
)

// fresh is what a file's next content is called until it is whole.
const fresh = ".new"

// Sizes in bytes that no file of ours comes close to.
const (
	MaxRecord  = 16 << 20
	MaxJournal = 1 << 30
)

// Make makes the directory if it is missing, and refuses one that is not ours.
func Make(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := open(dir)
	if err != nil {
		return err
	}
	return unix.Close(d)
}

// open opens the directory itself, not the target of a symbolic link. It returns a
// descriptor, as status opens it again and again: for an os.File Go would first find
// out whether one can wait for it.
func open(dir string) (fd int, err error) {
	fd, err = openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return -1, strange(dir, "it is not a directory")
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	st, err := stat(fd, dir)
	if err == nil {
		err = owned(st, dir)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func stat(fd int, path string) (st unix.Stat_t, err error) {
	if err = unix.Fstat(fd, &st); err != nil {
		err = &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	return st, err
}

// owned refuses what others may write. A user who is not root may have a
// directory of his own.
func owned(st unix.Stat_t, path string) error {
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return strange(path, fmt.Sprintf("it belongs to user %d", st.Uid))
	case st.Mode&0o022 != 0:
		return strange(path, "others may write it")
	}
	return nil
}

// strange is the refusal of a file that is not as this program leaves it.
func strange(path, why string) error {
	return refusal.New("find out who has made it, and how the network is; then remove it: rm -r "+path,
		"cannot trust %s: %s", path, why)
}

// Open opens a file of ours, for reading unless flags says otherwise. It must be
// a regular file, not a link, and not larger than that size. The error is
// fs.ErrNotExist if there is none.
func Open(path string, flags int, size int64) (*os.File, error) {
	fd, _, err := openFile(path, flags, size)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openFile is Open; it returns the file's size, too.
func openFile(path string, flags int, limit int64) (fd int, size int64, err error) {
	d, err := open(filepath.Dir(path))
	if err != nil {
		return -1, 0, err
	}
	defer func() { _ = unix.Close(d) }()
	// O_NONBLOCK: a FIFO must not block this.
	fd, err = openat(d, filepath.Base(path), flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return -1, 0, strange(path, "it is a link")
	}
	if err != nil {
		return -1, 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if size, err = regular(fd, path, limit); err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return -1, 0, errors.Join(err, unix.Close(fd))
	}
	return fd, size, nil
}

func openat(dir int, name string, flags int, mode uint32) (fd int, err error) {
	return eintr.Retry(func() (int, error) { return unix.Openat(dir, name, flags, mode) })
}

// regular refuses what is not a file of ours, and returns its size.
func regular(fd int, path string, limit int64) (size int64, err error) {
	st, err := stat(fd, path)
	switch {
	case err != nil:
		return 0, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return 0, strange(path, "it is not a regular file")
	case st.Size > limit:
		return 0, strange(path, fmt.Sprintf("it has %d bytes", st.Size))
	}
	return st.Size, owned(st, path)
}

// Read returns the content of a file of ours; the error is fs.ErrNotExist if there
// is none.
func Read(path string, size int64) ([]byte, error) {
	fd, size, err := openFile(path, os.O_RDONLY, size)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() { _ = f.Close() }()
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

// Create makes the file that is to become path, and replaces one that was left by
// a process that died. Replace gives it that name.
func Create(path string) (*os.File, error) {
	d, err := open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(d) }()
	if err := Remove(path + fresh); err != nil {
		return nil, err
	}
	return os.OpenFile(path+fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o644)
}

// Replace puts the file that Create made in its place.
func Replace(path string) error { return os.Rename(path+fresh, path) }

// Discard removes the file that Create made.
func Discard(path string) error { return Remove(path + fresh) }

// Write gives a file its content, wholly or not at all.
func Write(path string, content []byte) error {
	if err := Make(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = Replace(path)
	}
	if err != nil {
		return errors.Join(err, Discard(path))
	}
	return nil
}

// Remove removes a file if it exists, but never a directory.
func Remove(path string) error {
	if err := unix.Unlink(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "unlink", Path: path, Err: err}
	}
	return nil
}

// Sweep removes the files of processes that died while they were writing. No
// other call may be at work.
func Sweep(dir string) error {
	names, err := List(dir, "", fresh)
	for _, name := range names {
		err = errors.Join(err, Remove(filepath.Join(dir, name)))
	}
	return err
}

// List returns the names of the files with this prefix and suffix, sorted.
func List(dir, prefix, suffix string) (names []string, err error) {
	fd, err := open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := os.NewFile(uintptr(fd), dir)
	defer func() { _ = d.Close() }()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); len(name) > len(prefix)+len(suffix) && strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
