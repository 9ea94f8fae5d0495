package networkd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// holdLimit is how long systemd may take to freeze it. What it is busy with must have
// come to an end first.
const holdLimit = 20 * time.Second

// endLimit is how long it may take to end when it was told to.
const endLimit = time.Second

// Freeze keeps systemd-networkd from running until it is thawed. From version 257 on it
// sees at once that the NIC gets another name, gives it up, and removes its addresses
// from it while they move. A systemd that cannot freeze it, or whose cgroups are of
// version 1, lets it run, as do versions that do not look at names.
type Freeze struct {
	Unit string `json:"Unit"` // systemd-networkd's
}

// Resume has systemd-networkd begin anew, and thaws it for that. One that is frozen gets
// the signal to end first: else it would act for a moment on what it has slept through,
// and give up interfaces that it still takes for others.
type Resume struct {
	Unit string `json:"Unit"`
	// Ran says that it ran before the change: then it is started if it has ended.
	Ran bool `json:"Ran"`
	// The operation waits for the Heirs, but no longer than Limit (nanoseconds), if
	// that is not 0: until then the host may have no address.
	Heirs []Heir        `json:"Heirs"`
	Limit time.Duration `json:"Limit"`
	at    time.Time     // when it was done; zero if it was not
}

var (
	_ plan.Prudent = (*Resume)(nil)
	_ plan.Patient = (*Resume)(nil)
	_ plan.Patient = (*Freeze)(nil)
)

// Kind is its name in the journal.
func (*Freeze) Kind() string { return "networkd freeze" }

// Kind is its name in the journal.
func (*Resume) Kind() string { return "networkd resume" }

// Await is what it waits for.
func (*Freeze) Await() plan.Wait {
	return plan.Wait{For: "systemd to hold systemd-networkd still", Limit: holdLimit}
}

// Await is what it waits for.
func (r *Resume) Await() plan.Wait {
	return plan.Wait{For: "systemd-networkd" + toConfigure(r.Heirs), Limit: restartLimit + r.Limit}
}

// Commands are those that do the same.
func (f *Freeze) Commands() []string { return []string{"systemctl freeze " + shell.Quote(f.Unit)} }

// Commands are those that do the same.
func (r *Resume) Commands() []string {
	u := shell.Quote(r.Unit)
	restart := "systemctl restart " + u
	if !r.Ran {
		restart = "systemctl try-restart " + u
	}
	return []string{"systemctl kill --kill-who=main --signal=USR2 " + u, "systemctl thaw " + u, restart}
}

// Ready says whether systemd can be asked.
func (*Resume) Ready(ctx context.Context) error { return ready(ctx) }

// Do freezes it, if it runs. While a change is taken back it is only tried: whatever
// systemd-networkd does meanwhile, it begins anew in the end.
func (f *Freeze) Do(ctx context.Context, undoing bool) error {
	err := systemd.Ask(ctx, holdLimit, func(ctx context.Context, conn systemd.Conn) error {
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

// Do carries it out. While the machine is being switched off it is only thawed.
func (r *Resume) Do(ctx context.Context, _ bool) error {
	err := systemd.Ask(ctx, restartLimit, func(ctx context.Context, conn systemd.Conn) error {
		if err := r.thaw(ctx, conn); err != nil {
			return err
		}
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		ok, err := conn.Active(ctx, r.Unit)
		if err != nil || !ok && !r.Ran {
			return err
		}
		// systemd starts a unit five times in ten seconds, and no more until this.
		_ = conn.ResetFailedUnitContext(ctx, r.Unit)
		if err := job(ctx, r.Unit, conn.RestartUnitContext); err != nil {
			return err
		}
		r.at, err = started(ctx, conn, r.Unit)
		return err
	})
	if err != nil {
		return err
	}
	if r.Limit > 0 {
		_ = await(ctx, r.Heirs, r.at, r.Limit) // nothing can be done about it
	}
	return context.Cause(ctx)
}

// started is when the process of a unit began. What systemd-networkd has written before
// is of another one, which may have gone on writing until it ended.
func started(ctx context.Context, conn systemd.Conn, unit string) (time.Time, error) {
	p, err := conn.GetServicePropertyContext(ctx, unit, "ExecMainStartTimestamp")
	if err != nil {
		return time.Time{}, err
	}
	at, ok := p.Value.Value().(uint64)
	if !ok {
		return time.Time{}, fmt.Errorf("systemd says of the time when it began: %v", p.Value)
	}
	return time.UnixMicro(int64(at)), nil //nolint:gosec // it is a time of our days
}

// thaw thaws it if it is frozen, so that it ends.
func (r *Resume) thaw(ctx context.Context, conn systemd.Conn) error {
	state, err := conn.GetUnitPropertyContext(ctx, r.Unit, "FreezerState")
	if err != nil || state.Value.Value() == "running" {
		return unless(err, unable...)
	}
	// The signal by which systemd restarts it, so that it keeps its leases.
	signal := int32(unix.SIGTERM)
	if p, err := conn.GetServicePropertyContext(ctx, r.Unit, "RestartKillSignal"); err == nil {
		if is, ok := p.Value.Value().(int32); ok && is != 0 {
			signal = is
		}
	}
	_ = conn.KillUnitWithTarget(ctx, r.Unit, systemd.Main, signal) // else it acts for a moment
	if err := patiently(ctx, func() error { return conn.ThawUnit(ctx, r.Unit) }); err != nil {
		return err
	}
	return forget(ctx, conn, r.Unit)
}

// forget empties systemd-networkd's netlink socket once it has ended. systemd holds the
// socket for it, with all that was sent in the meantime, and a new process would take
// that for news, about interfaces as they are no more: it fails over it, and after five
// times in ten seconds gives an interface up. What cannot be had is done without.
func forget(ctx context.Context, conn systemd.Conn, unit string) error {
	for end := time.Now().Add(endLimit); ; {
		state, err := conn.GetUnitPropertyContext(ctx, unit, "ActiveState")
		if err != nil {
			return err
		}
		switch state.Value.Value() {
		case "inactive", "failed":
			_ = job(ctx, socket, conn.TryRestartUnitContext)
			return ctx.Err()
		case "activating":
			return nil // what is in the socket has had systemd start it: that one reads it
		}
		if time.Now().After(end) {
			return nil
		}
		if !paused(ctx) {
			return ctx.Err()
		}
	}
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
		if !paused(ctx) {
			return err
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
	err := systemd.Ask(ctx, restartLimit, func(context.Context, systemd.Conn) error { return nil })
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; to see whether systemd answers: systemctl status systemd-networkd",
			"cannot ask systemd to restart systemd-networkd, which has to follow dom0's addresses")
	}
	return nil
}
