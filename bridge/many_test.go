package bridge_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/nstest"
	"xbr-script/internal/plan"
)

// many is a host with so many addresses of each family, in one network each.
func many(n4, n6 int) network {
	lines := []string{"cat >/run/addresses <<'END'; ip -batch /run/addresses"}
	for i := range n4 {
		lines = append(lines, fmt.Sprintf("addr add 10.1.%d.%d/16 dev eth0", i>>8, i&255))
	}
	for i := range n6 {
		lines = append(lines, fmt.Sprintf("addr add 2001:db8::1:%x/64 dev eth0 nodad", i))
	}
	return network{name: fmt.Sprintf("%d and %d addresses", n4, n6), script: strings.Join(lines, "\n") + "\nEND", wants: []bridge.Want{want(0, "eth0")}}
}

// TestManyAddresses moves thousands of addresses there and back, and back again
// in mid-move. That it ends is what counts: where the kernel still has the list
// of the groups that were left with IPv6 addresses, each move of 4,000 takes it
// minutes. The fewer there are the less that shows, but what is moved is the
// same.
func TestManyAddresses(t *testing.T) {
	hosts := []network{many(300, 300), many(100, 300).shaped(true)}
	if !testing.Short() {
		hosts = append(hosts, many(0, 4000), many(4000, 500).shaped(true))
	}
	const limit = 20 * time.Minute // and an hour for one of those minutes
	for _, n := range hosts {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			l := emptyLab(t, n, true)
			nstest.Script(t, quick+cable("eth0", "lan0", "00:16:3e:00:00:01"))
			nstest.Run(t, "sh", "-ec", n.script)
			nstest.Rest(t)
			before := nstest.ReadState(t)
			for _, start := range []bool{true, false} {
				at := nstest.ReadState(t)
				l.undone(start)
				l.settled("an undone "+verb(start), at)
				l.mustRun(start)
				if time.Since(begin) > limit {
					t.Fatalf("%s came to an end after %s", verb(start), time.Since(begin))
				}
			}
			l.settled("stop", before)
		})
	}
}

func (l *lab) settled(after string, want nstest.State) {
	l.t.Helper()
	if d := nstest.Settled(l.t, want, nstest.Whole); d != "" {
		l.t.Errorf("not as before after %s:\n%.2000s", after, d)
	}
}

// undone carries a plan out of which the last step fails.
func (l *lab) undone(start bool) {
	l.t.Helper()
	pl, r := l.plan(start), l.runner()
	late := errors.New("too late")
	r.Hook = func(step int, after bool) error {
		if after && step == len(pl.Steps)-1 {
			return late
		}
		return nil
	}
	var failed *plan.Failed
	if err := r.Run(l.t.Context(), pl); !errors.As(err, &failed) || !errors.Is(err, late) || len(failed.Left) > 0 {
		l.t.Fatalf("%s: %v", verb(start), err)
	}
}
