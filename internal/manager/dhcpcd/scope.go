package dhcpcd

import (
	"iter"
	"path"
	"slices"
	"strings"

	"xbr-script/internal/manager"
)

// scope is what a dhcpcd that is not for one interface alone looks after: those that it
// was told of, or else all. Words may be patterns of a shell (fnmatch(3)).
type scope struct {
	named   []string // on the command line
	allowed []string // if there are any, no others
	denied  []string
	blocks  []string // what its configuration has a block for
	config  string   // the file with that
}

// has says whether it looks after an interface (if_discover). A bridge or a tap it leaves
// alone, unless it was told of that one.
func (s scope) has(dev string, bridge bool) bool {
	switch {
	case matches(s.denied, dev), len(s.allowed) > 0 && !matches(s.allowed, dev):
		return false
	case len(s.named) > 0:
		return slices.Contains(s.named, dev)
	}
	return !bridge || len(s.allowed) > 0 || matches(s.blocks, dev)
}

func matches(patterns []string, dev string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		is, err := path.Match(strings.ReplaceAll(p, "[!", "[^"), dev)
		return err == nil && is
	})
}

// scope reads what a dhcpcd looks after. Of one whose command line cannot be told, that
// is all.
func (c *client) scope() (scope, error) {
	args, err := c.commandLine()
	if err != nil {
		args = []string{c.path} // around says so
	}
	s := scopeOf(args[1:])
	text, err := manager.Content(c.root + s.config)
	s.read(text)
	return s, err
}

// The options of dhcpcd that have an argument (IF_OPTS and cf_options of 10.3).
const withArgument = "cefhijlmorstuvyzCFIOQSWXZ"

var withArgumentLong = strings.Fields("script env config logfile leasetime metric option timeout userclass msuserclass vsio vsio6 vendor " +
	"allowinterfaces reboot nohook nooption require static whitelist blacklist denyinterfaces arping destination fallback iaid dev " +
	"define definend define6 embed encap vendopt vendclass authprotocol authtoken controlgroup slaac reject mudurl link_rcvbuf " +
	"request_time fallback_time ipv4ll_time initial_interval backoff_cutoff backoff_jitter allow")

// scopeOf reads the words after the program's name as getopt_long(3) does.
func scopeOf(words []string) scope {
	s := scope{config: configFile}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "--" {
			s.named = append(s.named, words...)
			return s
		}
		option, value, has := optionOf(word)
		switch {
		case option == "":
			if !strings.Contains(word, "/") { // else it names no interface
				s.named = append(s.named, word)
			}
			continue
		case has && value == "" && len(words) > 0 && !strings.Contains(word, "="):
			value, words = words[0], words[1:]
		}
		switch option {
		case "f", "config":
			s.config = value
		case "z", "allowinterfaces":
			s.allowed = append(s.allowed, list(value)...)
		case "Z", "denyinterfaces":
			s.denied = append(s.denied, list(value)...)
		}
	}
	return s
}

// optionOf is the option of a word that has an argument, or the last one of the word, with
// what stands behind it; "" if the word is none.
func optionOf(word string) (option, value string, has bool) {
	if long, is := strings.CutPrefix(word, "--"); is {
		option, value, _ = strings.Cut(long, "=")
		return option, value, slices.Contains(withArgumentLong, option)
	}
	short, is := strings.CutPrefix(word, "-")
	if !is || short == "" {
		return "", "", false
	}
	if at := strings.IndexAny(short, withArgument); at >= 0 {
		return short[at : at+1], short[at+1:], true
	}
	return short[len(short)-1:], "", false
}

func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// configFile is dhcpcd's configuration, unless it is told of another one.
const configFile = "/etc/dhcpcd.conf"

// toldOf is what others may know of a file of dhcpcd's: its configuration may have secrets.
func toldOf(path, text string) string {
	if path != configFile {
		return text
	}
	var told strings.Builder
	for word, value := range settings(text) {
		told.WriteString(word + " " + value + "\n")
	}
	return told.String()
}

// settings are the lines of dhcpcd's configuration (dhcpcd.conf(5)) that say what it looks
// after. What stands in a block is not for all interfaces.
func settings(text string) iter.Seq2[string, string] {
	return func(yield func(word, value string) bool) {
		inBlock := false
		for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
			line = strings.TrimSpace(line)
			word, value := line, ""
			if at := strings.IndexAny(line, " \t"); at >= 0 {
				word, value = line[:at], strings.TrimSpace(line[at:])
			}
			wanted := false
			switch word {
			case "interface", "ssid", "profile":
				inBlock, wanted = true, true
			case "allowinterfaces", "denyinterfaces":
				wanted = !inBlock
			}
			if wanted && !yield(word, value) {
				return
			}
		}
	}
}

func (s *scope) read(text string) {
	for word, value := range settings(text) {
		switch word {
		case "interface":
			s.blocks = append(s.blocks, value)
		case "allowinterfaces":
			s.allowed = append(s.allowed, list(value)...)
		case "denyinterfaces":
			s.denied = append(s.denied, list(value)...)
		}
	}
}
