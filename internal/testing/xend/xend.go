package xend

import (
	"errors"
	"strings"
)

// ScriptsDir is where xend looks for its scripts.
const ScriptsDir = "/etc/xen/scripts"

// ErrNoWord is xend's exception for a network-script that is a list, as in
// (network-script (a b)). Until 3.1 it goes on without the network, from 3.2
// on it does not start.
var ErrNoWord = errors.New("network-script is a list")

// NetworkScript returns what xend runs with the text of
// /etc/xen/xend-config.sxp, or of the file that XEND_CONFIG names: the
// path of the program and its arguments. It is nil if xend runs nothing. xend
// splits at single blanks, waits for the program without a limit, does not
// look at its exit status, and has SIGPIPE ignored in it.
func (v Version) NetworkScript(config string) ([]string, error) {
	nodes, err := v.Parse(config)
	if err != nil {
		return nil, err
	}
	line, err := value(nodes, "network-script")
	if line == "" {
		return nil, err
	}
	if strings.IndexByte(line, 0) >= 0 {
		return nil, errors.New("network-script has a NUL byte") // execv() arg 2 must contain only strings
	}
	words := strings.Split(line, " ")
	path := words[0]
	if !strings.HasPrefix(path, "/") {
		path = ScriptsDir + "/" + path
	}
	return append([]string{path, "start"}, words[1:]...), nil
}

// value is the first value of the first list of that name: xend looks at no
// other list, and at nothing behind that value. An empty list is none.
func value(nodes []Node, name string) (string, error) {
	for _, n := range nodes {
		if len(n.List) > 0 && n.List[0].List == nil && n.List[0].Atom == name {
			switch {
			case len(n.List) == 1:
				return "", nil
			case len(n.List[1].List) > 0:
				return "", ErrNoWord
			}
			return n.List[1].Atom, nil
		}
	}
	return "", nil
}
