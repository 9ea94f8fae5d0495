package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// nextOption begins another bridge.
const nextOption = "--next"

// commands is every command.
var commands = []Command{Start, Stop, Check, Status, Recover, Confirm, Admit, Dismiss, Report}

// option is a word that is not a key and not a command.
type option struct {
	name  string
	alone bool // answered at once, whatever else is on the line
	set   func(*Request)
	file  func(*Request) *string // if set, where the name of the file goes that follows a "="
	// values may follow a "=", by bars; with says what becomes of one.
	values string
	with   func(r *Request, value string)
}

// options is every option, in the order in which messages list them.
var options = []option{
	{name: "-n", set: func(r *Request) { r.DryRun = true }},
	{name: "--dry-run", set: func(r *Request) { r.DryRun = true }},
	{name: "-v", set: func(r *Request) { r.Verbose = true }},
	{name: "--verbose", set: func(r *Request) { r.Verbose = true }},
	{name: JSONOption, set: func(r *Request) { r.JSON = true }},
	{name: hideOption, set: func(r *Request) { r.Hide = true }},
	{name: "--version", alone: true, set: func(r *Request) { r.Version = true }},
	{name: "-h", alone: true, set: func(r *Request) { r.Help = true }},
	{name: "--help", alone: true, set: func(r *Request) { r.Help = true }},
	{name: nextOption}, // readArgs handles it
	{name: drawOption, set: func(r *Request) { r.Draw = DrawText }, values: "svg|dot", with: func(r *Request, value string) { r.Draw = Drawing(value) }},
	{name: hostOption, file: func(r *Request) *string { return &r.Host }},
	{name: saveOption, file: func(r *Request) *string { return &r.SaveHost }},
}

// JSONOption asks for an answer for programs.
const JSONOption = "--json"

// drawOption is for status.
const drawOption = "--draw"

// hideOption is for report.
const hideOption = "--hide"

// Options with a value.
const (
	hostOption = "--host"
	saveOption = "--save-host"
)

const usage = "usage: xbr-script start|stop|check|status [key=value ...] [--next key=value ...], or recover|confirm, or admit|dismiss port=NAME, or report"

// findOption is the option of that name, or nil.
func findOption(name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

// answerAlone is the request for the help or the version, if there is one. As
// the first word, "help" and "version" stand for the options.
func answerAlone(args []string) *Request {
	for i, word := range args {
		if i == 0 && (word == "help" || word == "version") {
			word = "--" + word
		}
		if o := findOption(word); o != nil && o.alone {
			req := &Request{}
			o.set(req)
			return req
		}
	}
	return nil
}

// isSpace says whether a character separates words. They are those of a shell,
// because the original has a shell read its words (eval).
func isSpace(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) }

// split takes arguments apart that contain white space. Such arguments come
// from a line that is wrapped within the quotes of xend-config.sxp: xend splits
// it at single blanks only.
func split(args []string) []string {
	var words []string
	for _, a := range args {
		words = append(words, strings.FieldsFunc(a, isSpace)...)
	}
	return words
}

// argReader reads a call: the words of the command line, the environment and the file.
type argReader struct {
	req      *Request
	original bool // as Xen's network-bridge reads them
	groups   []*group
	wrong    refusals
	hollow   string // the key of the previous word, if that had no value
	lone     string // the previous word, if it was a key without even a "="
	stray    bool   // a word was misread that may have been meant as the command
}

// readArgs stores the command and the options in the request and sorts the
// other words into groups.
func (r *argReader) readArgs(args []string) {
	for i := 0; i < len(args); i++ {
		word := args[i]
		if r.original {
			word = unquoted(word)
		}
		if word == nextOption {
			r.groups = append(r.groups, newGroup(""))
			continue
		}
		key, value, isKey := strings.Cut(word, "=")
		if err := r.read(word); err != nil {
			if n, parts := torn(args[i:]); n > 0 {
				i, err = i+n-1, parts
			}
			r.wrong.add(err)
			r.groups[len(r.groups)-1].misread = true
			r.stray = r.stray || !isKey || slices.Contains(commands, Command(key))
		}
		r.hollow, r.lone = "", ""
		if isKey && value == "" {
			r.hollow = key
		} else if _, known := findKey(word); known {
			r.lone = word
		}
	}
	r.settleCommand()
	nameParts(r.groups)
	if r.req.Command.takesKeys() {
		r.checkParts()
	}
}

// unquoted is a word whose value has one pair of quotes around it, without them: the original has
// a shell read its words, and in xend's file nobody takes them away before. What a shell would
// evaluate is refused with or without them.
func unquoted(word string) string {
	key, value, isKey := strings.Cut(word, "=")
	if n := len(value); isKey && n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		return key + "=" + value[1:n-1]
	}
	return word
}

// settleCommand finds out what check is about.
func (r *argReader) settleCommand() {
	switch req := r.req; {
	case req.Command == "" && req.OnlyCheck:
		req.Command = Start
	case req.Command == "" && !r.stray:
		r.wrong.add(refused("cannot tell what to do: there is no command", usage))
	case req.OnlyCheck && req.Command != Start && req.Command != Stop:
		r.wrong.add(refused(fmt.Sprintf("cannot do both check and %s in one call", req.Command), "check is about start, or with stop in the line about stop"))
	}
}

// read reads one word. The command may stand anywhere: wrappers pass theirs on
// before the keys, people write it where they like.
func (r *argReader) read(word string) error {
	if o := findOption(word); o != nil && o.set != nil {
		o.set(r.req)
		return nil
	}
	if all := shortOptions(word); all != nil {
		for _, o := range all {
			o.set(r.req)
		}
		return nil
	}
	if reason, hint := r.pasted(word); reason != "" {
		return misread(quote(word), reason, hint)
	}
	if slices.Contains(commands, Command(word)) {
		return r.command(Command(word))
	}
	name, value, isKey := strings.Cut(word, "=")
	k, known := findKey(name)
	known = known && (k.scope != perGuest || !r.original) // Xen's script knows nothing of guests
	switch o := findOption(name); {
	case o != nil && o.file != nil && value != "":
		*o.file(r.req) = value
	case o != nil && o.with != nil && isKey:
		if !slices.Contains(strings.Split(o.values, "|"), value) {
			return misread(quote(word), "there is no such picture", name+" alone draws it for a terminal; or "+name+"="+strings.ReplaceAll(o.values, "|", ", "+name+"="))
		}
		o.with(r.req, value)
	case o != nil && o.file != nil:
		return misread(quote(word), "the name of a file is missing", "as in "+name+"=host.json")
	case strings.HasPrefix(word, "-"):
		return misread(quote(word), "there is no such option", cmp.Or(r.guess(word), "options are "+list(optionNames())))
	case known && isKey, isKey && !r.passesOver(name):
		if f := r.groups[len(r.groups)-1].add(word, perBridge, hostWide, manner, argsOnly, perGuest); f != nil {
			return misread(quote(word), f.reason, f.hint)
		}
	case !isKey && !r.passesOver(word):
		return misread(quote(word), "it is neither a command nor key=value", r.wordHint(word))
	default:
		r.req.note("%s is ignored, as by Xen's network-bridge", quote(word))
	}
	return nil
}

// passesOver says whether a word that means nothing to us is passed over. The
// original passes over all of them except the first word, and wrappers may count
// on that. But a word that looks like one of ours was meant: passing it over
// would take another NIC, or leave guests free to forge addresses.
func (r *argReader) passesOver(name string) bool {
	return r.original && r.req.Command != "" && r.hollow == "" && name != "" && !looksLikeName(name) &&
		nearest(name, slices.DeleteFunc(vocabulary(), forGuests)) == ""
}

// looksLikeName says whether a word without a key may be the name of an
// interface: letters, and a digit somewhere after them.
func looksLikeName(word string) bool {
	return checkName(word) == nil && len(word) <= maxName && word[0] > '9' && strings.ContainsAny(word, "0123456789")
}

// touches is the beginning of the hint for a key and a value that are words of their own.
const touches = "a key touches its value, as in "

// wordHint is what would be right instead of a word that is not a key.
func (r *argReader) wordHint(word string) string {
	switch key, known := findKey(cmp.Or(r.hollow, r.lone)); {
	case known && key.name == string(Confirm) && key.check(word) == nil:
		return confirming
	case known && key.check(word) == nil:
		return touches + key.name + "=" + plain(word)
	}
	return cmp.Or(r.guess(word), "commands are "+list(commandNames())+"; "+touches+"netdev=eth0")
}

// confirming is the hint for a call that may mean either the command confirm or the key.
const confirming = "a change that is put back unless it is confirmed is asked for by xbr-script start confirm=120, and kept by xbr-script confirm"

// command allows the same command twice: xend puts "start" before a line that
// may have it too. Of different commands the original takes the first one.
func (r *argReader) command(c Command) error {
	switch before := r.req.Command; {
	case c == Check:
		r.req.OnlyCheck = true
	case before == "":
		r.req.Command = c
	case before != c && r.original:
		r.req.note("%s is ignored, as by Xen's network-bridge: %s came first", quote(string(c)), before)
	case before != c:
		hint := "give one of " + list(commandNames())
		if c == Confirm || before == Confirm {
			hint = confirming
		}
		return refused(fmt.Sprintf("cannot do both %s and %s in one call", before, c), hint)
	}
	return nil
}

// nameParts numbers the parts of the line that --next separates.
func nameParts(groups []*group) {
	if len(groups) == 1 {
		return
	}
	for i, g := range groups {
		g.where = fmt.Sprintf("part %d", i+1)
	}
}

// checkParts refuses parts that name no bridge if there are several, and bridges
// together with a file: nobody could tell which line of the file a word is to
// override.
func (r *argReader) checkParts() {
	if fileNamed(r.groups) != "" && (len(r.groups) > 1 || r.groups[0].namesBridge()) {
		r.wrong.add(refused("cannot take bridges from both config= and the command line",
			"the keys that go with config= are: "+list(keyNames(hostWide, manner))+", confirm"))
		return
	}
	for i, g := range r.groups {
		if len(r.groups) > 1 && !g.namesBridge() && !g.misread {
			r.wrong.add(misread(quote(nextOption), fmt.Sprintf("part %d of %d names no bridge", i+1, len(r.groups)),
				nextOption+" begins another part; each needs one of "+list(keyNames(perBridge))))
		}
	}
}

// checkOptions refuses options that have no meaning for the command.
func (r *argReader) checkOptions() {
	req := r.req
	if req.Command == "" {
		return
	}
	asks := req.Command == Status || req.Command == Report || req.OnlyCheck
	if req.Hide && req.Command != Report {
		r.wrong.add(refused(fmt.Sprintf("cannot use %s with %s", hideOption, req.named()), hideOption+" goes with report"))
	}
	if req.Draw != NoDrawing && req.Command != Status {
		r.wrong.add(refused(fmt.Sprintf("cannot use %s with %s", drawOption, req.named()), drawOption+" goes with status"))
	}
	if req.DryRun && (asks || req.Command == Confirm) {
		r.wrong.add(refused(fmt.Sprintf("cannot use --dry-run with %s", req.named()),
			fmt.Sprintf("%s changes nothing of the network; --dry-run goes with start, stop and recover", req.named())))
	}
	if err := checkHostOptions(req); err != nil {
		r.wrong.add(err)
	}
}

// checkHostOptions refuses a file that stands for the host where it is the real
// one that counts.
func checkHostOptions(req *Request) error {
	plans := req.DryRun && req.Command.takesKeys()
	switch {
	case req.Host != "" && req.SaveHost != "":
		return refused("cannot use both "+hostOption+" and "+saveOption, saveOption+" writes what is there, and "+hostOption+" reads what was written so")
	case req.Host != "" && !plans && req.Command != Status:
		return refused(fmt.Sprintf("cannot use %s with %s", hostOption, req.named()), hostOption+" goes with status, and with start and stop if they have --dry-run")
	case req.SaveHost != "" && !plans:
		return refused(fmt.Sprintf("cannot use %s with %s", saveOption, req.named()), saveOption+" goes with start and stop if they have --dry-run")
	}
	return nil
}

// alone refuses keys with a command that takes none.
func (r *argReader) alone() {
	if len(r.groups) > 1 || len(r.groups[0].values) > 0 {
		r.wrong.add(refused(fmt.Sprintf("cannot use keys with %s", r.req.Command),
			fmt.Sprintf("%s is about the last change, whatever bridges it was of", r.req.Command)))
	}
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
