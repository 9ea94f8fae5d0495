package formtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/plan"
)

// journalVersion is the version of the journal that the operations are in.
const journalVersion = 3

// opFile is an operation in its golden file.
type opFile struct {
	Kind string          `json:"kind"`
	Op   json.RawMessage `json:"op"`
	Bulk []byte          `json:"bulk,omitempty"`
}

// Ops tests the forms of operations in a journal. Of each kind there has to be
// an example that has everything, with a golden file journal-VERSION/KIND.json.
// The example is written as that file says, is read from it unchanged, and
// nothing unknown may be in it.
func Ops(t *testing.T, kinds plan.Kinds, examples ...plan.Op) {
	t.Helper()
	seen := map[string]bool{}
	for _, op := range examples {
		seen[op.Kind()] = true
		t.Run(op.Kind(), func(t *testing.T) {
			complete(t, op, headOf(op))
			o := &oneOp{t, &plan.Runner{Dir: t.TempDir(), Kinds: plan.Merge(kinds)}}
			o.holds(op)
		})
	}
	for kind := range kinds {
		if !seen[kind] {
			t.Errorf("there is no example of the operation %q", kind)
		}
	}
}

// headOf is the part of an operation that is kept as JSON.
func headOf(op plan.Op) any {
	if b, ok := op.(plan.Bulky); ok {
		return b.Head()
	}
	return op
}

// bulkOf is the part that is kept beside the JSON.
func bulkOf(op plan.Op) (bulk []byte) {
	if b, ok := op.(plan.Bulky); ok {
		for piece := range b.Bulk() {
			bulk = append(bulk, piece...)
		}
	}
	return bulk
}

// oneOp is a journal with one operation in it.
type oneOp struct {
	*testing.T
	runner *plan.Runner
}

func (o *oneOp) holds(op plan.Op) {
	o.Helper()
	written := o.written(op)
	name := fmt.Sprintf("journal-%d/%s.json", journalVersion, strings.ReplaceAll(op.Kind(), " ", "-"))
	data, err := json.Marshal(written)
	if err != nil {
		o.Fatal(err)
	}
	var f opFile
	if err := json.Unmarshal(held(o.T, name, data), &f); err != nil {
		o.Fatal(err)
	}
	back, err := o.read(f)
	if err != nil {
		o.Fatalf("%s: %v", name, err)
	}
	if !reflect.DeepEqual(headOf(back), headOf(op)) || !bytes.Equal(bulkOf(back), bulkOf(op)) {
		o.Errorf("%s is read as\n%s\nwhich is not\n%s", name, text(headOf(back)), text(headOf(op)))
	}
	var all any
	if err := json.Unmarshal(f.Op, &all); err != nil {
		o.Fatal(err)
	}
	objects(all, "", func(at string, object map[string]any) {
		if strings.HasSuffix("."+at, ".Names") {
			return // a map from indexes
		}
		object["Colour"] = "red"
		defer delete(object, "Colour")
		if f.Op, err = json.Marshal(all); err != nil {
			o.Fatal(err)
		}
		if _, err := o.read(f); err == nil || !strings.Contains(err.Error(), `unknown field "Colour"`) {
			o.Errorf("with a field that nobody knows at %q: %v", at, err)
		}
	})
}

// written is the operation as the runner writes it.
func (o *oneOp) written(op plan.Op) opFile {
	o.Helper()
	r := *o.runner
	r.Confirm = time.Hour // so the journal stays
	if err := r.Run(o.Context(), &plan.Plan{Steps: []plan.Step{{Title: "do it", Undo: []plan.Op{inert{op}}}}}); err != nil {
		o.Fatal(err)
	}
	data, err := os.ReadFile(plan.JournalPath(r.Dir))
	if err != nil {
		o.Fatal(err)
	}
	parts := bytes.SplitN(data, []byte("\n"), 3)
	var head struct {
		Steps []struct {
			Undo []struct {
				Kind string          `json:"kind"`
				Op   json.RawMessage `json:"op"`
				Bulk int             `json:"bulk"`
			} `json:"undo"`
		} `json:"steps"`
	}
	if err := json.Unmarshal(parts[1], &head); err != nil {
		o.Fatal(err)
	}
	w := head.Steps[0].Undo[0]
	return opFile{w.Kind, w.Op, parts[2][:w.Bulk]}
}

// inert is an operation that is only written: it is never asked whether it
// could be carried out.
type inert struct{ op plan.Op }

func (i inert) Kind() string                 { return i.op.Kind() }
func (inert) Do(context.Context, bool) error { return nil }
func (inert) Commands() []string             { return nil }
func (i inert) Head() any                    { return headOf(i.op) }
func (i inert) Bulk() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { yield(bulkOf(i.op)) }
}
func (inert) SetBulk([]byte) error { return nil }

// read is the operation that is read from a journal with this content.
func (o *oneOp) read(f opFile) (plan.Op, error) {
	o.Helper()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		o.Fatal(err)
	}
	bulk := ""
	if len(f.Bulk) > 0 {
		bulk = fmt.Sprintf(`,"bulk":%d`, len(f.Bulk))
	}
	head := fmt.Appendf(nil, `{"command":"test","pid":1,"time":"2026-01-02T03:04:05Z","boot":"%s","steps":[{"title":"do it","undo":[{"kind":"%s","op":%s%s}]}]}`+"\n",
		bytes.TrimSpace(boot), f.Kind, compact(o.T, f.Op), bulk)
	const marks = 4
	noMark := append(bytes.Repeat([]byte(" "), 40-1), '\n')
	journal := fmt.Appendf(nil, `{"version":%d,"head":%d,"bulk":%d,"marks":%d,"sum":"%s"}`+"\n", journalVersion, len(head), len(f.Bulk), marks, sum(f.Bulk, head))
	write(o.T, filepath.Join(o.runner.Dir, "journal"), bytes.Join([][]byte{journal, head, f.Bulk, bytes.Repeat(noMark, marks)}, nil))
	u, err := o.runner.Unfinished()
	if err != nil {
		return nil, err
	}
	return u.Steps[0].Undo[0], nil
}
