package cli

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"
)

// stuck is a writer whose reader never reads.
type stuck struct{ never chan struct{} }

func (s stuck) Write([]byte) (int, error) { <-s.never; return 0, io.ErrClosedPipe }

func TestOutputWritesAllInOrder(t *testing.T) {
	var got, want bytes.Buffer
	o := newOutput(&got)
	for i := range 1000 {
		line := fmt.Sprintln("line", i)
		want.WriteString(line)
		say(o, line[:len(line)-1])
	}
	o.close()
	if got.String() != want.String() {
		t.Errorf("got %d bytes, want %d", got.Len(), want.Len())
	}
}

func TestOutputDoesNotBlock(t *testing.T) {
	s := stuck{make(chan struct{})}
	defer close(s.never)
	o := newOutput(s)
	said := make(chan struct{})
	go func() {
		for range 1000 {
			say(o, "nobody reads this")
		}
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(10 * time.Second):
		t.Fatal("a writer was held up")
	}
}
