package lease

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// client is a DHCP client at work.
type client struct {
	program string
	pid     int
	args    []string
	v6      bool // of DHCPv6
}

// clientsOf are the processes of the own network namespace that have one of these names
// in /proc/PID/comm; busybox is there under its own. Who ends meanwhile is none.
func clientsOf(root string, wanted ...string) ([]client, error) {
	own, err := os.Readlink(root + "/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob(root + "/proc/[1-9]*")
	if err != nil {
		return nil, err
	}
	var all []client
	for _, dir := range dirs {
		c, err := clientIn(dir, own, wanted)
		if err != nil {
			return nil, err
		}
		if c != nil {
			all = append(all, *c)
		}
	}
	return all, nil
}

// clientIn is the process of a folder; nil if it is none of them.
func clientIn(dir, own string, wanted []string) (*client, error) {
	comm, err := content(filepath.Join(dir, "comm"))
	if err != nil || !slices.Contains(wanted, comm) && comm != "busybox" {
		return nil, err
	}
	// It may have ended, and whose namespace only root could see is asked of nobody.
	if ns, err := os.Readlink(dir + "/ns/net"); err != nil && !errors.Is(err, fs.ErrPermission) || err == nil && ns != own {
		return nil, nil //nolint:nilerr // see above
	}
	text, err := content(filepath.Join(dir, "cmdline"))
	if err != nil {
		return nil, err
	}
	c := &client{program: comm, args: strings.Split(strings.TrimRight(text, "\x00"), "\x00")}
	if c.pid, err = strconv.Atoi(filepath.Base(dir)); err != nil {
		return nil, nil //nolint:nilerr // it is no process
	}
	if comm == "busybox" && len(c.args) > 1 {
		c.program, c.args = c.args[1], c.args[1:]
	}
	if !slices.Contains(wanted, c.program) {
		return nil, nil
	}
	c.v6 = c.program == "udhcpc6" || slices.Contains(c.args, "-6")
	return c, nil
}

// content is that of a small file; "" if it is missing, or its process has ended.
func content(name string) (string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", nil
	}
	return strings.TrimRight(string(data), "\n"), err
}

// names says whether it was told of an interface.
func (c *client) names(dev string) bool {
	return slices.ContainsFunc(c.args[1:], func(a string) bool { return a == dev || a == "-i"+dev || a == "--interface="+dev })
}

// isFor says whether it looks after an interface: it was told so, or was told of none,
// which means all to dhclient, and eth0 to udhcpc.
func (c *client) isFor(dev string, all []string) bool {
	switch {
	case c.names(dev):
		return true
	case slices.ContainsFunc(all, c.names):
		return false
	}
	return c.program == "dhclient" || dev == "eth0"
}
