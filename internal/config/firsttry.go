package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What people type at their first try, and what they should type instead. Nothing is
// taken for something else in silence: a word that is misread may take the wrong NIC
// down.

// otherCommands is what other tools call our words, and what does the same here.
var otherCommands = map[string]string{
	"up": "start", "add": "start", "addbr": "start", "addif": "start", "create": "start", "enable": "start", "on": "start", "ifup": "start", "apply": "start", "begin": "start",
	"down": "stop", "del": "stop", "delbr": "stop", "delif": "stop", "delete": "stop", "remove": "stop", "disable": "stop", "off": "stop", "destroy": "stop", "ifdown": "stop", "end": "stop",
	"show": "status", "list": "status", "info": "status", "ls": "status", "state": "status", "get": "status",
	"undo": "recover", "rollback": "recover", "revert": "recover", "back": "recover", "repair": "recover",
	"commit": "confirm", "accept": "confirm", "keep": "confirm", "ok": "confirm", "yes": "confirm",
	"verify": "check", "test": "check", "try": "start confirm=120", "dry": "--dry-run", "dry-run": "--dry-run", "plan": "start --dry-run",
	"man": "--help", "usage": "--help", "?": "--help", "V": "--version",
}

// anew are commands for which there is none here, because start does less and both
// together do more.
var anew = []string{"restart", "reload", "force-reload", "try-restart", "condrestart", "reset"}

// elsewhere says of keys that people look for how the same is done without one.
var elsewhere = map[string]string{
	"mtu": "the bridge takes the NIC's MTU at each start, and needs no key",
	"stp": afterwards, "fd": afterwards, "ageing": afterwards, "vlan_filtering": afterwards,
	"address": needless, "addr": needless, "netmask": needless, "gateway": needless, "gw": needless, "dns": needless,
}

const afterwards = "what you set on the bridge when it is up stays, and needs no key: ip-link(8), bridge(8)"

const needless = "the host's addresses and routes move with it, and need no key"

// didMean is the hint for a word that somebody else would have typed.
func didMean(right string) string { return fmt.Sprintf("did you mean %q?", right) }

// instead says what does here what a word means elsewhere; "" if it means nothing.
func instead(word string, given Command) string {
	right := otherCommands[word]
	command, more, _ := strings.Cut(right, " ")
	switch isCommand := slices.Contains(commands, Command(command)); {
	case slices.Contains(anew, word):
		return "start mends what is broken, and leaves the rest as it is; to make all of it anew: xbr-script stop, then xbr-script start"
	case word == "all":
		return "leave it out: without a key, stop and status are about every bridge that is up"
	case right == "" || isCommand && given != "" && command != string(given) && command != string(Check):
		return "" // that word is there already
	case right == string(given):
		return "leave it out: xbr-script " + right
	case command == string(given):
		return didMean(more)
	}
	return didMean(right)
}

// asKey is the key=value that a bare word may stand for, "" if it is no name of an
// interface and no number.
func asKey(word string, command Command) string {
	if _, f := number(word, maxVifNum); f == nil && word != "" && !command.AboutGuest() {
		return "vifnum=" + word
	}
	if !looksLikeName(word) {
		return ""
	}
	first, _, _ := strings.Cut(word, "-")
	switch {
	case command.AboutGuest():
		return "port=" + plain(word)
	case slices.Contains([]string{"br", "xenbr", "virbr", "vmbr", "lxcbr", "bridge"}, strings.TrimRight(first, "0123456789")):
		return "bridge=" + plain(word)
	}
	return "netdev=" + plain(word)
}

// guess is the hint for a word that is not one of ours, if somebody can tell what was
// meant.
func (r *argReader) guess(word string) string {
	clean := strings.Trim(typed(word), `"'`)
	bare := strings.TrimLeft(clean, "-")
	for _, w := range []string{clean, bare} {
		if w != word && isRight(w) {
			return didMean(w)
		}
	}
	g := r.groups[len(r.groups)-1]
	meant := asKey(clean, r.req.Command)
	near := nearest(clean, vocabulary())
	nic, isNIC := strings.CutPrefix(meant, "netdev=")
	switch said := instead(bare, r.req.Command); {
	case said != "":
		return said
	case near != "":
		return didMean(near)
	case isNIC && cmp.Or(g.values["netdev"], g.nic) != "":
		return several("netdev", []string{cmp.Or(g.values["netdev"], g.nic), nic})
	case meant != "":
		if isNIC {
			g.nic = nic
		}
		return didMean(meant)
	}
	return ""
}

// isRight says whether a word would have been understood. It names no file, since that
// may be any word.
func isRight(word string) bool {
	if o := findOption(word); o != nil && o.set != nil || slices.Contains(commands, Command(word)) {
		return true
	}
	name, value, _ := strings.Cut(word, "=")
	k, known := findKey(name)
	return known && value != "" && len(value) <= maxQuoted && k.check(value) == nil
}

// several says how two of a kind are given.
func several(key string, values []string) string {
	return "several are given as " + key + "=" + plain(strings.Join(values, " "+nextOption+" "+key+"="))
}

// shortKeys are what other tools call our keys in options of one letter.
var shortKeys = map[string]string{"-c": "config", "-f": "config", "-i": "netdev", "-b": "bridge", "-w": "wait"}

// torn is the error for words of which the first is a key without its value, which the
// others are, and how many words those are; 0 if there are none.
func torn(words []string) (int, error) {
	name := strings.TrimLeft(typed(words[0]), "-")
	k, known := findKey(cmp.Or(shortKeys[words[0]], otherNames[name], name))
	if !known || len(words) < 2 {
		return 0, nil
	}
	n, value := 2, strings.TrimPrefix(words[1], "=")
	if value == "" && len(words) > 2 {
		n, value = 3, words[2]
	}
	if value == "" || isRight(value) || strings.HasPrefix(value, "-") || k.check(value) != nil {
		return 0, nil
	}
	return n, misread(quote(strings.Join(words[:n], " ")), "a key, \"=\" and its value are one word", didMean(k.name+"="+plain(value)))
}

// typographic are characters that word processors and web pages put in place of those
// that are on a keyboard.
var typographic = strings.NewReplacer("\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "--", "\u2015", "--", "\u2212", "-", "\uff0d", "-",
	"\u201c", `"`, "\u201d", `"`, "\u201e", `"`, "\u00ab", `"`, "\u00bb", `"`, "\u2018", "'", "\u2019", "'", "\uff1d", "=", "\ufeff", "", "\u200b", "")

// typed is a word as it would be typed.
func typed(word string) string { return typographic.Replace(word) }

// pasted is the hint for a word with characters that nobody types; "" if it has none.
// What follows a "=" has its own rules.
func (r *argReader) pasted(word string) (reason, hint string) {
	name, _, _ := strings.Cut(word, "=")
	for _, c := range name {
		if typed(string(c)) != string(c) {
			return fmt.Sprintf("it has %s in it, which no word has", quote(string(c))), cmp.Or(r.guess(word), "type it anew")
		}
	}
	return "", ""
}

// shortOptions are the options that a word such as -nv has; nil if it is none such.
func shortOptions(word string) (all []*option) {
	letters, isShort := strings.CutPrefix(word, "-")
	if !isShort {
		return nil
	}
	for _, c := range letters {
		o := findOption("-" + string(c))
		if o == nil || o.set == nil || o.alone {
			return nil
		}
		all = append(all, o)
	}
	return all
}

// truth refuses what is neither of two words that mean no and yes, and knows others
// that mean the same.
func truth(value, no, yes string) *fault {
	f := either(value, no, yes)
	if f == nil || f.hint != "" {
		return f
	}
	switch strings.ToLower(value) {
	case "yes", "y", "on", "true", "1", "enable", "enabled":
		f.hint = fmt.Sprintf("did you mean %q? ", yes)
	case "no", "n", "off", "false", "0", "disable", "disabled":
		f.hint = fmt.Sprintf("did you mean %q? ", no)
	}
	return f
}

// seconds is number for a time, which may have been given with a unit.
func seconds(value string, highest int) (time.Duration, *fault) {
	n, f := number(value, highest)
	if f == nil {
		return time.Duration(n) * time.Second, nil
	}
	unit := strings.TrimLeft(value, "0123456789")
	short := map[string]string{"s": "s", "sec": "s", "second": "s", "m": "m", "min": "m", "minute": "m", "h": "h", "hour": "h"}[strings.TrimSuffix(strings.ToLower(unit), "s")]
	if unit == "s" {
		short = "s"
	}
	d, err := time.ParseDuration(strings.TrimSuffix(value, unit) + short)
	if err == nil && short != "" && d <= time.Duration(highest)*time.Second {
		f.hint = fmt.Sprintf("did you mean %q? ", strconv.Itoa(int(d/time.Second)))
	}
	return 0, f
}

// oneName is checkName for a word that may be several names, or a name with something
// around it.
func oneName(key, value string) *fault {
	f := checkName(value)
	if f == nil || len(value) > maxQuoted {
		return f
	}
	names := strings.Split(value, ",")
	wrong := func(n string) bool { return checkName(n) != nil }
	switch name := within(value); {
	case len(names) > 1 && len(names) <= 4 && !slices.ContainsFunc(names, wrong):
		f.hint = several(key, names) + "; "
	case name != value && !wrong(name):
		f.hint = fmt.Sprintf("did you mean %q? ", name)
	}
	return f
}

// apart is the hint for several words with commas between them, "" if it is something
// else.
func apart(word string) string {
	words := strings.Split(word, ",")
	if len(words) == 1 || slices.ContainsFunc(words, func(w string) bool { return !isRight(w) }) {
		return ""
	}
	return "blanks separate keys, not commas: " + plain(strings.Join(words, " "))
}

// within is the name in a word that has more around it: quotes, a folder, the label of
// an address, or a comma.
func within(value string) string {
	name := strings.Trim(typed(value), `"',;`)
	for _, folder := range []string{"/dev/", "/sys/class/net/"} {
		name = strings.TrimPrefix(name, folder)
	}
	name, _, _ = strings.Cut(name, ":")
	return name
}
