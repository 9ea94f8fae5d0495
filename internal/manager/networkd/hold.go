package networkd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"xbr-script/internal/keyfile"
	"xbr-script/internal/manager/foreign"
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

// Resume has systemd-networkd begin anew, and thaws it for that. One that is frozen never
// runs again: it would act for a moment on what it has slept through, and give up
// interfaces that it still takes for others. It begins with a netlink socket of its own:
// see disconnect.
type Resume struct {
	Unit string `json:"Unit"`
	// Ran says that it ran before the change: then it is started if it has ended.
	Ran bool `json:"Ran"`
	// The operation waits for the Heirs, and once they are taken no longer than Limit
	// (nanoseconds): until then the host may have no address.
	Heirs []Heir         `json:"Heirs"`
	Limit time.Duration  `json:"Limit"`
	was   []Heir         // instead of Heirs, where somebody else waits for them
	at    time.Time      // when it was done; zero if it was not
	found *foreign.Found // what there was before; nil if it was not done
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
	return plan.Wait{For: "systemd-networkd" + toConfigure(r.Heirs), Limit: restartLimit + max(r.Limit, decideLimit)}
}

// Commands are those that do the same.
func (f *Freeze) Commands() []string {
	return []string{"systemctl stop " + storage, "systemctl freeze " + shell.Quote(f.Unit)}
}

// Commands are those that do the same.
func (r *Resume) Commands() []string {
	u := shell.Quote(r.Unit)
	if !r.Ran {
		return []string{"systemctl thaw " + u, "systemctl try-restart " + u}
	}
	return []string{
		"systemctl kill --kill-who=main --signal=STOP " + u, "systemctl thaw " + u,
		"systemctl stop " + sockets, "rm -f " + linksDir + "/*",
		"systemctl kill --kill-who=main --signal=KILL " + u, "systemctl start " + u,
	}
}

// Ready says whether systemd can be asked.
func (*Resume) Ready(ctx context.Context) error { return ready(ctx) }

// storage is a unit that comes and goes with systemd-networkd, from version 256 on. As it
// ends it asks systemd-networkd something, and before it has ended that is not started
// again. From 258 on, where systemd holds the socket, it would wait 45 seconds for one
// that has been killed. So it ends before; systemd-networkd brings it along.
const storage = "systemd-networkd-persistent-storage.service"

// Do freezes it, if it runs. While a change is taken back it is only tried: whatever
// systemd-networkd does meanwhile, it begins anew in the end.
func (f *Freeze) Do(ctx context.Context, undoing bool) error {
	err := systemd.Ask(ctx, holdLimit, func(ctx context.Context, conn systemd.Conn) error {
		if ok, err := runs(ctx, conn, f.Unit); err != nil || !ok {
			return err
		}
		_ = job(ctx, storage, conn.StopUnitContext)
		return patiently(ctx, func() error { return conn.FreezeUnit(ctx, f.Unit) })
	})
	if undoing {
		return nil
	}
	return err
}

// Do carries it out. While the machine is being switched off it is only thawed.
func (r *Resume) Do(ctx context.Context, undoing bool) error {
	found, err := foreign.Taker{}.Look()
	if err != nil && !undoing {
		return err
	}
	err = systemd.Ask(ctx, restartLimit, func(ctx context.Context, conn systemd.Conn) error {
		anew, err := r.thaw(ctx, conn)
		if err != nil {
			return err
		}
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		if !anew {
			if ok, err := r.restart(ctx, conn); err != nil || !ok {
				return err
			}
		}
		r.found = found
		r.at, err = started(ctx, conn, r.Unit)
		return err
	})
	if err != nil {
		return err
	}
	if len(r.Heirs) > 0 {
		_ = await(ctx, r.Heirs, r.at, r.Limit) // nothing can be done about it
		_ = r.found.Return(ctx)                // nor about this
	}
	return context.Cause(ctx)
}

// restart starts it anew; false if it does not run, and did not.
func (r *Resume) restart(ctx context.Context, conn systemd.Conn) (bool, error) {
	ok, err := conn.Active(ctx, r.Unit)
	if err != nil || !ok && !r.Ran {
		return false, err
	}
	// systemd starts a unit five times in ten seconds, and no more until this.
	_ = conn.ResetFailedUnitContext(ctx, r.Unit)
	return true, job(ctx, r.Unit, conn.RestartUnitContext)
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

// thaw ends it if it is frozen, and thaws its unit for that; it says whether systemd has
// then started it by itself. It is stopped first, and killed when it is stopped and no
// longer frozen. If it ended amid the thawing, its unit would count as frozen until the
// next boot, and could not be started.
func (r *Resume) thaw(ctx context.Context, conn systemd.Conn) (anew bool, err error) {
	state, err := conn.GetUnitPropertyContext(ctx, r.Unit, "FreezerState")
	if err != nil || state.Value.Value() == "running" {
		return false, unless(err, unable...)
	}
	process, err := mainPID(ctx, conn, r.Unit)
	if err != nil {
		return false, err
	}
	// A signal that it does not get makes it act for a moment, no more.
	_ = conn.KillUnitWithTarget(ctx, r.Unit, systemd.Main, int32(unix.SIGSTOP))
	if err := patiently(ctx, func() error { return conn.ThawUnit(ctx, r.Unit) }); err != nil {
		return false, err
	}
	disconnect(ctx, conn, r.Unit)
	if err := r.forget(); err != nil {
		return false, err
	}
	_ = conn.KillUnitWithTarget(ctx, r.Unit, systemd.Main, int32(unix.SIGKILL))
	return ended(ctx, conn, r.Unit, process)
}

// forget removes what it has written about the interfaces that are moved, by the file that
// it goes by. Before version 248 it goes on with that where it begins (link_load), whatever
// the name of that index is then, and would take the NIC out of the bridge.
func (r *Resume) forget() error {
	all, err := filepath.Glob(linksDir + "/*")
	for _, path := range all {
		values, failed := keyfile.Read(path)
		file := filepath.Base(values["NETWORK_FILE"])
		moved := slices.ContainsFunc(slices.Concat(r.Heirs, r.was), func(h Heir) bool { return file == filepath.Base(h.Was.File) })
		if failed == nil && (moved || strings.Contains(file, mark)) {
			failed = os.Remove(path)
		}
		if !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// disconnect takes away the sockets that systemd holds for systemd-networkd, so that it
// gets others when it is started, as it always does together with them.
//
// In that for netlink are all messages since it was frozen: they have systemd start it at
// once, amid which it would be ended again, and a new process takes them for news, about
// interfaces as they are no more. A dump that the former process has not read to its end
// is in it, too, for which a new one fails (EBUSY), and after five times in ten seconds
// systemd starts no other.
//
// What cannot be had is done without.
func disconnect(ctx context.Context, conn systemd.Conn, unit string) {
	var sockets []string
	if p, err := conn.GetUnitPropertyContext(ctx, unit, "TriggeredBy"); err == nil {
		sockets, _ = p.Value.Value().([]string)
	}
	for _, s := range sockets {
		if strings.HasSuffix(s, ".socket") {
			_ = job(ctx, s, conn.StopUnitContext)
		}
	}
}

// ended waits until this process has ended, if it does so soon, and says whether
// another is at work: systemd may have started that, which must not be disturbed until it
// has begun.
func ended(ctx context.Context, conn systemd.Conn, unit string, process uint32) (anew bool, err error) {
	for begun := time.Now(); ; {
		state, err := conn.GetUnitPropertyContext(ctx, unit, "ActiveState")
		if err != nil {
			return false, err
		}
		now, err := mainPID(ctx, conn, unit)
		if err != nil {
			return false, err
		}
		limit := endLimit
		switch state.Value.Value() {
		case "inactive", "failed":
			return false, ctx.Err()
		case "activating":
			limit = holdLimit
		case "active":
			if now != process && now != 0 {
				return true, nil
			}
		}
		if time.Since(begun) > limit {
			return false, nil
		}
		if !paused(ctx) {
			return false, ctx.Err()
		}
	}
}

// mainPID is the process of a unit; 0 if there is none.
func mainPID(ctx context.Context, conn systemd.Conn, unit string) (uint32, error) {
	p, err := conn.GetServicePropertyContext(ctx, unit, "MainPID")
	if err != nil {
		return 0, err
	}
	pid, _ := p.Value.Value().(uint32)
	return pid, nil
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
	// second is also that of another freezing or thawing before 254. The last is that of a
	// freezing or thawing of which the kernel was slow to tell: it has been done, and is not
	// known to have been.
	busy = []string{"org.freedesktop.systemd1.UnitBusy", "org.freedesktop.DBus.Error.Failed",
		"org.freedesktop.systemd1.FreezeCancelled"}
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
	err := systemd.Answers(ctx, restartLimit)
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; to see whether systemd answers: systemctl status systemd-networkd",
			"cannot ask systemd to restart systemd-networkd, which has to follow dom0's addresses")
	}
	return nil
}
