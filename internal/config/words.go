package config

import (
	"slices"
	"strings"
)

// Word is one that may stand on the command line, for those who complete it.
type Word struct {
	Name   string   // "start", "--json"; with a "=" at its end if a value follows
	Values []string // what may follow: words, and in capitals what stands for others (NIC, BRIDGE, PORT, FILE)
	// Once: it belongs to the whole line, not to the part of it that "--next" ends.
	Once bool
}

// Commands are the words of which one has to be given.
func Commands() []string { return commandNames() }

// Alone are the options that go without a command.
func Alone() (words []Word) {
	for _, o := range options {
		if o.alone {
			words = append(words, o.word())
		}
	}
	return words
}

// Words are those that go with a command, as Parse takes them.
func Words(command string) (words []Word) {
	for _, c := range []Command{Start, Stop} {
		if accepts(command, string(c)) && command != string(c) {
			words = append(words, Word{Name: string(c), Once: true})
		}
	}
	for _, k := range keys {
		if accepts(command, k.name+"="+k.sample()) {
			words = append(words, Word{k.name + "=", strings.Split(k.values, "|"), k.scope != perBridge && k.scope != perGuest})
		}
	}
	for _, o := range options {
		w := o.word()
		switch {
		case o.alone:
		case o.with != nil && accepts(command, o.name):
			words = append(words, w, Word{o.name + "=", strings.Split(o.values, "|"), true})
		case o.with != nil:
		case o.name == nextOption && accepts(command, "netdev=eth0", nextOption, "netdev=eth1"):
			w.Once = false
			words = append(words, w)
		case o.name != nextOption && accepts(command, w.Name+strings.Join(w.Values, "")):
			words = append(words, w)
		}
	}
	return words
}

func (o option) word() Word {
	if o.file != nil {
		return Word{o.name + "=", []string{"FILE"}, true}
	}
	return Word{Name: o.name, Once: true}
}

// sample is a right value.
func (k key) sample() string {
	if _, value, found := strings.Cut(k.right, "such as "+k.name+"="); found {
		return value[:strings.IndexAny(value+",", ", ")]
	}
	value, _, _ := strings.Cut(k.values, "|")
	return value
}

// accepts says whether words are understood after a command: alone, or with what it
// needs to have, or in a dry run.
func accepts(command string, words ...string) bool {
	read := func(string) ([]byte, error) { return []byte("netdev=eth0"), nil }
	for _, needed := range []string{"", "port=vif1.0", "port=vif1.0 mac=00:16:3e:00:00:01", "--dry-run"} {
		args := slices.Concat([]string{command, needed}, words)
		if _, err := Parse(args, Source{ReadFile: read}); err == nil {
			return true
		}
	}
	return false
}
