package restricted

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	systemdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/formtest"
	"xbr-script/internal/testing/nstest"
)

// list is what a unit has in its settings: whether it may use these interfaces only.
type list struct {
	Only  bool
	Names []string
}

// fake is systemd as far as it is asked here: a filter has the index that eth0 has when
// systemd reads its units.
type fake struct {
	*testing.T
	mu       sync.Mutex
	units    map[string]list
	index    int // of eth0
	filtered int
	old      bool // it is from before 250
	stopping bool
	asked    int
}

func newFake(t *testing.T, units map[string]list) *fake {
	t.Helper()
	nstest.New(t)
	f := &fake{T: t, units: units, index: 2, filtered: 2}
	f.file("run/systemd/transient/x.service", "[Service]\nRestrictNetworkInterfaces=eth0\n")
	dbustest.Listen(t, "/run/systemd/private", f.answer)
	return f
}

func (f *fake) file(path, text string) {
	f.Helper()
	path = "/" + path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// listed is a unit in an answer.
type listed struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	JobID                                           uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

func (f *fake) answer(msg *dbus.Message) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	switch member := msg.Headers[dbus.FieldMember].Value().(string); member {
	case "AddMatch":
		return nil
	case "Reload":
		f.filtered = f.index
		return nil
	case "ListUnitsByPatterns":
		all := []listed{{Name: "a.device", Path: "/a", JobPath: "/"}, {Name: "gone.service", Path: "/g", JobPath: "/"}}
		for name := range f.units {
			all = append(all, listed{Name: name, Path: "/u", JobPath: "/"})
		}
		return []any{all}
	case "Get":
		if msg.Body[1] == "SystemState" {
			return []any{dbus.MakeVariant(map[bool]string{true: "stopping", false: "running"}[f.stopping])}
		}
		path := string(msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath))
		for name, l := range f.units {
			group, _ := msg.Body[0].(string)
			if !f.old && filepath.Base(path) == systemdbus.PathBusEscape(name) && msg.Body[1] == "RestrictNetworkInterfaces" &&
				strings.HasSuffix(name, strings.ToLower(strings.TrimPrefix(group, "org.freedesktop.systemd1"))) {
				return []any{dbus.MakeVariant(l)}
			}
		}
		return []any{dbustest.Error(map[bool]string{true: "org.freedesktop.DBus.Error.UnknownProperty", false: "org.freedesktop.systemd1.NoSuchUnit"}[f.old])}
	}
	f.Errorf("asked for %v", msg)
	return nil
}

// network moves the addresses to another interface, or back.
type network struct {
	Index int `json:"Index"`
	f     *fake
}

func (*network) Kind() string       { return "test network" }
func (*network) Commands() []string { return nil }

func (n *network) Do(context.Context, bool) error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	n.f.index = n.Index
	return nil
}

func move(from, to int) manager.Move {
	return manager.Move{NetDev: "eth0", From: &host.Link{Index: from, Name: "eth0", AltNames: []string{"enp1s0"}}, To: manager.Interface{Name: "eth0", Index: to}}
}

func (f *fake) around(from, to int) *plan.Plan {
	f.Helper()
	before, after, err := (Manager{}).Around([]manager.Move{move(from, to)})
	if err != nil {
		f.Fatal(err)
	}
	middle := plan.Step{Title: "move", Do: []plan.Op{&network{to, f}}, Undo: []plan.Op{&network{from, f}}}
	return &plan.Plan{Steps: slices.Concat(before, []plan.Step{middle}, after)}
}

var units = map[string]list{
	"x.service": {true, []string{"lo", "eth0"}}, "y.slice": {false, []string{"enp1s0"}},
	"none.service": {false, []string{}}, "other.scope": {true, []string{"eth1"}},
}

// TestAnew makes each step of a change go wrong in each way: the filters are about the
// interface that has the name.
func TestAnew(t *testing.T) {
	f := newFake(t, units)
	m := &faults.Matrix{T: t, Runner: plan.Runner{Dir: t.TempDir(), Kinds: plan.Merge((Manager{}).Kinds(), plan.Kinds{"test network": func() plan.Op { return &network{f: f} }})}}
	for _, way := range [][2]int{{2, 7}, {7, 2}} {
		m.Same = func(what string) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.index != way[0] || f.filtered != way[0] {
				t.Errorf("%s: eth0 has the index %d, and the filters have %d", what, f.index, f.filtered)
				return false
			}
			return true
		}
		m.Try("change", func() *plan.Plan { return f.around(way[0], way[1]) })
		r := plan.Runner{Dir: t.TempDir(), Kinds: m.Runner.Kinds}
		if err := r.Run(t.Context(), f.around(way[0], way[1])); err != nil || f.filtered != way[1] {
			t.Errorf("%v, the filters have %d", err, f.filtered)
		}
	}
	if m.Steps != 6 {
		t.Errorf("%d steps were tried", m.Steps)
	}
	f.stopping, f.index = true, 9
	if err := (&Anew{}).Do(t.Context(), false); err != nil || f.filtered == 9 {
		t.Errorf("%v; at the end of the machine's life units are read anew", err)
	}
}

// TestFind finds the units that are about an interface of a move, and asks systemd nothing
// where no file has the setting.
func TestFind(t *testing.T) {
	f := newFake(t, units)
	const title = "have systemd filter anew what x.service, y.slice may use"
	before, after, err := (Manager{}).Around([]manager.Move{move(2, 7)})
	if err != nil || len(before) != 1 || len(after) != 1 || before[0].Title != title || after[0].Title != title || len(before[0].Do)+len(after[0].Undo) > 0 {
		t.Errorf("%+v, %+v, %v", before, after, err)
	}
	none := func(what string, m Manager, moves ...manager.Move) {
		t.Helper()
		if found, err := m.Find(moves); err != nil || len(found) > 0 {
			t.Errorf("%s: %+v, %v", what, found, err)
		}
	}
	none("a network that stays as it is", Manager{}, move(2, 2))
	none("no network", Manager{}, manager.Move{})
	none("a host in a file", Manager{Root: "/run"}, move(2, 7))
	f.old = true
	none("systemd before 250", Manager{}, move(2, 7))
	f.old, f.asked = false, 0
	f.file("run/systemd/transient/x.service", "[Service]\nExecStart=true\n")
	none("no file with the setting", Manager{}, move(2, 7))
	if f.asked > 0 {
		t.Error("systemd was asked, though no file has the setting")
	}
	f.file("run/systemd/system/y.slice.d/a.conf", "[Slice]\nRestrictNetworkInterfaces = ~enp1s0\n")
	if found, err := (Manager{}).Find([]manager.Move{move(2, 7)}); err != nil || len(found) != 2 || !found[1].Not || found[0].Not {
		t.Errorf("%+v, %v", found, err)
	}
	if err := os.Remove("/run/systemd/private"); err != nil {
		t.Fatal(err)
	}
	none("no systemd", Manager{}, move(2, 7))
}

// TestForms holds the form of the operation in a journal.
func TestForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &Anew{Units: []string{"x.service"}})
}
