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
	to      io.Writer
	mu      sync.Mutex
	pending []byte
	begun   bool // something was written
	wake    chan struct{}
	closing bool
	done    chan struct{}
	look    look
}

// newOutput writes to w in the background.
func newOutput(w io.Writer) *output {
	return &output{to: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Write implements io.Writer. Whatever is in the names of interfaces, in comments
// or in errors, a terminal does not obey it.
func (o *output) Write(b []byte) (int, error) {
	o.raw(shell.Visible(string(b)))
	return len(b), nil
}

// raw is for what a terminal is to obey.
func (o *output) raw(text string) {
	o.mu.Lock()
	o.pending = append(o.pending, text...)
	if !o.begun {
		o.begun = true
		go o.copy()
	}
	o.mu.Unlock()
	o.signal()
}

func (o *output) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (o *output) copy() {
	defer close(o.done)
	for range o.wake {
		o.mu.Lock()
		b, closing := o.pending, o.closing
		o.pending = nil
		o.mu.Unlock()
		_, _ = o.to.Write(b) // there is nobody left to tell about an error
		if closing {
			return
		}
	}
}

// close waits until everything is written, but not for ever.
func (o *output) close() {
	o.mu.Lock()
	o.closing = true
	begun := o.begun
	o.mu.Unlock()
	if !begun {
		return
	}
	o.signal()
	select {
	case <-o.done:
	case <-time.After(flushWait):
	}
}
