// Package keyfile reads the files of key=value lines in which systemd-networkd
// and NetworkManager say what they do.
package keyfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// Read returns the values of all groups, the last one if a key is there twice. A
// file that does not exist has none.
func Read(name string) (map[string]string, error) {
	values := map[string]string{}
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[key] = value
		}
	}
	return values, nil
}
