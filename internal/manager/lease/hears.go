package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
)

// dhclient hears answers by a packet socket, which is bound to the index of an interface.
// If it was there before start, that is the NIC, where it hears them as long as the NIC is
// a port, too. If it was run while the bridge was up (by ifup), that is dom0's interface,
// which stop removes. udhcpc opens its sockets anew each time, by the interface's name.

// hears says whether a client hears by dom0's interface, which goes away.
func (m Manager) hears(c client, move manager.Move) (bool, error) {
	if starts(move) || move.NIC == nil || c.program != "dhclient" {
		return false, nil
	}
	dir := m.Root + "/proc/" + strconv.Itoa(c.pid)
	bound, err := packetSockets(dir, move.From.Index)
	if err != nil || len(bound) == 0 {
		return false, err
	}
	files, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return false, unlessGone(err)
	}
	for _, file := range files {
		if target, _ := os.Readlink(filepath.Join(dir, "fd", file.Name())); bound[target] {
			return true, nil
		}
	}
	return false, nil
}

// packetSockets are those bound to an interface in the namespace of the process in that
// folder, as its files name them: "socket:[4711]".
func packetSockets(dir string, index int) (map[string]bool, error) {
	text, err := manager.Content(dir + "/net/packet")
	if err != nil {
		return nil, unlessGone(err)
	}
	const iface, inode = 4, 8 // its columns (packet_seq_show)
	bound := map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > inode && words[iface] == strconv.Itoa(index) {
			bound["socket:["+words[inode]+"]"] = true
		}
	}
	return bound, nil
}

// unlessGone is the error, unless it says that a process has ended, or that only root may
// see what it has.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// handedOver is the step by which such a client hears by the NIC, before dom0's interface
// goes.
func (c *client) handedOver(m manager.Move) plan.Step {
	return plan.Step{
		Title: fmt.Sprintf("have %s (pid %d) hear by %s", c.program, c.pid, m.NIC.Name),
		Do:    []plan.Op{&Rebind{Program: c.program, PID: c.pid, From: m.From.Index, To: m.NIC.Index, Dev: m.NIC.Name}},
		Undo:  []plan.Op{&Rebind{Program: c.program, PID: c.pid, From: m.NIC.Index, To: m.From.Index, Dev: m.From.Name}},
	}
}
