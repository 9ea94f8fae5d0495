package ifupdown

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"xbr-script/internal/idle"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

const (
	// runUnits is where the files of units are that last until the next boot.
	runUnits = "/run/systemd/system"
	// mark is in the first line of each file of ours.
	mark = "xbr-script"
	// device ends the names of units that are devices.
	device = ".device"
	// reloadLimit is how long systemd may take to read all units anew.
	reloadLimit = 90 * time.Second
	// seenLimit is how long systemd may take to see that a NIC has got its name.
	seenLimit = 10 * time.Second
	// pause is the time between two looks at it, and steady how many of them make a second.
	pause  = 50 * time.Millisecond
	steady = 20
)

// Unit is the operation that gives the unit of an interface a file in /run, or removes
// it if Content is nil.
type Unit struct {
	Name    string  `json:"Name"` // ifup@eth0.service
	Dev     string  `json:"Dev"`  // eth0
	Content *string `json:"Content"`
}

var (
	_ plan.Prudent = (*Unit)(nil)
	_ plan.Patient = (*Unit)(nil)
)

func made(name string, move manager.Move, text string) *Unit { return &Unit{name, move.NetDev, &text} }

func gone(name string, move manager.Move) *Unit { return &Unit{name, move.NetDev, nil} }

// ours is the file that a unit was given by us. Empty: there is none.
func ours(root, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root+runUnits, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if first, _, _ := strings.Cut(string(text), "\n"); !strings.HasSuffix(first, "("+mark+")") {
		return "", err
	}
	return string(text), err
}

// Kind is its name in the journal.
func (*Unit) Kind() string { return "ifupdown unit" }

// Await is what it waits for.
func (u *Unit) Await() plan.Wait {
	return plan.Wait{For: "systemd to read " + u.Name, Limit: reloadLimit}
}

// Commands are those that do the same.
func (u *Unit) Commands() []string {
	if u.Content == nil {
		return []string{"rm -f " + shell.Quote(u.path()), "systemctl daemon-reload"}
	}
	return []string{shell.Write(u.path(), *u.Content), "systemctl daemon-reload"}
}

func (u *Unit) path() string { return filepath.Join(runUnits, u.Name) }

// Ready says whether systemd can be asked.
func (u *Unit) Ready(ctx context.Context) error {
	err := systemd.Answers(ctx, reloadLimit)
	if err != nil {
		return refusal.Wrap(err, `in /etc/network/interfaces write "auto `+u.Dev+`" in place of "allow-hotplug `+u.Dev+`", and reboot`,
			"cannot ask systemd to keep the unit %s", u.Name)
	}
	return nil
}

// Do carries it out.
func (u *Unit) Do(ctx context.Context, _ bool) error {
	if base := filepath.Base(u.Name); base != u.Name || !strings.HasPrefix(base, "ifup@") || !strings.HasSuffix(base, ".service") {
		return fmt.Errorf("%s is no unit of ifupdown's", u.Name)
	}
	if u.Content == nil {
		return u.remove(ctx)
	}
	if err := rundir.Write(u.path(), []byte(*u.Content)); err != nil {
		return err
	}
	return systemd.Ask(ctx, reloadLimit, func(ctx context.Context, conn systemd.Conn) error {
		// At the end of the machine's life nothing is read anew, and ifdown is due.
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		if err := conn.ReloadContext(ctx); err != nil {
			return err
		}
		return u.isUnbound(ctx, conn)
	})
}

// isUnbound fails if something else than the file binds the unit to its device.
func (u *Unit) isUnbound(ctx context.Context, conn systemd.Conn) error {
	p, err := conn.GetUnitPropertyContext(ctx, u.Name, "BindsTo")
	if err != nil {
		return err
	}
	names, _ := p.Value.Value().([]string)
	for _, name := range names {
		if strings.HasSuffix(name, device) {
			return refusal.New("systemctl cat "+u.Name, "cannot keep the unit %s: it is bound to %s by another file than that of the unit", u.Name, name)
		}
	}
	return nil
}

// remove removes the file, and has systemd read what binds the unit then. It must know
// the NIC by its old name first: it would find the unit bound to a device that is not
// there, and end it, now or when somebody has it read its units the next time. If it
// does not come to know it, the file stays for that reason.
func (u *Unit) remove(ctx context.Context) error {
	if _, err := os.Stat(u.path()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	var removed error
	_ = systemd.Ask(ctx, reloadLimit, func(ctx context.Context, conn systemd.Conn) error {
		stopping, err := conn.Stopping(ctx)
		if err != nil || !stopping && !Seen(ctx, conn, u.Dev) {
			return err
		}
		if removed = rundir.Remove(u.path()); removed != nil || stopping {
			return removed
		}
		return conn.ReloadContext(ctx)
	})
	return cmp.Or(context.Cause(ctx), removed)
}

// Seen waits until systemd knows the interface by its name, and says whether it does. It
// may miss a NIC that had another name for a moment only, as udev looks for it under that
// one; so udev is told of it once more, as by udevadm trigger.
func Seen(ctx context.Context, conn systemd.Conn, dev string) bool {
	path, err := filepath.EvalSymlinks(sysNet + dev)
	if err != nil {
		return false
	}
	// The device of a virtual NIC looks as that of the interface that had the name
	// before: it has to stay.
	wanted := 1
	if strings.HasPrefix(path, "/sys/devices/virtual/") {
		wanted = steady
	}
	sure := 0
	for n := range int(seenLimit / pause) {
		if sure++; !isSeen(ctx, conn, dev, path) {
			sure = 0
		}
		if sure == wanted {
			return true
		}
		if n%steady == steady-1 {
			tell(filepath.Join(path, "uevent"))
		}
		if idle.For(ctx, pause) != nil {
			return false
		}
	}
	return false
}

// tell has the kernel send an event about a device.
func tell(file string) {
	if f, err := os.OpenFile(file, os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("change")
		_ = f.Close()
	}
}

// isSeen says whether systemd knows the interface by its name, as that device.
func isSeen(ctx context.Context, conn systemd.Conn, dev, path string) bool {
	if _, err := os.Stat("/run/udev/queue"); err == nil {
		return false // udev has something to do
	}
	name := systemd.NICDevice(dev)
	if active, err := conn.Active(ctx, name); err != nil || !active {
		return false
	}
	p, err := conn.GetUnitTypePropertyContext(ctx, name, "Device", "SysFSPath")
	return err == nil && p.Value.Value() == path
}

// sysNet is where the kernel shows interfaces; a test puts something else there.
var sysNet = "/sys/class/net/"
