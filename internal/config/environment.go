package config

import (
	"slices"
	"strings"
)

// variables are the keys that the original also takes from the environment: it
// does not set them before it reads its words.
var variables = []string{"vifnum", "bridge", "netdev", "antispoof"}

// env is the value of a variable, "" if it does not count.
func (s Source) env(name string) string {
	if s.Getenv == nil {
		return ""
	}
	return s.Getenv(name)
}

// addEnvironment takes variables for keys that were not given, if the program is
// called by the original's name. The original knows neither parts nor files. A
// key that was given without a value unsets the variable.
func (r *argReader) addEnvironment(src Source) {
	if !r.original {
		return
	}
	for _, name := range variables {
		value, g := src.env(name), r.groups[0]
		word := name + "=" + value
		switch {
		case value == "" || g.values[name] != "" || g.hollow[name]:
		case len(r.groups) > 1 || fileNamed(r.groups) != "":
			r.req.note("%s of the environment is ignored: it does not count together with %s or config=", quote(word), nextOption)
		default:
			if f := g.add(word, perBridge); f != nil {
				r.wrong.add(misread(quote(word)+" of the environment", f.reason, f.hint))
				continue
			}
			r.req.note("%s is taken from the environment", quote(word))
		}
	}
}

// ignoreEnvironment reports variables that only the original would take.
// Whoever set one may mean another NIC than the default, so a change is refused
// if the variable would decide something. Whether it would, nobody can tell while
// words are wrong.
func (r *argReader) ignoreEnvironment(src Source) {
	if r.original || len(r.wrong) > 0 {
		return
	}
	var words, names []string
	for _, name := range variables {
		given := func(g *group) bool { return g.values[name] != "" }
		if value := src.env(name); value != "" && !slices.ContainsFunc(r.groups, given) {
			words, names = append(words, name+"="+value), append(names, name)
		}
	}
	switch line := strings.Join(words, " "); {
	case line == "":
	case r.req.File == "" && r.req.Command != Status && r.req.Command != Report:
		r.wrong.add(refused("cannot tell whether "+quote(line)+" of the environment is meant: it counts only for calls as "+Original,
			"give it on the command line, or take it out of the environment: unset "+strings.Join(names, " ")))
	default:
		r.req.note("%s of the environment is ignored: it counts only for calls as %s", quote(line), Original)
	}
}
