package manager

import (
	"fmt"
	"io/fs"
	"os"
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

// OwnersDir is where a folder that stands for a host says what not everybody can give its
// files: the mode and the group that they have on the host.
const OwnersDir = "/.owners"

// StandsForHost says whether a folder has only what was in a file about a host.
func StandsForHost(root string) bool {
	if root == "" {
		return false
	}
	_, err := os.Stat(root + OwnersDir)
	return err == nil
}

// Owner is who may read a file of a host: by its mode and its group.
func Owner(root, path string, info fs.FileInfo) (mode fs.FileMode, group int, err error) {
	if StandsForHost(root) {
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
