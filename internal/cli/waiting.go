package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"xbr-script/internal/operate"
	"xbr-script/internal/refusal"
)

// quiet is how long the program waits for something before it says so.
const quiet = time.Second

// screen is where people read. What raw writes is not made visible first.
type screen interface {
	io.Writer
	raw(text string)
}

// waiting says what the program waits for, and on a terminal counts the seconds that are
// left.
type waiting struct {
	out      screen
	terminal bool
}

// begin is operate.Call's While: what the program waits for, and at most how long.
func (w waiting) begin(what string, limit time.Duration) (over func()) {
	if limit < 2*quiet {
		return func() {} // it is over before anybody has read that
	}
	end := time.Now().Add(limit)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		w.tell(what, limit, end, stop)
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// tell says it once, or on a terminal again each second in the same line, until stop.
func (w waiting) tell(what string, limit time.Duration, end time.Time, stop <-chan struct{}) {
	select {
	case <-stop:
		return
	case <-time.After(quiet):
	}
	if !w.terminal {
		say(w.out, fmt.Sprintf("xbr-script: waiting for %s, at most %s", what, operate.Seconds(limit)))
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	defer w.out.raw(clearLine)
	for {
		w.out.raw(clearLine)
		_, _ = fmt.Fprintf(w.out, "xbr-script: waiting for %s, %s left", what, operate.Seconds(max(0, time.Until(end))))
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
	}
}

// clearLine empties the line that the cursor is in.
const clearLine = "\r\x1b[K"

// retry is how long the taking back of a change may take, and be tried again.
const retry = 2 * time.Minute

// hold waits for Enter, by which the user keeps a change that waits to be confirmed, and
// returns the exit status. Meanwhile the change may be put back, or somebody else may
// confirm it. A signal ends the wait only: the timer goes on.
func (t terminal) hold(ctx context.Context, stdout io.Writer, limit time.Duration, confirm func() error) (int, error) {
	_ = ctx.Err() // the program listens to signals from now on
	over := waiting{t.out, true}.begin("Enter, which keeps this change", limit)
	entered, end := false, time.Now().Add(limit+retry)
	for ctx.Err() == nil && !entered && operate.Pending() && time.Now().Before(end) {
		_, entered = terminal{in: t.in, limit: glance}.line(ctx)
	}
	over()
	switch {
	case operate.Pending() && entered:
		return done, confirm()
	case operate.Pending():
		say(stdout, "the change is still put back unless you give: xbr-script confirm")
		return done, nil
	}
	last := operate.LastChange()
	if last == nil {
		return refusal.Failed, errors.New("cannot tell what became of the change: its record is gone")
	}
	say(stdout, lastText(last))
	if last.Outcome != operate.Done {
		return refusal.Failed, nil
	}
	return done, nil
}

// glance is how long to look for Enter before looking whether the change still waits.
const glance = 200 * time.Millisecond
