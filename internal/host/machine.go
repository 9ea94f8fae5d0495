package host

import (
	"errors"
	"io/fs"
	"os"
)

// OfMachine tells whether the interfaces that this process sees are those that
// the machine's services look after, which are in process 1's network
// namespace. Without root, and in some containers, nobody can see that: then it
// is assumed.
func OfMachine() (bool, error) {
	theirs, err := os.Readlink("/proc/1/ns/net")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	return ours == theirs, err
}
