package bridge_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// many is a host with n4 and n6 addresses of the two families, all in one
// network each. A file lists them.
func many(n4, n6 int) network {
	return network{
		name:   fmt.Sprintf("%d and %d addresses", n4, n6),
		script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + "ip -batch /run/addresses",
		specs:  []bridge.Spec{specOf(0, "eth0")},
	}
}

// addresses are the lines of that file.
func addresses(n4, n6 int) []byte {
	var lines []byte
	for i := range n4 {
		lines = fmt.Appendf(lines, "addr add 10.1.%d.%d/16 dev eth0\n", i>>8, i&255)
	}
	for i := range n6 {
		lines = fmt.Appendf(lines, "addr add 2001:db8::1:%x/64 dev eth0 nodad\n", i)
	}
	return lines
}

// TestManyAddresses moves thousands of addresses there and back, and back again
// in the middle of a move. What counts is that it ends: a kernel that still
// keeps the list of multicast groups left with each IPv6 address takes minutes
// for each move of 4,000. With fewer addresses that shows less, but the same
// things are moved.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	type size struct {
		n4, n6   int
		onBridge bool
	}
	hosts := []size{{300, 300, false}, {100, 300, true}}
	if !testing.Short() {
		hosts = append(hosts, size{0, 4000, false}, size{4000, 500, true})
	}
	const limit = 20 * time.Minute // far more than it takes when nothing is left behind
	for _, h := range hosts {
		n := many(h.n4, h.n6).shaped(h.onBridge)
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			l := emptyLab(t, n, true)
			if err := os.WriteFile("/run/addresses", addresses(h.n4, h.n6), 0o600); err != nil {
				t.Fatal(err)
			}
			nstest.Script(t, n.script)
			before := nstest.Rest(t)
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

// undone carries out a plan whose last step fails.
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
