package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nstest"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// errInjected is the failure that the tests make.
var errInjected = errors.New("injected")

// fault is a way for one step to go wrong.
type fault struct {
	name  string
	after bool // after the step took effect, or before
	kill  bool // the process dies there; another takes the change back
	spoil bool // instead, the kernel refuses a message amid the step's
}

var faults = []fault{
	{name: "error before"},
	{name: "error after", after: true},
	{name: "killed before", kill: true},
	{name: "killed after", after: true, kill: true},
	{name: "message refused", spoil: true},
}

// maxBad bounds how many cases of one network may fail before the rest is
// given up.
const maxBad = 12

// TestEveryStepFails makes each step of start and stop fail in each way. The
// host's state must be as if nothing had been tried.
func TestEveryStepFails(t *testing.T) {
	networks := []network{seed000, seed002, rich, announced}
	if testing.Short() {
		networks = []network{rich, announced} // the seeds have the same steps on more NICs
	}
	networks = shapes(networks...)
	var cases, steps atomic.Int64
	t.Run("matrix", func(t *testing.T) {
		for _, n := range networks {
			for _, live := range []bool{true, false} {
				if testing.Short() && len(n.adverts) > 0 && live == n.onBridge() {
					continue // what a router announces goes the same ways in either shape
				}
				t.Run(n.name+" "+renaming(live), func(t *testing.T) {
					t.Parallel()
					m := &matrix{lab: newLab(t, n, live)}
					m.everyStep(true)
					m.mustRun(true)
					m.everyStep(false)
					cases.Add(int64(m.cases))
					steps.Add(int64(m.steps))
				})
			}
		}
	})
	t.Logf("%d cases: %d steps of %d networks, with and without live rename, × %d faults",
		cases.Load(), steps.Load(), len(networks), len(faults))
}

type matrix struct {
	*lab
	steps, cases, bad int
}

// everyStep tries all faults at all steps of start or stop.
func (m *matrix) everyStep(start bool) {
	nstest.Rest(m.t)
	before := nstest.ReadState(m.t)
	n := len(m.plan(start).Steps)
	m.steps += n
	for i := range n {
		for _, f := range faults {
			title := fmt.Sprintf("%s, step %d, %s", verb(start), i, f.name)
			pl := m.plan(start)
			if len(pl.Steps) != n {
				m.t.Fatalf("%s: the plan has %d steps, %d at first: the host has changed", title, len(pl.Steps), n)
			}
			title += " " + pl.Steps[i].Title
			if f.spoil && !spoil(&pl.Steps[i]) {
				continue
			}
			m.cases++
			ok := f.inflict(m, title, pl, i)
			if !m.restored(title, before) || !ok {
				m.rebuild(start, title)
			}
			// The kernel tells lifetimes in whole seconds: what a hundred
			// moves add up must not be taken for one that is wrong.
			before = nstest.ReadState(m.t)
		}
	}
}

// restored reports the difference that a case has left.
func (m *matrix) restored(title string, before nstest.State) bool {
	ok := true
	if d := nstest.Settled(m.t, before, nstest.Whole); d != "" {
		m.t.Errorf("%s: the host is not as before:\n%s", title, d)
		ok = false
	}
	if left := m.journals(); len(left) > 0 {
		m.t.Errorf("%s: the journal is still there: %q", title, left)
		ok = false
	}
	return ok
}

// rebuild makes the host anew where a failed case has spoilt it.
func (m *matrix) rebuild(start bool, title string) nstest.State {
	if m.bad++; m.bad >= maxBad {
		m.t.Fatalf("given up after %s", title)
	}
	m.lab = newLab(m.t, m.network, m.live)
	if !start {
		m.mustRun(true)
		nstest.Rest(m.t)
	}
	return nstest.ReadState(m.t)
}

// inflict runs the plan with the fault at step i.
func (f fault) inflict(m *matrix, title string, pl *plan.Plan, i int) bool {
	r := m.runner()
	r.Hook = func(step int, after bool) error {
		switch {
		case step != i || after != f.after || f.spoil:
			return nil
		case f.kill:
			panic(errInjected)
		}
		return errInjected
	}
	err := runOrDie(r, pl)
	if f.kill {
		return m.recover(title, err)
	}
	if f.spoil {
		return m.failed(title, pl, i, err, unix.ENODEV)
	}
	return m.failed(title, pl, i, err, errInjected)
}

// spoil puts a message that the kernel refuses into the middle of the step's
// longest batch; it does carry out those behind it. False: the step has none.
func spoil(s *plan.Step) bool {
	var longest *rtnl.Batch
	for _, op := range s.Do {
		if b, ok := op.(*rtnl.Batch); ok && (longest == nil || len(b.Wire.Msgs()) > len(longest.Wire.Msgs())) {
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

// runOrDie runs the plan; a panic of errInjected is the end of the process.
func runOrDie(r *plan.Runner, pl *plan.Plan) (err error) {
	defer func() {
		p := recover()
		if death, ok := p.(error); ok && errors.Is(death, errInjected) {
			err = errInjected
		} else if p != nil {
			panic(p)
		}
	}()
	return r.Run(context.Background(), pl)
}

// failed checks the error of a plan that was undone.
func (m *matrix) failed(title string, pl *plan.Plan, i int, err, cause error) bool {
	var failed *plan.Failed
	if !errors.As(err, &failed) || !errors.Is(err, cause) {
		m.t.Errorf("%s: it ended with %v", title, err)
		return false
	}
	if failed.Step != pl.Steps[i].Title {
		m.t.Errorf("%s: the error names the step %q", title, failed.Step)
	}
	if len(failed.Left) > 0 {
		m.t.Errorf("%s: left to be undone: %q", title, failed.Left)
	}
	return len(failed.Left) == 0
}

// recover takes back what the dead process left, as another process would.
func (m *matrix) recover(title string, err error) bool {
	if !errors.Is(err, errInjected) || errors.As(err, new(*plan.Failed)) {
		m.t.Errorf("%s: it ended with %v", title, err)
		return false
	}
	r := m.runner()
	u, err := r.Unfinished()
	if err != nil || u == nil {
		m.t.Errorf("%s: no unfinished change is found: %v", title, err)
		return false
	}
	if err := r.Recover(u); err != nil {
		m.t.Errorf("%s: recovery: %v", title, err)
		return false
	}
	return true
}
