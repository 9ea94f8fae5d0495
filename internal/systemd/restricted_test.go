package systemd

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/nstest"
)

// list is what a unit has in its settings: whether it may use these interfaces only.
type list struct {
	Only  bool
	Names []string
}

// listed is a unit in an answer.
type listed struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	JobID                                           uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

// restricting is systemd as far as it is asked here.
type restricting struct {
	*testing.T
	mu    sync.Mutex
	units map[string]list
	old   bool // it is from before 250
	asked int
}

func (f *restricting) answer(msg *dbus.Message) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	switch member := msg.Headers[dbus.FieldMember].Value().(string); member {
	case "AddMatch":
		return nil
	case "ListUnitsByPatterns":
		all := []listed{{Name: "a.device", Path: "/a", JobPath: "/"}, {Name: "gone.service", Path: "/g", JobPath: "/"}}
		for name := range f.units {
			all = append(all, listed{Name: name, Path: "/u", JobPath: "/"})
		}
		return []any{all}
	case "Get":
		path := string(msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath))
		group, _ := msg.Body[0].(string)
		for name, l := range f.units {
			if !f.old && filepath.Base(path) == systemdbus.PathBusEscape(name) && msg.Body[1] == restriction &&
				strings.HasSuffix(name, strings.ToLower(strings.TrimPrefix(group, "org.freedesktop.systemd1"))) {
				return []any{dbus.MakeVariant(l)}
			}
		}
		return []any{dbustest.Error(map[bool]string{true: "org.freedesktop.DBus.Error.UnknownProperty", false: "org.freedesktop.systemd1.NoSuchUnit"}[f.old])}
	}
	f.Errorf("asked for %v", msg)
	return nil
}

// questions is how often it was asked.
func (f *restricting) questions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// age makes it one from before 250.
func (f *restricting) age() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.old = true
}

// TestRestrictions finds the units that may use some interfaces only, and asks systemd
// nothing where no file has the setting.
func TestRestrictions(t *testing.T) {
	nstest.New(t)
	file := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what string, want ...Restricted) {
		t.Helper()
		if found, err := Restrictions(t.Context()); err != nil || !reflect.DeepEqual(found, want) {
			t.Errorf("%s: %+v, %v, want %+v", what, found, err, want)
		}
	}
	is("no systemd")
	f := &restricting{T: t, units: map[string]list{
		"x.service": {true, []string{"lo", "eth0"}}, "y.slice": {false, []string{"enp1s0"}}, "none.service": {false, []string{}}, "other.scope": {true, []string{"eth1"}},
	}}
	dbustest.Listen(t, "/run/systemd/private", f.answer)
	is("no file with the setting")
	file("/run/systemd/transient/x.service", "[Service]\nExecStart=true\n")
	file("/run/systemd/system/x.timer", "[Timer]\n"+restriction+"=eth0\n")
	is("no file of a unit that can have the setting")
	if f.questions() > 0 {
		t.Error("systemd was asked, though no file has the setting")
	}
	all := []Restricted{{"other.scope", []string{"eth1"}, false}, {"x.service", []string{"lo", "eth0"}, false}, {"y.slice", []string{"enp1s0"}, true}}
	file("/run/systemd/system/y.slice.d/a.conf", "[Slice]\n"+restriction+" = ~enp1s0\n")
	is("in a file that is added", all...)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.RemoveAll("/run/systemd/system"))
	is("none again")
	file("/run/systemd/transient/x.service", "[Service]\n"+restriction+"=eth0\n")
	is("of a unit without a file", all...)
	f.age()
	is("systemd before 250")
}
