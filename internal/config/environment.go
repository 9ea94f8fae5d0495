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
func addEnvironment(req *Request, groups []*group, src Source) error {
	if src.Name != Original {
		return nil
	}
	for _, name := range variables {
		value, g := src.env(name), groups[0]
		word := name + "=" + value
		switch {
		case value == "" || g.values[name] != "" || g.hollow[name]:
		case len(groups) > 1 || fileNamed(groups) != "":
			req.note("%s of the environment is ignored: it does not count together with %s or config=", quote(word), nextOption)
		default:
			if f := g.add(word, perBridge); f != nil {
				return misread(quote(word)+" of the environment", f.reason, f.hint)
			}
			req.note("%s is taken from the environment", quote(word))
		}
	}
	return nil
}

// ignoreEnvironment reports variables that only the original would take.
// Whoever set one may mean another NIC than the default, so a change is refused
// if the variable would decide something.
func ignoreEnvironment(req *Request, groups []*group, src Source) error {
	if src.Name == Original {
		return nil
	}
	var words, names []string
	for _, name := range variables {
		given := func(g *group) bool { return g.values[name] != "" }
		if value := src.env(name); value != "" && !slices.ContainsFunc(groups, given) {
			words, names = append(words, name+"="+value), append(names, name)
		}
	}
	switch line := strings.Join(words, " "); {
	case line == "":
	case req.File == "" && req.Command != Status:
		return refused("cannot tell whether "+quote(line)+" of the environment is meant: it counts only for calls as "+Original,
			"give it on the command line, or take it out of the environment: unset "+strings.Join(names, " "))
	default:
		req.note("%s of the environment is ignored: it counts only for calls as %s", quote(line), Original)
	}
	return nil
}
