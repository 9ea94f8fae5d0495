// Package eintr is for system calls that package os would take more of.
package eintr

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Retry calls f until no signal interrupts it. With an error n is never less than 0, so
// that it can be the length of what was read.
func Retry(f func() (int, error)) (n int, err error) {
	for n, err = f(); errors.Is(err, unix.EINTR); {
		n, err = f()
	}
	return max(n, 0), err
}
