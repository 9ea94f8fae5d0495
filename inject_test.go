package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// injection is one host on which system calls are made to fail.
type injection struct {
	*testing.T
	bridges  string
	down, up network
	isUp     bool
	counts   map[string]int // by outcome
	points   int            // failing calls that were met: which calls are made depends on timing, too
	failures int
}

// TestFailingCalls makes one system call fail in each run of the program,
// whichever call it is: afterwards everything is as it was before and the exit
// status says so, or everything is as asked. No error may be taken to mean that
// nothing is there.
func TestFailingCalls(t *testing.T) {
	changes, others := 85, 120 // of each command on each host
	if testing.Short() {
		changes, others = 3, 5
	}
	inject(t, func(in *injection) {
		in.change("start", changes)
		in.change("stop", changes)
		in.ask("status"+in.bridges, others)
		in.ask("stop -n"+in.bridges, others)
		in.ask("start -n"+in.bridges, others)
	})
}

// inject makes three hosts, or with -short one of them at random, does the same on
// each, and logs how many faults were met.
func inject(t *testing.T, do func(*injection)) {
	t.Helper()
	var total atomic.Int64
	t.Cleanup(func() { t.Logf("%d points in all", total.Load()) })
	lines := []string{
		" vifnum=0 netdev=eth0 dom0=veth check=no",
		" vifnum=0 netdev=eth0 dom0=bridge check=no",
		" vifnum=0 netdev=eth0 dom0=veth antispoof=yes ip_forward=1 check=no",
	}
	if testing.Short() {
		lines = lines[rand.N(len(lines)):][:1]
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			in := &injection{T: t, bridges: line, counts: map[string]int{}}
			in.down, in.up = bothWays(t, line)
			do(in)
			t.Logf("%d points: %v", in.points, in.counts)
			total.Add(int64(in.points))
		})
	}
}

// choose picks n faults at random, in a call or in its timer: the same number
// for each kind of system call, as far as there are enough.
func choose(counts map[place]int, timer bool, n int) (points []point) {
	kinds := make([][]point, len(failing))
	for i, c := range failing {
		at := place{c.nr, timer}
		for nth := 1; nth <= counts[at]; nth++ {
			for _, errno := range c.errnos {
				kinds[i] = append(kinds[i], point{at, nth, errno})
			}
		}
		rand.Shuffle(len(kinds[i]), func(a, b int) { kinds[i][a], kinds[i][b] = kinds[i][b], kinds[i][a] })
	}
	for more := true; more; {
		more = false
		for i, left := range kinds {
			if len(left) > 0 && len(points) < n {
				points, kinds[i], more = append(points, left[0]), left[1:], true
			}
		}
	}
	return points
}

// set brings the network up or down.
func (in *injection) set(up bool) {
	in.Helper()
	if in.isUp == up {
		return
	}
	command := "stop"
	if up {
		command = "start"
	}
	mustRun(in.T, command+in.bridges)
	in.isUp = up
}

// change makes calls of start or stop fail.
func (in *injection) change(command string, n int) {
	in.Helper()
	from := command == "stop"
	in.set(from)
	_, w := runFailing(in.T, command+in.bridges)
	in.isUp = !from
	met := 0
	for _, p := range choose(w.counts, false, 2*n) {
		if met == n {
			return
		}
		in.set(from)
		status, w := runFailing(in.T, command+in.bridges, p)
		said := fmt.Sprintf("%s, %s: status %d\n%s%s", command, w.hit, status, w.stdout, w.err)
		in.judge(command, status, said, w.hit != nil)
		if w.hit != nil {
			met++
			in.points++
		}
		if in.failures > 3 {
			return
		}
	}
}

// judge checks that what the program says is true.
func (in *injection) judge(command string, status int, said string, hit bool) {
	in.Helper()
	before, asked := in.down, in.up
	if command == "stop" {
		before, asked = asked, before
	}
	_, err := os.Stat("/run/xbr-script/journal")
	left := err == nil
	outcome, is := "as before", before
	switch {
	case status == 0:
		outcome, is = "as asked", asked
		in.isUp = command == "start"
	case left:
		outcome = "recovered"
		mustRun(in.T, "recover")
	}
	diff, _ := differs(in.T, is)
	untold := left && (status == 0 || status == 1 && !strings.Contains(said, "by hand"))
	if diff != "" || untold {
		in.failures++
		in.Errorf("%s\na journal was left: %t; it is not %s:\n%s", said, left, outcome, diff)
		_, _ = run(in.T, "recover")
		status, _ := run(in.T, "status"+in.bridges)
		in.isUp = status != 3
	}
	if !hit {
		outcome = "not met"
	}
	in.counts[command+": "+outcome]++
}

// ask makes system calls fail in a command that changes nothing: it says the
// same as without a fault, or that it could not find out.
func (in *injection) ask(line string, n int) {
	in.Helper()
	in.set(!strings.HasPrefix(line, "start"))
	wantStatus, w := runFailing(in.T, line)
	want := w.stdout
	met := 0
	for _, p := range choose(w.counts, false, 2*n) {
		if met == n {
			return
		}
		status, w := runFailing(in.T, line, p)
		command, _, _ := strings.Cut(line, " ")
		if w.hit == nil {
			in.counts[command+": not met"]++
		} else {
			met++
			in.points++
		}
		switch {
		case status == wantStatus && nstest.Ungrouped(w.stdout) == nstest.Ungrouped(want):
			in.counts[command+": the same"]++
		case status == 4 && strings.Contains(w.stdout, "the rules cannot be read: "):
			in.counts[command+": said"]++
		case status == 1 && strings.HasPrefix(w.err, "xbr-script: ") && w.stdout == "":
			in.counts[command+": an error"]++
		default:
			in.Errorf("%s, %s: status %d, not %d\n%s%s", line, w.hit, status, wantStatus, w.stdout, w.err)
		}
	}
}
