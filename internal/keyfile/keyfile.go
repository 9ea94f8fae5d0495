// Package keyfile reads the files of key=value lines in which systemd-networkd
// and NetworkManager say what they do.
package keyfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// Read gives the values of all groups; of a key that stands there twice, the
// last. A file that is not there has none.
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
