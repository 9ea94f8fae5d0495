package plan

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"
)

var update = flag.Bool("forms", false, "write the golden file of the journal if it is missing; none is ever overwritten")

// noted is a change of which a journal of each version is kept, as done and as
// being taken back.
func noted() (header, []Step) {
	text := "a note\n"
	return header{
			Command: "start bridge=xenbr0", PID: 42, Time: time.Unix(1_700_000_000, 0).UTC(), Boot: "6a5e3c55-0000-4000-8000-000000000000",
		}, []Step{
			{Title: "write a note", Undo: []Op{&File{"/run/xbr-script/note.json", &text}, &File{"/run/xbr-script/other.json", nil}}},
			{Title: "heap up", Undo: []Op{&pile{"sand", []byte("do 0\n\x00\xff")}}},
			{Title: "do nothing"},
		}
}

// TestJournalForm holds the form of the journal: a changed form needs another
// version, and those before are still read.
func TestJournalForm(t *testing.T) {
	h, steps := noted()
	j := must(create(t.TempDir(), h, steps))
	for _, m := range []struct {
		what string
		n    int64
	}{{"do", 0}, {"do", 1}, {"do", 2}, {"until", 86400e9}, {"back", 0}, {"undone", 2}} {
		must(0, j.mark(m.what, m.n))
	}
	got := must(os.ReadFile(j.path))
	const golden = "testdata/forms/journal-3"
	want, err := os.ReadFile(golden)
	if os.IsNotExist(err) && *update {
		must(0, os.WriteFile(golden, got, 0o600))
		want, err = got, nil
	}
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s (%v) is not:\n%s", golden, err, got)
	}
	kinds := Merge(newWorld().kinds())
	u := must(parse(want, kinds))
	if expected := (&Unfinished{
		Command: h.Command, PID: h.PID, Time: h.Time, boot: h.Boot, Steps: steps,
		Begun: 3, Left: 2, Until: 24 * time.Hour, Back: true, marker: j.marker,
	}); !reflect.DeepEqual(u, expected) {
		t.Errorf("%s is read as %+v\nand not as %+v", golden, u, expected)
	}
	former := must(parse(must(os.ReadFile("testdata/forms/journal-2")), kinds))
	if expected := (&Unfinished{
		Command: h.Command, PID: h.PID, Time: h.Time, boot: h.Boot, Steps: steps,
		Begun: 3, Left: 2, Until: 24 * time.Hour, Back: true,
	}); !reflect.DeepEqual(former, expected) {
		t.Errorf("journal-2 is read as %+v\nand not as %+v", former, expected)
	}
}
