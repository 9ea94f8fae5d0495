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
func (r *argReader) addFile(src Source) {
	name := fileNamed(r.groups)
	named := name != ""
	if !named {
		name = src.DefaultFile
	}
	if name == "" || !r.takesFile() {
		return
	}
	data, err := src.ReadFile(name)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.wrong.add(unreadable(name, err))
		return
	}
	lines, wrong := parseFile(name, data)
	r.wrong = append(r.wrong, wrong...)
	switch {
	case len(lines) > 0:
		r.req.File = name
		r.groups = append(r.groups, overridden(r.groups, lines)...)
	case named && len(wrong) == 0: // an empty default file is as good as none
		r.wrong.add(refused("cannot use "+plain(name)+": it names no bridge", fileGrammar))
	}
}

// takesFile says whether the command line leaves it to a file which bridges are meant.
// The default file counts only if nothing else was said.
func (r *argReader) takesFile() bool {
	g := r.groups[0]
	if fileNamed(r.groups) == "" {
		return len(r.groups) == 1 && g.empty() && len(r.wrong) == 0
	}
	return len(r.groups) == 1 && !g.namesBridge()
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

// parseFile makes a group of each line that says something, and tells what is wrong
// with the others.
func parseFile(name string, data []byte) (groups []*group, wrong refusals) {
	if len(data) > MaxFileSize {
		return nil, refusals{refused(fmt.Sprintf("cannot read %s: it is larger than %d bytes", plain(name), MaxFileSize), fileGrammar)}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors begin a file so
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if isComment(line) {
			continue
		}
		g := newGroup(fmt.Sprintf("%s:%d", plain(name), number))
		for _, f := range g.addLine(string(line)) {
			wrong.add(misread(g.where, f.reason, f.hint))
		}
		if len(g.values) > 0 {
			groups = append(groups, g)
		}
	}
	return groups, wrong
}

// addLine adds the words of a line of a file, up to the first that is not a key with
// its value: what follows that is probably no better.
func (g *group) addLine(line string) (faults []*fault) {
	if strings.ContainsRune(line, 0) {
		return []*fault{{"it holds a NUL byte", fileGrammar}}
	}
	has := map[scope]string{} // a key that the line has of each scope
	for _, word := range lineWords(line) {
		name, _, isKey := strings.Cut(word, "=")
		if !isKey && len(faults) > 0 {
			return faults // what is wrong with it belongs to the same mistake
		}
		if !isKey {
			hint := fileGrammar
			if _, known := findKey(word); known {
				hint = touches + "netdev=eth0"
			}
			return []*fault{{quote(word) + " is not key=value", hint}}
		}
		k, known := findKey(name)
		f := &fault{name + "= belongs on the command line", fileGrammar}
		if !known || k.scope != argsOnly {
			f = g.add(word, perBridge, hostWide, manner, perGuest)
		}
		if f != nil {
			faults = append(faults, f)
		} else {
			has[k.scope] = name
		}
	}
	if f := g.checkLine(has); f != nil && len(faults) == 0 {
		faults = append(faults, f)
	}
	return faults
}

// checkLine says what is wrong with the keys of a line together.
func (g *group) checkLine(has map[scope]string) *fault {
	if has[perGuest] != "" {
		return g.checkGuest("a line about a guest")
	}
	if host := cmp.Or(has[hostWide], has[manner]); host != "" && has[perBridge] != "" {
		return &fault{host + "= is for the whole host", "give " + host + "= a line of its own"}
	}
	if has[perBridge] != "" && !g.namesBridge() {
		return &fault{"it names no bridge", "all its values are empty; leave the line out"}
	}
	return nil
}

// isComment says whether a line says nothing, as most do in the file that is the
// example.
func isComment(line []byte) bool {
	words := bytes.TrimLeftFunc(line, isSpace)
	return (len(words) == 0 || words[0] == '#') && !bytes.ContainsRune(line, 0)
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
