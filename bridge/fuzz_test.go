package bridge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"xbr-script/internal/plan"
)

// FuzzRecord reads arbitrary records. One that can be read is the same after it
// was written and read again.
func FuzzRecord(f *testing.F) {
	files, err := filepath.Glob("testdata/forms/*.json")
	if err != nil || len(files) < 4 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var sealed struct {
			Record json.RawMessage `json:"record"`
		}
		if err := json.Unmarshal(data, &sealed); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(sealed.Record)) // with a checksum, everything else would be refused
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again(t, recordForms, data)
		again(t, keptForms, data)
	})
}

// again reads a record, writes it, reads that, and writes it again.
func again[T any](t *testing.T, form plan.Form[T], data []byte) {
	t.Helper()
	load := func(data []byte) (*T, error) {
		return form.Load(plan.Records{Files: map[string]plan.RecordFile{"it": {Data: data}}}, "it")
	}
	write := func(v *T) string {
		step, err := form.Keep(plan.Records{Files: map[string]plan.RecordFile{}}, "it", v)
		if err != nil {
			t.Fatal(err)
		}
		return *step.Do[0].(*plan.File).Content
	}
	is, err := load(data)
	if err != nil {
		return
	}
	written := write(is)
	if back, err := load([]byte(written)); err != nil || write(back) != written {
		t.Errorf("%s\nis read as\n%s\nand again as %+v, %v", data, written, back, err)
	}
}
