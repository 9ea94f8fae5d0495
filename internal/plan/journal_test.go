package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// must returns the value of a call that has to succeed.
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
		Command: "start bridge=xenbr0", PID: 42, Time: time.Unix(1_700_000_000, 0).UTC(),
		Boot: must(bootID()), Steps: must(new(encoder).steps(w.plan(n).Steps)),
	}
}

func TestJournalRoundTrip(t *testing.T) {
	dir, w, h := t.TempDir(), newWorld(), aHeader(t, 3)
	steps := w.plan(3).Steps
	// What looks like a journal's lines, but is not.
	steps[1].Undo = append(steps[1].Undo, &pile{"first", []byte("do 2\n\x00")}, &pile{Name: "empty", Sand: []byte{}})
	steps[2].Undo = append(steps[2].Undo, &pile{"last", []byte("undone 0\n")})
	j, err := create(dir, h, steps)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		what string
		n    int64
	}{{"do", 0}, {"do", 1}, {"do", 2}, {"until", 86400e9}, {"back", 0}, {"undone", 2}} {
		if err := j.mark(m.what, m.n); err != nil {
			t.Fatal(err)
		}
	}
	u, err := read(dir, w.kinds())
	if err != nil {
		t.Fatal(err)
	}
	for i := range steps {
		steps[i].Do = nil // taking a change back does not need it
	}
	want := &Unfinished{Command: h.Command, PID: 42, Time: h.Time, Steps: steps, Begun: 3, Left: 2, Until: 24 * time.Hour, Back: true, boot: h.Boot, marker: j.marker}
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

// TestMarks reads marks as processes leave them, also one killed in the middle
// of a mark, and marks that somebody has damaged.
func TestMarks(t *testing.T) {
	const steps, cut, bad = 13, "cut", "damaged"
	for _, c := range []struct {
		marks       string // "cut" cuts the last one short, "damaged" changes a byte of it
		begun, left int
		err         bool
	}{
		{"", 0, 0, false},
		{"do 0", 1, 1, false},
		{"do 0;do 1;do 2", 3, 3, false},
		{"do 0;do 1;back 0;undone 1;undone 0", 2, 0, false},
		{"do 0;do 1;back 0;undone 1", 2, 1, false},
		{"do 0;do 1;back 0;" + cut, 2, 2, false},
		{"do 0;do 1;" + cut, 2, 2, false}, // the step may have begun
		{"do 0;" + cut, 1, 1, false},
		{"do 0;do 1;back 0;undone 1;" + cut, 2, 2, false}, // it is undone once more
		{"do 0;do 1;" + bad, 0, 0, true},
		{"do 0;do 1;back 0;undone 1;" + bad, 0, 0, true},
		{"do 0;do 1;undone 1", 0, 0, true},
		{"do 0;back 0;back 0", 0, 0, true},
		{"do 1", 0, 0, true},
		{"do 0;do 0", 0, 0, true},
		{"do 0;do 2", 0, 0, true},
		{"do 0;do 1;back 0;undone 0", 0, 0, true},
		{"do 0;back 0;undone 0;do 1", 0, 0, true},
		{"do 0;until 5", 0, 0, true},
		{"do 0;redo 5", 0, 0, true},
		{"do 0;do -1", 0, 0, true},
	} {
		u := &Unfinished{Steps: make([]Step, steps)}
		var sum uint32
		var text string
		list := strings.Split(c.marks, ";")
		for _, m := range list {
			var what string
			var n int64
			switch _, _ = fmt.Sscan(m, &what, &n); what {
			case "":
			case cut:
				text = text[:len(text)-15] + noMark[markBytes-15:]
			case bad:
				text = text[:len(text)-5] + "!" + text[len(text)-4:]
			default:
				var line string
				line, sum = markLine(sum, what, n)
				text += line
			}
		}
		text += strings.Repeat(noMark, 2*steps+2-len(text)/markBytes)
		err := u.marks([]byte(text))
		if (err != nil) != c.err || err == nil && (u.Begun != c.begun || u.Left != c.left) {
			t.Errorf("%q: begun %d, left %d, %v; want %d, %d, an error %t", c.marks, u.Begun, u.Left, err, c.begun, c.left, c.err)
		}
	}
}

// TestMarks2 reads the marks of a journal of version 2.
func TestMarks2(t *testing.T) {
	const steps = 13
	for _, c := range []struct {
		lines       string
		begun, left int
	}{
		{"until", 0, 0},
		{"until 5", 0, 0},
		{"", 0, 0},
		{"do 0\n", 1, 1},
		{"do 0\ndo 1\ndo 2\n", 3, 3},
		{"do 0\ndo 1\nundone 1\nundone 0\n", 2, 0},
		{"do 0\nd", 1, 1},
		{"do 0\ndo ", 1, 1},
		{"do 0\ndo 1\nundone \n", 2, 2},
		{"do 0\ndo 13\n", 1, 1},
		{"do 0\ndo -1\nundone -1\n", 1, 1},
		{"do 0\n\n\x00\x00\n", 1, 1},
		{"do 0\nundone 0undone 0\n", 1, 1},
		{"do 11\ndo 12\nundone 12\nundone 1", 13, 12},    // of "undone 11"
		{"do 0\ndo 1\ndo 2\nundone 0\nundone 2\n", 3, 2}, // 1 has failed
	} {
		u := &Unfinished{Steps: make([]Step, steps)}
		u.marks2(c.lines)
		if u.Until != 0 || u.Begun != c.begun || u.Left != c.left {
			t.Errorf("%q: begun %d, left %d; want %d, %d", c.lines, u.Begun, u.Left, c.begun, c.left)
		}
	}
}

// TestVersion2 takes back what a journal of version 2 says.
func TestVersion2(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	w.has[1], w.has[0] = true, true
	text := `{"Version":2,"Command":"start","PID":7,"Time":"2026-01-02T03:04:05Z","Boot":"` + must(bootID()) + `","Steps":[` +
		`{"Title":"take step 0","Do":[{"Kind":"put","Op":{"N":0}},{"Kind":"pile","Op":{"Name":"a"},"Bulk":3}],` +
		`"Undo":[{"Kind":"put","Op":{"N":1,"Away":true}},{"Kind":"put","Op":{"N":0,"Away":true}}]},` +
		`{"Title":"take step 1","Do":null,"Undo":[{"Kind":"put","Op":{"N":10,"Away":true}}]}]}` + "\nxyzdo 0\n"
	must(0, os.WriteFile(JournalPath(r.Dir), []byte(text), 0o600))
	if err := r.Recover(t.Context(), unfinished(t, r)); err != nil {
		t.Error(err)
	}
	if want := []string{"undo: remove 1", "undo: remove 0"}; !slices.Equal(w.log, want) {
		t.Errorf("done %q, want %q", w.log, want)
	}
	asBefore(t, w, r)
}

// TestBadJournal has journals that cannot be read. They are reported and left
// as they are: their changes may still be in place.
func TestBadJournal(t *testing.T) {
	w := newWorld()
	compose := func(p preface, head []byte) string {
		head = append(head, '\n')
		p.Head += len(head)
		p.Sum = sumText(crc32.Checksum(append([]byte("!!!"[:p.Bulk]), head...), crc32.MakeTable(crc32.Castagnoli)))
		return string(must(json.Marshal(p))) + "\n" + string(head) + "!!!"[:p.Bulk] + strings.Repeat(noMark, 5)
	}
	edit := func(f func(*preface, *header)) string {
		h, p := aHeader(t, 2), preface{Version: journalVersion, Marks: 5}
		f(&p, &h)
		return compose(p, must(json.Marshal(h)))
	}
	change := func(from, to string) string {
		head := string(must(json.Marshal(aHeader(t, 2))))
		if !strings.Contains(head, from) {
			t.Errorf("there is no %s in %s", from, head)
		}
		return compose(preface{Version: journalVersion, Marks: 5}, []byte(strings.Replace(head, from, to, 1)))
	}
	pile := func(size int) []wireOp { return []wireOp{{Kind: "pile", Op: json.RawMessage("{}"), Bulk: size}} }
	whole := edit(func(*preface, *header) {})
	newerOnes := map[string]bool{"newer version": true, "newer form": true, "unknown kind": true}
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "cut short"},
		"cut short":     {whole[:40], "cut short"},
		"no marks":      {strings.TrimRight(whole, " \n") + "\n", "cut short"},
		"more":          {whole + "\n", "cut short"},
		"not JSON":      {"do 0\n", "invalid character"},
		"other title":   {strings.Replace(whole, "take step 1", "take step 0", 1), "its checksum is wrong"},
		"newer version": {edit(func(p *preface, _ *header) { p.Version = 7 }), "its version is 7, this program reads 3"},
		"newer form":    {`{"version": 4, "marks": {"at": 7}}` + "\n", "its version is 4, this program reads 3"},
		"version 1":     {edit(func(p *preface, _ *header) { p.Version = 1 }), "its version is 1, this program reads 3"},
		"no version":    {strings.Replace(whole, `"version":3,`, "", 1), "its version is 0, this program reads 3"},
		"preface":       {strings.Replace(whole, `"version":3,`, `"version":3,"colour":"red",`, 1), `unknown field "colour"`},
		"head":          {change(`"pid":42`, `"pid":42,"colour":"red"`), `unknown field "colour"`},
		"step":          {change(`{"title":`, `{"colour":"red","title":`), `unknown field "colour"`},
		"in operation":  {change(`{"N":11,`, `{"N":11,"Colour":"red",`), `unknown field "Colour"`},
		"by operation":  {change(`{"kind":"put",`, `{"kind":"put","colour":"red",`), `unknown field "colour"`},
		"version 2":     {edit(func(p *preface, _ *header) { p.Version = 2 }), "unknown field"},
		"long head":     {edit(func(p *preface, _ *header) { p.Head = 1 << 40 }), "cut short"},
		"negative":      {edit(func(p *preface, _ *header) { p.Head = -1 << 40 }), "cut short"},
		"many marks":    {edit(func(p *preface, _ *header) { p.Marks = 1 << 60 }), "cut short"},
		"unknown kind":  {edit(func(_ *preface, h *header) { h.Steps[1].Undo[0].Kind = "spell" }), `no operation "spell"`},
		"no bulk":       {edit(func(_ *preface, h *header) { h.Steps[0].Undo[0].Bulk = 1 }), "cut short"},
		"short bulk":    {edit(func(_ *preface, h *header) { h.Steps[0].Undo = pile(6) }), "cut short"},
		"less than no":  {edit(func(_ *preface, h *header) { h.Steps[0].Undo = pile(-1) }), "cut short"},
		"too much bulk": {edit(func(p *preface, _ *header) { p.Bulk = 3 }), "something after its operations"},
		"bad bulk":      {edit(func(p *preface, h *header) { p.Bulk = 2; h.Steps[0].Undo = pile(2) }), "fake"},
		"bad operation": {edit(func(_ *preface, h *header) { h.Steps[0].Undo[0].Op = json.RawMessage(`7`) }), "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.text == whole {
				t.Fatal("it is whole")
			}
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
			const newer = "a newer xbr-script has written it, use that one to take back what it has begun; or "
			if hint := bad.Advice(); strings.HasPrefix(hint, newer) != newerOnes[name] || !strings.HasSuffix(hint, ", then: rm "+bad.Path) {
				t.Errorf("hint: %s", hint)
			}
			if text := must(os.ReadFile(JournalPath(dir))); string(text) != c.text {
				t.Error("the journal was changed")
			}
		})
	}
}

// TestOtherBoot finds a journal of an earlier boot: there is nothing to
// recover.
func TestOtherBoot(t *testing.T) {
	dir, w, h := t.TempDir(), newWorld(), aHeader(t, 2)
	h.Boot = "6a5e3c55-0000-4000-8000-000000000000"
	if err := must(create(dir, h, newWorld().plan(len(h.Steps)).Steps)).close(); err != nil {
		t.Fatal(err)
	}
	if u, err := (&Runner{Dir: dir, Kinds: w.kinds()}).Unfinished(); u != nil || err != nil {
		t.Errorf("found %v, %v", u, err)
	}
	if _, err := os.Stat(JournalPath(dir)); err != nil {
		t.Errorf("a question has removed it: %v", err)
	}
	if err := (&Runner{Dir: dir, Kinds: w.kinds()}).Run(t.Context(), w.plan(2)); err != nil {
		t.Error(err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("a change has left it: %q", left)
	}
}

// TestBootUnknown cannot read which boot this is: nothing is deleted.
func TestBootUnknown(t *testing.T) {
	dir, w, h := t.TempDir(), newWorld(), aHeader(t, 2)
	if err := must(create(dir, h, newWorld().plan(len(h.Steps)).Steps)).close(); err != nil {
		t.Fatal(err)
	}
	defer func(path string) { bootIDPath = path }(bootIDPath)
	for _, path := range []string{t.TempDir() + "/none", "/dev/null"} {
		bootIDPath = path
		r := &Runner{Dir: dir, Kinds: w.kinds()}
		if u, err := r.Unfinished(); u != nil || err == nil {
			t.Errorf("found %v, %v", u, err)
		}
		if err := r.Run(t.Context(), w.plan(2)); err == nil || len(w.log) > 0 {
			t.Errorf("a change without a boot id: %v, %q", err, w.log)
		}
		if left := files(t, dir); !slices.Equal(left, []string{"journal"}) {
			t.Errorf("files: %q", left)
		}
	}
}

// TestJournalNoRoom has a file system with room for the journal's header, but
// not for its marks.
func TestJournalNoRoom(t *testing.T) {
	nstest.New(t)
	const dir = "/mnt" // in the namespace
	nstest.Run(t, "mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "tmpfs", dir)
	const page = 4096
	h := aHeader(t, 3)
	h.Command = ""
	h.Command = strings.Repeat("x", 3*page-len(must(json.Marshal(h)))-100) // with the first line, three pages of four
	must(0, os.WriteFile(dir+"/other", []byte("one page"), 0o600))
	j, err := create(dir, h, newWorld().plan(len(h.Steps)).Steps)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a journal without room for marks: %v, %v", j, err)
	}
	if left := files(t, dir); !slices.Equal(left, []string{"other"}) {
		t.Errorf("files left: %q", left)
	}
	must(0, os.Remove(dir+"/other"))
	j, err = create(dir, h, newWorld().plan(len(h.Steps)).Steps)
	if err != nil {
		t.Fatal(err)
	}
	must(0, os.WriteFile(dir+"/rest", make([]byte, 0), 0o600))
	if err := os.WriteFile(dir+"/rest", make([]byte, page), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("the file system is not full: %v", err)
	}
	for i := range 8 {
		if err := j.mark(markDo, int64(i/2)); err != nil {
			t.Errorf("mark %d: %v", i, err)
		}
	}
}

// TestJournalNoPlace puts something in the place of the files.
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
	if err := r.Recover(t.Context(), &Unfinished{}); err == nil {
		t.Error("a directory in the journal's place: no error on recovery")
	}
	if len(w.log) > 0 {
		t.Errorf("without a journal something was done: %q", w.log)
	}
}

// TestMarkLater cannot write one of a change's marks at first, whichever it is:
// the next mark brings it along, and if the process ends in between its journal
// can be read.
func TestMarkLater(t *testing.T) {
	marks := []struct {
		what string
		n    int64
		says string // steps begun, of those left, until when it waits, whether it is taken back
	}{
		{markDo, 0, "1 1 0s false"},
		{markDo, 1, "2 2 0s false"},
		{markUntil, 5, "2 2 5ns false"},
		{markBack, 0, "2 2 5ns true"},
		{markUndone, 1, "2 1 5ns true"},
		{markUndone, 0, "2 0 5ns true"},
	}
	for late := range marks {
		w := newWorld()
		dir := t.TempDir()
		j := must(create(dir, header{Command: "start", Boot: must(bootID())}, w.plan(2).Steps))
		closed := must(os.Open(JournalPath(dir)))
		if err := closed.Close(); err != nil {
			t.Fatal(err)
		}
		before := "0 0 0s false"
		for i, m := range marks {
			f, want := j.f, m.says
			if i == late {
				f, want = closed, before
			}
			if err := j.marker.mark(f, m.what, m.n); (err != nil) != (i == late) {
				t.Fatalf("mark %d: %v", i, err)
			}
			u, err := read(dir, w.kinds())
			if err != nil {
				t.Fatalf("mark %d was not written at first; after %d: %v", late, i, err)
			}
			if now := fmt.Sprint(u.Begun, " ", u.Left, " ", u.Until, " ", u.Back); now != want {
				t.Errorf("mark %d was not written at first; after %d it says %s, want %s", late, i, now, want)
			}
			before = m.says
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMarkBack takes back a change whose journal cannot be written: that is
// reported, and nothing is touched.
func TestMarkBack(t *testing.T) {
	w := newWorld()
	r := w.runner(t)
	r.Confirm = time.Hour
	if err := r.Run(t.Context(), w.plan(2)); err != nil {
		t.Fatal(err)
	}
	u := unfinished(t, r)
	u.end = u.at // as if there were no room
	if err := r.Recover(t.Context(), u); err == nil || !strings.HasPrefix(err.Error(), "cannot write the journal: ") {
		t.Error("it was taken back: ", err)
	}
	if _, waits := unfinished(t, r).Waits(); !waits || len(w.numbers()) != 4 {
		t.Error("it waits no more, or is not there: ", waits, w.numbers())
	}
	if err := r.Recover(t.Context(), unfinished(t, r)); err != nil {
		t.Error(err)
	}
	asBefore(t, w, r)
}
