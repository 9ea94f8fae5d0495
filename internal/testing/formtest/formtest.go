// Package formtest is for tests of what the program leaves on disk: records,
// and the operations in a journal. An upgrade finds there what the former
// version has written. So testdata/forms has a golden file of each form, which
// is never changed: a changed form gets another version, and a file of its own.
package formtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("forms", false, "write the golden files that are missing; none is ever overwritten")

// golden is where the files are.
const golden = "testdata/forms"

// held compares JSON with the golden file of that name, and returns the file's
// content.
func held(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join(golden, name)
	got = indent(t, got)
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *update {
		write(t, path, got)
		want, err = got, nil
	}
	if err != nil {
		t.Fatalf("%v (-forms writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("what is written is not as in %s any more: who finds that file after an upgrade could not read it. "+
			"A form that changes needs the next version, and the former is still read. It is now:\n%s", path, got)
	}
	return want
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func indent(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(bytes.TrimSpace(b.Bytes()), '\n')
}

func compact(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(data ...[]byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(bytes.Join(data, nil), crc32.MakeTable(crc32.Castagnoli)))
}

// full finds fields in the JSON that are not set: the golden file of such an
// example would not hold their form.
func full(v reflect.Value, at string) (unset []string) {
	if v.IsZero() {
		return []string{at}
	}
	_, text := v.Interface().(interface{ MarshalText() ([]byte, error) })
	_, own := v.Interface().(json.Marshaler)
	switch {
	case text || own:
	case v.Kind() == reflect.Pointer, v.Kind() == reflect.Interface:
		return full(v.Elem(), at)
	case (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0:
		return []string{at}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8: // the first one has to have everything
		return full(v.Index(0), at+"[0]")
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Tag.Get("json") != "-" {
				unset = append(unset, full(v.Field(i), at+"."+f.Name)...)
			}
		}
	}
	return unset
}

// untagged finds fields of structs that the JSON calls by their Go names: to
// rename one would change the form unnoticed.
func untagged(typ reflect.Type, at string, seen []reflect.Type) (bad []string) {
	if slices.Contains(seen, typ) {
		return nil
	}
	seen = append(seen, typ)
	for _, i := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()} {
		if typ.Implements(i) {
			return nil
		}
	}
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return untagged(typ.Elem(), at, seen)
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case !f.IsExported() && !f.Anonymous || name == "-":
			case name == "" && f.Anonymous: // its fields are as if they were of the struct itself
				bad = append(bad, untagged(f.Type, at, seen)...)
			case name == "":
				bad = append(bad, at+"."+f.Name)
			default:
				bad = append(bad, untagged(f.Type, at+"."+f.Name, seen)...)
			}
		}
	}
	return bad
}

// complete says what is wrong with an example of this form, or with the struct
// that is its form.
func complete(t *testing.T, example, form any) {
	t.Helper()
	v := reflect.ValueOf(form)
	unset := full(v, v.Type().String())
	if e := reflect.ValueOf(example); e.Type() == v.Type() { // a part of it may be kept elsewhere
		without := full(e, v.Type().String())
		unset = slices.DeleteFunc(unset, func(at string) bool { return !slices.Contains(without, at) })
	}
	if len(unset) > 0 {
		t.Errorf("the example says nothing of %s", strings.Join(unset, ", "))
	}
	if bad := untagged(v.Type(), v.Type().String(), nil); len(bad) > 0 {
		t.Errorf("without a json tag: %s", strings.Join(bad, ", "))
	}
}
