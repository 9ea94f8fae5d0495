package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"xbr-script/internal/plan"
)

// Series makes a step of a plan go wrong, then a step of taking that back, and
// then lets an undisturbed process take back what is left. After that
// everything is as it was before, and nobody may say so earlier. Only every nth
// series is tried; another shift selects others.
func (m *Matrix) Series(what string, makePlan func() *plan.Plan, nth, shift int) {
	m.T.Helper()
	m.pairs(what, makePlan, nth, shift, func(p *plan.Plan, f fault, i int) (again bool, err error) {
		r := m.Runner
		r.Hook = f.hook(i)
		return f.kill, runOrDie(&r, p)
	})
}

// SeriesBack is Series for a change that is done and waits to be confirmed, but is
// taken back by recover or by the timer: the first fault happens in that.
func (m *Matrix) SeriesBack(what string, makePlan func() *plan.Plan, nth, shift int) {
	m.T.Helper()
	m.pairs(what+", taken back", makePlan, nth, shift, func(p *plan.Plan, f fault, i int) (again bool, err error) {
		r := m.Runner
		r.Confirm = time.Hour
		if err := r.Run(context.Background(), p); err != nil {
			return false, err
		}
		r.UndoHook = f.hook(i)
		err = orDie(func() error { return m.takeBack(r) })
		return err != nil, err
	})
}

// pairs makes the first fault by begin, and the second in what follows.
func (m *Matrix) pairs(what string, makePlan func() *plan.Plan, nth, shift int,
	begin func(*plan.Plan, fault, int) (again bool, err error),
) {
	m.T.Helper()
	n := len(makePlan().Steps)
	for i := range n {
		for j := i; j >= 0; j-- {
			for k := range 16 {
				if shift++; shift%nth != 0 {
					continue
				}
				f, g := all[k/4], all[k%4]
				p := m.again(what, makePlan, n)
				title := fmt.Sprintf("%s, step %d (%s) %s, then undoing step %d (%s) %s",
					what, i, p.Steps[i].Title, f.name, j, p.Steps[j].Title, g.name)
				m.end(title, m.series(p, f, i, g, j, begin))
			}
		}
	}
}

// series is one of them.
func (m *Matrix) series(p *plan.Plan, f fault, i int, g fault, j int,
	begin func(*plan.Plan, fault, int) (again bool, err error),
) error {
	clean := m.Runner
	defer func() { m.Runner = clean }()
	m.Runner.UndoHook = g.hook(j) // an error has the same process take the change back
	again, err := begin(p, f, i)
	if again {
		err = orDie(func() error { return m.takeBack(m.Runner) })
	}
	var failed *plan.Failed
	switch {
	case err == nil:
		return errors.New("it ended well")
	case g.kill && !errors.Is(err, errInjected):
		return fmt.Errorf("the second process did not die: %w", err)
	case g.kill:
	case !errors.As(err, &failed):
		return fmt.Errorf("the second ended with: %w", err)
	case len(failed.Left) == 0:
		return errors.New("it says that all is as before, and a step was not undone")
	}
	return m.takeBack(clean)
}
