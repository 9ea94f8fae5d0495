// Package dhcpcd refuses to move the addresses of an interface that dhcpcd looks
// after. When a NIC is renamed, dhcpcd takes it as gone, and it ended when it began
// with the new interface of that name (9.4.1).
package dhcpcd

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// Manager is dhcpcd.
type Manager struct {
	Call string // the command line that it has to be ended for, quoted
	Root string // where the host's files are; "" is /
}

// Kinds are none: dhcpcd is not told anything.
func (Manager) Kinds() plan.Kinds { return nil }

// Around refuses the moves of interfaces that dhcpcd looks after.
func (m Manager) Around(moves []manager.Move) (_, _ []plan.Step, err error) {
	for _, move := range moves {
		err = errors.Join(err, m.refuse(move))
	}
	return nil, nil, err
}

// Keeps says whether it looks after the addresses of a move.
func (m Manager) Keeps(move manager.Move) (bool, error) {
	if move.From == nil {
		return false, nil
	}
	if is, err := m.runs(move.From.Name); is || err != nil {
		return is, err
	}
	return m.runs("")
}

func (m Manager) refuse(move manager.Move) error {
	if move.From == nil {
		return nil
	}
	from, to := " "+shell.Quote(move.From.Name), " "+shell.Quote(move.To.Name)
	is, err := m.runs(move.From.Name)
	if err == nil && !is && move.Leased() {
		from, to = "", "" // a dhcpcd for all interfaces
		is, err = m.runs("")
	}
	if err != nil || !is {
		return err
	}
	return refusal.New(`have "persistent" in /etc/dhcpcd.conf, so that the address stays, then give:`+
		"\n  dhcpcd -x"+from+"; "+m.Call+"; dhcpcd"+to,
		"cannot %s: dhcpcd looks after %s, and would let its lease run out", move.Undertaking, move.From.Name)
}

// runs says whether there is a dhcpcd for that interface alone, or, if the name is
// empty, one for all. Versions before 9 have no folder for their files.
func (m Manager) runs(dev string) (bool, error) {
	names := []string{"dhcpcd/pid", "dhcpcd.pid"}
	if dev != "" {
		names = nil
		for _, family := range []string{"", "-4", "-6"} {
			names = append(names, "dhcpcd/"+dev+family+".pid", "dhcpcd-"+dev+family+".pid")
		}
	}
	for _, name := range names {
		pid, err := contentOf(m.Root + "/run/" + name)
		if err != nil {
			return false, err
		}
		if pid == "" || strings.Contains(pid, "/") {
			continue
		}
		comm, err := contentOf(m.Root + "/proc/" + pid + "/comm")
		if err != nil || comm == "dhcpcd" {
			return err == nil, err
		}
	}
	return false, nil
}

// contentOf is the content of a small file; "" if it is missing, or belongs to a
// process that has ended.
func contentOf(name string) (string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}
