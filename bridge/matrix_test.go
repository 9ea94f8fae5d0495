package bridge_test

import (
	"regexp"
	"sync/atomic"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// maxBad is how many cases of one network may fail before the others are given
// up.
const maxBad = 12

// TestEveryStepFails makes each step of start and stop fail in each way. The
// host's state must be as if nothing had been tried.
func TestEveryStepFails(t *testing.T) {
	t.Parallel()
	able := rich // of virtual functions
	able.functions = true
	networks := []network{seed000, seed002, able, settled, announced}
	if testing.Short() {
		networks = []network{able, settled, announced} // the seeds have the same steps on more NICs
	}
	eachMatrix(t, networks, func(m *matrix, verb string, plan func() *plan.Plan) {
		m.Every = faults.Ways(testing.Short(), 3)
		m.Try(verb, plan)
	})
}

// TestSeries makes steps of start and stop fail, and then steps of taking that
// back; and steps of taking back a change that waited to be confirmed, and then
// of making it again.
func TestSeries(t *testing.T) {
	t.Parallel()
	nth := faults.OneIn(3203, 40)
	var shift atomic.Int64
	eachMatrix(t, []network{rich}, func(m *matrix, verb string, plan func() *plan.Plan) {
		n := int(shift.Add(1))
		m.pick = nstest.Unnumbered
		m.Series(verb, plan, nth, n*nth/8)
		m.SeriesBack(verb, plan, nth, n*nth/8)
	})
}

// eachMatrix tries start and then stop of those networks, in both shapes, on
// kernels with and without live rename.
func eachMatrix(t *testing.T, networks []network, try func(m *matrix, verb string, makePlan func() *plan.Plan)) {
	networks = shapes(networks...)
	var cases, steps, ended atomic.Int64
	t.Run("matrix", func(t *testing.T) {
		for _, n := range networks {
			for _, live := range []bool{true, false} {
				if testing.Short() && live == n.onBridge() {
					continue // each shape in one way only
				}
				t.Run(n.name+" "+renaming(live), func(t *testing.T) {
					t.Parallel()
					m := newMatrix(t, n, live)
					m.try(true, try)
					m.up()
					m.try(false, try)
					cases.Add(int64(m.Cases))
					steps.Add(int64(m.Steps))
					ended.Add(int64(m.Ended))
				})
			}
		}
	})
	t.Logf("%d cases on %d networks, with and without live rename; %d steps were tried in every way; %d cases were carried out",
		cases.Load(), len(networks), steps.Load(), ended.Load())
}

// up starts the network.
func (m *matrix) up() {
	m.mustRun(true)
	m.inBridge(m.more)
}

// matrix is a lab on which faults are tried.
type matrix struct {
	*lab
	faults.Matrix
	before, after nstest.State
	pick          func(nstest.State) nstest.State // what of the state before must be there again
	start         bool
	bad           int
}

func newMatrix(t *testing.T, n network, live bool) *matrix {
	t.Helper()
	m := &matrix{lab: newLab(t, n, live), pick: nstest.Whole}
	if n.guests != "" {
		m.pick = ageless
	}
	m.T = t
	m.Same, m.Rebuild, m.Done = m.same, m.rebuild, m.done
	return m
}

// try tries start or stop.
func (m *matrix) try(start bool, how func(*matrix, string, func() *plan.Plan)) {
	m.start, m.before = start, nstest.Rest(m.t)
	m.Runner = *m.runner()
	how(m, verb(start), func() *plan.Plan { return m.plan(m.start) })
}

// same reports what a case has left different.
func (m *matrix) same(title string) bool {
	now, ok := m.is(title, m.before, m.pick)
	if ok {
		// The kernel tells lifetimes in whole seconds: what a hundred moves add up
		// must not look like a fault of one.
		m.before = now
	}
	return ok
}

func (m *matrix) is(title string, want nstest.State, pick func(nstest.State) nstest.State) (now nstest.State, ok bool) {
	ok = true
	now, d := nstest.Settle(m.t, want, pick)
	if d != "" {
		m.t.Errorf("%s: the host is not as it should be:\n%s", title, d)
		ok = false
	}
	if left := m.journals(); len(left) > 0 {
		m.t.Errorf("%s: the journal is still there: %q", title, left)
		ok = false
	}
	return now, ok
}

var ageing = regexp.MustCompile(` ageing_time [0-9]+`)

// ageless is everything but the time after which a bridge forgets addresses:
// spanning tree shortens it while it believes that the topology has changed,
// and then the kernel tells only the short one.
func ageless(s nstest.State) nstest.State {
	return s.Filter(func(string) bool { return true }, func(_, line string) string { return ageing.ReplaceAllString(line, "") })
}

// rebuild makes the host anew after a failed case.
func (m *matrix) rebuild(title string) {
	if m.bad++; m.bad >= maxBad {
		m.t.Fatalf("given up after %s", title)
	}
	m.lab = newLab(m.t, m.network, m.live)
	m.Runner = *m.runner()
	if !m.start {
		m.up()
		nstest.Rest(m.t)
	}
	m.before = nstest.ReadState(m.t)
}
