package cli

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"
)

// paper is a screen of which a test can read everything.
type paper struct{ bytes.Buffer }

func (p *paper) raw(text string) { p.WriteString(text) }

// TestAnswer has the answers that count as a yes. No answer is a no: neither the end of
// the file, nor of the time, nor of the call.
func TestAnswer(t *testing.T) {
	const long, short = time.Hour, time.Millisecond
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		typed string
		ended bool // nothing more can come
		limit time.Duration
		ctx   context.Context
		want  bool
	}{
		{"y\n", false, long, t.Context(), true},
		{"YES \n", false, long, t.Context(), true},
		{"yes", true, long, t.Context(), true},
		{"n\n", false, long, t.Context(), false},
		{"\n", false, long, t.Context(), false},
		{"yesterday\n", false, long, t.Context(), false},
		{"no\ny\n", false, long, t.Context(), false},
		{"", true, long, t.Context(), false},
		{"", false, short, t.Context(), false},
		{"", false, long, gone, false},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.WriteString(c.typed)
		if c.ended {
			_ = w.Close()
		}
		var screen paper
		got := terminal{in: int(r.Fd()), out: &screen, limit: c.limit}.ask(c.ctx, "sure?")
		if got != c.want || !bytes.HasPrefix(screen.Bytes(), []byte("xbr-script: sure? [y/N] ")) {
			t.Errorf("%q: %t, %q", c.typed, got, screen.String())
		}
		_, _ = r.Close(), w.Close()
	}
}
