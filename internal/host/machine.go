package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OfMachine tells whether the interfaces that this process sees are those that
// the machine's services look after: those of process 1's network namespace.
// Where that may not be seen, by who is not root or in some containers, they are
// taken for such.
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

// IndexOf is the index of the interface of that name now; 0 if there is none.
func IndexOf(name string) (int, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, nil // too long: the kernel has none of that name
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr)
	if errors.Is(err, unix.ENODEV) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(ifr.Uint32()), nil
}
