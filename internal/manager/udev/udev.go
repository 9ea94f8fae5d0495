// Package udev keeps udev from what it would do to a NIC that is a port. A .link file or
// a rule may know the NIC by its MAC address, its driver or its place on the bus. When
// udev gets an event for the port (udevadm trigger --action=add, netplan apply, a
// renaming), it would give the port the NIC's name if that is free, and the MAC address
// that such a file has for it: with dom0's MAC address on the port the bridge would take
// dom0's frames for its own. A bridge that has the NIC's MAC address could get its name.
package udev

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
)

// sockets are by which udev can be told something; the latter is that of systemd 257
// and later. One of them is there as long as it runs.
var sockets = []string{"/run/udev/control", "/run/udev/io.systemd.Udev"}

// plain are the names of interfaces that mean nothing special in a file of udev's.
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:@-]*$`) })

// Manager is udev.
type Manager struct {
	Root string // where the host's files are; "" is /
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{(&Guard{}).Kind(): func() plan.Op { return &Guard{} }}
}

// Keeper implements the managers' interface: udev configures no interface.
func (Manager) Keeper(context.Context, manager.Move) (*manager.Keeper, error) { return nil, nil }

// Sources implements the managers' interface.
func (Manager) Sources() manager.Sources {
	return manager.Sources{Files: (&Guard{Port: "*"}).paths(), There: sockets}
}

// Around gives the steps around a change: the files are there before an interface of the
// network is, and as long as the NIC is a port. Amid a change they are about the NIC's own
// name, too: who gets it then would get what a .link file has for the NIC, such as another
// MAC address.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	runs, err := m.anyOf(sockets)
	if err != nil {
		return nil, nil, err
	}
	for _, move := range moves {
		if !plain().MatchString(move.Port) {
			continue
		}
		there, err := m.guard(move.Port)
		if err != nil {
			return nil, nil, err
		}
		b, a := around(move, there, runs)
		before, after = append(before, b...), append(after, a...)
	}
	return before, after, nil
}

// around are those of one move, where this guard is there, or nil.
func around(move manager.Move, there *Guard, runs bool) (before, after []plan.Step) {
	none := &Guard{Port: move.Port}
	leave := "have udev leave " + move.Port + " and the bridge as they are"
	switch {
	case move.Moves() && runs:
		guard := newGuard(move)
		if guard == nil {
			return nil, nil
		}
		amid := guard.with(move.NetDev)
		return []plan.Step{{Title: leave, Do: []plan.Op{amid}, Undo: []plan.Op{none}}},
			[]plan.Step{{Title: "have udev look after what is called " + move.NetDev + " as ever", Do: []plan.Op{guard}, Undo: []plan.Op{amid}}}
	case !move.Moves() && there != nil:
		amid := there.with(move.NetDev)
		return []plan.Step{{Title: leave, Do: []plan.Op{amid}, Undo: []plan.Op{there}}},
			[]plan.Step{{Title: "have udev look after " + move.NetDev + " as before", Do: []plan.Op{none}, Undo: []plan.Op{amid}}}
	}
	return nil, nil
}

// anyOf says whether one of these files is there.
func (m Manager) anyOf(paths []string) (bool, error) {
	for _, path := range paths {
		switch _, err := os.Lstat(m.Root + path); {
		case err == nil:
			return true, nil
		case !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
	}
	return false, nil
}

// guard is what is there for a port; nil if nothing is.
func (m Manager) guard(port string) (*Guard, error) {
	g := &Guard{Port: port}
	there, err := m.anyOf(g.paths())
	if err != nil || !there {
		return nil, err
	}
	text, err := manager.Content(m.Root + g.paths()[0])
	for line := range strings.Lines(text) {
		if names, ok := strings.CutPrefix(line, original); ok {
			g.Names = strings.Fields(names)
		}
	}
	return g, err
}

// newGuard is the one for the interfaces of a network; nil if they have names that
// cannot be told. Whoever has the NIC's own name is not among them: a file that is for
// the NIC gives it that.
func newGuard(m manager.Move) *Guard {
	names := []string{m.Port, m.Before, m.To.Name}
	for _, n := range m.New {
		names = append(names, n.Name)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == m.NetDev || name == "" })
	slices.Sort(names)
	names = slices.Compact(names)
	if slices.ContainsFunc(names, func(name string) bool { return !plain().MatchString(name) }) {
		return nil
	}
	return &Guard{Port: m.Port, Names: names}
}
