package manager

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Content is that of a small file, without the white space around it; "" if the file is
// missing, or belongs to a process that has ended.
func Content(name string) (string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}
