package faults

import (
	"errors"
	"fmt"

	"xbr-script/internal/plan"
)

// Theft is something that somebody else takes away.
type Theft struct {
	Name string
	Take func() (taken bool) // false if it does not exist
}

// Steal takes things away, as somebody else might, before each step of a plan:
// while it is carried out, and while it is taken back after an error at its
// end. The plan must end wholly carried out or wholly taken back, and leave
// nothing to be done by hand. Only every nth case is tried; another shift
// selects others.
func (m *Matrix) Steal(what string, makePlan func() *plan.Plan, thefts []Theft, nth, shift int) {
	m.T.Helper()
	n := len(makePlan().Steps)
	for i := range n {
		for _, t := range thefts {
			for _, undo := range []bool{false, true} {
				if shift++; shift%nth != 0 {
					continue
				}
				p := m.again(what, makePlan, n)
				title := fmt.Sprintf("%s, before step %d (%s): %s", what, i, p.Steps[i].Title, t.Name)
				if undo {
					title = fmt.Sprintf("%s, before step %d (%s) is undone: %s", what, i, p.Steps[i].Title, t.Name)
				}
				m.steal(title, p, i, t, undo)
			}
		}
	}
}

// steal is one case.
func (m *Matrix) steal(title string, p *plan.Plan, i int, t Theft, undo bool) {
	m.T.Helper()
	taken, tried := false, false
	take := func(step int, after bool) error {
		if step == i && !after && !tried {
			tried = true
			taken = t.Take()
		}
		return nil
	}
	r := m.Runner
	r.Hook = take
	if undo {
		r.Hook, r.UndoHook = fault{after: true}.hook(len(p.Steps)-1), take
	}
	err := runOrDie(&r, p)
	if !taken {
		m.Cases-- // it is as if nothing had been tried
	}
	var failed *plan.Failed
	switch {
	case err == nil:
		m.Cases++
		m.Ended++
		if !m.Done(title) && m.Rebuild != nil {
			m.Rebuild(title)
		}
	case !errors.As(err, &failed):
		m.end(title, fmt.Errorf("it ended with: %w", err))
	case len(failed.Left) > 0:
		m.end(title, fmt.Errorf("%w, left to be undone: %q", err, failed.Left))
	default:
		m.end(title, nil)
	}
}
