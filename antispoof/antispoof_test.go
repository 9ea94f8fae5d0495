package antispoof

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

func TestStartStop(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a, b := d.bridge(0), d.bridge(1)
		before := d.saved()
		steps, notes := d.start(yes(a))
		if !says(notes, "xenbr0: antispoof is on") {
			t.Errorf("notes: %q", notes)
		}
		p := plan.Plan{Steps: steps}
		t.Log(strings.Join(p.Commands(), "\n"))
		one := d.saved()
		for _, again := range [][]Bridge{{yes(a)}, {a, b}} {
			if steps, notes := d.start(again...); len(steps)+len(notes) > 0 {
				t.Errorf("a second start does something: %v %q", steps, notes)
			}
		}
		d.same("start twice", one)
		d.start(yes(a), yes(b))
		if _, notes := d.start(no(b)); !slices.Equal(notes, []string{"xenbr1: antispoof is off"}) {
			t.Errorf("notes: %q", notes)
		}
		d.same("the second bridge off again", one)
		d.start(yes(b))
		d.stop(b)
		d.same("the second bridge stopped", one)
		d.stop(a)
		d.same("stop", before)
	})
}

// TestFaults makes every step of a start, of a change and of a stop go wrong in
// every way: afterwards the rules, the flags and the records are as they were.
func TestFaults(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		d.scripts(oldScript) // one step more than with today's
		a, b := d.bridge(0), d.bridge(1)
		nstest.Script(t, "iptables -A FORWARD -s 192.0.2.1 -j DROP\nip6tables -P INPUT DROP")
		before := ""
		// A journal that is left behind would show among the files.
		whole := func() string {
			return d.saved() + "== files\n" + nstest.Run(t, "sh", "-c", "grep -r . "+runDir+" | sort")
		}
		m := &faults.Matrix{T: t, Runner: *d.runner, Every: faults.Ways(testing.Short(), 2), Same: func(what string) bool {
			t.Helper()
			now := whole()
			if now != before {
				t.Errorf("%s: it is not as before\n%s", what, lineDiff(before, now))
			}
			return now == before
		}}
		try := func(what string, makeSteps func() ([]plan.Step, []string, error)) {
			t.Helper()
			before = whole()
			m.Try(what, func() *plan.Plan {
				steps, _, err := makeSteps()
				if err != nil {
					t.Fatal(err)
				}
				return &plan.Plan{Steps: steps}
			})
		}
		try("start", func() ([]plan.Step, []string, error) { return d.planner.Start([]Bridge{yes(a), yes(b)}) })
		d.start(yes(a))
		if !testing.Short() {
			try("change", func() ([]plan.Step, []string, error) { return d.planner.Start([]Bridge{no(a), yes(b)}) })
		}
		d.start(yes(a), yes(b))
		try("stop", func() ([]plan.Step, []string, error) { return d.planner.Stop([]Bridge{a, b}) })
		t.Log(m)
	})
}

// TestPlanning only plans, which creates nothing, not even a table of iptables.
func TestPlanning(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		nstest.New(t)
		nstest.IPTables(t, backend)
		d := &dom0{T: t, backend: backend, planner: newPlanner(t, runDir)}
		a := d.bridge(0)
		before := d.saved()
		if steps, _, err := d.planner.Start([]Bridge{yes(a)}); err != nil || len(steps) == 0 {
			t.Errorf("start: %v %v", steps, err)
		}
		if steps, _, err := d.planner.Stop([]Bridge{a}); err != nil || len(steps) > 0 {
			t.Errorf("stop: %v %v", steps, err)
		}
		if st, err := d.planner.Status(a); err != nil || st.On {
			t.Errorf("status: %+v %v", st, err)
		}
		d.same("planned", before)
		if _, err := os.Stat(runDir); err == nil {
			t.Errorf("%s was made", runDir)
		}
	})
}

// TestLeftovers has rules of ours that no record knows: a start with
// antispoof=no removes them, and so does a stop.
func TestLeftovers(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		d.scripts(oldScript)
		a := d.bridge(0)
		nstest.Script(t, "iptables -A FORWARD -s 192.0.2.1 -j DROP\niptables -t raw -A OUTPUT -s 192.0.2.1 -j DROP")
		before := d.others()
		for _, remove := range []func(){func() { d.stop(a) }, func() { d.start(no(a)) }} {
			d.start(yes(a))
			nstest.Script(t, "rm "+runDir+"/antispoof*")
			remove()
			if got := nstest.Run(t, "iptables-save") + nstest.Run(t, "ip6tables-save"); strings.Contains(got, "XBR") {
				t.Errorf("left:\n%s", got)
			}
			d.theirs("removed", before)
		}
	})
}

// TestJournal writes every operation as a journal does, and reads it back:
// nothing of it is lost.
func TestJournal(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		d.scripts(oldScript)
		a, b := d.bridge(0), d.bridge(1)
		start, _, err := d.planner.Start([]Bridge{yes(a), yes(b)})
		if err != nil {
			t.Fatal(err)
		}
		d.start(yes(a), yes(b))
		stop, _, err := d.planner.Stop([]Bridge{a, b})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slices.Concat(start, stop) {
			for _, op := range slices.Concat(s.Do, s.Undo) {
				data, err := json.Marshal(op)
				if err != nil {
					t.Fatal(err)
				}
				back := plan.Merge(sysctl.Kinds(), Kinds())[op.Kind()]()
				if err := json.Unmarshal(data, back); err != nil || !reflect.DeepEqual(op, back) {
					t.Errorf("%s: %v\n%+v\n%+v", s.Title, err, op, back)
				}
			}
		}
	})
}
