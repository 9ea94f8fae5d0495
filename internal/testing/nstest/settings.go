package nstest

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sysctls are the settings of one interface. There are more than a hundred, and a
// state is read thousands of times, so they are opened from their directory, and each
// is read by one call: the kernel gives a setting in one piece.
func sysctls(device string) []string {
	var out []string
	for _, dir := range []string{"ipv4/conf", "ipv4/neigh", "ipv6/conf", "ipv6/neigh"} {
		d, err := os.Open("/proc/sys/net/" + dir + "/" + device)
		if err != nil {
			continue // without IPv6 there are only those of IPv4
		}
		names, _ := d.Readdirnames(-1) // an interface that is gone has none
		slices.Sort(names)
		for _, name := range names {
			out = append(out, dir+" "+name+" "+readFrom(int(d.Fd()), name))
		}
		_ = d.Close()
	}
	return out
}

// readFrom is read for a setting in an open directory.
func readFrom(dir int, name string) string {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "-"
	}
	defer func() { _ = unix.Close(fd) }()
	var value [512]byte
	for {
		n, err := unix.Read(fd, value[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || n == len(value):
			return "-"
		default:
			return strings.TrimSpace(string(value[:n]))
		}
	}
}
