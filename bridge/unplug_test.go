package bridge_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// pullable is the rich host without a route elsewhere whose source is an
// address of the NIC: the kernel lets such a route stay, but does not accept it
// again.
var pullable = network{name: "pullable", script: strings.Replace(rich.script, "ip -6 route add 2001:db8:13::/48 via 2001:db8::13 dev eth1 src 2001:db8::2\n", "", 1), specs: rich.specs}

// TestUnplugged takes the NIC away before each step of start and of stop, as
// when somebody pulls it out of its slot. The call fails, and leaves what would
// be left if the NIC had gone at any other time: nothing of dom0's on it, and
// for start nothing of the bridge.
func TestUnplugged(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Run("NIC", func(t *testing.T) {
		for k := range 8 {
			if testing.Short() && !slices.Contains([]int{0, 3, 5, 6}, k) {
				continue // each value of each, and each pair of values
			}
			start, live, n := k&1 == 0, k&2 == 0, pullable.shaped(k&4 != 0)
			t.Run(fmt.Sprint(n.name, " ", verb(start), " ", renaming(live)), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, live)
				if !start {
					l.mustRun(true)
				}
				steps := len(l.plan(start).Steps)
				var want nstest.State
				for i := range steps {
					if testing.Short() && i > 0 && i%2 != k/2%2 {
						continue // every other step, and the ones between in another case
					}
					if i > 0 {
						l = newLab(t, n, live)
						if !start {
							l.mustRun(true)
						}
					} else if start {
						want = without(t)
					}
					cases.Add(1)
					l.unplug(start, i, want)
				}
			})
		}
	})
	t.Logf("%d cases", cases.Load())
}

// without is the state of the rich host after its NIC has gone.
func without(t *testing.T) (s nstest.State) {
	t.Helper()
	done := make(chan struct{})
	go func() { // in a namespace of its own
		defer close(done)
		newLab(t, pullable, true)
		nstest.Run(t, "ip", "link", "del", "lan0")
		s = nstest.Rest(t)
	}()
	<-done
	return s
}

// unplug tries one case.
func (l *lab) unplug(start bool, at int, want nstest.State) {
	l.t.Helper()
	pl := l.plan(start)
	title := fmt.Sprintf("step %d, %s", at, pl.Steps[at].Title)
	r := l.runner()
	r.Hook = func(step int, after bool) error {
		if step == at && !after {
			nstest.Run(l.t, "ip", "link", "del", "lan0")
		}
		return nil
	}
	late := pl.Steps[at].Final // everything was checked before, as if it happened after the call
	err := r.Run(l.t.Context(), pl)
	var failed *plan.Failed
	if err == nil && late && len(l.journals()) == 0 {
		return
	}
	if !errors.As(err, &failed) {
		l.t.Errorf("%s: it ended with %v", title, err)
		return
	}
	if len(failed.Left) > 0 {
		l.t.Errorf("%s: %v, left:\n%s", title, err, strings.Join(failed.Left, "\n"))
	}
	if left := l.journals(); len(left) > 0 && len(failed.Left) == 0 {
		l.t.Errorf("%s: the journal is still there", title)
	}
	if !start {
		return // the bridge stays, with what it had
	}
	if d := nstest.Settled(l.t, want, nstest.Whole); d != "" {
		l.t.Errorf("%s: the host is not as one without the NIC:\n%s", title, d)
	}
}
