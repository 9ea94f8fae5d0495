package systemd

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// restriction is the setting of units that may use some interfaces only.
const restriction = "RestrictNetworkInterfaces"

// Restricted is a unit that is up and may use these interfaces only, or may not use them.
type Restricted struct {
	Name       string
	Interfaces []string
	Not        bool
}

// folders are those in which files of units may be (systemd.unit(5)).
var folders = []string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early",
	"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached", "/run/systemd/generator",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/generator.late",
}

// groups are the kinds of units that can have the setting, and its interface on the bus.
var groups = map[string]string{".service": "Service", ".scope": "Scope", ".slice": "Slice", ".socket": "Socket", ".mount": "Mount", ".swap": "Swap"}

// restricts says whether the file of some unit may have that setting. There are hundreds of
// them, and they are read in milliseconds; each unit would take systemd longer to tell of.
func restricts() bool {
	for _, dir := range folders {
		files, _ := filepath.Glob(dir + "/*.*") // its form is right
		more, _ := filepath.Glob(dir + "/*.d/*.conf")
		for _, file := range append(files, more...) {
			if ext := filepath.Ext(file); ext != ".conf" && groups[ext] == "" {
				continue
			}
			if text, err := os.ReadFile(file); os.IsPermission(err) || bytes.Contains(text, []byte(restriction)) {
				return true
			}
		}
	}
	return false
}

// Restrictions are the units that are up and may use some interfaces only. Where no unit has
// the setting systemd is not asked.
func Restrictions(ctx context.Context) (found []Restricted, err error) {
	const limit = 20 * time.Second
	if _, err := os.Stat("/run/systemd/private"); errors.Is(err, fs.ErrNotExist) || !restricts() {
		return nil, nil
	}
	err = Look(ctx, limit, func(ctx context.Context, conn Conn) (err error) {
		found, err = conn.restricted(ctx)
		return err
	})
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil, nil // it does not run
	}
	return found, err
}

// restricted asks for them.
func (c Conn) restricted(ctx context.Context) (found []Restricted, err error) {
	units, err := c.ListUnitsByPatternsContext(ctx, []string{"active", "activating", "reloading", "refreshing", "deactivating"}, nil)
	if err != nil {
		return nil, err
	}
	for _, u := range units {
		group := groups[filepath.Ext(u.Name)]
		if group == "" {
			continue
		}
		p, err := c.GetUnitTypePropertyContext(ctx, u.Name, group, restriction)
		if unknown(err) {
			continue // a unit that has gone, or systemd before 250
		}
		if err != nil {
			return nil, err
		}
		if r, ok := restrictedIn(u.Name, p.Value.Value()); ok {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Restricted) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// unknown says whether there is no such property, or no such unit.
func unknown(err error) bool {
	failed, ok := err.(dbus.Error) //nolint:errorlint // it is not wrapped
	return ok && slices.Contains([]string{"org.freedesktop.DBus.Error.UnknownProperty", "org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.DBus.Error.UnknownObject", "org.freedesktop.systemd1.NoSuchUnit"}, failed.Name)
}

// restrictedIn reads the property: whether the interfaces are those that may be used, and
// their names.
func restrictedIn(unit string, value any) (r Restricted, ok bool) {
	parts, _ := value.([]any)
	if len(parts) != 2 {
		return r, false
	}
	only, _ := parts[0].(bool)
	names, _ := parts[1].([]string)
	return Restricted{unit, names, !only}, len(names) > 0
}
