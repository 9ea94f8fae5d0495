package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFailingTakeBack makes a system call fail, or ends the process at one,
// while recover or the timer takes a change back: one that was killed half-way,
// or one that waits to be confirmed. Everything the program says must be true,
// and the next undisturbed call must leave everything as it was before; if the
// timer lives, it does so itself. The same goes for confirm, and for a call
// that leaves a timer.
func TestFailingTakeBack(t *testing.T) {
	recovers, timers, others := 50, 30, 12 // of each command on each host
	inject(t, func(in *injection) {
		commands := []string{"start", "stop"}
		if testing.Short() {
			recovers, timers, others = 2, 1, 1
			commands = commands[rand.N(2):][:1]
		}
		for _, command := range commands {
			b := in.wayBack(command)
			b.recover(recovers)
			b.timer(timers)
			b.confirm(others)
			b.arm(others)
		}
	})
}

// back is a change that is to be taken back.
type back struct {
	*injection
	command string
	line    string // with the bridges
	before  network
	asked   network
	marks   int // the number of marks in its journal
}

// wayBack makes the change once to count the marks in its journal, and goes
// back to the state before it.
func (in *injection) wayBack(command string) *back {
	in.Helper()
	b := &back{in, command, command + in.bridges, in.down, in.up, 0}
	if command == "stop" {
		b.before, b.asked = b.asked, b.before
	}
	in.set(command == "stop")
	_, w := runFailing(in.T, b.line)
	in.isUp = command == "start"
	b.marks = w.counts[place{unix.SYS_PWRITE64, false}]
	b.reset()
	return b
}

// reset brings the network to its state before the change.
func (b *back) reset() { b.set(b.command == "stop") }

// cut ends the process at one of its marks, at random.
func cut(marks int) point {
	return point{place{unix.SYS_PWRITE64, false}, 1 + rand.N(max(marks, 1)), killed}
}

// each tries points until n of them were met.
func (b *back) each(what string, points []point, n int, try func(point) (outcome string, met bool)) {
	b.Helper()
	for met := 0; len(points) > 0 && met < n && b.failures < 4; points = points[1:] {
		b.reset()
		outcome, hit := try(points[0])
		if !hit {
			outcome = "not met"
		} else {
			met++
			b.points++
		}
		b.counts[what+" "+b.command+": "+outcome]++
	}
}

// is compares the network, and reports what was said before.
func (b *back) is(n network, said string) {
	b.Helper()
	diff, _ := differs(b.T, n)
	if diff == "" {
		return
	}
	b.failures++
	b.Errorf("%s\nit is not as it should be:\n%s", said, diff)
	_, _ = run(b.T, "recover")
	status, _ := run(b.T, "status"+b.bridges)
	b.isUp = status != 3
}

// journal says whether a journal exists.
func journal() bool {
	_, err := os.Stat("/run/xbr-script/journal")
	return err == nil
}

// told is everything that a call said and did.
func told(status int, title string, w *watched) string {
	return fmt.Sprintf("%s, %s: status %d\n%s%s", title, w.hit, status, w.stdout, w.err)
}

// wrong reports a fault of the program.
func (b *back) wrong(what, said string) {
	b.Helper()
	b.failures++
	b.Errorf("%s: %s", what, said)
}

// recover makes system calls of recover fail.
func (b *back) recover(n int) {
	b.Helper()
	mustRun(b.T, b.line+" confirm=600")
	_, clean := runFailing(b.T, "recover")
	b.each("recover", choose(clean.counts, false, 3*n), n, func(p point) (string, bool) {
		title := "recover of what waits"
		if rand.N(2) == 0 {
			_, w := runFailing(b.T, b.line, cut(b.marks))
			title = fmt.Sprint("recover after ", w.hit)
		} else {
			mustRun(b.T, b.line+" confirm=600")
		}
		faults := []point{p}
		if rand.N(3) == 0 {
			faults = append(faults, cut(clean.counts[place{unix.SYS_PWRITE64, false}]))
		}
		status, w := runFailing(b.T, "recover", faults...)
		return b.recovered(status, told(status, title, w), w), w.hit != nil
	})
}

// recovered compares what a recover says with the network, and with what
// another recover then makes of it.
func (b *back) recovered(status int, said string, w *watched) (outcome string) {
	b.Helper()
	left := journal()
	switch {
	case status == 0 && !left:
		b.is(b.before, said)
		return "as before"
	case status == 1 && strings.HasPrefix(w.err, "xbr-script: ") && !strings.Contains(w.stdout, "everything is as it was"):
		outcome = "said"
	case status == -1:
		outcome = "killed"
	default:
		b.wrong("it does not tell that a journal is left", said)
	}
	if left {
		mustRun(b.T, "recover")
	}
	b.is(b.before, said)
	return outcome
}

// timer makes system calls of the timer fail: in half of the cases that of a
// call that was killed, otherwise one whose time runs out.
func (b *back) timer(n int) {
	b.Helper()
	_, clean := runFailing(b.T, b.line+" confirm=1")
	points := choose(clean.counts, true, 3*n)
	for i := range points {
		if rand.N(5) == 0 {
			points[i].errno = killed
		}
	}
	b.each("timer of", points, n, func(p point) (string, bool) {
		faults, title := []point{p}, b.line+" confirm=1"
		if rand.N(2) == 0 {
			faults = append(faults, cut(b.marks))
		}
		status, w := runFailing(b.T, title, faults...)
		said := told(status, title, w)
		outcome := "as before"
		if journal() {
			if p.errno != killed {
				b.wrong("the timer has given up", said)
			}
			outcome = "killed"
			mustRun(b.T, "recover")
		}
		b.is(b.before, said)
		return outcome, w.counts[p.place] >= p.nth
	})
}

// confirm makes system calls of confirm fail.
func (b *back) confirm(n int) {
	b.Helper()
	mustRun(b.T, b.line+" confirm=600")
	_, clean := runFailing(b.T, "confirm")
	b.isUp = b.command == "start"
	b.each("confirm of", choose(clean.counts, false, 2*n), n, func(p point) (string, bool) {
		mustRun(b.T, b.line+" confirm=600")
		status, w := runFailing(b.T, "confirm", p)
		said := told(status, "confirm", w)
		outcome := "confirmed"
		switch {
		case status == 0 && !journal():
		case status == 1 && strings.HasPrefix(w.err, "xbr-script: ") && journal():
			outcome = "said"
			mustRun(b.T, "confirm")
		default:
			b.wrong("it does not tell what is", said)
		}
		b.is(b.asked, said)
		b.isUp = b.command == "start"
		return outcome, w.hit != nil
	})
}

// arm makes system calls of the command itself fail, which starts a timer.
func (b *back) arm(n int) {
	b.Helper()
	line := b.line + " confirm=600"
	w := begin(b.T, line)
	_ = w.status()
	mustRun(b.T, "recover")
	w.end(b.T)
	b.each("arming", choose(w.counts, false, 2*n), n, func(p point) (string, bool) {
		w := begin(b.T, line, p)
		status := w.status()
		said := told(status, line, w)
		outcome := "as before"
		switch {
		case status == 0 && journal():
			b.is(b.asked, said)
			mustRun(b.T, "recover")
			outcome = "as asked"
		case status == 0 || journal() && !strings.Contains(w.err, "by hand"):
			b.wrong("it does not tell what is", said)
		case journal():
			mustRun(b.T, "recover")
			outcome = "recovered"
		}
		w.end(b.T)
		b.is(b.before, said)
		return outcome, w.hit != nil
	})
}
