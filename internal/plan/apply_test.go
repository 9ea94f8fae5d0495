package plan

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// told is an operation that does what a test says, and notes that it was asked.
type told struct {
	name string
	err  error
	log  *[]string
}

func (o *told) Kind() string       { return "told" }
func (o *told) Commands() []string { return []string{"undo " + o.name} }
func (o *told) Do(_ context.Context, undoing bool) error {
	what := "do "
	if undoing {
		what = "undo "
	}
	*o.log = append(*o.log, what+o.name)
	return o.err
}

// TestApply carries out plans without a journal. What fails is taken back with what was
// done before, and what cannot be is said.
func TestApply(t *testing.T) {
	bad := errors.New("no")
	for _, c := range []struct {
		do, undo error // of the second step; the first one's undoing
		check    error
		log      []string
		left     int
	}{
		{nil, nil, nil, []string{"do a", "do b"}, 0},
		{bad, nil, nil, []string{"do a", "do b", "undo b", "undo a"}, 0},
		{nil, nil, bad, []string{"do a", "do b", "undo b", "undo a"}, 0},
		{bad, bad, nil, []string{"do a", "do b", "undo b", "undo a"}, 1},
	} {
		var log []string
		p := &Plan{Steps: []Step{
			{Title: "a", Do: []Op{&told{"a", nil, &log}}, Undo: []Op{&told{"a", c.undo, &log}}},
			{Title: "b", Do: []Op{&told{"b", c.do, &log}}, Undo: []Op{&told{"b", nil, &log}}, Check: func(context.Context) error { return c.check }},
		}}
		err := Apply(t.Context(), p)
		var failed *Failed
		if errors.As(err, &failed) != (c.do != nil || c.check != nil) || !slices.Equal(log, c.log) {
			t.Errorf("%v, %v", err, log)
		}
		if failed != nil && (failed.Step != "b" || len(failed.Left) != c.left) {
			t.Errorf("%+v", failed)
		}
	}
}
