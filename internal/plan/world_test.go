package plan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
)

// world is what the fake operations change: a set of numbers.
type world struct {
	has    map[int]bool
	log    []string      // what was done, in order
	broken map[int]error // numbers that cannot be added
	stuck  map[int]error // numbers that cannot be removed
}

func newWorld() *world {
	return &world{has: map[int]bool{}, broken: map[int]error{}, stuck: map[int]error{}}
}

// numbers are those that are there.
func (w *world) numbers() []int {
	all := []int{}
	for n := range w.has {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// put is the operation that adds a number or removes it.
type put struct {
	N    int
	Away bool
	w    *world
}

func (*put) Kind() string { return "put" }

func (p *put) String() string {
	if p.Away {
		return fmt.Sprint("remove ", p.N)
	}
	return fmt.Sprint("add ", p.N)
}

func (p *put) Commands() []string { return []string{p.String()} }

func (p *put) Do(_ context.Context, undoing bool) error {
	line := p.String()
	if undoing {
		line = "undo: " + line
	}
	p.w.log = append(p.w.log, line)
	if p.Away {
		if err := p.w.stuck[p.N]; err != nil {
			return err
		}
		delete(p.w.has, p.N)
		return nil
	}
	if err := p.w.broken[p.N]; err != nil {
		return err
	}
	p.w.has[p.N] = true
	return nil
}

func (w *world) kinds() Kinds {
	return Kinds{"put": func() Op { return &put{w: w} }, "pile": func() Op { return &pile{} }}
}

// pile is an operation that keeps a part outside of its JSON.
type pile struct {
	Name string
	Sand []byte `json:"-"`
}

func (*pile) Kind() string                   { return "pile" }
func (*pile) Commands() []string             { return nil }
func (*pile) Do(context.Context, bool) error { return nil }
func (p *pile) Head() any                    { return p }

func (p *pile) Bulk() iter.Seq[[]byte] {
	return slices.Values([][]byte{p.Sand[:len(p.Sand)/2], p.Sand[len(p.Sand)/2:]})
}

func (p *pile) SetBulk(b []byte) error {
	if len(b) > 0 && b[0] == '!' {
		return errFake
	}
	p.Sand = b
	return nil
}

// plan has n steps; step i adds 10i, then 10i+1, and its undoing removes both.
func (w *world) plan(n int) *Plan {
	p := &Plan{}
	for i := range n {
		a, b := 10*i, 10*i+1
		p.Add(Step{
			Title: fmt.Sprint("take step ", i),
			Do:    []Op{&put{N: a, w: w}, &put{N: b, w: w}},
			Undo:  []Op{&put{N: b, Away: true, w: w}, &put{N: a, Away: true, w: w}},
		})
	}
	return p
}

func (w *world) runner(t *testing.T) *Runner {
	t.Helper()
	return &Runner{Dir: t.TempDir(), Kinds: w.kinds(), Command: "start"}
}

// quiet is an operation that fails and has no command to print, like a File.
type quiet struct{}

func (*quiet) Kind() string                   { return "quiet" }
func (*quiet) Commands() []string             { return nil }
func (*quiet) Do(context.Context, bool) error { return errFake }

var errFake = errors.New("fake")
