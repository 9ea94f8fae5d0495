package manager

import (
	"fmt"
	"io/fs"
	"syscall"
)

// Sources are what a manager reads of a host, so that a file can stand for the host.
// Paths may have patterns in them, as filepath.Glob knows them.
type Sources struct {
	Files []string // files that it reads
	There []string // what matters by being there
	Links []string // symbolic links that matter by being there
	// Processes are the names, as the kernel has them, of the programs whose processes it
	// looks at.
	Processes []string
	// Told is what others may know of the text of a file; nil: all of it.
	Told func(path, text string) string
}

// OwnersDir is where a folder that stands for a host says of its files what belongs to a
// file in truth: its mode and its group, which not everybody can give a file.
const OwnersDir = "/.owners"

// Owner is who may read a file: by its mode and its group. In a folder that stands for a
// host everybody may, unless that is said there.
func Owner(root, path string, info fs.FileInfo) (mode fs.FileMode, group int, err error) {
	if root != "" {
		mode, group = 0o644, 0
		text, err := Content(root + OwnersDir + path)
		if err == nil && text != "" {
			_, err = fmt.Sscanf(text, "%o %d", &mode, &group)
		}
		return mode, group, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		group = int(st.Gid)
	}
	return info.Mode().Perm(), group, nil
}
