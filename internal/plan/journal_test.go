package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nstest"
)

// must is the value of a call that has to succeed.
func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// aHeader is a header for that many steps.
func aHeader(t *testing.T, n int) header {
	t.Helper()
	w := newWorld()
	return header{
		Version: journalVersion, Command: "start bridge=xenbr0", PID: 42, Time: time.Unix(1_700_000_000, 0).UTC(),
		Boot: bootID(), Steps: must(encode(w.plan(n).Steps)),
	}
}

func TestJournalRoundTrip(t *testing.T) {
	dir, w, h := t.TempDir(), newWorld(), aHeader(t, 3)
	steps := w.plan(3).Steps
	// What looks like lines of a journal is none.
	steps[1].Do = append(steps[1].Do, &pile{"first", []byte("do 2\n\x00")}, &pile{Name: "empty", Sand: []byte{}})
	steps[2].Undo = append(steps[2].Undo, &pile{"last", []byte("undone 0\n")})
	h.Steps = must(encode(steps))
	j, err := create(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		what string
		n    int64
	}{{"do", 0}, {"do", 1}, {"undone", 1}, {"until", 86400e9}} {
		if err := j.mark(m.what, m.n); err != nil {
			t.Fatal(err)
		}
	}
	u, err := read(dir, w.kinds())
	if err != nil {
		t.Fatal(err)
	}
	want := &Unfinished{Command: h.Command, PID: 42, Time: h.Time, Steps: steps, Begun: 2, Undone: map[int]bool{1: true}, Until: 24 * time.Hour, boot: h.Boot}
	if !reflect.DeepEqual(u, want) {
		t.Errorf("read back %+v\nwant %+v", u, want)
	}
	if err := j.remove(); err != nil {
		t.Fatal(err)
	}
	if u, err := read(dir, w.kinds()); u != nil || err != nil {
		t.Errorf("a removed journal is read as %v, %v", u, err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("files left: %q", left)
	}
}

// files are the names in a directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, e := range must(os.ReadDir(dir)) {
		names = append(names, e.Name())
	}
	return names
}

// TestJournalLines reads journals as a process leaves them that is killed in
// the middle of a line, or whose disk is full.
func TestJournalLines(t *testing.T) {
	const steps = 13
	for _, c := range []struct {
		lines  string
		begun  int
		undone []int
	}{
		{"until", 0, nil},
		{"until 5", 0, nil},
		{"", 0, nil},
		{"do 0\n", 1, nil},
		{"do 0\ndo 1\ndo 2\n", 3, nil},
		{"do 0\ndo 1\nundone 1\nundone 0\n", 2, []int{0, 1}},
		{"do 0\nd", 1, nil},
		{"do 0\ndo", 1, nil},
		{"do 0\ndo ", 1, nil},
		{"do 0\ndo 1\nundone", 2, nil},
		{"do 0\ndo 1\nundone \n", 2, nil},
		{"do 0\ndo 13\n", 1, nil},
		{"do 0\ndo -1\nundone -1\n", 1, nil},
		{"do 0\nredo 5\n", 1, nil},
		{"do 0\n\n\x00\x00\n", 1, nil},
		{"do 0\ndo 1 2\n", 1, nil},
		{"do 0\nundone 0undone 0\n", 1, nil},
		{"do 11\ndo 12\nundone 12\nundone 1", 13, []int{12}}, // of "undone 11"
	} {
		u := &Unfinished{Steps: make([]Step, steps), Undone: map[int]bool{}}
		u.marks(c.lines)
		undone := map[int]bool{}
		for _, i := range c.undone {
			undone[i] = true
		}
		if u.Until != 0 || u.Begun != c.begun || !maps.Equal(u.Undone, undone) {
			t.Errorf("%q: begun %d, undone %v; want %d, %v", c.lines, u.Begun, u.Undone, c.begun, c.undone)
		}
	}
}

// TestBadJournal writes journals that cannot be read. They are reported and
// left as they are: their changes may still stand.
func TestBadJournal(t *testing.T) {
	w := newWorld()
	edit := func(f func(*header)) string {
		h := aHeader(t, 2)
		f(&h)
		return string(must(json.Marshal(h))) + "\ndo 0\n"
	}
	whole := edit(func(*header) {})
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "cut short"},
		"cut short":     {whole[:40], "cut short"},
		"no line end":   {strings.TrimSuffix(whole, "\ndo 0\n"), ""},
		"not JSON":      {"do 0\n", "invalid character"},
		"other version": {edit(func(h *header) { h.Version = 7 }), "its version is 7, this program reads 2"},
		"unknown kind":  {edit(func(h *header) { h.Steps[1].Undo[0].Kind = "spell" }), `no operation "spell"`},
		"unknown do":    {edit(func(h *header) { h.Steps[0].Do[0].Kind = "spell" }), `no operation "spell"`},
		"no bulk":       {edit(func(h *header) { h.Steps[0].Do[0].Bulk = 1 }), "cut short"},
		"short bulk":    {edit(func(h *header) { h.Steps[0].Do[0] = wireOp{Kind: "pile", Op: json.RawMessage("{}"), Bulk: 6} }), "cut short"},
		"less than no":  {edit(func(h *header) { h.Steps[0].Do[0] = wireOp{Kind: "pile", Op: json.RawMessage("{}"), Bulk: -1} }), "cut short"},
		"bad bulk": {strings.Replace(edit(func(h *header) {
			h.Steps[0].Do[0] = wireOp{Kind: "pile", Op: json.RawMessage("{}"), Bulk: 2}
		}), "\n", "\n!!", 1), "fake"},
		"bad operation": {edit(func(h *header) { h.Steps[0].Do[0].Op = json.RawMessage(`7`) }), "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(JournalPath(dir), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			u, err := (&Runner{Dir: dir, Kinds: w.kinds()}).Unfinished()
			var bad *BadJournal
			if u != nil || !errors.As(err, &bad) || bad.Path != JournalPath(dir) {
				t.Fatalf("read as %v, error %v", u, err)
			}
			if bad.Unwrap() == nil || strings.Contains(err.Error(), "nil") || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot read the journal "+bad.Path) {
				t.Errorf("error %q, want one with %q", err, c.want)
			}
			if text := must(os.ReadFile(JournalPath(dir))); string(text) != c.text {
				t.Error("the journal was changed")
			}
		})
	}
}

// TestOtherBoot finds a journal of another boot: it is nothing to recover.
func TestOtherBoot(t *testing.T) {
	dir, w, h := t.TempDir(), newWorld(), aHeader(t, 2)
	h.Boot = "6a5e3c55-0000-4000-8000-000000000000"
	if err := must(create(dir, h)).close(); err != nil {
		t.Fatal(err)
	}
	if u, err := (&Runner{Dir: dir, Kinds: w.kinds()}).Unfinished(); u != nil || err != nil {
		t.Errorf("found %v, %v", u, err)
	}
	if _, err := os.Stat(JournalPath(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the journal is still there: %v", err)
	}
}

// TestJournalNoRoom has a file system that holds the journal's header and not
// its marks.
func TestJournalNoRoom(t *testing.T) {
	nstest.New(t)
	const dir = "/mnt" // of the namespace
	nstest.Run(t, "mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "tmpfs", dir)
	const page = 4096
	h := aHeader(t, 3)
	h.Command = ""
	h.Command = strings.Repeat("x", 3*page-len(must(json.Marshal(h)))-1) // its line fills three pages of four
	must(0, os.WriteFile(dir+"/other", []byte("one page"), 0o600))
	j, err := create(dir, h)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a journal without room for marks: %v, %v", j, err)
	}
	if left := files(t, dir); !slices.Equal(left, []string{"other"}) {
		t.Errorf("files left: %q", left)
	}
	must(0, os.Remove(dir+"/other"))
	j, err = create(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	must(0, os.WriteFile(dir+"/rest", make([]byte, 0), 0o600))
	if err := os.WriteFile(dir+"/rest", make([]byte, page), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("the file system is not full: %v", err)
	}
	for i := range 6 {
		if err := j.mark(markDo, int64(i/2)); err != nil {
			t.Errorf("mark %d: %v", i, err)
		}
	}
}

// TestJournalNoPlace puts something in the way of the files.
func TestJournalNoPlace(t *testing.T) {
	w, dir := newWorld(), t.TempDir()
	none := &Runner{Dir: dir + "/none", Kinds: w.kinds()}
	if err := none.Run(t.Context(), w.plan(2)); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(fmt.Sprint(err), "cannot write the journal: ") {
		t.Errorf("no directory: %v", err)
	}
	if u, err := none.Unfinished(); u != nil || err != nil {
		t.Errorf("no directory: %v, %v", u, err)
	}
	if err := os.MkdirAll(JournalPath(dir)+"/in the way", 0o700); err != nil {
		t.Fatal(err)
	}
	r := &Runner{Dir: dir, Kinds: w.kinds()}
	if err := r.Run(t.Context(), w.plan(2)); err == nil {
		t.Error("a directory in the journal's place: no error")
	}
	if _, err := r.Unfinished(); err == nil {
		t.Error("a directory in the journal's place: no error on reading")
	}
	if err := r.Recover(&Unfinished{}); err == nil {
		t.Error("a directory in the journal's place: no error on recovery")
	}
	if len(w.log) > 0 {
		t.Errorf("without a journal something was done: %q", w.log)
	}
}
