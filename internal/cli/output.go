package cli

import (
	"io"
	"sync"
	"time"

	"xbr-script/internal/shell"
)

// flushWait is how long the program waits at its end for somebody to read its
// output.
const flushWait = 2 * time.Second

// output is a writer that never blocks and never fails: a terminal that is
// gone, or a pipe that nobody reads, must not hold up a change half-way.
type output struct {
	mu      sync.Mutex
	pending []byte
	wake    chan struct{}
	closing bool
	done    chan struct{}
}

// newOutput writes to w in the background.
func newOutput(w io.Writer) *output {
	o := &output{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.copy(w)
	return o
}

// Write implements io.Writer. Whatever is in the names of interfaces, in comments
// or in errors, a terminal does not obey it.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	o.pending = append(o.pending, shell.Visible(string(b))...)
	o.mu.Unlock()
	o.signal()
	return len(b), nil
}

func (o *output) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (o *output) copy(w io.Writer) {
	defer close(o.done)
	for range o.wake {
		o.mu.Lock()
		b, closing := o.pending, o.closing
		o.pending = nil
		o.mu.Unlock()
		_, _ = w.Write(b) // there is nobody left to tell about an error
		if closing {
			return
		}
	}
}

// close waits until everything is written, but not for ever.
func (o *output) close() {
	o.mu.Lock()
	o.closing = true
	o.mu.Unlock()
	o.signal()
	select {
	case <-o.done:
	case <-time.After(flushWait):
	}
}
