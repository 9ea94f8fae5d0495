package plan

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"xbr-script/internal/refusal"
)

// note is what the records of these tests contain, and noteForm its form. The
// first form was a list.
type note struct{ text string }

type noteForm struct {
	Version int    `json:"version"`
	Text    string `json:"text"`
}

var notes = Form[note]{
	Version: 2,
	Write:   func(n *note) any { return noteForm{2, n.text} },
	Read: map[int]func([]byte) (*note, error){
		1: FormOf(func(f *[]string) (*note, error) { return &note{strings.Join(*f, " ")}, nil }),
		2: FormOf(func(f *noteForm) (*note, error) {
			if f.Text == "panic" {
				panic("fake")
			}
			return &note{f.Text}, nil
		}),
	},
	Without: "do without it",
}

// sealed is a record in an envelope.
func sealed(version int, record string) string {
	return fmt.Sprintf(`{"version": %d, "sum": %q, "record": %s}`, version, must(sumOf([]byte(record))), record)
}

// TestRecord reads records that versions of the program have left, and others.
func TestRecord(t *testing.T) {
	const mine, theirs = "do without it: rm ", "a newer xbr-script has written it, use that one; do without it: rm "
	for in, c := range map[string]struct{ want, hint string }{
		sealed(1, `{"version": 2, "text": "a b"}`):                             {want: "a b"},
		sealed(1, `["a", "b"]`):                                                {want: "a b"},
		`["a", "b"]`:                                                           {want: "a b"}, // before there were envelopes
		`{"version": 2, "text": "a b"}`:                                        {want: "a b"},
		sealed(2, `{"version": 2, "text": "a b"}`):                             {"its version is 2, this program reads 1", theirs},
		sealed(0, `{"version": 2, "text": "a b"}`):                             {"its version is 0, this program reads 1", mine},
		sealed(1, `{"version": 3, "text": "a b"}`):                             {"it has the form 3, and this version knows 2", theirs},
		sealed(1, `{"version": 3, "what": {"is": "this"}}`):                    {"it has the form 3, and this version knows 2", theirs},
		sealed(1, `{"version": 0, "text": "a b"}`):                             {"it has the form 0, and this version knows 2", mine},
		sealed(1, `{"version": "2", "text": "a b"}`):                           {"cannot unmarshal object", mine},
		sealed(1, `{"text": "a b"}`):                                           {"cannot unmarshal object", mine},
		sealed(1, `{"version": 2, "text": "a b", "why": 5}`):                   {`unknown field "why"`, mine},
		sealed(1, `{"version": 2, "text": "panic"}`):                           {"it has gone wrong: fake", mine},
		strings.Replace(sealed(1, `["a", "b"]`), `"a"`, `"c"`, 1):              {"its checksum is wrong", mine},
		strings.Replace(sealed(1, `["a", "b"]`), `"sum"`, `"some"`, 1):         {"cannot unmarshal object", mine},
		strings.Replace(sealed(1, `["a", "b"]`), `"record"`, `"recorded"`, 1):  {"cannot unmarshal object", mine},
		strings.Replace(sealed(1, `["a", "b"]`), `"version"`, `"versions"`, 1): {"cannot unmarshal object", mine},
		sealed(1, `["a", "b"]`) + "x":                                          {"invalid character 'x'", mine},
		sealed(1, `null`):                                                      {"it is cut short", mine},
		`null`:                                                                 {"it is cut short", mine},
		``:                                                                     {"unexpected end of JSON input", mine},
	} {
		r := Records{Dir: t.TempDir()}
		path := r.Path("note.json")
		must(0, os.WriteFile(path, []byte(in), 0o600))
		n, err := notes.Load(r, "note.json")
		var refused *refusal.Error
		switch {
		case c.hint == "":
			if err != nil || n.text != c.want {
				t.Errorf("%s: %v, %v", in, n, err)
			}
		case n != nil || !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "cannot read the record "+path+": ") ||
			!strings.Contains(err.Error(), c.want) || refused.Hint != c.hint+path:
			t.Errorf("%s: read as %v, %v; hint %q", in, n, err, refused)
		}
	}
}

// TestKeep writes a record and removes it, and does nothing where that is done
// already.
func TestKeep(t *testing.T) {
	r := Records{Dir: t.TempDir()}
	const name = "note.json"
	path := r.Path(name)
	if n, err := notes.Load(r, name); n != nil || err != nil {
		t.Errorf("no record is read as %v, %v", n, err)
	}
	do := func(n *note, title string) {
		t.Helper()
		step := must(notes.Keep(r, name, n))
		if step.Title != title || step.Empty() != (title == "") {
			t.Errorf("the step is %q", step.Title)
		}
		for _, op := range step.Do {
			must(0, op.Do(t.Context(), false))
		}
	}
	do(nil, "")
	do(&note{"a b"}, "write "+path)
	do(&note{"a b"}, "")
	do(&note{"c"}, "write "+path)
	if n := must(notes.Load(r, name)); n.text != "c" {
		t.Errorf("read as %v", n)
	}
	do(nil, "remove "+path)
	must(0, os.WriteFile(path, []byte(sealed(1, `["a", "b"]`)), 0o600))
	do(&note{"a b"}, "") // a former form will do
	do(&note{"a c"}, "write "+path)
	must(0, os.WriteFile(path, []byte("of no form"), 0o600))
	do(&note{"a c"}, "write "+path)
	must(0, os.WriteFile(path, []byte("of no form"), 0o600))
	do(nil, "remove "+path)
}
