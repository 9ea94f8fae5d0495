package antispoof

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"xbr-script/internal/plan"
)

func TestStartStop(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a, b := d.bridge(0), d.bridge(1)
		before := d.saved()
		steps, notes := d.start(yes(a))
		if len(notes) > 0 {
			t.Errorf("notes: %q", notes)
		}
		p := plan.Plan{Steps: steps}
		t.Log(strings.Join(p.Commands(), "\n"))
		one := d.saved()
		if steps, _ := d.start(yes(a)); len(steps) > 0 {
			t.Errorf("a second start has steps: %v", steps)
		}
		if steps, _ := d.start(a, b); len(steps) > 0 {
			t.Errorf("a start without the key has steps: %v", steps)
		}
		d.same("start twice", one)
		d.start(yes(a), yes(b))
		d.start(no(b))
		d.same("the second bridge off again", one)
		d.start(yes(b))
		d.stop(b)
		d.same("the second bridge stopped", one)
		d.stop(a)
		d.same("stop", before)
	})
}

var errInjected = errors.New("injected")

// TestFaults fails at every step of a start and of a stop, before and after
// it: the rules then are as they were.
func TestFaults(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a, b := d.bridge(0), d.bridge(1)
		d.failEverywhere("start", func() ([]plan.Step, error) {
			steps, _, err := d.planner.Start([]Bridge{yes(a), yes(b)})
			return steps, err
		})
		d.start(yes(a))
		d.failEverywhere("start of the second", func() ([]plan.Step, error) {
			steps, _, err := d.planner.Start([]Bridge{yes(a), yes(b)})
			return steps, err
		})
		d.start(yes(a), yes(b))
		d.failEverywhere("stop", func() ([]plan.Step, error) {
			steps, _, err := d.planner.Stop([]Bridge{a, b})
			return steps, err
		})
	})
}

// failEverywhere runs the steps once for each place at which they can fail.
func (d *dom0) failEverywhere(what string, planned func() ([]plan.Step, error)) {
	d.Helper()
	before := d.saved()
	defer func() { d.runner.Hook = nil }()
	for i := 0; ; i++ {
		steps, err := planned()
		if err != nil {
			d.Fatal(err)
		}
		if i == 2*len(steps) {
			return
		}
		d.runner.Hook = func(step int, after bool) error {
			if step == i/2 && after == (i%2 == 1) {
				return errInjected
			}
			return nil
		}
		err = d.do(steps)
		var failed *plan.Failed
		if !errors.As(err, &failed) || !errors.Is(err, errInjected) || len(failed.Left) > 0 {
			d.Fatalf("%s, fault %d: %v %+v", what, i, err, failed)
		}
		d.same(fmt.Sprintf("%s, fault %d at %q", what, i, steps[i/2].Title), before)
	}
}
