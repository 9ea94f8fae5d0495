package plan

import (
	"encoding/json"
	"testing"
)

// TestLater writes what there is as if it stood in the form itself, and refuses in it
// what it would refuse there.
func TestLater(t *testing.T) {
	type part struct {
		A int `json:"a"`
	}
	type form struct {
		Part Later[part] `json:"part,omitzero"`
	}
	for text, want := range map[string]*part{`{}`: nil, `{"part":{"a":1}}`: {1}, `{"part":{"a":0}}`: {}} {
		var f form
		if err := Strict([]byte(text), &f); err != nil || (f.Part.V == nil) != (want == nil) || want != nil && *f.Part.V != *want {
			t.Errorf("%s: %+v, %v", text, f.Part.V, err)
		}
		if out, err := json.Marshal(f); err != nil || string(out) != text {
			t.Errorf("%s is written as %s, %v", text, out, err)
		}
	}
	for _, text := range []string{`{"part":{"b":1}}`, `{"part":{"a":"1"}}`, `{"part":1}`} {
		if err := Strict([]byte(text), new(form)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	var f form
	if err := Strict([]byte(`{"part":null}`), &f); err != nil || f.Part.V != nil {
		t.Errorf("null: %+v, %v", f, err)
	}
}
