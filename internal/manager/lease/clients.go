package lease

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"xbr-script/internal/manager"

	"golang.org/x/sys/unix"
)

// client is a DHCP client at work.
type client struct {
	program string
	pid     int
	args    []string
	v6      bool // of DHCPv6
}

// Listing is the clients at work, read when they are first asked for.
type Listing struct {
	all  []client
	read bool
}

// clients are those that have one of these names.
func (m Manager) clients(wanted ...string) (found []client, err error) {
	l := m.Listing
	if l == nil {
		l = &Listing{}
	}
	if !l.read {
		if l.all, err = clientsOf(m.Root, "dhclient", "udhcpc", "udhcpc6", "connmand", "wickedd"); err != nil {
			return nil, err
		}
		l.read = true
	}
	for _, c := range l.all {
		if slices.Contains(wanted, c.program) {
			found = append(found, c)
		}
	}
	return found, nil
}

// clientsOf are the processes of the own network namespace that have one of these names
// in /proc/PID/comm; busybox is there under its own. Who ends meanwhile is none.
func clientsOf(root string, wanted ...string) ([]client, error) {
	own, err := os.Readlink(root + "/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	proc, err := os.Open(root + "/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = proc.Close() }()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []client
	for _, name := range names {
		comm, err := commOf(int(proc.Fd()), name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(wanted, comm) && comm != "busybox" {
			continue
		}
		c, err := clientIn(filepath.Join(root+"/proc", name), comm, own, wanted)
		if err != nil {
			return nil, err
		}
		if c != nil {
			all = append(all, *c)
		}
	}
	return all, nil
}

// commOf is the name of a process; "" if the file in the open directory /proc belongs to
// none, or to one that has ended. There may be thousands, so each takes as few calls as
// possible.
func commOf(proc int, name string) (string, error) {
	if name[0] < '1' || name[0] > '9' {
		return "", nil
	}
	fd, err := retry(func() (int, error) { return unix.Openat(proc, name+"/comm", unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
		var comm [64]byte // the kernel's are of 16
		n := 0
		if n, err = retry(func() (int, error) { return unix.Read(fd, comm[:]) }); err == nil {
			return strings.TrimRight(string(comm[:n]), "\n"), nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", nil
	}
	return "", &fs.PathError{Op: "read", Path: "/proc/" + name + "/comm", Err: err}
}

// retry calls f until no signal interrupts it.
func retry(f func() (int, error)) (n int, err error) {
	for n, err = f(); errors.Is(err, unix.EINTR); {
		n, err = f()
	}
	return n, err
}

// clientIn is the process of a folder; nil if it is none of them.
func clientIn(dir, comm, own string, wanted []string) (*client, error) {
	// It may have ended, and whose namespace only root could see is asked of nobody.
	if ns, err := os.Readlink(dir + "/ns/net"); err != nil && !errors.Is(err, fs.ErrPermission) || err == nil && ns != own {
		return nil, nil //nolint:nilerr // see above
	}
	text, err := manager.Content(filepath.Join(dir, "cmdline"))
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
