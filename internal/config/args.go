package config

import (
	"fmt"
	"slices"
	"strings"
)

// nextOption begins another bridge.
const nextOption = "--next"

// commands is every command.
var commands = []Command{Start, Stop, Status, Recover, Confirm}

// option is a word that is not a key and not a command.
type option struct {
	name  string
	alone bool // answered at once, whatever else the line holds
	set   func(*Request)
}

// options is every option, in the order in which messages list them.
var options = []option{
	{"-n", false, func(r *Request) { r.DryRun = true }},
	{"--dry-run", false, func(r *Request) { r.DryRun = true }},
	{"-v", false, func(r *Request) { r.Verbose = true }},
	{"--verbose", false, func(r *Request) { r.Verbose = true }},
	{"--json", false, func(r *Request) { r.JSON = true }},
	{"--version", true, func(r *Request) { r.Version = true }},
	{"-h", true, func(r *Request) { r.Help = true }},
	{"--help", true, func(r *Request) { r.Help = true }},
	{nextOption, false, nil}, // readArgs sees to it
}

const usage = "usage: xbr-script start|stop|status [key=value ...] [--next key=value ...], or recover|confirm"

// findOption is the option of that name, or nil.
func findOption(name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

// answerAlone is the request for the help or the version, if there is one.
func answerAlone(args []string) *Request {
	for _, word := range args {
		if o := findOption(word); o != nil && o.alone {
			req := &Request{}
			o.set(req)
			return req
		}
	}
	return nil
}

// readArgs stores the command and the options in the request and sorts the
// other words into groups.
func readArgs(req *Request, args []string) ([]*group, error) {
	groups := []*group{newGroup("")}
	for _, word := range args {
		switch word {
		case "": // xend makes one of each second space in a row
		case nextOption:
			groups = append(groups, newGroup(""))
		default:
			if err := readArg(req, groups[len(groups)-1], word); err != nil {
				return nil, err
			}
		}
	}
	if req.Command == "" {
		return nil, refused("cannot tell what to do: there is no command", usage)
	}
	nameParts(groups)
	return groups, checkParts(groups)
}

// readArg reads one word. The command may stand anywhere: wrappers hand their
// own on before the keys, people write it where they like.
func readArg(req *Request, g *group, word string) error {
	if o := findOption(word); o != nil {
		o.set(req)
		return nil
	}
	if slices.Contains(commands, Command(word)) {
		return setCommand(req, Command(word))
	}
	if strings.HasPrefix(word, "-") {
		return misread(quote(word), "there is no such option",
			didYouMean(word, vocabulary(), "options are "+list(optionNames())))
	}
	if !strings.Contains(word, "=") {
		return misread(quote(word), "it is neither a command nor key=value",
			didYouMean(word, vocabulary(), "commands are "+list(commandNames())+"; a key touches its value, as in netdev=eth0"))
	}
	if f := g.add(word, perBridge, hostWide, manner, argsOnly); f != nil {
		return misread(quote(word), f.reason, f.hint)
	}
	return nil
}

// setCommand allows the same command twice: xend puts "start" in front of a
// line that may hold its own.
func setCommand(req *Request, c Command) error {
	if req.Command != "" && req.Command != c {
		return refused(fmt.Sprintf("cannot do both %s and %s in one call", req.Command, c),
			"give one of "+list(commandNames()))
	}
	req.Command = c
	return nil
}

// nameParts tells the parts of the line between --next apart.
func nameParts(groups []*group) {
	if len(groups) == 1 {
		return
	}
	for i, g := range groups {
		g.where = fmt.Sprintf("part %d", i+1)
	}
}

// checkParts refuses a part that names no bridge beside others, and bridges
// beside a file: nobody could tell which line a word was to override.
func checkParts(groups []*group) error {
	named := 0
	for _, g := range groups {
		if g.namesBridge() {
			named++
		}
	}
	if fileNamed(groups) != "" && (named > 0 || len(groups) > 1) {
		return refused("cannot take bridges from both config= and the command line",
			"the keys that go with config= are: "+list(keyNames(hostWide, manner))+", confirm")
	}
	if len(groups) == 1 || named == len(groups) {
		return nil
	}
	i := slices.IndexFunc(groups, func(g *group) bool { return !g.namesBridge() })
	return misread(quote(nextOption), fmt.Sprintf("part %d of %d names no bridge", i+1, len(groups)),
		nextOption+" begins another part; each needs one of "+list(keyNames(perBridge)))
}

// checkOptions refuses an option that says nothing for the command.
func checkOptions(req *Request) error {
	status := req.Command == Status
	if req.JSON && !status {
		return refused(fmt.Sprintf("cannot use --json with %s", req.Command), "--json goes with status")
	}
	if req.DryRun && (status || req.Command == Confirm) {
		return refused(fmt.Sprintf("cannot use --dry-run with %s", req.Command),
			fmt.Sprintf("%s changes nothing of the network; --dry-run goes with start, stop and recover", req.Command))
	}
	return nil
}

// alone refuses keys with a command that takes none.
func alone(req *Request, groups []*group) error {
	for _, g := range groups {
		if len(g.values) > 0 || len(groups) > 1 {
			return refused(fmt.Sprintf("cannot use keys with %s", req.Command),
				fmt.Sprintf("%s is about the last change, whatever bridges it was of", req.Command))
		}
	}
	return nil
}

// vocabulary is every word that may have been meant.
func vocabulary() []string {
	words := append(commandNames(), optionNames()...)
	for _, k := range keys {
		words = append(words, k.name+"=")
	}
	return words
}

func commandNames() []string {
	var names []string
	for _, c := range commands {
		names = append(names, string(c))
	}
	return names
}

func optionNames() []string {
	var names []string
	for _, o := range options {
		names = append(names, o.name)
	}
	return names
}
