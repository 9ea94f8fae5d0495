package bound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/manager/ifupdown"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
	"xbr-script/internal/shell"
	"xbr-script/internal/systemd"
)

// reloadLimit is how long systemd may take to read all units anew.
const reloadLimit = 90 * time.Second

// File is a file of systemd's units.
type File struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Units is the operation that makes files by which units are not bound to a NIC's device, or
// removes them.
type Units struct {
	Dev   string `json:"dev"` // eth0
	Files []File `json:"files"`
	Gone  bool   `json:"gone"` // they are removed
}

var (
	_ plan.Prudent = (*Units)(nil)
	_ plan.Patient = (*Units)(nil)
)

func (u *Units) gone() *Units { return &Units{u.Dev, u.Files, true} }

// Kind is its name in the journal.
func (*Units) Kind() string { return "bound units" }

// names are those of the units.
func (u *Units) names() (names []string) {
	for _, f := range u.Files {
		names = append(names, unitOf(f.Path))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unitOf is the unit that a file is for; "" if it is not where files of ours are.
func unitOf(path string) string {
	name, ok := strings.CutPrefix(path, control+"/")
	if !ok || filepath.Clean(path) != path {
		return ""
	}
	if dir, base := filepath.Split(name); dir != "" {
		name, ok = strings.CutSuffix(dir, ".d/")
		if !ok || strings.Contains(name, "/") || filepath.Ext(base) != ".conf" {
			return ""
		}
	}
	return name
}

// Await is what it waits for.
func (u *Units) Await() plan.Wait {
	return plan.Wait{For: "systemd to read " + strings.Join(u.names(), ", "), Limit: reloadLimit}
}

// Commands are those that do the same.
func (u *Units) Commands() (lines []string) {
	for _, f := range u.Files {
		if u.Gone {
			lines = append(lines, "rm -f "+shell.Quote(f.Path))
			continue
		}
		lines = append(lines, shell.Make(f.Path, f.Text)...)
	}
	return append(lines, "systemctl daemon-reload")
}

// Ready says whether systemd can be asked.
func (u *Units) Ready(ctx context.Context) error {
	err := systemd.Answers(ctx, reloadLimit)
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; to see whether systemd answers: systemctl status", "cannot ask systemd to keep %s", strings.Join(u.names(), ", "))
	}
	return nil
}

// Do carries it out.
func (u *Units) Do(ctx context.Context, _ bool) error {
	for _, f := range u.Files {
		if unitOf(f.Path) == "" {
			return fmt.Errorf("%s is no file of ours for a unit", f.Path)
		}
	}
	if u.Gone {
		return u.remove(ctx)
	}
	for _, f := range u.Files {
		if err := rundir.Write(f.Path, []byte(f.Text)); err != nil {
			return err
		}
	}
	return systemd.Ask(ctx, reloadLimit, func(ctx context.Context, conn systemd.Conn) error {
		// At the end of the machine's life nothing is read anew.
		if stopping, err := conn.Stopping(ctx); err != nil || stopping {
			return err
		}
		if err := conn.ReloadContext(ctx); err != nil {
			return err
		}
		return u.areUnbound(ctx, conn)
	})
}

// areUnbound fails if one of the units would end all the same.
func (u *Units) areUnbound(ctx context.Context, conn systemd.Conn) error {
	bound, err := conn.BoundTo(ctx, u.Dev)
	if err != nil {
		return err
	}
	names := u.names()
	for _, b := range bound {
		if slices.Contains(names, b.Name) {
			return refusal.New("systemctl cat "+shell.Quote(b.Name), "cannot keep the unit %s: something else than its files has systemd end it with the name %s", b.Name, u.Dev)
		}
	}
	return nil
}

// remove removes the files, and has systemd read what binds the units then, as soon as it
// knows the NIC by its name: else it would end them. If it does not come to know it, the
// files stay for that reason.
func (u *Units) remove(ctx context.Context) error {
	there := false
	for _, f := range u.Files {
		_, err := os.Lstat(f.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		there = there || err == nil
	}
	if !there {
		return nil
	}
	var removed error
	_ = systemd.Ask(ctx, reloadLimit, func(ctx context.Context, conn systemd.Conn) error {
		stopping, err := conn.Stopping(ctx)
		if err != nil || !stopping && !seen(ctx, conn, u.Dev) {
			return err
		}
		for _, f := range u.Files {
			removed = errors.Join(removed, remove(f.Path))
		}
		if removed != nil || stopping {
			return removed
		}
		return conn.ReloadContext(ctx)
	})
	return cmp.Or(context.Cause(ctx), removed)
}

// seen waits until systemd knows the NIC; a test has another one.
var seen = ifupdown.Seen

// remove removes a file, and its folder if nothing else is in it.
func remove(path string) error {
	err := rundir.Remove(path)
	if dir := filepath.Dir(path); dir != control {
		_ = os.Remove(dir)
	}
	return err
}
