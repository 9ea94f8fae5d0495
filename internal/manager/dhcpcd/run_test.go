package dhcpcd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"

	"golang.org/x/sys/unix"
)

// network is a change amid those of dhcpcd, which must not run while it is made and
// while it is taken back.
type network struct {
	Name string `json:"Name"`
	w    *world
	lax  bool // nothing is said of it
}

func (*network) Kind() string       { return "test network" }
func (*network) Commands() []string { return nil }
func (n *network) Do(context.Context, bool) error {
	if !n.lax && n.w.pid() != 0 {
		n.w.Error("dhcpcd runs while the network changes")
	}
	return nil
}

func (w *world) runner() plan.Runner {
	return plan.Runner{Dir: w.TempDir(), Kinds: plan.Merge((Manager{}).Kinds(), plan.Kinds{"test network": func() plan.Op { return &network{w: w} }})}
}

// around is a whole plan, with a change of the network. Its command lines are those of
// the fake, whose process has another last word.
func (w *world) around(back bool) *plan.Plan {
	w.Helper()
	before, after, err := (Manager{}).Around([]manager.Move{move(back)})
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range append(before, after...) {
		for _, op := range append(s.Do, s.Undo...) {
			if r, ok := op.(*Run); ok {
				r.Args[len(r.Args)-1] = "launcher"
			}
		}
	}
	middle := plan.Step{Title: "move", Do: []plan.Op{&network{Name: "eth0", w: w}}, Undo: []plan.Op{&network{Name: "eth0", w: w}}}
	return &plan.Plan{Steps: slices.Concat(before, []plan.Step{middle}, after)}
}

// TestSteps makes each step go wrong in each way, at start and at stop: the network
// never changes while dhcpcd runs, and in the end it runs by the command line that it
// had, in a process of its own.
func TestSteps(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/eth0.pid", "-q", "eth0")
	m := &faults.Matrix{T: t, Every: faults.Ways(testing.Short(), 2)}
	m.Same = func(what string) bool {
		if is := w.runs(); is != "-q eth0" {
			t.Errorf("%s: it runs with %q", what, is)
			return false
		}
		return true
	}
	for _, back := range []bool{false, true} {
		m.Runner = w.runner()
		m.Try("change", func() *plan.Plan { return w.around(back) })
		w.twice(m, back)
		w.change(back)
	}
	t.Log(m)
}

// twice makes a change go wrong twice. If ending it goes wrong as well, and is tried
// again, the network may meet it.
func (w *world) twice(m *faults.Matrix, back bool) {
	w.Helper()
	m.Runner.Kinds["test network"] = func() plan.Op { return &network{w: w, lax: true} }
	lax := func() *plan.Plan {
		p := w.around(back)
		p.Steps[1].Undo[0].(*network).lax = true
		return p
	}
	nth := faults.OneIn(47, 7)
	m.Series("change", lax, nth, 0)
	m.SeriesBack("change", lax, nth, 0)
}

// change makes a change that goes well.
func (w *world) change(back bool) {
	w.Helper()
	before, r := w.pid(), w.runner()
	if err := r.Run(w.Context(), w.around(back)); err != nil {
		w.Fatal(err)
	}
	if w.pid() == before {
		w.Error("it was not run again")
	}
}

// TestAll has one for all interfaces leave alone what there is besides dom0's, as long
// as it is there, also if that is taken back.
func TestAll(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/pid", "-q")
	const up = "--denyinterfaces=xbr-script@peth0,peth0,vif0.0,xenbr0,vif* -q"
	w.change(false)
	if is := w.runs(); is != up {
		t.Errorf("after start: %q", is)
	}
	r, p := w.runner(), w.around(true)
	r.Hook = func(step int, after bool) error {
		if step == 2 && after {
			return errors.New("injected")
		}
		return nil
	}
	if err := r.Run(t.Context(), p); err == nil || w.runs() != up {
		t.Errorf("%v; after stop was taken back: %q", err, w.runs())
	}
	w.change(true)
	if is := w.runs(); is != "-q" {
		t.Errorf("after stop: %q", is)
	}
}

// TestFails has dhcpcd not begin again: the change is taken back, and what is left is
// the command to run it.
func TestFails(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/eth0.pid", "-q", "eth0")
	p, r := w.around(false), w.runner()
	fails := filepath.Join(w.dir, "fails")
	if err := os.WriteFile(fails, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := r.Run(t.Context(), p)
	var failed *plan.Failed
	if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "cannot run dhcpcd for eth0 again: ") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("ended with %v", err)
	}
	if len(failed.Left) != 1 || !strings.HasPrefix(failed.Left[0], w.program()+" -q eth0 ") {
		t.Errorf("left to be done: %q", failed.Left)
	}
	if err := os.Remove(fails); err != nil {
		t.Fatal(err)
	}
	u, err := r.Unfinished()
	if err != nil || u == nil {
		t.Fatalf("unfinished: %v, %v", u, err)
	}
	if err := r.Recover(t.Context(), u); err != nil || w.runs() != "-q eth0" {
		t.Errorf("%v; it runs with %q", err, w.runs())
	}
}

// TestCommandLine reads the arguments of a process from its memory.
func TestCommandLine(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/eth0.pid", "-q", "a word", "", "eth0")
	got, err := arguments(w.pid())
	want := w.args("-q", "a word", "", "eth0")
	want[len(want)-1] = "daemon"
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if got, err := arguments(1 << 30); err == nil {
		t.Errorf("of a process that is not there: %q", got)
	}
}

// TestGone leaves alone a process that is not its, whatever number the file has.
func TestGone(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/eth0.pid", "eth0")
	e := &End{PIDFile: w.file}
	for range 2 { // it may have been ended already
		if err := e.Do(t.Context(), false); err != nil || w.pid() != 0 {
			t.Errorf("%v; it runs with %q", err, w.runs())
		}
	}
	for _, text := range []string{"", "no number", "-1", "1", "0"} {
		if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := e.Do(t.Context(), false); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestReady finds out before the change that it could not be run again.
func TestReady(t *testing.T) {
	r := &Run{Path: "/nowhere/dhcpcd"}
	if err := r.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "cannot run /nowhere/dhcpcd again") {
		t.Error(err)
	}
}

// TestLauncher ends a dhcpcd whose first process still waits for an address, and holds
// the lock that keeps others from running: with the one that is in the background, or
// although that has ended.
func TestLauncher(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/eth0.pid", "eth0")
	if err := os.WriteFile(filepath.Join(w.dir, "stays"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run := &Run{PIDFile: w.file, Path: w.program(), Args: w.args("-q", "eth0")}
	for _, ended := range []bool{false, false, true} {
		if err := run.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		all, err := processes(w.file)
		if err != nil || len(all) < 3 || w.runs() != "-q eth0" {
			t.Errorf("it has the processes %v, and runs with %q: %v", all, w.runs(), err)
		}
		if ended {
			if err := unix.Kill(w.pid(), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := kill(t.Context(), w.file); err != nil {
		t.Error(err)
	}
	if all, err := processes(w.file); len(all) > 0 || err != nil {
		t.Errorf("left: %v, %v", all, err)
	}
}
