// Package faults makes the steps of a plan go wrong, for tests: each step in each
// way, whatever steps there are; a second fault while the first one is taken back;
// and somebody who takes things away in the middle.
package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// errInjected is the error of a fault.
var errInjected = errors.New("injected")

// fault is a way for one step to go wrong.
type fault struct {
	name  string
	after bool // after the step took effect, or before
	kill  bool // the process dies there; another takes the change back
	spoil bool // instead, the kernel refuses a message amid the step's
}

var all = []fault{
	{name: "error before"},
	{name: "error after", after: true},
	{name: "killed before", kill: true},
	{name: "killed after", after: true, kill: true},
	{name: "message refused", spoil: true},
}

// hook makes step i go wrong in this way.
func (f fault) hook(i int) func(int, bool) error {
	return func(step int, after bool) error {
		switch {
		case step != i || after != f.after || f.spoil:
			return nil
		case f.kill:
			panic(errInjected)
		}
		return errInjected
	}
}

// cause is what a call names that failed because of it.
func (f fault) cause() error {
	if f.spoil {
		return unix.ENODEV
	}
	return errInjected
}

// Ways is a Matrix's Every for a test that is shortened: every nth.
func Ways(short bool, nth int) int {
	if short {
		return nth
	}
	return 1
}

// T is what Matrix needs of a *testing.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// Matrix tries plans with faults.
type Matrix struct {
	T      T
	Runner plan.Runner
	// Same fails the test, and says so, unless everything is as it was before
	// the plan.
	Same func(what string) bool
	// Skip, if set, leaves steps out that another test tries.
	Skip func(s plan.Step) bool
	// Every, if it is more than 1, makes Try try every second way of a step, every
	// third, and so on, and others at each next step.
	Every int
	// Rebuild, if set, makes what there was before the plan anew, if a case has
	// spoilt it.
	Rebuild func(what string)
	// Done, for Steal, fails the test, and says so, unless the plan has had its
	// effect; then it goes back to what there was before.
	Done func(what string) bool

	Steps, Cases int // how many were tried
	Ended        int // cases of Steal in which the plan was carried out nevertheless
}

// Try makes each step of a plan go wrong in each way, each time with a new
// plan.
func (m *Matrix) Try(what string, makePlan func() *plan.Plan) {
	m.T.Helper()
	n := len(makePlan().Steps)
	for i := range n {
		skipped := false
		for k, f := range all {
			if m.Every > 1 && (i+k)%m.Every != 0 {
				continue
			}
			p := m.again(what, makePlan, n)
			if skipped = m.Skip != nil && m.Skip(p.Steps[i]); skipped {
				break
			}
			title := fmt.Sprintf("%s, step %d (%s), %s", what, i, p.Steps[i].Title, f.name)
			if f.spoil && !spoil(&p.Steps[i]) {
				continue
			}
			m.end(title, m.inflict(f, p, i))
		}
		if !skipped {
			m.Steps++
		}
	}
}

// again makes the plan once more, which must have as many steps.
func (m *Matrix) again(what string, makePlan func() *plan.Plan, n int) *plan.Plan {
	m.T.Helper()
	p := makePlan()
	if len(p.Steps) != n {
		m.T.Fatal(fmt.Sprintf("%s: the plan has %d steps, %d at first: the host has changed", what, len(p.Steps), n))
	}
	return p
}

// end checks what a case has left; err is what it did wrong.
func (m *Matrix) end(title string, err error) {
	m.T.Helper()
	m.Cases++
	if err != nil {
		m.T.Errorf("%s: %v", title, err)
	}
	if (!m.Same(title) || err != nil) && m.Rebuild != nil {
		m.Rebuild(title)
	}
}

// String tells the size of the matrix.
func (m *Matrix) String() string {
	return fmt.Sprintf("%d cases: %d steps × %d faults", m.Cases, m.Steps, len(all))
}

// inflict runs the plan with the fault at step i, and another runner after one that
// died. The error is what went wrong in any other way.
func (m *Matrix) inflict(f fault, p *plan.Plan, i int) error {
	r := m.Runner
	r.Hook = f.hook(i)
	title := p.Steps[i].Title
	err := runOrDie(&r, p)
	if f.kill {
		return m.recover(err)
	}
	var failed *plan.Failed
	switch {
	case !errors.As(err, &failed) || !errors.Is(err, f.cause()):
		return fmt.Errorf("it ended with: %w", err)
	case failed.Step != title:
		return fmt.Errorf("the error names another step: %w", err)
	case len(failed.Left) > 0:
		return fmt.Errorf("left to be undone: %q", failed.Left)
	}
	return nil
}

// spoil puts a message that the kernel refuses into the middle of the step's
// longest batch; the messages after it are carried out. False: the step has none.
func spoil(s *plan.Step) bool {
	var longest *netop.Batch
	for _, op := range s.Do {
		if b, ok := op.(*netop.Batch); ok && (longest == nil || len(b.Wire.Msgs()) > len(longest.Wire.Msgs())) {
			longest = b
		}
	}
	if longest == nil {
		return false
	}
	nowhere := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: make([]byte, unix.SizeofIfInfomsg)}.Retarget(0, 1<<30)
	msgs := longest.Wire.Msgs()
	longest.Wire = rtnl.Pack(slices.Insert(msgs, len(msgs)/2, nowhere)...)
	return true
}

// orDie calls f; a panic of errInjected is the end of the process.
func orDie(f func() error) (err error) {
	defer func() {
		v := recover()
		if death, ok := v.(error); ok && errors.Is(death, errInjected) {
			err = errInjected
		} else if v != nil {
			panic(v)
		}
	}()
	return f()
}

func runOrDie(r *plan.Runner, p *plan.Plan) error {
	return orDie(func() error { return r.Run(context.Background(), p) })
}

// recover does what the next call does after one that died with err.
func (m *Matrix) recover(err error) error {
	if !errors.Is(err, errInjected) || errors.As(err, new(*plan.Failed)) {
		return fmt.Errorf("it ended with: %w", err)
	}
	return m.takeBack(m.Runner)
}

// takeBack takes back what is unfinished.
func (m *Matrix) takeBack(r plan.Runner) error {
	u, err := r.Unfinished()
	switch {
	case err != nil:
		return err
	case u == nil:
		return errors.New("no unfinished change is found")
	}
	return r.Recover(context.Background(), u)
}
