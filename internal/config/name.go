package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest names of an interface in bytes: its own, and an alternative one
// (IFNAMSIZ and ALTIFNAMSIZ of linux/if.h, less the NUL). Only the host knows
// which of them a name is.
const (
	maxName    = 15
	maxAltName = 127
)

// nameRules is what can be wrong with a name, the plainest reason first. The
// kernel's own rules are in dev_valid_name; the others refuse names that the
// kernel would accept but somebody else would misread.
var nameRules = []func(name string) *fault{
	empty,
	forShell,
	notPrintable,
	tooLong,
	notForKernel,
	forOthers,
}

// CheckName says what is wrong with the name of an interface that somebody else
// has chosen; "" if nothing is.
func CheckName(name string) string {
	if f := checkName(name); f != nil {
		return f.reason
	}
	return ""
}

// checkName says what is wrong with the name of an interface.
func checkName(name string) *fault {
	for _, rule := range nameRules {
		if f := rule(name); f != nil {
			return f
		}
	}
	return nil
}

func empty(name string) *fault {
	if name == "" {
		return wrong(name, "is empty")
	}
	return nil
}

func notPrintable(name string) *fault {
	if !utf8.ValidString(name) {
		return wrong(name, "is not valid UTF-8")
	}
	for _, r := range name {
		if unicode.IsSpace(r) {
			return wrong(name, "has white space in it")
		}
		if !unicode.IsPrint(r) {
			return wrong(name, "has a character in it that is not printable")
		}
	}
	return nil
}

// forShell refuses what a shell would act on. Nothing here would, but whoever
// writes netdev='x;reboot' or netdev='$dev' means something else.
func forShell(name string) *fault {
	if i := strings.IndexAny(name, ";&|<>()$`\\\"'*?[]{}~#!\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"); i >= 0 {
		_, size := utf8.DecodeRuneInString(name[i:])
		return &fault{
			reason: has(name, name[i:i+size]),
			hint:   "values are never evaluated; ",
		}
	}
	return nil
}

func tooLong(name string) *fault {
	if len(name) > maxAltName {
		return wrong(name, fmt.Sprintf("has %d bytes, a name has at most %d", len(name), maxAltName))
	}
	return nil
}

func notForKernel(name string) *fault {
	switch name {
	case ".", "..":
		return wrong(name, "is a directory's name")
	case "all", "default": // directories of net.ipv4.conf beside the interfaces' own
		return wrong(name, "stands for other interfaces in sysctl")
	}
	// To the kernel a name with % is a template: it would turn br%d into br0.
	if i := strings.IndexAny(name, "/:%"); i >= 0 {
		return wrongWith(name, name[i:i+1])
	}
	// The kernel looks at bytes, and takes this one for a blank in Latin-1.
	if strings.IndexByte(name, 0xa0) >= 0 {
		return wrong(name, "has a byte in it (0xa0) that the kernel takes for a blank")
	}
	return nil
}

func forOthers(name string) *fault {
	if name[0] == '-' {
		return wrong(name, "begins with a dash, like an option")
	}
	if strings.HasSuffix(name, "+") {
		return wrong(name, "ends in +, and iptables would take it for many names")
	}
	// Neither can stand in the vif line of a guest, and each is easily two
	// keys that ran together.
	if i := strings.IndexAny(name, ",="); i >= 0 {
		return wrongWith(name, name[i:i+1])
	}
	return nil
}

// has is the reason that something stands in the name.
func has(name, what string) string { return quote(name) + " has " + strconv.Quote(what) + " in it" }

// wrongWith is the fault that something stands in the name.
func wrongWith(name, what string) *fault { return &fault{reason: has(name, what)} }
