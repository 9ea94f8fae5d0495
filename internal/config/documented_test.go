package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xbr-script/internal/cli"
	"xbr-script/internal/config"
)

// listing says where a document lists things: between two texts, each thing in
// the group of a pattern.
type listing struct{ from, to, item string }

// document is a text that users read. Things for which it has no listing need
// not be in it.
type document struct {
	name                              string
	text                              func(t *testing.T) string
	keys, commands, options, statuses listing
}

var documents = []document{
	{
		name:     "docs/keys.md",
		text:     file("docs/keys.md"),
		keys:     listing{"## Keys", "\n## ", "(?m)^\\| `([a-z0-9_]+)=` \\|"},
		commands: listing{"## Exit status", "| --- |", "`([a-z]+)`"},
		statuses: listing{"## Exit status", "\n## ", `(?m)^\| (\d+) \|`},
	}, {
		name:     "the manual page",
		text:     file("scripts/xbr-script.8"),
		keys:     listing{".Sh KEYS", ".Sh OPTIONS", `(?m)^\.It Cm ([a-z0-9_]+) Ns = Ns`},
		commands: listing{".Sh DESCRIPTION", ".Sh KEYS", `(?m)^\.It Cm ([a-z]+)$`},
		options:  listing{".Sh KEYS", ".Sh FILES", `Fl (-?[a-z-]+)`},
		statuses: listing{".Sh EXIT STATUS", ".Sh EXAMPLES", `(?m)^\.It (\d+)$`},
	}, {
		name: "the file's manual page",
		text: file("scripts/xbr-script.conf.5"),
		keys: listing{".Ss Keys of a bridge", ".Sh FILES", `(?m)^\.It Cm ([a-z0-9_]+) Ns = Ns`},
	}, {
		name:     "--help",
		text:     help,
		keys:     listing{"\nKeys", "\nOptions", `(?m)^  ([a-z0-9_]+)=`},
		commands: listing{"\nCommands", "\nKeys", `(?m)^  ([a-z]+) `},
		options:  listing{"\nKeys", "\nExit status", `[ (]-(-?[a-z-]+)`},
		statuses: listing{"\nExit status", "\nSee ", `(?m)^  (\d+) `},
	}, {
		name:     "the example of the file",
		text:     file("scripts/xbr-script.conf.example"),
		keys:     listing{"#", "", `([a-z0-9_]+)=`},
		commands: listing{"#", "", `(?m)^#   xbr-script ([a-z]+)`},
		statuses: listing{"#", "", `\b(\d+): `},
	},
}

// TestDocumented holds that each document names every key, command, option and
// exit status that exists, and no other.
func TestDocumented(t *testing.T) {
	var options []string
	for _, o := range config.OptionNames() {
		options = append(options, o[1:]) // without the first hyphen, for which Fl stands in a manual page
	}
	statuses := exitStatuses(t)
	for _, d := range documents {
		t.Run(d.name, func(t *testing.T) {
			text := d.text(t)
			d.keys.compare(t, text, "keys", config.KeyNames())
			d.commands.compare(t, text, "commands", config.CommandNames())
			d.options.compare(t, text, "options", options)
			d.statuses.compare(t, text, "exit statuses", statuses)
		})
	}
}

// TestValues holds that the words that the table of keys names as values are right ones,
// and that the help and the manual pages name the same ones.
func TestValues(t *testing.T) {
	for _, name := range config.KeyNames() {
		var words []string
		for v := range strings.SplitSeq(config.KeyValues(name), "|") {
			if v != strings.ToLower(v) {
				continue // it stands for others
			}
			words = append(words, v)
			if reason := config.WrongValue(name, v); reason != "" {
				t.Errorf("%s=%s: %s", name, v, reason)
			}
		}
		slices.Sort(words)
		for _, in := range []struct {
			name, text string
			line, word *regexp.Regexp
		}{
			{"--help", help(t), regexp.MustCompile(`(?m)^  ` + name + `=(\S+)`), regexp.MustCompile(`\b[a-z0-9]+\b`)},
			{"the manual page", file("scripts/xbr-script.8")(t), regexp.MustCompile(`(?m)^\.It Cm ` + name + ` Ns = Ns(.*)$`), regexp.MustCompile(`(?:Cm|\|) ([a-z0-9]+)`)},
			{"the file's manual page", file("scripts/xbr-script.conf.5")(t), regexp.MustCompile(`(?m)^\.It Cm ` + name + ` Ns = Ns(.*)$`), regexp.MustCompile(`(?:Cm|\|) ([a-z0-9]+)`)},
		} {
			var named []string
			if line := in.line.FindStringSubmatch(in.text); line != nil {
				for _, w := range in.word.FindAllStringSubmatch(line[1], -1) {
					named = append(named, w[len(w)-1])
				}
			}
			slices.Sort(named)
			if !slices.Equal(named, words) {
				t.Errorf("%s has for %s= the words %q, and the table %q", in.name, name, named, words)
			}
		}
	}
}

// compare finds what is missing in a document, and what should not be in it.
func (l listing) compare(t *testing.T, text, what string, want []string) {
	t.Helper()
	if l.item == "" {
		return
	}
	var named []string
	for _, found := range regexp.MustCompile(l.item).FindAllStringSubmatch(l.part(t, text), -1) {
		named = append(named, found[1])
	}
	missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(named, s) })
	strange := slices.DeleteFunc(named, func(s string) bool { return slices.Contains(want, s) })
	if len(missing) > 0 || len(strange) > 0 {
		t.Errorf("%s that are not named: %q; named, but there are none such: %q", what, missing, strange)
	}
}

// part is the text between the listing's bounds.
func (l listing) part(t *testing.T, text string) string {
	t.Helper()
	_, part, found := strings.Cut(text, l.from)
	if !found {
		t.Fatalf("%q is not there", l.from)
	}
	if l.to != "" {
		if part, _, found = strings.Cut(part, l.to); !found {
			t.Fatalf("%q is not there after %q", l.to, l.from)
		}
	}
	return part
}

// TestExampleLines lets the program read each line of the example, including
// those that are commented out by a "#" without a blank after it.
func TestExampleLines(t *testing.T) {
	lines := regexp.MustCompile(`(?m)^#?[a-z].*$`).FindAllString(file("scripts/xbr-script.conf.example")(t), -1)
	if len(lines) < 5 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		line = strings.TrimPrefix(line, "#")
		text := line
		if !strings.Contains(line, "bridge=") && !strings.Contains(line, "netdev=") {
			text = "bridge=xenbr0\n" + line // it concerns the whole host
		}
		read := func(string) ([]byte, error) { return []byte(text), nil }
		if _, err := config.Parse([]string{"start"}, config.Source{DefaultFile: "example", ReadFile: read}); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// file reads a file of the repository.
func file(name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// help is what --help prints.
func help(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	if status := cli.Run([]string{"xbr-script", "--help"}, "", &out, io.Discard); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	return out.String()
}

// exitStatuses are the values of the constants that the program exits with: of
// the groups below internal/ whose comment begins with "Exit statuses". They
// must count from 0, or a group was not found.
func exitStatuses(t *testing.T) []string {
	t.Helper()
	about := regexp.MustCompile(`(?i)^(the )?exit statuses`)
	var statuses []string
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.CONST && about.MatchString(group.Doc.Text()) {
				statuses = append(statuses, numbers(group)...)
			}
		}
		return nil
	})
	slices.Sort(statuses)
	for i, s := range statuses {
		if s != strconv.Itoa(i) {
			err = errors.Join(err, fmt.Errorf("there is no %d", i))
		}
	}
	if err != nil || len(statuses) == 0 {
		t.Fatalf("exit statuses %q: %v", statuses, err)
	}
	return statuses
}

// numbers are the values in a group of constants that all have one.
func numbers(group *ast.GenDecl) []string {
	var values []string
	ast.Inspect(group, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.INT {
			values = append(values, lit.Value)
		}
		return true
	})
	return values
}
