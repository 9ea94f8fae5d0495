package ifupdown

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// fakeSystemd is systemd as far as it is asked here, with ifup@eth0.service up. It ends
// the unit as soon as that is bound to a device which is not there.
type fakeSystemd struct {
	*testing.T
	mu       sync.Mutex
	nic      string // where the kernel shows the NIC
	device   string // what systemd takes for the device eth0; empty: there is none
	late     int    // how often it is asked before it sees the NIC come back
	lates    int    // the same, the next time
	bound    bool
	other    bool // it is bound by another file, too
	missed   bool // systemd does not see the NIC come back before it is told
	stopping bool // the machine is being switched off
	ended    bool
	reloads  int
}

func newFakeSystemd(t *testing.T) *fakeSystemd {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, "mkdir -p "+runUnits+" /run/systemd/units")
	f := &fakeSystemd{T: t, nic: filepath.Join(t.TempDir(), "pci", "eth0"), bound: true}
	f.device = f.nic
	before := sysNet
	sysNet = filepath.Dir(filepath.Dir(f.nic)) + "/"
	t.Cleanup(func() { sysNet = before })
	f.place("eth0")
	dbustest.Listen(t, "/run/systemd/private", f.answer)
	return f
}

// place gives the NIC a name.
func (f *fakeSystemd) place(name string) {
	nstest.Script(f.T, "mkdir -p "+f.nic+"; : >"+f.nic+"/uevent; rm -f "+sysNet+"eth0 "+sysNet+"peth0; ln -s "+f.nic+" "+sysNet+name)
}

func (f *fakeSystemd) answer(msg *dbus.Message) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch member := msg.Headers[dbus.FieldMember].Value().(string); member {
	case "AddMatch":
		return nil
	case "Reload":
		f.reloads++
		_, err := os.Stat(filepath.Join(runUnits, "ifup@eth0.service"))
		f.bound = err != nil
		f.look()
		return nil
	case "Get":
		return []any{dbus.MakeVariant(f.property(msg.Body[1].(string)))}
	default:
		f.Errorf("asked for %s", member)
		return nil
	}
}

// look ends the unit if it is time.
func (f *fakeSystemd) look() { f.ended = f.ended || f.bound && f.device != f.nic }

func (f *fakeSystemd) property(name string) any {
	switch name {
	case "SystemState":
		if f.stopping {
			return "stopping"
		}
		return "running"
	case "BindsTo":
		if f.bound || f.other {
			return []string{"-.mount", "sys-subsystem-net-devices-eth0.device"}
		}
		return []string{}
	case "ActiveState":
		if f.missed && f.told() {
			f.missed = false
		}
		if f.late--; f.late < 0 && f.device != f.nic && !f.away() && !f.missed {
			f.device = f.nic
		}
		if f.device == "" {
			return "inactive"
		}
		return "active"
	case "SysFSPath":
		return f.device
	}
	f.Errorf("asked for the property %s", name)
	return ""
}

// told says whether somebody has had the kernel tell of the NIC again.
func (f *fakeSystemd) told() bool {
	text, err := os.ReadFile(filepath.Join(f.nic, "uevent"))
	return err == nil && string(text) == "change"
}

// away says whether the NIC has another name.
func (f *fakeSystemd) away() bool { _, err := os.Lstat(sysNet + "eth0"); return err != nil }

// network moves the NIC away, or back.
type network struct {
	Back bool `json:"Back"`
	f    *fakeSystemd
}

func (*network) Kind() string       { return "test network" }
func (*network) Commands() []string { return nil }

func (n *network) Do(context.Context, bool) error {
	name, device := "peth0", "/sys/devices/virtual/net/eth0"
	if n.Back {
		name, device = "eth0", ""
	}
	n.f.mu.Lock()
	defer n.f.mu.Unlock()
	if n.Back != n.f.away() {
		return nil
	}
	n.f.place(name)
	n.f.device, n.f.late = device, n.f.lates
	n.f.look()
	return nil
}

// around is a whole plan, with a change of the network.
func (f *fakeSystemd) around(back bool) *plan.Plan {
	f.Helper()
	m := Manager{Up: func(unit string) (bool, error) { return unit == "ifup@eth0.service", nil }, Units: folders(f.T, map[string]string{"usr/ifup@.service": debians})}
	before, after, err := m.Around([]manager.Move{move("eth0", "peth0", back)})
	if err != nil {
		f.Fatal(err)
	}
	middle := plan.Step{Title: "move", Do: []plan.Op{&network{back, f}}, Undo: []plan.Op{&network{!back, f}}}
	return &plan.Plan{Steps: slices.Concat(before, []plan.Step{middle}, after)}
}

func (f *fakeSystemd) runner() plan.Runner {
	return plan.Runner{Dir: f.TempDir(), Kinds: plan.Merge((Manager{}).Kinds(), plan.Kinds{"test network": func() plan.Op { return &network{f: f} }})}
}

// same fails the test unless the unit is up and bound as it is to be. After two faults
// the file may be left.
func (f *fakeSystemd) same(what string, kept, twice bool) bool {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := ours("", "ifup@eth0.service")
	ok := err == nil && ((text != "") == kept || twice) && f.bound == (text == "") && !f.ended && f.away() == kept
	if !ok {
		f.Errorf("%s: bound: %t, ended: %t, away: %t, file: %q, %v", what, f.bound, f.ended, f.away(), text, err)
	}
	if twice && text != "" {
		nstest.Run(f.T, "rm", filepath.Join(runUnits, "ifup@eth0.service"))
		f.bound = true
	}
	return ok
}

// TestKept makes each step of start and stop go wrong in each way: the unit stays up.
func TestKept(t *testing.T) {
	f := newFakeSystemd(t)
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
		f.set(func() { f.lates = 2 })
		r := f.runner()
		if err := r.Run(t.Context(), f.around(back)); err != nil {
			t.Error(err)
		}
		f.same("in the end", !back, false)
		f.set(func() { f.lates = 0 })
		t.Log(m)
	}
}

func (f *fakeSystemd) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// TestBoundElsewhere fails where a drop-in binds the unit, with nothing changed.
func TestBoundElsewhere(t *testing.T) {
	f := newFakeSystemd(t)
	f.set(func() { f.other = true })
	r := f.runner()
	err := r.Run(t.Context(), f.around(false))
	if err == nil || !strings.Contains(err.Error(), "cannot keep the unit ifup@eth0.service: it is bound to sys-subsystem-net-devices-eth0.device") {
		t.Error(err)
	}
	f.same("in the end", false, false)
}

// TestRemove takes the file away: at once where the machine is being switched off; where
// systemd has missed that the NIC has its name again, once it was told; for a NIC that
// looks as dom0's interface, when it has looked so for a second; and not at all as long
// as systemd does not know the NIC.
func TestRemove(t *testing.T) {
	type outcome struct {
		left    bool
		reloads int
	}
	for name, c := range map[string]struct {
		prepare func(*fakeSystemd)
		want    outcome
	}{
		"switching off": {func(f *fakeSystemd) { f.stopping = true }, outcome{false, 0}},
		"missed":        {func(f *fakeSystemd) { f.missed = true }, outcome{false, 1}},
		"virtual": {func(f *fakeSystemd) {
			sysNet, f.nic = "/sys/class/net/", "/sys/devices/virtual/net/eth0"
			nstest.Run(f.T, "ip", "link", "add", "eth0", "type", "bridge")
		}, outcome{false, 1}},
		"gone": {func(f *fakeSystemd) { nstest.Run(f.T, "rm", sysNet+"eth0") }, outcome{true, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeSystemd(t)
			r := f.runner()
			if err := r.Run(t.Context(), f.around(false)); err != nil {
				t.Fatal(err)
			}
			f.mu.Lock()
			f.place("eth0")
			before := f.reloads
			c.prepare(f)
			f.mu.Unlock()
			if err := gone("ifup@eth0.service", move("eth0", "peth0", true)).Do(t.Context(), false); err != nil {
				t.Error(err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			text, err := ours("", "ifup@eth0.service")
			if got := (outcome{text != "", f.reloads - before}); err != nil || got != c.want || f.ended {
				t.Errorf("%+v, want %+v; ended: %t, %v", got, c.want, f.ended, err)
			}
		})
	}
}

// TestReady says beforehand that there is no systemd to ask.
func TestReady(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "mkdir -p "+runUnits)
	text := kept
	err := made("ifup@eth0.service", move("eth0", "peth0", false), text).Ready(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "cannot ask systemd to keep the unit ifup@eth0.service: ") {
		t.Error(err)
	}
	if err := (&Unit{Name: "../ifup@x.service"}).Do(t.Context(), false); err == nil || !strings.Contains(err.Error(), "no unit of ifupdown's") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(runUnits, "ifup@eth0.service")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
