package formtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// Records tests the forms of one kind of record. There is a golden file
// NAME-VERSION.json of each; the last one is what is written for want, which
// has to have everything. All are read as want, or as the value that former has
// for their version. Anything unknown in such a file is refused; maps are the
// paths of objects in which any key is allowed: "settings" for a map at the
// top.
func Records[T any](t *testing.T, name string, form plan.Form[T], want *T, former map[int]*T, maps ...string) {
	t.Helper()
	complete(t, want, form.Write(want))
	dir := t.TempDir()
	path := filepath.Join(dir, "record.json")
	step, err := form.Keep(plan.Records{Dir: dir}, "record.json", want)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range step.Do {
		if err := op.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	held(t, file(name, form.Version), written)
	reads(t, name, form, path, want, former)
	r := &refusing[T]{t, form, path, record(t, written)}
	r.unknownFields(maps)
	r.otherVersions()
}

func file(name string, version int) string { return fmt.Sprintf("%s-%d.json", name, version) }

// reads reads the golden files, and checks that nothing is written where a file
// says what is wanted.
func reads[T any](t *testing.T, name string, form plan.Form[T], path string, want *T, former map[int]*T) {
	t.Helper()
	if len(form.Read) != form.Version {
		t.Errorf("%d forms are read, and the last is %d", len(form.Read), form.Version)
	}
	records := plan.Records{Dir: filepath.Dir(path)}
	for _, version := range slices.Sorted(maps.Keys(form.Read)) {
		data, err := os.ReadFile(filepath.Join(golden, file(name, version)))
		if err != nil {
			t.Error(err)
			continue
		}
		write(t, path, data)
		is, expected := must(form.Load(records, filepath.Base(path)))(t), want
		if f, ok := former[version]; ok {
			expected = f
		}
		if !reflect.DeepEqual(is, expected) {
			t.Errorf("%s is read as\n%s\nwhich is not\n%s", file(name, version), text(is), text(expected))
		}
		if step, err := form.Keep(records, filepath.Base(path), expected); err != nil || !step.Empty() {
			t.Errorf("%s is as it should be, and would be written: %v", file(name, version), err)
		}
	}
}

func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return v
	}
}

// text shows a value for a message.
func text(v any) string { return fmt.Sprintf("%+v", v) }

// record takes a record out of its envelope.
func record(t *testing.T, data []byte) any {
	t.Helper()
	var e struct {
		Record any `json:"record"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	return e.Record
}

// refusing changes a record, seals it again, and expects it to be refused.
type refusing[T any] struct {
	*testing.T
	form   plan.Form[T]
	path   string
	record any
}

// refused loads the record in its present form.
func (r *refusing[T]) refused() error {
	r.Helper()
	data, err := json.Marshal(r.record)
	if err != nil {
		r.Fatal(err)
	}
	write(r.T, r.path, fmt.Appendf(nil, `{"version":1,"sum":"%s","record":%s}`, sum(data), data))
	_, err = r.form.Load(plan.Records{Dir: filepath.Dir(r.path)}, filepath.Base(r.path))
	return err
}

// unknownFields puts an unknown field into each object of the record.
func (r *refusing[T]) unknownFields(maps []string) {
	r.Helper()
	if err := r.refused(); err != nil {
		r.Error("sealed again it is not read: ", err)
	}
	objects(r.record, "", func(at string, object map[string]any) {
		if slices.Contains(maps, at) {
			return
		}
		object["colour"] = "red"
		defer delete(object, "colour")
		if err := r.refused(); err == nil || !strings.Contains(err.Error(), `unknown field "colour"`) {
			r.Errorf("with a field that nobody knows at %q: %v", at, err)
		}
	})
}

// objects visits all objects in JSON.
func objects(v any, at string, do func(string, map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			objects(e, at, do)
		}
	case map[string]any:
		for key, e := range v {
			objects(e, strings.TrimPrefix(at+"."+key, "."), do)
		}
		do(at, v)
	}
}

// otherVersions gives the record versions that do not exist: the file stays,
// and for a newer version the hint names the program that has written it.
func (r *refusing[T]) otherVersions() {
	r.Helper()
	object, ok := r.record.(map[string]any)
	if !ok || object["version"] != float64(r.form.Version) {
		r.Fatalf("its version is not in it: %v", r.record)
	}
	for _, v := range []int{-1, 0, r.form.Version + 1, 1000} {
		object["version"] = v
		err := r.refused()
		var refused *refusal.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprintf("it has the form %d, and this version knows %d", v, r.form.Version)) {
			r.Errorf("version %d: %v", v, err)
			continue
		}
		const newer = "a newer xbr-script has written it, use that one; "
		if strings.HasPrefix(refused.Hint, newer) != (v > r.form.Version) || !strings.HasSuffix(refused.Hint, ": rm "+r.path) {
			r.Errorf("version %d: hint: %s", v, refused.Hint)
		}
		if _, err := os.Stat(r.path); err != nil {
			r.Error(err)
		}
	}
}
