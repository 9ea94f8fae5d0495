// Package ifname asks the kernel for the names that interfaces have at this moment.
package ifname

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// IndexOf is the index of the interface with that name; 0 if there is none.
func IndexOf(name string) (int, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, nil // too long: no interface has such a name
	}
	err = ask(unix.SIOCGIFINDEX, ifr)
	if errors.Is(err, unix.ENODEV) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(ifr.Uint32()), nil
}

// Of is the name of the interface with that index; the error is unix.ENODEV if there
// is none.
func Of(index int) (string, error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	ifr.SetUint32(uint32(index)) // ifr_ifindex
	if err := ask(unix.SIOCGIFNAME, ifr); err != nil {
		return "", fmt.Errorf("interface %d: %w", index, err)
	}
	return ifr.Name(), nil
}

func ask(request uint, ifr *unix.Ifreq) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.IoctlIfreq(fd, request, ifr)
}
