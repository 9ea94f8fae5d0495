package dhcpcd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
)

// client is a dhcpcd at work.
type client struct {
	pidFile string
	pid     int
	all     bool // for all interfaces that it finds, not for one alone
	path    string
	cgroup  string // its control group of version 2; "" if there are none
	unit    string // the service of systemd that it is; "" if it is none
	parent  string // the name of the process that has started it
	service string // the folder of the service that it is, if that process can be told; else ""
	moves   []manager.Move
	root    string
}

// clients are those that look after the interfaces of the moves. One for all interfaces
// counts for each of them: what it does not look after it must leave alone afterwards.
func (m Manager) clients(moves []manager.Move) (all []*client, err error) {
	for _, move := range moves {
		if move.From == nil {
			continue
		}
		dev := move.From.Name
		for _, family := range []string{"", "-4", "-6"} {
			for _, file := range []string{"/run/dhcpcd/" + dev + family + ".pid", "/run/dhcpcd-" + dev + family + ".pid"} {
				c, err := m.client(file, move)
				if err != nil {
					return nil, err
				}
				if c != nil {
					all = append(all, c)
				}
			}
		}
	}
	for _, file := range []string{"/run/dhcpcd/pid", "/run/dhcpcd.pid"} {
		c, err := m.client(file, moves...)
		if err != nil {
			return nil, err
		}
		if c != nil {
			c.all = true
			all = append(all, c)
		}
	}
	return all, nil
}

// client is the one whose number is in that file; nil if there is none in this network
// namespace.
func (m Manager) client(file string, moves ...manager.Move) (*client, error) {
	pid, err := running(m.Root, file)
	if err != nil || pid == 0 {
		return nil, err
	}
	dir := m.Root + "/proc/" + strconv.Itoa(pid)
	c := &client{pidFile: file, pid: pid, moves: moves, root: m.Root}
	theirs, err := os.Readlink(dir + "/ns/net")
	ours, err2 := os.Readlink(m.Root + "/proc/thread-self/ns/net")
	if err := unlessGone(errors.Join(err, err2)); err != nil || theirs != ours {
		return nil, err
	}
	if c.path, err = os.Readlink(dir + "/exe"); err != nil {
		return nil, unlessGone(err)
	}
	c.path = strings.TrimSuffix(c.path, " (deleted)") // it was upgraded
	groups, err := manager.Content(dir + "/cgroup")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(groups) {
		if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			c.cgroup = group
		}
	}
	if err := c.startedBy(dir); err != nil {
		return nil, err
	}
	if m.UnitOf != nil {
		c.unit, err = m.UnitOf(pid, groups)
	}
	return c, err
}

// startedBy reads what the process in that folder was started by.
func (c *client) startedBy(dir string) error {
	text, err := manager.Content(dir + "/stat")
	words := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if err != nil || len(words) < 2 {
		return err
	}
	parent := c.root + "/proc/" + words[1]
	if c.parent, err = manager.Content(parent + "/comm"); err != nil || !Supervises(c.parent) {
		return err
	}
	c.service, err = os.Readlink(parent + "/cwd")
	return unlessGone(err)
}

// running is the process whose number is in that file, if it is a dhcpcd; else 0.
func running(root, file string) (int, error) {
	text, err := manager.Content(root + file)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 {
		return 0, nil //nolint:nilerr // it is no number
	}
	comm, err := manager.Content(root + "/proc/" + text + "/comm")
	if err != nil || comm != "dhcpcd" {
		return 0, err
	}
	if info, err := manager.Content(root + "/proc/" + text + "/stat"); err != nil || strings.Contains(info, ") Z ") {
		return 0, err // it has ended, and its parent does not care
	}
	return pid, nil
}

// unlessGone is the error, unless it says that a process has ended, or that nobody but
// root may see it.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// commandLine is the one that it was run by. dhcpcd writes over what /proc tells of it
// (setproctitle), but has copies of the arguments, and pointers to them where the kernel
// has put them at the beginning: that is where the program's stack begins. They are read
// from a process of root's: the others are those that an attacker would have.
func (c *client) commandLine() ([]string, error) {
	text, err := os.ReadFile(c.root + "/proc/" + strconv.Itoa(c.pid) + "/cmdline")
	if err != nil {
		return nil, err
	}
	args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	if !strings.HasPrefix(args[0], "dhcpcd: ") {
		return append([]string{c.path}, args[1:]...), nil
	}
	var processes []int
	if c.root == "" { // else it is on another machine, or none
		processes = append([]int{c.pid}, family(c.pid)...)
	}
	for _, pid := range processes {
		if !ofRoot(pid) {
			continue
		}
		if args, err = arguments(pid); err == nil {
			return append([]string{c.path}, args[1:]...), nil
		}
	}
	return nil, refusal.New("run it as a service of systemd, or end it, which must leave the address, and run it again after the change",
		"cannot tell the command line of dhcpcd (pid %d), which has to be run again", c.pid)
}

func ofRoot(pid int) bool {
	var st unix.Stat_t
	return unix.Stat("/proc/"+strconv.Itoa(pid), &st) == nil && st.Uid == 0
}

// Fields of /proc/PID/stat (proc(5)), counted from 1.
const (
	fieldState   = 3
	fieldParent  = 4
	fieldStack   = 28
	maxArguments = 1000
	maxArgument  = 4096 // bytes
)

// stat is a field of /proc/PID/stat; "" if the process has ended.
func stat(pid, field int) string {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	words := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if at := field - 3; at < len(words) {
		return words[at]
	}
	return ""
}

// arguments are those of a process as it sees them.
func arguments(pid int) ([]string, error) {
	stack, err := strconv.ParseInt(stat(pid, fieldStack), 10, 64)
	if err != nil {
		return nil, err
	}
	mem, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mem")
	if err != nil {
		return nil, err
	}
	defer func() { _ = mem.Close() }()
	const word = 32 << (^uint(0) >> 63) / 8 // of this program, as of the others
	pointer := func(at int64) (int64, error) {
		b := make([]byte, 8)
		_, err := mem.ReadAt(b[:word], at)
		return int64(binary.NativeEndian.Uint64(b)), err //nolint:gosec // an address of a process
	}
	n, err := pointer(stack)
	if err != nil || n < 1 || n > maxArguments {
		return nil, errors.Join(err, unix.EINVAL)
	}
	var all []string
	for i := range n {
		at, err := pointer(stack + (i+1)*word)
		if err != nil {
			return nil, err
		}
		b := make([]byte, maxArgument)
		got, err := mem.ReadAt(b, at)
		end := bytes.IndexByte(b[:got], 0)
		if end < 0 {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
		all = append(all, string(b[:end]))
	}
	return all, nil
}

// family are the processes that a process has started, and those that they have, and so
// on.
func family(pid int) (all []int) {
	dirs, _ := filepath.Glob("/proc/[1-9]*")
	children := map[string][]int{}
	for _, dir := range dirs {
		if child, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			parent := stat(child, fieldParent)
			children[parent] = append(children[parent], child)
		}
	}
	all = children[strconv.Itoa(pid)]
	for i := 0; i < len(all); i++ {
		all = append(all, children[strconv.Itoa(all[i])]...)
	}
	return all
}
