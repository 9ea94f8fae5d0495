package plan

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	w := newWorld()
	p := w.plan(2)
	p.Add(Step{}, Step{Title: "of no effect"}, Remember("note it", "/run/x", nil, nil))
	if len(p.Steps) != 3 {
		t.Errorf("%d steps, want the two and the note", len(p.Steps))
	}
	want := []string{"# take step 0", "add 0", "add 1", "# take step 1", "add 10", "add 11"}
	if got := p.Commands(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !(Step{Title: "of no effect"}).Empty() || (Step{Undo: []Op{&put{}}}).Empty() {
		t.Error("a step is empty if it has neither Do nor Undo")
	}
}

func TestReverse(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	p := w.plan(3)
	steps := slices.Clone(p.Steps)
	if err := r.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.log = nil
	back := Reverse(steps)
	if back[0].Title != "undo: take step 2" || !reflect.DeepEqual(back[2].Undo, steps[0].Do) {
		t.Errorf("reversed: %+v", back)
	}
	if !reflect.DeepEqual(steps, w.plan(3).Steps) {
		t.Error("the steps themselves were changed")
	}
	if err := r.Run(t.Context(), &Plan{Steps: back}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"remove 21", "remove 20", "remove 11", "remove 10", "remove 1", "remove 0"}; !slices.Equal(w.log, want) {
		t.Errorf("done %q, want %q", w.log, want)
	}
	asBefore(t, w, r)
}

// TestMerge joins kinds of several packages: none can stand for another.
func TestMerge(t *testing.T) {
	ours := newWorld().kinds()
	quiets := Kinds{"quiet": func() Op { return &quiet{} }}
	all := Merge(ours, nil, quiets)
	if names := slices.Sorted(maps.Keys(all)); !slices.Equal(names, []string{"file", "pile", "put", "quiet"}) {
		t.Errorf("kinds: %q", names)
	}
	for name, empty := range all {
		if is := empty().Kind(); is != name {
			t.Errorf("the kind %q is %q", name, is)
		}
	}
	for want, kinds := range map[string][]Kinds{
		`two packages have a kind of operation "put"`:            {ours, quiets, {"put": ours["put"]}},
		`two packages have a kind of operation "file"`:           {{FileKind: func() Op { return &File{} }}},
		`the kind "silent" makes operations of the kind "quiet"`: {{"silent": quiets["quiet"]}},
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("merged; panic %v, want %q", got, want)
				}
			}()
			Merge(kinds...)
		}()
	}
}

func TestEncodeFails(t *testing.T) {
	r := newWorld().runner(t)
	for _, s := range []Step{{Undo: []Op{&mute{}}}, {Undo: []Op{&put{}, &wild{}}}} {
		if err := r.Run(t.Context(), &Plan{Steps: []Step{s}}); err == nil {
			t.Error("a plan that cannot be kept was carried out")
		}
	}
	if left := files(t, r.Dir); len(left) > 0 {
		t.Errorf("files left: %q", left)
	}
}

// mute is an operation that cannot be written as JSON.
type mute struct {
	quiet
	F func()
}

// wild is an operation that panics.
type wild struct{ quiet }

func (*wild) MarshalJSON() ([]byte, error) { panic("wild") }

// text is a file's content, nil if there is none.
func text(t *testing.T, path string) *string {
	t.Helper()
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	return &s
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "below", "record")
	one, two, empty := "one\n", "two\n", ""
	for _, content := range []*string{nil, &one, &one, &two, &empty, nil, nil} {
		for _, undoing := range []bool{false, true} {
			if err := (&File{path, content}).Do(t.Context(), undoing); err != nil {
				t.Fatal(err)
			}
			if got := text(t, path); !reflect.DeepEqual(got, content) {
				t.Errorf("content %v, want %v", got, content)
			}
		}
	}
	if left := files(t, filepath.Dir(path)); len(left) > 0 {
		t.Errorf("files left: %q", left)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&File{filepath.Join(dir, "plain", "record"), &one}).Do(t.Context(), false); err == nil {
		t.Error("a file below a file: no error")
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (&File{filepath.Join(dir, "taken"), &one}).Do(t.Context(), false); err == nil {
		t.Error("a directory in the way: no error")
	}
	if err := os.MkdirAll(filepath.Join(dir, "full", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (&File{filepath.Join(dir, "full"), nil}).Do(t.Context(), true); err == nil {
		t.Error("a directory that has something in it: no error on removal")
	}
}

// TestRemember changes a file in a plan that is undone, by the process itself
// or by another, and in a plan that is not undone.
func TestRemember(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record.json")
	one, two := "one\n", "two \x00 \"ü\"\n"
	for _, change := range [][2]*string{{nil, &one}, {&one, &two}, {&two, nil}} {
		s := Remember("write it", path, change[0], change[1])
		w := newWorld()
		r := w.runner(t)
		r.Dir = dir
		r.Kinds = Kinds{FileKind: func() Op { return &File{} }}
		r.Hook = func(int, bool) error { return errFake }
		_ = fails(t, r.Run(t.Context(), &Plan{Steps: []Step{s}}), "write it", errFake)
		if got := text(t, path); !reflect.DeepEqual(got, change[0]) {
			t.Errorf("undone: %v, want %v", got, change[0])
		}
		func() {
			defer func() { _ = recover() }()
			r.Hook = func(_ int, after bool) error {
				if after {
					panic(errKilled)
				}
				return nil
			}
			_ = r.Run(t.Context(), &Plan{Steps: []Step{s}})
		}()
		if got := text(t, path); !reflect.DeepEqual(got, change[1]) {
			t.Errorf("before recovery: %v, want %v", got, change[1])
		}
		if err := r.Recover(t.Context(), unfinished(t, r)); err != nil {
			t.Error(err)
		}
		if got := text(t, path); !reflect.DeepEqual(got, change[0]) {
			t.Errorf("recovered: %v, want %v", got, change[0])
		}
		r.Hook = nil
		if err := r.Run(t.Context(), &Plan{Steps: []Step{s}}); err != nil {
			t.Error(err)
		}
		if got := text(t, path); !reflect.DeepEqual(got, change[1]) {
			t.Errorf("done: %v, want %v", got, change[1])
		}
	}
}

// TestConfined has a journal about files other than the records beside it: it
// is refused.
func TestConfined(t *testing.T) {
	for _, path := range []string{"/etc/passwd", "DIR/../other.json", "DIR/journal", "DIR/below/x.json", "x.json", ""} {
		w := newWorld()
		r := w.runner(t)
		r.Kinds = Kinds{FileKind: func() Op { return &File{} }}
		path = strings.Replace(path, "DIR", r.Dir, 1)
		j, err := r.begin(&Plan{Steps: []Step{{Title: "x", Undo: []Op{&File{path, nil}}}}})
		if err != nil {
			t.Fatal(err)
		}
		must(0, j.close())
		var bad *BadJournal
		if _, err := r.Unfinished(); !errors.As(err, &bad) {
			t.Errorf("%q: %v", path, err)
		}
	}
}
