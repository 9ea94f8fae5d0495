package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// MaxFileSize is the largest file that Parse takes, in bytes.
const MaxFileSize = 1 << 20

// fileGrammar is the hint for a file that holds something else.
const fileGrammar = "a file has one bridge a line, such as: bridge=xenbr0 netdev=eth0"

// addFile adds the groups of the file that the command line names, or of the
// default file if the command line says nothing, and notes its name.
func addFile(req *Request, groups []*group, src Source) ([]*group, error) {
	name := fileNamed(groups)
	named := name != ""
	if !named {
		// Only a single part can be empty: checkParts refuses others.
		if src.DefaultFile == "" || !groups[0].empty() {
			return groups, nil
		}
		name = src.DefaultFile
	}
	data, err := src.ReadFile(name)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return groups, nil
	}
	if err != nil {
		return nil, unreadable(name, err)
	}
	lines, err := parseFile(name, data)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		if named {
			return nil, refused("cannot use "+plain(name)+": it names no bridge", fileGrammar)
		}
		return groups, nil // everything is commented out: as if there were none
	}
	req.File = name
	return append(groups, overridden(groups, lines)...), nil
}

// overridden removes from the lines of a file the keys of how to go about it that
// the command line has too: the file says what is usual.
func overridden(args, lines []*group) []*group {
	for _, name := range keyNames(manner) {
		if slices.ContainsFunc(args, func(g *group) bool { return g.values[name] != "" }) {
			for _, l := range lines {
				delete(l.values, name)
			}
		}
	}
	return lines
}

// fileNamed is the value of config=, "" if it was not given.
func fileNamed(groups []*group) string {
	for _, g := range groups {
		if name := g.values["config"]; name != "" {
			return name
		}
	}
	return ""
}

// unreadable says why a file could not be read, without the name, which the
// system repeats.
func unreadable(name string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return refused("cannot read "+plain(name)+": "+plain(err.Error()), "")
}

// parseFile makes a group of each line that says something.
func parseFile(name string, data []byte) ([]*group, error) {
	if len(data) > MaxFileSize {
		return nil, refused(fmt.Sprintf("cannot read %s: it is larger than %d bytes", plain(name), MaxFileSize), fileGrammar)
	}
	var groups []*group
	number := 0
	for line := range bytes.Lines(data) {
		number++
		g := newGroup(fmt.Sprintf("%s:%d", plain(name), number))
		if f := g.addLine(string(line)); f != nil {
			return nil, misread(g.where, f.reason, f.hint)
		}
		if len(g.values) > 0 {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// addLine adds the words of a line of a file.
func (g *group) addLine(line string) *fault {
	if strings.ContainsRune(line, 0) {
		return &fault{"it holds a NUL byte", fileGrammar}
	}
	has := map[scope]string{} // a key that the line has of each scope
	for _, word := range lineWords(line) {
		name, _, isKey := strings.Cut(word, "=")
		if !isKey {
			return &fault{quote(word) + " is not key=value", fileGrammar}
		}
		if k, ok := findKey(name); ok && k.scope == argsOnly {
			return &fault{name + "= belongs on the command line", fileGrammar}
		}
		if f := g.add(word, perBridge, hostWide, manner); f != nil {
			return f
		}
		k, _ := findKey(name)
		has[k.scope] = name
	}
	if host := cmp.Or(has[hostWide], has[manner]); host != "" && has[perBridge] != "" {
		return &fault{host + "= is for the whole host", "give " + host + "= a line of its own"}
	}
	if has[perBridge] != "" && !g.namesBridge() {
		return &fault{"it names no bridge", "all its values are empty; leave the line out"}
	}
	return nil
}

// lineWords splits a line at white space and drops the comment. There is no
// quoting, because no valid value has a blank in it.
func lineWords(line string) []string {
	words := strings.FieldsFunc(line, isSpace)
	for i, word := range words {
		if word[0] == '#' {
			return words[:i]
		}
	}
	return words
}
