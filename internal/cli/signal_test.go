package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUntilSignal ends a context by a signal once it was asked for its end, and names
// the signal as its cause, also to those that were made of it.
func TestUntilSignal(t *testing.T) {
	ctx, stop := untilSignal()
	defer stop()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if ctx.Err() != nil || limited.Err() != nil {
		t.Fatal("it has ended before the signal")
	}
	if err := unix.Kill(unix.Getpid(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-limited.Done()
	for _, c := range []context.Context{ctx, limited} {
		if cause := context.Cause(c); c.Err() == nil || !strings.Contains(cause.Error(), "terminated") {
			t.Errorf("%v, because of %v", c.Err(), cause)
		}
	}
}

// TestStopUnheard stops a context that nobody has asked.
func TestStopUnheard(*testing.T) {
	_, stop := untilSignal()
	stop()
}
