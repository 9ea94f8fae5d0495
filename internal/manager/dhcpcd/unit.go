package dhcpcd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"xbr-script/internal/idle"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// unitLimit is how long systemd may take with a service.
const unitLimit = 90 * time.Second

// quiet has systemd end a service in the same way: it would else run dhcpcd -x, by which
// the addresses go, or start it again amid the change.
const quiet = "[Service]\nExecStop=\nExecStopPost=\nKillMode=control-group\nKillSignal=SIGKILL\nRestart=no\n"

// dropIn is the file that says so, and later the service's command line.
func dropIn(unit string) string { return "/run/systemd/system/" + unit + ".d/xbr-script.conf" }

// override has a service run this command line.
func (r *Run) override() string {
	words := []string{r.Path}
	for _, a := range r.Args[1:] {
		words = append(words, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`, "\n", `\n`).Replace(a)+`"`)
	}
	return "# As long as a NIC is the port of a bridge (xbr-script)\n[Service]\nExecStart=\nExecStart=" + strings.Join(words, " ") + "\n"
}

// UnitOf is the service of systemd whose main process this is, by the control groups
// of the process; "" if it is none, such as one that ifup has run.
func UnitOf(pid int, groups string) (unit string, err error) {
	for line := range strings.Lines(groups) {
		if name := filepath.Base(strings.TrimSpace(line)); strings.HasSuffix(name, ".service") && !strings.Contains(line, "/user.slice/") {
			unit = name
		}
	}
	if unit == "" {
		return "", nil
	}
	err = systemd.Ask(context.Background(), unitLimit, func(ctx context.Context, conn systemd.Conn) error {
		p, err := conn.GetServicePropertyContext(ctx, unit, "MainPID")
		if err == nil && p.Value.Value() != uint32(pid) { //nolint:gosec // the number of a process
			unit = ""
		}
		return err
	})
	if err != nil {
		return "", refusal.Wrap(err, unasked(unit), "cannot ask systemd about %s, in which dhcpcd runs", unit)
	}
	return unit, nil
}

func unasked(unit string) string {
	return "nothing was changed; to see whether systemd answers: systemctl status " + shell.Quote(unit)
}

// ready says whether systemd can be asked, if it has to be.
func ready(ctx context.Context, unit string) error {
	if unit == "" {
		return nil
	}
	if err := systemd.Answers(ctx, unitLimit); err != nil {
		return refusal.Wrap(err, unasked(unit), "cannot ask systemd to run %s again", unit)
	}
	return nil
}

// stopUnit ends a service, and none that depends on it. While the machine is being
// switched off systemd is about to end it, and starts it no more, but waits for this
// call: so it is killed here. 10.1 for all interfaces would begin with the NIC and give it
// up again without end, and not hear that it is to stop.
func (e *End) stopUnit(ctx context.Context) error {
	return systemd.Ask(ctx, unitLimit, func(ctx context.Context, conn systemd.Conn) error {
		stopping, err := conn.Stopping(ctx)
		switch {
		case err != nil:
			return err
		case stopping:
			return kill(ctx, e.PIDFile)
		}
		return stop(ctx, conn, e.Unit)
	})
}

func stop(ctx context.Context, conn systemd.Conn, unit string) error {
	if err := write(dropIn(unit), quiet); err != nil {
		return err
	}
	if err := conn.ReloadContext(ctx); err != nil {
		return err
	}
	done := make(chan string, 1)
	if _, err := conn.StopUnitContext(ctx, unit, "ignore-dependencies", done); err != nil {
		return err
	}
	return systemd.Result(ctx, done)
}

// startUnit runs the service again, by its own command line or by this one.
func (r *Run) startUnit(ctx context.Context) error {
	return systemd.Ask(ctx, unitLimit, func(ctx context.Context, conn systemd.Conn) error {
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		if err := stop(ctx, conn, r.Unit); err != nil { // it may have begun amid the change
			return err
		}
		var err error
		if r.Denies {
			err = write(dropIn(r.Unit), r.override())
		} else {
			err = remove(dropIn(r.Unit))
		}
		if err == nil {
			err = conn.ReloadContext(ctx)
		}
		if err != nil {
			return err
		}
		_ = conn.ResetFailedUnitContext(ctx, r.Unit) // that it was killed is no failure
		done := make(chan string, 1)
		if _, err := conn.StartUnitContext(ctx, r.Unit, "replace", done); err != nil {
			return err
		}
		return r.begun(ctx, done)
	})
}

// begun waits until a service has begun, which may be before it has an address.
func (r *Run) begun(ctx context.Context, done <-chan string) error {
	for {
		if pid, err := running("", r.PIDFile); err != nil || pid != 0 {
			return err
		}
		select {
		case text := <-done:
			return systemd.Outcome(text)
		default:
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}

// write gives a file its content, at once or not at all.
func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return rundir.Write(path, []byte(text))
}

// remove removes a file, and its folder if nothing else is in it.
func remove(path string) error {
	err := rundir.Remove(path)
	_ = os.Remove(filepath.Dir(path))
	return err
}
