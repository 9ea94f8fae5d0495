package xend

import "strings"

// ScriptsDir is where xend looks for its scripts.
const ScriptsDir = "/etc/xen/scripts"

// NetworkScript returns what xend runs at its start with the text of a
// xend-config.sxp: the path of the program and its arguments. It is nil if
// xend runs nothing. xend waits for the program, does not look at its exit
// status, and has stdin and stdout on /dev/null and / as working directory.
func NetworkScript(config string) ([]string, error) {
	nodes, err := Parse(config)
	if err != nil {
		return nil, err
	}
	line := value(nodes, "network-script")
	if line == "" {
		return nil, nil
	}
	words := strings.Split(line, " ")
	path := words[0]
	if !strings.HasPrefix(path, "/") {
		path = ScriptsDir + "/" + path
	}
	return append([]string{path, "start"}, words[1:]...), nil
}

// value is the first value of the first list of that name: xend looks at no
// other list, and at nothing behind that value.
func value(nodes []Node, name string) string {
	for _, n := range nodes {
		if len(n.List) > 0 && n.List[0].List == nil && n.List[0].Atom == name {
			if len(n.List) > 1 {
				return n.List[1].Atom
			}
			return ""
		}
	}
	return ""
}
