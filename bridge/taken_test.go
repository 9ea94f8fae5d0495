package bridge_test

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// TestTakenMeanwhile lets somebody else create interfaces between planning and
// the first step, with the indexes or names that the plan has chosen. The plan
// fails, and others' interfaces stay.
func TestTakenMeanwhile(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"indexes":    "for i in 1 2 3; do ip link add other$i type ifb; done",
		"bridge":     "ip link add xenbr0 index 999 type ifb",
		"interface":  "ip link add veth0 index 999 type ifb",
		"dom0's":     "ip link add vif0.0 index 999 type ifb",
		"everything": "for i in xenbr0 veth0 vif0.0; do ip link add $i type ifb; done",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, seed002, true)
			pl := l.plan(true)
			nstest.Script(t, script)
			before := nstest.Rest(t)
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

// TestVanished has an interface with a name that dom0's interface is about to
// take: it is there when stop is planned, and vanishes before its name is
// needed. What start has created is gone afterwards.
func TestVanished(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(seed002) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, n, true)
			before := nstest.ReadState(t)
			l.mustRun(true)
			names := ""
			for _, w := range n.specs {
				names += " " + w.VDev
			}
			nstest.Script(t, "for i in"+names+"; do ip link add $i type ifb; done")
			pl := l.plan(false)
			nstest.Script(t, "for i in"+names+"; do ip link del $i; done")
			if err := l.runner().Run(t.Context(), pl); err != nil {
				t.Error(err)
			}
			if d := nstest.Settled(t, before, nstest.Whole); d != "" {
				t.Errorf("not as before:\n%s", d)
			}
		})
	}
}

// TestTakenAtOnce lets somebody else take the indexes that stop has given up as
// soon as that is possible, and then the call fails. It must not have given
// them up while it could still fail.
func TestTakenAtOnce(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(seed002) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, n, true)
			l.mustRun(true)
			before := nstest.Rest(t)
			pl := l.plan(false)
			r := l.runner()
			looks := 0
			r.Hook = func(step int, after bool) error {
				if pl.Steps[step].Title != "find the network as planned" || after {
					return nil
				}
				looks++
				for index := 2; index < 40; index++ {
					_, _ = nstest.Try(t, "ip", "link", "add", fmt.Sprintf("other%d", index), "index", fmt.Sprint(index), "type", "ifb")
				}
				return errors.New("injected")
			}
			err := r.Run(t.Context(), pl)
			var failed *plan.Failed
			if !errors.As(err, &failed) || len(failed.Left) > 0 || looks != 1 {
				t.Errorf("it ended with %v, and looked %d times", err, looks)
			}
			nstest.Script(t, "for i in $(ls /sys/class/net | grep ^other); do ip link del $i; done")
			if d := nstest.Settled(t, before, nstest.Whole); d != "" {
				t.Errorf("not as before:\n%s", d)
			}
		})
	}
}
