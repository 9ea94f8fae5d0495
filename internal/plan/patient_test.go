package plan

import (
	"context"
	"slices"
	"testing"
	"time"
)

// slow is an operation that waits for somebody.
type slow struct{ quiet }

func (*slow) Await() Wait                    { return Wait{"somebody", time.Minute} }
func (*slow) Do(context.Context, bool) error { return nil }

// TestSaysWhatItWaitsFor: what an operation waits for is said as long as it is at work,
// also while it takes a change back, and so is what a check waits for.
func TestSaysWhatItWaitsFor(t *testing.T) {
	var said []string
	while := func(what string, limit time.Duration) func() {
		said = append(said, what+" "+limit.String())
		return func() { said = append(said, "over") }
	}
	for _, c := range []struct {
		fails error
		want  []string
	}{
		{nil, []string{"somebody 1m0s", "over", "an answer 1s", "over"}},
		{errFake, []string{"somebody 1m0s", "over", "an answer 1s", "over", "somebody 1m0s", "over"}},
	} {
		w := newWorld()
		r, p := w.runner(t), w.plan(1)
		r.While, said = while, nil
		r.Kinds["quiet"] = func() Op { return &slow{} }
		p.Add(Step{
			Title: "ask", Do: []Op{&slow{}}, Undo: []Op{&slow{}},
			Await: Wait{"an answer", time.Second}, Check: func(context.Context) error { return c.fails },
		})
		if err := r.Run(t.Context(), p); (err != nil) != (c.fails != nil) {
			t.Error(err)
		}
		if !slices.Equal(said, c.want) {
			t.Errorf("said %q, want %q", said, c.want)
		}
	}
}
