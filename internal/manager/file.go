package manager

import (
	"io/fs"
	"os"
	"path/filepath"

	"xbr-script/internal/rundir"
)

// PutFile gives a file for another program its content, at once or not at all. Its
// folders are made so that others than root can read them.
func PutFile(path, text string, mode fs.FileMode, group int) error {
	if err := readable(filepath.Dir(path)); err != nil {
		return err
	}
	file, err := rundir.Create(path)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	for _, e := range []error{err, file.Chown(0, group), file.Chmod(mode), file.Close()} {
		if e != nil {
			_ = rundir.Discard(path)
			return e
		}
	}
	return rundir.Replace(path)
}

// readable makes a folder, and those that it is in.
func readable(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := readable(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) // whatever the umask is
}
