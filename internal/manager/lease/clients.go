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
	all   []client
	read  bool
	begun chan listed // nil, or gets the names of all processes
}

// listed is what became of reading the names of all processes.
type listed struct {
	all []running
	err error
}

// Begin begins to read the names of all processes in the background, for a call that has
// something else to do before it asks for the clients.
func (l *Listing) Begin() {
	begun := make(chan listed, 1)
	go func() {
		all, err := processes("/proc")
		begun <- listed{all, err}
	}()
	l.begun = begun
}

// processes are those of the machine.
func (l *Listing) processes(root string) ([]running, error) {
	if l.begun == nil {
		return processes(root + "/proc")
	}
	got := <-l.begun
	l.begun = nil
	return got.all, got.err
}

// known are the programs whose processes are looked at.
var known = []string{"dhclient", "udhcpc", "udhcpc6", "connmand", "wickedd", netifd}

// clients are those that have one of these names.
func (m Manager) clients(wanted ...string) (found []client, err error) {
	l := m.Listing
	if l == nil {
		l = &Listing{}
	}
	if !l.read {
		if l.all, err = l.clients(m.Root, known...); err != nil {
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

// Runs says whether a program runs in the own network namespace, by its name as the kernel
// has it.
func Runs(root, program string) (bool, error) {
	found, err := (&Listing{}).clients(root, program)
	return len(found) > 0, err
}

// clients are the processes of the own network namespace that have one of these names
// in /proc/PID/comm; busybox is there under its own. Who ends meanwhile is none.
func (l *Listing) clients(root string, wanted ...string) ([]client, error) {
	own, err := os.Readlink(root + "/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	pids, err := l.processes(root)
	if err != nil {
		return nil, err
	}
	var all []client
	for _, p := range pids {
		if !slices.Contains(wanted, p.comm) && p.comm != "busybox" {
			continue
		}
		c, err := clientIn(filepath.Join(root+"/proc", p.pid), p.comm, own, wanted)
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
