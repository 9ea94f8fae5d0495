package cli

import (
	"context"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// interruption is a context that ends at a signal. Until something asks it whether it
// has ended, a signal ends the program as it would any other: what only looks need not
// listen, which takes a thread and a tenth of the time of status. The runner of a plan
// asks before it writes its journal, and so does what waits or runs another program.
type interruption struct{ listen func() context.Context }

// untilSignal is a context that ends at a signal; stop ends it.
func untilSignal() (ctx context.Context, stop func()) {
	var mu sync.Mutex // whoever asks first may be another goroutine
	ignore := func() {}
	listen := sync.OnceValue(func() (heard context.Context) {
		mu.Lock()
		defer mu.Unlock()
		heard, ignore = signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
		return heard
	})
	return interruption{listen}, func() {
		mu.Lock()
		defer mu.Unlock()
		ignore()
	}
}

// Deadline implements context.Context.
func (interruption) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done implements context.Context.
func (i interruption) Done() <-chan struct{} { return i.listen().Done() }

// Err implements context.Context.
func (i interruption) Err() error { return i.listen().Err() }

// Value implements context.Context; the cause of the end is found by it.
func (i interruption) Value(key any) any { return i.listen().Value(key) }
