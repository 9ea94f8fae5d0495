// Package systemd asks process 1 over its own socket, because there may be no bus
// while the machine starts.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/unit"
	"golang.org/x/sys/unix"
)

// Up says whether a unit is up: systemd has a link for each one that is.
func Up(name string) (bool, error) {
	_, err := os.Lstat("/run/systemd/units/invocation:" + name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENAMETOOLONG) {
		return false, nil
	}
	return err == nil, err
}

// Main is a unit's main process, as opposed to all of them.
const Main = dbus.Main

// Conn is a connection to systemd.
type Conn struct{ *dbus.Conn }

// Dial connects. It fails if there is no systemd, or if the caller is not root.
func Dial(ctx context.Context) (Conn, error) {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	return Conn{conn}, err
}

// Ask does something with systemd within the limit.
func Ask(ctx context.Context, limit time.Duration, do func(context.Context, Conn) error) error {
	return ask(ctx, limit, Dial, do)
}

// Look is Ask for what everybody may know: who is not root asks over the bus.
func Look(ctx context.Context, limit time.Duration, do func(context.Context, Conn) error) error {
	if os.Geteuid() == 0 {
		return Ask(ctx, limit, do)
	}
	return ask(ctx, limit, func(ctx context.Context) (Conn, error) {
		conn, err := dbus.NewSystemConnectionContext(ctx)
		return Conn{conn}, err
	}, do)
}

// Answers is why systemd cannot be asked for anything; nil if it can.
func Answers(ctx context.Context, limit time.Duration) error {
	return Ask(ctx, limit, func(context.Context, Conn) error { return nil })
}

func ask(ctx context.Context, limit time.Duration, dial func(context.Context) (Conn, error), do func(context.Context, Conn) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dial(limited)
	if err == nil {
		defer conn.Close()
		err = do(limited, conn)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx) // whatever error it has caused
	case limited.Err() != nil:
		return fmt.Errorf("systemd has not done it after %v", limit)
	}
	return err
}

// InService says whether this process is a service of systemd, or comes from one. A
// service may do less than root may elsewhere.
func InService() bool { return os.Getenv("INVOCATION_ID") != "" }

// Load has systemd load a module of the kernel, for a service that may not. That the
// kernel has no such module is no error.
func Load(ctx context.Context, module string) error {
	return Ask(ctx, loadLimit, func(ctx context.Context, conn Conn) error {
		done := make(chan string, 1)
		if _, err := conn.StartUnitContext(ctx, "modprobe@"+module+".service", "replace", done); err != nil {
			return err
		}
		return Result(ctx, done)
	})
}

const loadLimit = 30 * time.Second

// Result waits for what has become of a job.
func Result(ctx context.Context, done <-chan string) error {
	select {
	case text := <-done:
		return Outcome(text)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Outcome is an error unless systemd says of a job that it is done.
func Outcome(text string) error {
	if text != "done" {
		return errors.New("systemd says of it: " + text)
	}
	return nil
}

// Stopping says whether the machine is being switched off: then everything that
// could follow dom0's addresses ends as well, and must not be waited for.
func (c Conn) Stopping(ctx context.Context) (bool, error) {
	state, err := c.SystemStateContext(ctx)
	return err == nil && state.Value.Value() == "stopping", err
}

// Version is systemd's, such as 257; 0 if it cannot be told.
func (c Conn) Version() (int, error) {
	text, err := c.GetManagerProperty("Version") // in quotes
	if err != nil {
		return 0, err
	}
	text = strings.TrimLeft(text, "\"v")
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		text = text[:i]
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, nil
	}
	return n, nil
}

// Active says whether a unit is up.
func (c Conn) Active(ctx context.Context, name string) (bool, error) {
	state, err := c.GetUnitPropertyContext(ctx, name, "ActiveState")
	return err == nil && state.Value.Value() == "active", err
}

// Instances are the units of templates for an interface: udev's rules escape its name, an
// admin may not have.
func Instances(dev string, templates ...string) (names []string) {
	for _, t := range templates {
		names = append(names, t+"@"+unit.UnitNameEscape(dev)+".service")
		if raw := t + "@" + dev + ".service"; raw != names[len(names)-1] {
			names = append(names, raw)
		}
	}
	return names
}

// Beginning is one of these units, which may be patterns, that is being started or is to
// be; "" if none is. Debian's ifup@.service counts as started as soon as ifup has begun,
// so of those in running it is also one whose process has not ended yet.
func (c Conn) Beginning(ctx context.Context, units, running []string) (string, error) {
	for n, names := range [][]string{units, running} {
		found, err := c.ListUnitsByPatternsContext(ctx, nil, names)
		if err != nil {
			return "", err
		}
		for _, u := range found {
			if u.JobType == "start" || u.JobType == "restart" || u.ActiveState == "activating" || n == 1 && u.SubState == "running" {
				return u.Name, nil
			}
		}
	}
	return "", nil
}
