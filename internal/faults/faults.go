// Package faults makes the steps of a plan go wrong, for tests: each step in
// each way, whatever steps there are.
package faults

import (
	"context"
	"errors"
	"fmt"

	"xbr-script/internal/plan"
)

// errInjected is the failure that is made.
var errInjected = errors.New("injected")

// fault is a way for one step to go wrong.
type fault struct {
	name  string
	after bool // after the step took effect, or before
	kill  bool // the process dies there; another takes the change back
}

var all = []fault{
	{name: "error before"},
	{name: "error after", after: true},
	{name: "killed before", kill: true},
	{name: "killed after", after: true, kill: true},
}

// T is what Matrix needs of a *testing.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// Matrix is how plans are tried.
type Matrix struct {
	T      T
	Runner plan.Runner
	// Same fails the test if what there was before the plan is not there
	// again.
	Same func(what string)
	// Skip, if set, leaves steps out that another test tries.
	Skip func(s plan.Step) bool

	Steps, Cases int // how many were tried
}

// Try makes each step of a plan go wrong in each way; each time the plan is
// made anew.
func (m *Matrix) Try(what string, makePlan func() *plan.Plan) {
	m.T.Helper()
	n := len(makePlan().Steps)
	for i := range n {
		skipped := false
		for _, f := range all {
			p := makePlan()
			if len(p.Steps) != n {
				m.T.Fatal(fmt.Sprintf("%s: the plan has %d steps, %d at first", what, len(p.Steps), n))
			}
			if skipped = m.Skip != nil && m.Skip(p.Steps[i]); skipped {
				break
			}
			m.Cases++
			title := fmt.Sprintf("%s, step %d (%s), %s", what, i, p.Steps[i].Title, f.name)
			if err := m.inflict(f, p, i); err != nil {
				m.T.Errorf("%s: %v", title, err)
			}
			m.Same(title)
		}
		if !skipped {
			m.Steps++
		}
	}
}

// String is the size of the matrix.
func (m *Matrix) String() string {
	return fmt.Sprintf("%d cases: %d steps × %d faults", m.Cases, m.Steps, len(all))
}

// inflict runs the plan with the fault at step i, and another runner after one
// that died. The error is what it did not do as it has to.
func (m *Matrix) inflict(f fault, p *plan.Plan, i int) error {
	r := m.Runner
	r.Hook = func(step int, after bool) error {
		switch {
		case step != i || after != f.after:
			return nil
		case f.kill:
			panic(errInjected)
		}
		return errInjected
	}
	err := runOrDie(&r, p)
	if f.kill {
		return m.takeBack(err)
	}
	var failed *plan.Failed
	switch {
	case !errors.As(err, &failed) || !errors.Is(err, errInjected):
		return fmt.Errorf("it ended with: %w", err)
	case failed.Step != p.Steps[i].Title:
		return fmt.Errorf("the error names another step: %w", err)
	case len(failed.Left) > 0:
		return fmt.Errorf("left to be undone: %q", failed.Left)
	}
	return nil
}

// runOrDie runs the plan; a panic of errInjected is the end of the process.
func runOrDie(r *plan.Runner, p *plan.Plan) (err error) {
	defer func() {
		v := recover()
		if death, ok := v.(error); ok && errors.Is(death, errInjected) {
			err = errInjected
		} else if v != nil {
			panic(v)
		}
	}()
	return r.Run(context.Background(), p)
}

// takeBack does what the next call does after one that died with err.
func (m *Matrix) takeBack(err error) error {
	if !errors.Is(err, errInjected) || errors.As(err, new(*plan.Failed)) {
		return fmt.Errorf("it ended with: %w", err)
	}
	r := m.Runner
	u, err := r.Unfinished()
	switch {
	case err != nil:
		return err
	case u == nil:
		return errors.New("no unfinished change is found")
	}
	return r.Recover(u)
}
