package bridge_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nstest"
	"xbr-script/internal/plan"
)

// TestTakenMeanwhile has somebody else create interfaces between the plan and
// its first step, with the indexes or the names that it has chosen. The plan
// fails, and what others have made stays.
func TestTakenMeanwhile(t *testing.T) {
	for name, script := range map[string]string{
		"indexes":    "for i in 1 2 3; do ip link add other$i type ifb; done",
		"bridge":     "ip link add xenbr0 index 999 type ifb",
		"interface":  "ip link add veth0 index 999 type ifb",
		"dom0's":     "ip link add vif0.0 index 999 type ifb",
		"everything": "for i in xenbr0 veth0 vif0.0; do ip link add $i type ifb; done",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, seed002, true)
			pl := l.plan(true)
			nstest.Script(t, script)
			nstest.Rest(t)
			before := nstest.ReadState(t)
			err := l.runner().Run(t.Context(), pl)
			var failed *plan.Failed
			if !errors.As(err, &failed) || !errors.Is(err, unix.EEXIST) || len(failed.Left) > 0 {
				t.Errorf("it ended with %v", err)
			}
			if d := nstest.Settled(t, before, nstest.Whole); d != "" {
				t.Errorf("not as before:\n%s", d)
			}
		})
	}
}
