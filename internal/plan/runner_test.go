package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// asBefore checks that a plan has left nothing behind.
func asBefore(t *testing.T, w *world, r *Runner) {
	t.Helper()
	if n := w.numbers(); len(n) > 0 {
		t.Errorf("left behind: %v", n)
	}
	if left := files(t, r.Dir); len(left) > 0 {
		t.Errorf("files left: %q", left)
	}
}

// fails checks that it is a *Failed at this step, with this cause if not nil.
func fails(t *testing.T, err error, step string, cause error) *Failed {
	t.Helper()
	var f *Failed
	if !errors.As(err, &f) || cause != nil && !errors.Is(err, cause) || f.Step != step {
		t.Fatalf("ended with %v, want step %q, cause %v", err, step, cause)
	}
	if want := "cannot " + step + ": "; !strings.HasPrefix(f.Error(), want) {
		t.Errorf("%q does not begin with %q", f, want)
	}
	return f
}

func TestRun(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	var traced, hooked []string
	r.Trace = func(line string) { traced = append(traced, line) }
	r.Hook = func(step int, after bool) error {
		hooked = append(hooked, fmt.Sprint(step, after))
		return nil
	}
	p := w.plan(2)
	p.Add(looking(func() error {
		if u, err := r.Unfinished(); err != nil || u == nil || u.Begun != 3 || u.PID != os.Getpid() || u.Command != "start" {
			t.Errorf("the journal at the end: %+v, %v", u, err)
		}
		return nil
	}))
	if err := r.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if want := []string{"add 0", "add 1", "add 10", "add 11"}; !slices.Equal(w.log, want) || !slices.Equal(traced, want) {
		t.Errorf("done %q, traced %q, want %q", w.log, traced, want)
	}
	if want := []string{"0 false", "0 true", "1 false", "1 true", "2 false", "2 true"}; !slices.Equal(hooked, want) {
		t.Errorf("hook: %q, want %q", hooked, want)
	}
	if left := files(t, r.Dir); len(left) > 0 {
		t.Errorf("files left: %q", left)
	}
}

// TestRollback makes an operation in the middle fail.
func TestRollback(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	var traced []string
	r.Trace = func(line string) { traced = append(traced, line) }
	w.broken[11] = errFake
	f := fails(t, r.Run(t.Context(), w.plan(3)), "take step 1", errFake)
	if len(f.Left) > 0 {
		t.Errorf("left: %q", f.Left)
	}
	want := []string{
		"add 0", "add 1", "add 10", "add 11",
		"undo: remove 11", "undo: remove 10", "undo: remove 1", "undo: remove 0",
	}
	if !slices.Equal(w.log, want) {
		t.Errorf("done %q\nwant %q", w.log, want)
	}
	if len(traced) != len(want) {
		t.Errorf("traced %q", traced)
	}
	asBefore(t, w, r)
}

// TestEveryHook makes each step fail before and after.
func TestEveryHook(t *testing.T) {
	for step := range 3 {
		for _, after := range []bool{false, true} {
			w := newWorld()
			r := w.runner(t)
			r.Hook = func(s int, a bool) error {
				if s == step && a == after {
					return errFake
				}
				return nil
			}
			_ = fails(t, r.Run(t.Context(), w.plan(3)), fmt.Sprint("take step ", step), errFake)
			asBefore(t, w, r)
		}
	}
}

// looking is a check.
func looking(do func() error) Step {
	return Step{Title: "see it", Check: func(context.Context) error { return do() }}
}

func TestCheckUndoes(t *testing.T) {
	w := newWorld()
	r, p := w.runner(t), w.plan(2)
	p.Add(looking(func() error { return errFake }))
	_ = fails(t, r.Run(t.Context(), p), "see it", errFake)
	asBefore(t, w, r)
}

func TestCancelled(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	r.Hook = func(step int, after bool) error {
		if step == 1 && after {
			cancel(errFake)
		}
		return nil
	}
	_ = fails(t, r.Run(ctx, w.plan(3)), "take step 2", errFake)
	asBefore(t, w, r)
	if slices.Contains(w.log, "add 20") {
		t.Errorf("it went on: %q", w.log)
	}
}

// TestUndoFails has an operation that cannot be undone: the others are undone
// nevertheless, and what is left is taken back later.
func TestUndoFails(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	w.broken[20] = errFake
	w.stuck[11] = errors.New("stuck")
	f := fails(t, r.Run(t.Context(), w.plan(4)), "take step 2", errFake)
	if want := []string{"remove 11   # stuck"}; !slices.Equal(f.Left, want) {
		t.Errorf("left %q, want %q", f.Left, want)
	}
	if n := w.numbers(); !slices.Equal(n, []int{11}) {
		t.Errorf("there are %v", n)
	}
	for range 2 { // it still fails, and the journal stays
		u := unfinished(t, r)
		if u.Begun != 3 || u.Left != 2 {
			t.Errorf("the journal says: begun %d, left %d", u.Begun, u.Left)
		}
		f := fails(t, r.Recover(t.Context(), u), `take back the unfinished "start"`, nil)
		if want := []string{"remove 11   # stuck"}; !slices.Equal(f.Left, want) {
			t.Errorf("recovery left %q, want %q", f.Left, want)
		}
	}
	delete(w.stuck, 11)
	w.log = nil
	if err := r.Recover(t.Context(), unfinished(t, r)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"undo: remove 11", "undo: remove 10", "undo: remove 1", "undo: remove 0"}; !slices.Equal(w.log, want) {
		t.Errorf("undone again: %q, want %q", w.log, want)
	}
	asBefore(t, w, r)
}

func unfinished(t *testing.T, r *Runner) *Unfinished {
	t.Helper()
	u, err := r.Unfinished()
	if err != nil || u == nil {
		t.Fatal("no unfinished change: ", u, err)
	}
	return u
}

// TestUndoFailsQuietly lets the undoing of an operation without a command fail:
// nobody may say that the change was undone.
func TestUndoFailsQuietly(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	r.Kinds = Merge(r.Kinds, Kinds{"quiet": func() Op { return &quiet{} }})
	w.broken[10] = errFake
	p := w.plan(2)
	p.Steps[0].Undo = append(p.Steps[0].Undo, &quiet{})
	f := fails(t, r.Run(t.Context(), p), "take step 1", errFake)
	if len(f.Left) == 0 {
		t.Error("an operation could not be undone, and the error says that all is as before")
	}
	if u, err := r.Unfinished(); u == nil || err != nil {
		t.Errorf("the journal is gone: %v, %v", u, err)
	}
}

// bad is an operation that panics.
type bad struct{}

func (*bad) Kind() string                   { return "bad" }
func (*bad) Commands() []string             { panic("no command") }
func (*bad) Do(context.Context, bool) error { panic("fake") }

// TestPanic lets an operation panic, in doing and in undoing: it has failed,
// and the others are carried out.
func TestPanic(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	r.Kinds = Merge(r.Kinds, Kinds{"bad": func() Op { return &bad{} }})
	p := w.plan(3)
	p.Steps[1].Do = append(p.Steps[1].Do, &bad{})
	if f := fails(t, r.Run(t.Context(), p), "take step 1", nil); !strings.Contains(f.Error(), "fake") || len(f.Left) > 0 {
		t.Errorf("%v, left %q", f, f.Left)
	}
	asBefore(t, w, r)

	w.broken[20] = errFake
	p = w.plan(3)
	p.Steps[1].Undo = append([]Op{&bad{}}, p.Steps[1].Undo...)
	if f := fails(t, r.Run(t.Context(), p), "take step 2", errFake); len(f.Left) == 0 || !strings.Contains(f.Left[0], "fake") {
		t.Errorf("left %q", f.Left)
	}
	if n := w.numbers(); len(n) > 0 {
		t.Errorf("the others were not undone: %v", n)
	}
	unfinished(t, r)
}

// lastWord is an error that names the one command that failed.
type lastWord struct{ command string }

func (l *lastWord) Error() string         { return l.command + ": fake" }
func (l *lastWord) FailedCommand() string { return l.command }
func (l *lastWord) Unwrap() error         { return errFake }

func TestLeftOver(t *testing.T) {
	op := &put{N: 1}
	for _, c := range []struct {
		err  error
		want []string
	}{
		{errFake, []string{"add 1   # fake"}},
		{&lastWord{"a"}, []string{"a   # fake"}},
		{errors.Join(&lastWord{"a"}, &lastWord{"b"}), []string{"a   # fake", "b   # fake"}},
		{errors.Join(&lastWord{"a"}, errFake), []string{"a   # fake", "add 1   # fake"}},
	} {
		if got := leftOver(op, c.err); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// errKilled stands for the death of the process.
var errKilled = errors.New("killed")

// TestRecover kills the process at each step and lets another one, with
// operations of its own, take the change back.
func TestRecover(t *testing.T) {
	for step := range 3 {
		for _, after := range []bool{false, true} {
			w := newWorld()
			r := w.runner(t)
			r.Hook = func(s int, a bool) error {
				if s == step && a == after {
					panic(errKilled)
				}
				return nil
			}
			func() {
				defer func() { _ = recover() }()
				_ = r.Run(t.Context(), w.plan(3))
			}()
			next := &Runner{Dir: r.Dir, Kinds: w.kinds()}
			if u := unfinished(t, next); u.Begun != step+1 {
				t.Errorf("step %d: the journal says that %d steps began", step, u.Begun)
			}
			if err := next.Recover(t.Context(), unfinished(t, next)); err != nil {
				t.Error(err)
			}
			asBefore(t, w, next)
			if u, err := next.Unfinished(); u != nil || err != nil {
				t.Errorf("after recovery: %v, %v", u, err)
			}
		}
	}
}

// TestJournalCannotEnd puts a directory in the journal's place while the plan
// runs. The next call would take back a change whose journal cannot be removed,
// so the change is taken back at once, and the file is named.
func TestJournalCannotEnd(t *testing.T) {
	w := newWorld()
	r, p := w.runner(t), w.plan(2)
	p.Add(looking(func() error {
		must(0, os.Remove(JournalPath(r.Dir)))
		return os.MkdirAll(JournalPath(r.Dir)+"/in the way", 0o700)
	}))
	err := r.Run(t.Context(), p)
	var f *Failed
	if !errors.As(err, &f) || f.Step != "end the journal" {
		t.Fatalf("ended with %v", err)
	}
	if n := w.numbers(); len(n) > 0 {
		t.Errorf("left behind: %v", n)
	}
	if len(f.Left) != 1 || !strings.HasPrefix(f.Left[0], "# remove "+JournalPath(r.Dir)) {
		t.Errorf("left %q, want the journal", f.Left)
	}
}

// TestConfirm runs plans that have to be confirmed: their journal says so, to
// this process and to others, until the plans are confirmed or taken back.
func TestConfirm(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(*Runner, *Unfinished) error
		left []int
	}{
		"accepted":   {func(r *Runner, _ *Unfinished) error { return r.Accept() }, []int{0, 1, 10, 11}},
		"taken back": {func(r *Runner, u *Unfinished) error { return r.Recover(t.Context(), u) }, []int{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			r := w.runner(t)
			r.Confirm = time.Hour
			if err := r.Run(t.Context(), w.plan(2)); err != nil {
				t.Fatal(err)
			}
			u := unfinished(t, r)
			if left, waits := u.Waits(); !waits || left > time.Hour || left < time.Minute || u.Begun != 2 {
				t.Errorf("it waits: %t, %s, %+v", waits, left, u)
			}
			if err := end.do(r, u); err != nil {
				t.Fatal(err)
			}
			if n := w.numbers(); !slices.Equal(n, end.left) {
				t.Errorf("there are %v, want %v", n, end.left)
			}
			if left := files(t, r.Dir); len(left) > 0 {
				t.Errorf("files left: %q", left)
			}
		})
	}
	w := newWorld()
	r := w.runner(t)
	r.Confirm = time.Nanosecond
	if err := r.Run(t.Context(), w.plan(2)); err != nil {
		t.Fatal(err)
	}
	if left, waits := unfinished(t, r).Waits(); waits || left > 0 {
		t.Errorf("after its time it waits: %t, %s", waits, left)
	}
}

// wary is an operation that knows beforehand that it will fail.
type wary struct{ put }

func (*wary) Ready(context.Context) error { return errFake }

func TestReady(t *testing.T) {
	for name, spoil := range map[string]func(*Step){
		"do":   func(s *Step) { s.Do = append(s.Do, &wary{}) },
		"undo": func(s *Step) { s.Undo = append(s.Undo, &wary{}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			r, p := w.runner(t), w.plan(3)
			spoil(&p.Steps[2])
			if err := r.Run(t.Context(), p); !errors.Is(err, errFake) || errors.As(err, new(*Failed)) {
				t.Errorf("ended with %v", err)
			}
			asBefore(t, w, r)
			if len(w.log) > 0 {
				t.Errorf("something was done: %q", w.log)
			}
		})
	}
}

// endless is an operation that waits until its context ends. Undone, it notes
// whether its context has ended.
type endless struct {
	begun func()
	told  error
}

func (*endless) Kind() string       { return "endless" }
func (*endless) Commands() []string { return nil }

func (e *endless) Do(ctx context.Context, undoing bool) error {
	if undoing {
		e.told = ctx.Err()
		return nil
	}
	e.begun()
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestHeard ends a call while an operation waits. The operation's context tells
// it; the contexts of the undoing do not.
func TestHeard(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	back := &endless{told: errFake}
	var p Plan
	p.Add(Step{Title: "add 1", Do: []Op{&put{N: 1, w: w}}, Undo: []Op{&put{N: 1, Away: true, w: w}}},
		Step{Title: "wait", Do: []Op{&endless{begun: func() { cancel(why) }}}, Undo: []Op{back}})
	_ = fails(t, w.runner(t).Run(ctx, &p), "wait", nil)
	if back.told != nil {
		t.Error("the undoing was told: ", back.told)
	}
	if len(w.numbers()) > 0 {
		t.Error("left: ", w.numbers())
	}
}

// asked is a context that notes whether it was asked for its end.
type asked struct {
	context.Context
	whether bool
}

func (a *asked) Err() error {
	a.whether = true
	return a.Context.Err()
}

// prepared is an operation that does something before the journal is written.
type prepared struct {
	put
	ready func()
}

func (p *prepared) Ready(context.Context) error { p.ready(); return nil }

// TestListens has contexts that begin to listen to signals when they are first asked:
// that is before anything is written, and before anything is taken back.
func TestListens(t *testing.T) {
	w := newWorld()
	r, p, ctx := w.runner(t), w.plan(3), &asked{Context: t.Context()}
	listened := false
	p.Steps[0].Do = append(p.Steps[0].Do, &prepared{put{N: 7, w: w}, func() { listened = ctx.whether }})
	p.Steps[0].Undo = append(p.Steps[0].Undo, &put{N: 7, Away: true, w: w})
	r.Hook = func(step int, after bool) error {
		if step == 1 && after {
			panic(errKilled)
		}
		return nil
	}
	func() {
		defer func() { _ = recover() }()
		_ = r.Run(ctx, p)
	}()
	next, again := &Runner{Dir: r.Dir, Kinds: w.kinds()}, &asked{Context: t.Context()}
	if err := next.Recover(again, unfinished(t, next)); err != nil {
		t.Error(err)
	}
	asBefore(t, w, next)
	if !listened || !again.whether {
		t.Errorf("it listened before it began: %t; while it took that back: %t", listened, again.whether)
	}
}
