package dhcpcd

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// fakeSystemd is systemd as far as it is asked here, with a service that is dhcpcd.
type fakeSystemd struct {
	*testing.T
	peer   *dbustest.Peer
	mu     sync.Mutex
	loaded string // the drop-in, as it was when systemd read it
	runs   string // the line by which it runs; "" if it does not
	calls  []string
	fails  string // the result of the next job that starts it
}

const (
	service = "dhcpcd.service"
	own     = "its own line"
)

func newFakeSystemd(t *testing.T) *fakeSystemd {
	t.Helper()
	nstest.New(t)
	f := &fakeSystemd{T: t, runs: own}
	f.peer = dbustest.Listen(t, "/run/systemd/private", f.answer)
	return f
}

func (f *fakeSystemd) answer(msg *dbus.Message) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	member := msg.Headers[dbus.FieldMember].Value().(string)
	switch member {
	case "AddMatch", "ResetFailedUnit":
		return nil
	case "Get":
		return f.property(msg.Body[1].(string))
	case "Reload":
		text, _ := os.ReadFile(dropIn(service))
		f.loaded = string(text)
		return nil
	case "StopUnit", "StartUnit":
		return []any{f.job(member, msg.Body)}
	}
	f.Errorf("asked for %s", member)
	return nil
}

func (f *fakeSystemd) property(name string) []any {
	switch name {
	case "SystemState":
		return []any{dbus.MakeVariant("running")}
	case "MainPID":
		return []any{dbus.MakeVariant(uint32(77))}
	}
	f.Errorf("asked for the property %s", name)
	return nil
}

// job ends the service, which must be killed then, or starts it.
func (f *fakeSystemd) job(member string, body []any) dbus.ObjectPath {
	f.calls = append(f.calls, member)
	result := "done"
	switch {
	case body[0] != service:
		f.Errorf("%s of %s", member, body[0])
	case member == "StopUnit" && (f.loaded != quiet || body[1] != "ignore-dependencies"):
		f.Errorf("it is stopped, by %q, with %q", body[1], f.loaded)
	case member == "StopUnit":
		f.runs = ""
	case f.fails != "":
		result, f.fails = f.fails, ""
	case strings.Contains(f.loaded, "KillSignal"):
		f.Error("it runs with what is for its end")
	default:
		f.runs = own
		if _, line, is := strings.Cut(f.loaded, "\nExecStart=\nExecStart="); is {
			f.runs = strings.TrimSpace(line)
		}
	}
	const path = dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
	f.peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", uint32(1), path, service, result)
	return path
}

// line is that by which it runs.
func (f *fakeSystemd) line() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runs
}

func (f *fakeSystemd) failOnce() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = "failed"
}

// unitPlan is a whole plan around a change, from one command line to another.
func unitPlan(from, to []string) *plan.Plan {
	run := func(args []string) *Run {
		return &Run{PIDFile: "/run/dhcpcd/pid", Path: "/bin/true", Args: args, Unit: service, Denies: len(args) > 2}
	}
	end := &End{PIDFile: "/run/dhcpcd/pid", Unit: service}
	return &plan.Plan{Steps: []plan.Step{
		{Title: "end dhcpcd", Do: []plan.Op{end}, Undo: []plan.Op{run(from)}},
		{Title: "run dhcpcd again", Do: []plan.Op{run(to)}, Undo: []plan.Op{end}},
	}}
}

// TestService makes each step go wrong in each way for a dhcpcd that is a service of
// systemd: in the end it runs as before, and no file of ours is left but for one with
// its command line.
func TestService(t *testing.T) {
	f := newFakeSystemd(t)
	r := plan.Runner{Dir: t.TempDir(), Kinds: plan.Merge((Manager{}).Kinds())}
	plain, more := []string{"/bin/true", "-q"}, []string{"/bin/true", `--denyinterfaces=xbr-script@peth0,"50%",$x`, "-q"}
	const line = `/bin/true "--denyinterfaces=xbr-script@peth0,\"50%%\",$$x" "-q"`
	for _, c := range []struct {
		from, to    []string
		was, is     string
		left, stays string // whether there is a drop-in, before and after
	}{{plain, more, own, line, "no", "yes"}, {more, plain, line, own, "yes", "no"}} {
		there := func(want string) bool {
			_, err := os.Stat(dropIn(service))
			return (err == nil) == (want == "yes")
		}
		m := &faults.Matrix{T: t, Runner: r, Same: func(what string) bool {
			if f.line() != c.was || !there(c.left) {
				t.Errorf("%s: it runs by %q", what, f.line())
				return false
			}
			return true
		}}
		m.Try("change", func() *plan.Plan { return unitPlan(c.from, c.to) })
		f.failOnce()
		if err := r.Run(t.Context(), unitPlan(c.from, c.to)); err == nil || !strings.Contains(err.Error(), "failed") || !m.Same("it does not start") {
			t.Errorf("ended with %v", err)
		}
		if err := r.Run(t.Context(), unitPlan(c.from, c.to)); err != nil || f.line() != c.is || !there(c.stays) {
			t.Errorf("%v; it runs by %q", err, f.line())
		}
		t.Log(m)
	}
}

// TestUnitOf tells a service from a process that a service has left behind.
func TestUnitOf(t *testing.T) {
	newFakeSystemd(t)
	for _, c := range []struct {
		pid    int
		groups string
		unit   string
	}{
		{77, "0::/system.slice/dhcpcd.service\n", service},
		{77, "3:cpu:/\n1:name=systemd:/system.slice/dhcpcd.service\n", service},
		{78, "0::/system.slice/dhcpcd.service\n", ""},
		{77, "0::/user.slice/user-0.slice/session-1.scope\n", ""},
		{77, "0::/user.slice/user-0.slice/user@0.service/app.slice/dhcpcd.service\n", ""},
		{77, "0::/\n", ""}, {77, "", ""},
	} {
		if unit, err := UnitOf(c.pid, c.groups); err != nil || unit != c.unit {
			t.Errorf("%+v: %q, %v", c, unit, err)
		}
	}
}

// TestNoSystemd finds out before the change that nobody can be asked.
func TestNoSystemd(t *testing.T) {
	nstest.New(t)
	for _, op := range []plan.Prudent{&End{Unit: service}, &Run{Path: "/bin/true", Unit: service}} {
		if err := op.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "cannot ask systemd to run dhcpcd.service again: ") {
			t.Error(err)
		}
	}
	if _, err := UnitOf(77, "0::/system.slice/dhcpcd.service"); err == nil || !strings.HasPrefix(err.Error(), "cannot ask systemd about dhcpcd.service") {
		t.Error(err)
	}
}

// TestSwitchedOff ends a service while the machine is being switched off, when systemd
// reads no files and begins nothing: it must not see the change, and is not run again.
func TestSwitchedOff(t *testing.T) {
	const file = "/run/dhcpcd/pid"
	w := newWorld(t, file, "-q")
	dbustest.Listen(t, "/run/systemd/private", func(msg *dbus.Message) []any {
		switch member := msg.Headers[dbus.FieldMember].Value(); member {
		case "AddMatch":
			return nil
		case "Get":
			return []any{dbus.MakeVariant("stopping")}
		default:
			t.Errorf("asked for %s", member)
		}
		return nil
	})
	if w.pid() == 0 {
		t.Fatal("it does not run")
	}
	if err := (&End{PIDFile: file, Unit: service}).Do(t.Context(), false); err != nil || w.pid() != 0 {
		t.Errorf("%v, pid %d", err, w.pid())
	}
	if err := (&Run{PIDFile: file, Path: w.program(), Args: w.args("-q"), Unit: service}).Do(t.Context(), false); err != nil || w.pid() != 0 {
		t.Errorf("%v, pid %d", err, w.pid())
	}
}
