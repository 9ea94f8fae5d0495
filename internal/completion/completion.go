// Package completion writes the scripts by which shells complete the program's command
// line. Which words there are, and which go with which command, it takes from package
// config; how a shell offers them is in the file that is named for it.
package completion

import (
	"slices"
	"strings"

	"xbr-script/internal/config"
)

// Shells are those for which there is a script.
var Shells = []string{"bash", "zsh", "fish"}

// Script is the script for a shell, or "" if there is none. about says of a word what it
// means, briefly.
func Script(name string, about func(word string) string) string {
	d, known := dialects[name]
	if !known {
		return ""
	}
	script := strings.NewReplacer(
		"@COMMANDS@", strings.Join(config.Commands(), d.or),
		"@PARTS@", strings.Join(parts(), d.or),
	).Replace(d.script)
	return fill(script, map[string]string{"@VALUES@": d.values(), "@WORDS@": d.words(about)})
}

// fill replaces lines by others, as far to the right.
func fill(script string, with map[string]string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		name := strings.TrimSpace(line)
		lines, found := with[name]
		if !found {
			lines = name + "\n"
		}
		indent, _, _ := strings.Cut(line, name)
		for l := range strings.Lines(lines) {
			if l != "\n" {
				l = indent + l
			}
			b.WriteString(l)
		}
	}
	return b.String()
}

// values is a case for each word that has a value of which something is known.
func (d dialect) values() string {
	var b strings.Builder
	for _, w := range all() {
		var right []string
		for _, v := range w.Values {
			switch {
			case v == "NIC", v == "BRIDGE", v == "PORT":
				b.WriteString(d.one(d.value(w.Name), d.links(v)))
			case v == "FILE":
				b.WriteString(d.one(d.value(w.Name), d.files))
			case v == strings.ToLower(v):
				right = append(right, v)
			}
		}
		if right != nil {
			b.WriteString(d.one(d.value(w.Name), d.offer(right, nil)))
		}
	}
	return b.String()
}

// words is a case for each command, and one for none.
func (d dialect) words(about func(string) string) string {
	var alone []string
	for _, w := range config.Alone() {
		alone = append(alone, w.Name)
	}
	alone = slices.DeleteFunc(append(config.Commands(), alone...), isShort)
	var b strings.Builder
	b.WriteString(d.one("''", d.offer(alone, about)))
	for _, command := range config.Commands() {
		var names []string
		for _, w := range config.Words(command) {
			names = append(names, w.Name)
		}
		b.WriteString(d.one(command, d.offer(slices.DeleteFunc(names, isShort), about)))
	}
	return b.String()
}

// isShort says whether it is a short option: each has a long one that says more.
func isShort(word string) bool { return len(word) == 2 && word[0] == '-' }

// all are the words of all commands, each once.
func all() (words []config.Word) {
	for _, command := range config.Commands() {
		for _, w := range config.Words(command) {
			if !slices.ContainsFunc(words, func(o config.Word) bool { return o.Name == w.Name }) {
				words = append(words, w)
			}
		}
	}
	return words
}

// parts are the keys that each part of the line may have.
func parts() (names []string) {
	for _, w := range all() {
		if len(w.Values) > 0 && !w.Once {
			names = append(names, w.Name)
		}
	}
	return names
}
