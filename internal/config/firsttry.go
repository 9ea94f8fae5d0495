package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What people type at their first try, and what they should type instead. Nothing is
// taken for something else in silence: a word that is misread may take the wrong NIC
// down.

// otherCommands is what other tools call our commands, and what does the same here.
var otherCommands = map[string]string{
	"restart": "", "reload": "", "force-reload": "", "try-restart": "", "condrestart": "", "reset": "",
	"up": "start", "add": "start", "create": "start", "enable": "start", "on": "start", "ifup": "start",
	"down": "stop", "del": "stop", "delete": "stop", "remove": "stop", "disable": "stop", "off": "stop", "destroy": "stop", "ifdown": "stop",
	"show": "status", "list": "status", "info": "status", "ls": "status",
	"undo": "recover", "rollback": "recover", "revert": "recover", "back": "recover", "repair": "recover",
	"commit": "confirm", "accept": "confirm", "keep": "confirm", "ok": "confirm", "yes": "confirm",
	"verify": "check", "test": "check", "try": "start confirm=120", "dry-run": "start --dry-run", "plan": "start --dry-run",
	"man": "--help", "usage": "--help", "-V": "--version", "--dry": "--dry-run", "--check": "check", "--test": "check",
}

// instead says what does here what a word means elsewhere; "" if it means nothing.
func instead(word string) string {
	switch right, known := otherCommands[word]; {
	case known && right == "":
		return "start mends what is broken, and leaves the rest as it is; to make all of it anew: xbr-script stop, then xbr-script start"
	case known:
		return "what does that here is: " + right
	}
	return ""
}

// asKey is the key=value that a bare word may stand for, "" if it is no name of an
// interface.
func asKey(word string) string {
	if !looksLikeName(word) {
		return ""
	}
	first, _, _ := strings.Cut(word, "-")
	if slices.Contains([]string{"br", "xenbr", "virbr", "vmbr", "lxcbr", "bridge"}, strings.TrimRight(first, "0123456789")) {
		return "bridge=" + plain(word)
	}
	return "netdev=" + plain(word)
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

// oneName is checkName for a word that may be several names.
func oneName(key, value string) *fault {
	f := checkName(value)
	names := strings.Split(value, ",")
	if f == nil || len(names) == 1 || len(value) > maxQuoted || len(names) > 4 || slices.ContainsFunc(names, func(n string) bool { return n == "" || checkName(n) != nil }) {
		return f
	}
	f.hint = "several are given as " + key + "=" + plain(strings.Join(names, " "+nextOption+" "+key+"=")) + "; "
	return f
}
