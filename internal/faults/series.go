package faults

import (
	"errors"
	"fmt"

	"xbr-script/internal/plan"
)

// Series makes a step of a plan go wrong, then a step of the taking back of
// that, and then has a process take back what is left to which nothing happens:
// all is as before. Until it is, nobody may say so. Of all the series only each
// nth is tried, other ones with another shift.
func (m *Matrix) Series(what string, makePlan func() *plan.Plan, nth, shift int) {
	m.T.Helper()
	n := len(makePlan().Steps)
	for i := range n {
		for _, f := range all {
			for j := i; j >= 0; j-- {
				for _, g := range all {
					if g.spoil || f.spoil {
						continue
					}
					if shift++; shift%nth != 0 {
						continue
					}
					p := m.again(what, makePlan, n)
					title := fmt.Sprintf("%s, step %d (%s) %s, then undoing step %d (%s) %s",
						what, i, p.Steps[i].Title, f.name, j, p.Steps[j].Title, g.name)
					m.end(title, m.series(title, p, f, i, g, j))
				}
			}
		}
	}
}

// series is one of them.
func (m *Matrix) series(title string, p *plan.Plan, f fault, i int, g fault, j int) error {
	r := m.Runner
	r.Hook = f.hook(i)
	r.UndoHook = g.hook(j)
	err := runOrDie(&r, p) // an error takes the change back itself
	if f.kill {
		err = orDie(func() error { return m.takeBack(r) })
	}
	var failed *plan.Failed
	switch {
	case g.kill && !errors.Is(err, errInjected):
		return fmt.Errorf("the second process did not die: %w", err)
	case g.kill:
	case !errors.As(err, &failed):
		return fmt.Errorf("the second ended with: %w", err)
	case len(failed.Left) == 0:
		return errors.New("it says that all is as before, and a step was not undone")
	}
	return m.takeBack(m.Runner)
}
