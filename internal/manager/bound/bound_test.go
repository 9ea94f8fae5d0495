package bound

import (
	"context"
	"maps"
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
	"xbr-script/internal/manager/ifupdown"
	"xbr-script/internal/plan"
	"xbr-script/internal/systemd"
	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/formtest"
	"xbr-script/internal/testing/nstest"
)

// folders are those in which the fake has units, the first of them first.
var folders = []string{control, "/run/systemd/transient", "/run/etc"}

// fake is systemd as far as it is asked here. It ends units as soon as they are bound to
// eth0 and nobody is called that.
type fake struct {
	*testing.T
	mu       sync.Mutex
	units    []string        // those that it has read
	ended    map[string]bool // of them
	away     bool            // nobody is called eth0
	unseen   bool            // systemd does not come to know that somebody is again
	stopping bool            // the machine is being switched off
	asked    int             // how often it was asked what ends with a name
	stubborn string          // a unit that is bound whatever its files say
	read     map[string]string
}

// newFake has these files, by their paths below /run/etc or anywhere.
func newFake(t *testing.T, files map[string]string, units ...string) *fake {
	t.Helper()
	nstest.New(t)
	f := &fake{T: t, units: units, ended: map[string]bool{}}
	for path, text := range files {
		if !filepath.IsAbs(path) {
			path = "/run/etc/" + path
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.reload()
	seen = func(context.Context, systemd.Conn, string) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !f.away && !f.unseen
	}
	t.Cleanup(func() { seen = ifupdown.Seen })
	dbustest.Listen(t, "/run/systemd/private", f.answer)
	return f
}

// reload reads all files.
func (f *fake) reload() {
	f.read = map[string]string{}
	for _, dir := range slices.Backward(folders) {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				data, _ := os.ReadFile(path)
				name, _ := filepath.Rel(dir, path)
				f.read[name] = path + "\n" + string(data)
			}
			return nil
		})
	}
	f.look()
}

// look ends units if it is time.
func (f *fake) look() {
	for _, u := range f.units {
		f.ended[u] = f.ended[u] || f.away && f.ends(u)
	}
}

// files are those of a unit as systemd has read them.
func (f *fake) files(unit string) (fragment, text string, dropIns []string) {
	name, _, instance := strings.Cut(unit, "@")
	for _, n := range []string{unit, name + "@.service"} {
		if is := f.read[n]; is != "" && fragment == "" && (n == unit || instance) {
			fragment, text, _ = strings.Cut(is, "\n")
		}
	}
	for _, n := range slices.Sorted(maps.Keys(f.read)) {
		if strings.HasPrefix(n, unit+".d/") {
			path, more, _ := strings.Cut(f.read[n], "\n")
			dropIns, text = append(dropIns, path), text+more
		}
	}
	return fragment, text, dropIns
}

func (f *fake) ends(unit string) bool {
	_, text, _ := f.files(unit)
	return unit == f.stubborn || strings.Contains(text, "BindsTo=sys-subsystem-net-devices-") || strings.Contains(text, "StopWhenUnneeded=yes") && !strings.Contains(text, "StopWhenUnneeded=no")
}

func (f *fake) answer(msg *dbus.Message) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch member := msg.Headers[dbus.FieldMember].Value().(string); member {
	case "AddMatch":
		return nil
	case "Reload":
		f.reload()
		return nil
	case "Get":
		switch name := msg.Body[1].(string); {
		case name == "SystemState" && f.stopping:
			return []any{dbus.MakeVariant("stopping")}
		case name == "SystemState":
			return []any{dbus.MakeVariant("running")}
		case name == "SysFSPath" && f.away:
			f.asked++
			return []any{dbus.MakeVariant("")}
		case name == "SysFSPath":
			f.asked++
			return []any{dbus.MakeVariant("/sys/devices/pci0/net/eth0")}
		}
	case "GetAll":
		path := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
		return []any{f.properties(filepath.Base(string(path)))}
	}
	f.Errorf("asked for %v", msg)
	return nil
}

// properties are those of a unit, by the last part of its path.
func (f *fake) properties(object string) map[string]dbus.Variant {
	found := map[string]any{}
	for _, u := range f.units {
		_, text, _ := f.files(u)
		key := "Wants"
		if !strings.Contains(text, "StopWhenUnneeded") {
			key = "BoundBy"
		}
		if f.ends(u) || key == "Wants" {
			names, _ := found[key].([]string)
			found[key] = append(names, u)
		}
	}
	for _, u := range f.units {
		if systemdbus.PathBusEscape(u) != object {
			continue
		}
		fragment, text, dropIns := f.files(u)
		state := "active"
		if f.ended[u] {
			state = "inactive"
		}
		found = map[string]any{"FragmentPath": fragment, "DropInPaths": dropIns, "ActiveState": state, "StopWhenUnneeded": strings.Contains(text, "StopWhenUnneeded") && f.ends(u)}
	}
	answer := map[string]dbus.Variant{}
	for key, value := range found {
		answer[key] = dbus.MakeVariant(value)
	}
	return answer
}

// network moves the NIC away, or back.
type network struct {
	Back bool `json:"Back"`
	f    *fake
}

func (*network) Kind() string       { return "test network" }
func (*network) Commands() []string { return nil }

func (n *network) Do(context.Context, bool) error {
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	n.f.away = !n.Back
	n.f.look()
	return nil
}

func move(back bool) manager.Move {
	m := manager.Move{NetDev: "eth0", Port: "peth0", NIC: &host.Link{Index: 2, Name: "eth0"}, To: manager.Interface{Name: "eth0", Index: 7}}
	if back {
		m.NIC, m.To.Index = &host.Link{Index: 2, Name: "peth0"}, 2
	}
	m.From = &host.Link{Index: 9, Name: "eth0"}
	return m
}

// around is a whole plan, with a change of the network.
func (f *fake) around(back bool) *plan.Plan {
	f.Helper()
	before, after, err := (Manager{}).Around([]manager.Move{move(back)})
	if err != nil {
		f.Fatal(err)
	}
	middle := plan.Step{Title: "move", Do: []plan.Op{&network{back, f}}, Undo: []plan.Op{&network{!back, f}}}
	return &plan.Plan{Steps: slices.Concat(before, []plan.Step{middle}, after)}
}

func (f *fake) runner() plan.Runner {
	return plan.Runner{Dir: f.TempDir(), Kinds: plan.Merge((Manager{}).Kinds(), plan.Kinds{"test network": func() plan.Op { return &network{f: f} }})}
}

// left are the files of ours that are there.
func left() (paths []string) {
	_ = filepath.WalkDir(control, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, strings.TrimPrefix(path, control+"/"))
		}
		return nil
	})
	return paths
}

const (
	instance = "[Unit]\nBindsTo=sys-subsystem-net-devices-%i.device\nAfter=x.service\n[Service]\nExecStop=ip addr flush dev %i\n"
	single   = "[Unit]\nBindsTo=sys-subsystem-net-devices-eth0.device other.service\n"
	unneeded = "[Unit]\nStopWhenUnneeded=yes\n"
)

var (
	all   = map[string]string{"network@.service": instance, "tuned.service": single, "added.service": "[Service]\n", "added.service.d/b.conf": single, "added.service.d/a.conf": "[Service]\n", "wanted.service": unneeded}
	names = []string{"network@eth0.service", "tuned.service", "added.service", "wanted.service"}
	made  = []string{"added.service.d/b.conf", "network@eth0.service", "tuned.service", "wanted.service.d/zz-xbr-script.conf"}
)

// same fails the test unless all units are up, and kept by files or bound again.
func (f *fake) same(what string, kept, twice bool) bool {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	want := made
	if !kept {
		want = nil
	}
	bound := 0
	for _, u := range f.units {
		if f.ends(u) {
			bound++
		}
	}
	files := left()
	ok := !slices.Contains(slices.Collect(maps.Values(f.ended)), true) && f.away == kept && (slices.Equal(files, want) && (bound == 0) == kept || twice)
	if !ok {
		f.Errorf("%s: %d are bound, ended: %v, away: %t, files: %q", what, bound, f.ended, f.away, files)
	}
	if twice { // after two faults files may be left
		nstest.Run(f.T, "rm", "-rf", control)
		f.reload()
	}
	return ok
}

// TestKept makes each step of start and stop go wrong in each way: the units stay up.
func TestKept(t *testing.T) {
	f := newFake(t, all, names...)
	for _, back := range []bool{false, true} {
		twice := false
		m := &faults.Matrix{T: t, Runner: f.runner(), Same: func(what string) bool { return f.same(what, back, twice) }}
		m.Try("change", func() *plan.Plan { return f.around(back) })
		if m.Steps != 2 {
			t.Errorf("%d steps were tried", m.Steps)
		}
		if twice = !back; twice {
			m.Series("change", func() *plan.Plan { return f.around(back) }, faults.OneIn(7, 1), 0)
		}
		r := f.runner()
		if err := r.Run(t.Context(), f.around(back)); err != nil {
			t.Error(err)
		}
		f.same("in the end", !back, false)
		t.Log(m)
	}
	if _, err := os.Stat(control + "/added.service.d"); err == nil {
		t.Error("a folder is left")
	}
}

// TestFiles has in each file what it is made from, but for what binds it to a NIC.
func TestFiles(t *testing.T) {
	f := newFake(t, all, names...)
	r := f.runner()
	if err := r.Run(t.Context(), f.around(false)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"network@eth0.service":                "# Of /run/etc/network@.service, not bound to a device, as long as eth0 is the port peth0 of a bridge (xbr-script)\n[Unit]\nAfter=x.service\n[Service]\nExecStop=ip addr flush dev %i\n",
		"added.service.d/b.conf":              "# Of /run/etc/added.service.d/b.conf, not bound to a device, as long as eth0 is the port peth0 of a bridge (xbr-script)\n[Unit]\nBindsTo=other.service\n",
		"wanted.service.d/zz-xbr-script.conf": "# Of /run/etc/wanted.service, not bound to a device, as long as eth0 is the port peth0 of a bridge (xbr-script)\n[Unit]\nStopWhenUnneeded=no\n",
	} {
		if text, err := os.ReadFile(filepath.Join(control, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	// Another NIC's stop leaves them; one that is bound meanwhile is kept by this one's.
	if there, err := ours("eth1"); err != nil || there != nil {
		t.Error(there, err)
	}
	f.mu.Lock()
	f.away, f.units = false, append(f.units, "late.service")
	f.read["late.service"] = "/run/etc/late.service\n" + single
	f.mu.Unlock()
	if err := os.WriteFile("/run/etc/late.service", []byte(single), 0o600); err != nil {
		t.Fatal(err)
	}
	before, after, err := (Manager{}).Around([]manager.Move{move(true)})
	if err != nil || len(before) != 1 || before[0].Title != "keep late.service when eth0 gets another name" || len(after) != 1 ||
		after[0].Title != "bind added.service, late.service, network@eth0.service, tuned.service, wanted.service to the device eth0 again" {
		t.Error(before, after, err)
	}
}

// TestFind says which are kept. Those of ifupdown, and those that are down, are not among
// them.
func TestFind(t *testing.T) {
	f := newFake(t, map[string]string{
		"tuned.service": single, "/run/systemd/transient/run.service": single, "ifup@.service": instance, "down.service": single,
		control + "/theirs.service": single, "elsewhere.service": "[Service]\n",
	}, "tuned.service", "run.service", "ifup@eth0.service", "down.service", "theirs.service", "elsewhere.service")
	f.mu.Lock()
	f.ended["down.service"], f.stubborn = true, "elsewhere.service"
	f.mu.Unlock()
	want := []Unit{{"elsewhere.service", "eth0", false, false}, {"run.service", "eth0", false, true}, {"theirs.service", "eth0", false, false}, {"tuned.service", "eth0", true, false}}
	if found, err := (Manager{}).Find(move(false)); err != nil || !slices.Equal(found, want) {
		t.Error(found, err)
	}
	if found, err := (Manager{Root: "/x"}).Find(move(false)); err != nil || found != nil {
		t.Error("of a host in a file:", found, err)
	}
	// The bridge's name goes with stop, and nobody has it then.
	m := move(true)
	m.NetDev = "eth1"
	if found, err := (Manager{}).Find(m); err != nil || len(found) != 4 || found[3].Kept {
		t.Error(found, err)
	}
}

// TestListing asks systemd once for a name, whatever is to be known of it.
func TestListing(t *testing.T) {
	f := newFake(t, map[string]string{"tuned.service": single}, "tuned.service")
	m := Manager{Listing: &Listing{}}
	for range 2 {
		before, _, err := m.Around([]manager.Move{move(false)})
		if err != nil || len(before) != 1 {
			t.Fatal(before, err)
		}
		if found, err := m.Find(move(false)); err != nil || len(found) != 1 || !found[0].Kept {
			t.Fatal(found, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != 1 {
		t.Errorf("it was asked %d times", f.asked)
	}
}

// TestStubborn fails where something else than its files binds a unit, with nothing left.
func TestStubborn(t *testing.T) {
	f := newFake(t, map[string]string{"tuned.service": single}, "tuned.service")
	f.mu.Lock()
	f.stubborn = "tuned.service"
	f.mu.Unlock()
	r := f.runner()
	err := r.Run(t.Context(), f.around(false))
	if err == nil || !strings.Contains(err.Error(), "cannot keep the unit tuned.service: ") {
		t.Error(err)
	}
	if files := left(); files != nil {
		t.Error(files)
	}
}

// TestRemove takes the files away at once where the machine is being switched off, and not as
// long as systemd does not know the NIC.
func TestRemove(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fake)
		left    bool
	}{
		"switching off": {func(f *fake) { f.stopping = true }, false},
		"unseen":        {func(f *fake) { f.away, f.unseen = false, true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, map[string]string{"tuned.service": single}, "tuned.service")
			p := f.around(false)
			r := f.runner()
			if err := r.Run(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			f.mu.Lock()
			c.prepare(f)
			f.mu.Unlock()
			if err := p.Steps[0].Undo[0].Do(t.Context(), false); err != nil || (left() != nil) != c.left {
				t.Error(left(), err)
			}
		})
	}
}

// TestNoSystemd finds nothing where there is none, and writes nowhere else.
func TestNoSystemd(t *testing.T) {
	nstest.New(t)
	if before, after, err := (Manager{}).Around([]manager.Move{move(false)}); err != nil || before != nil || after != nil {
		t.Error(before, after, err)
	}
	for _, path := range []string{"/etc/x.service", control + "/../x.service", control + "/a.d/b/c.conf", control + "/a/b.conf", control + "/a.service.d/b.service", control + "/"} {
		u := &Units{Dev: "eth0", Files: []File{{path, "x"}}}
		if err := u.Do(t.Context(), false); err == nil || !strings.Contains(err.Error(), "no file of ours") {
			t.Errorf("%s: %v", path, err)
		}
	}
	u := &Units{Dev: "eth0", Files: []File{{control + "/x.service", "x"}}}
	if err := u.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "cannot ask systemd to keep x.service: ") {
		t.Error(err)
	}
}

// TestCommands prints what does the same.
func TestCommands(t *testing.T) {
	u := &Units{Dev: "eth0", Files: []File{{control + "/a.service.d/b.conf", "[Unit]\nX=1\n"}}}
	if got := u.Commands(); !slices.Equal(got, []string{
		"mkdir -p /run/systemd/system.control/a.service.d", `printf '%s\n' '[Unit]' X=1 >/run/systemd/system.control/a.service.d/b.conf`, "systemctl daemon-reload",
	}) {
		t.Errorf("%q", got)
	}
	if got := u.gone().Commands(); !slices.Equal(got, []string{"rm -f /run/systemd/system.control/a.service.d/b.conf", "systemctl daemon-reload"}) {
		t.Errorf("%q", got)
	}
}

// TestOpForms holds the forms of the operations.
func TestOpForms(t *testing.T) {
	formtest.Ops(t, (Manager{}).Kinds(), &Units{Dev: "eth0", Files: []File{{control + "/network@eth0.service", "[Unit]\n"}}, Gone: true})
}
