package cli

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/operate"
)

const schemaFile = "../../docs/xbr-script.schema.json"

// TestSchema holds docs/xbr-script.schema.json to what the program can print: the schema
// is made of the types. That answers fit it, TestAnswers of the program tests.
func TestSchema(t *testing.T) {
	defs := map[string]any{}
	var one []any
	for _, answer := range []reflect.Type{reflect.TypeFor[operate.Outcome](), reflect.TypeFor[operate.Report](), reflect.TypeFor[operate.Check](), reflect.TypeFor[operate.Dossier]()} {
		one = append(one, schemaOf(answer, defs))
	}
	outcomes := []operate.End{operate.Done, operate.Nothing, operate.Waits, operate.Would, operate.Refused, operate.PutBack, operate.InPart}
	defs["operate.End"] = map[string]any{"enum": outcomes}
	got, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "What xbr-script prints with --json",
		"oneOf":   one,
		"$defs":   defs,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s (%v; -update writes it anew):\n%s", schemaFile, err, difference(string(want), string(got)))
	}
}

// schemaOf is the schema of a type; that of a struct goes to defs.
func schemaOf(typ reflect.Type, defs map[string]any) any {
	switch {
	case typ == reflect.TypeFor[json.RawMessage]():
		return map[string]any{} // a file for --host=
	case typ == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	case typ.Kind() == reflect.Pointer:
		return schemaOf(typ.Elem(), defs)
	case typ.Kind() == reflect.String && typ.PkgPath() != "":
		name := typ.String()
		if _, there := defs[name]; !there {
			defs[name] = map[string]any{"type": "string"}
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	switch typ.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(typ.Elem(), defs)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(typ.Elem(), defs)}
	case reflect.Struct:
		return structOf(typ, defs)
	}
	return map[string]any{"type": "integer"}
}

// structOf is the schema of a struct, and a reference to it.
func structOf(typ reflect.Type, defs map[string]any) any {
	name := typ.String()
	ref := map[string]any{"$ref": "#/$defs/" + name}
	if _, there := defs[name]; there {
		return ref
	}
	properties, required := map[string]any{}, []string{}
	defs[name] = map[string]any{"type": "object"} // it may contain itself
	for _, f := range reflect.VisibleFields(typ) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous && tag == "" || tag == "-" {
			continue
		}
		properties[tag] = schemaOf(f.Type, defs)
		if !strings.Contains(options, "omit") {
			required = append(required, tag)
		}
	}
	defs[name] = map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	return ref
}
