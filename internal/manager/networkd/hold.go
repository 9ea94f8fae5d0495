package networkd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// holdLimit is how long systemd may take to freeze it, or to thaw it. What it is busy
// with must have come to an end first.
const holdLimit = 20 * time.Second

// Freeze keeps systemd-networkd from running until it is thawed. From version 257 on it
// sees at once that the NIC gets another name, gives it up, and removes its addresses
// from it while they move. A systemd that cannot freeze it, or whose cgroups are of
// version 1, lets it run, as do versions that do not look at names.
type Freeze struct {
	Unit string `json:"Unit"` // systemd-networkd's
}

// Thaw has it run again. Nothing happens if it is not frozen.
type Thaw struct {
	Unit string `json:"Unit"`
}

// Kind is its name in the journal.
func (*Freeze) Kind() string { return "networkd freeze" }

// Kind is its name in the journal.
func (*Thaw) Kind() string { return "networkd thaw" }

// Commands are those that do the same.
func (f *Freeze) Commands() []string { return []string{"systemctl freeze " + shell.Quote(f.Unit)} }

// Commands are those that do the same.
func (t *Thaw) Commands() []string { return []string{"systemctl thaw " + shell.Quote(t.Unit)} }

// Do freezes it, if it runs. While a change is taken back it is only tried: whatever
// systemd-networkd does meanwhile, it begins anew in the end.
func (f *Freeze) Do(ctx context.Context, undoing bool) error {
	err := ask(ctx, holdLimit, func(ctx context.Context, conn systemd.Conn) error {
		if ok, err := runs(ctx, conn, f.Unit); err != nil || !ok {
			return err
		}
		return patiently(ctx, func() error { return conn.FreezeUnit(ctx, f.Unit) })
	})
	if undoing {
		return nil
	}
	return err
}

// Do thaws it.
func (t *Thaw) Do(ctx context.Context, _ bool) error {
	return ask(ctx, holdLimit, func(ctx context.Context, conn systemd.Conn) error {
		state, err := conn.GetUnitPropertyContext(ctx, t.Unit, "FreezerState")
		if err != nil || state.Value.Value() == "running" {
			return unless(err, unable...)
		}
		return patiently(ctx, func() error { return conn.ThawUnit(ctx, t.Unit) })
	})
}

var (
	// unable are the errors of a systemd that cannot freeze (dbus-unit.c), or is
	// older than 246, and does not know what that is. A unit that is not active
	// has nothing to be frozen.
	unable = []string{
		"org.freedesktop.DBus.Error.NotSupported", "org.freedesktop.DBus.Error.UnknownMethod",
		"org.freedesktop.DBus.Error.UnknownProperty", "org.freedesktop.systemd1.UnitInactive",
	}
	// busy are those of one that still has something else to do with the unit; the
	// latter is also that of another freezing or thawing before 254.
	busy = []string{"org.freedesktop.systemd1.UnitBusy", "org.freedesktop.DBus.Error.Failed"}
)

// patiently asks again while systemd is busy with the unit. That it is unable to
// freeze is no error.
func patiently(ctx context.Context, call func() error) error {
	for {
		err := unless(call(), unable...)
		if err == nil || unless(err, busy...) != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// unless is the error, unless its name on the bus is one of those.
func unless(err error, names ...string) error {
	var answer dbus.Error
	if errors.As(err, &answer) && slices.Contains(names, answer.Name) {
		return nil
	}
	return err
}

// ready says whether systemd can be asked.
func ready(ctx context.Context) error {
	err := ask(ctx, restartLimit, func(context.Context, systemd.Conn) error { return nil })
	if err != nil {
		return refusal.Wrap(err, "systemctl stop systemd-networkd, if the host can do without",
			"cannot ask systemd to restart systemd-networkd, which has to follow dom0's addresses")
	}
	return nil
}

// ask does something with systemd within the limit.
func ask(ctx context.Context, limit time.Duration, do func(context.Context, systemd.Conn) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := systemd.Dial(limited)
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
