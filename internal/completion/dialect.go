package completion

import (
	_ "embed" // the scripts
	"strings"

	"xbr-script/internal/shell"
)

//go:embed xbr-script.bash
var forBash string

//go:embed xbr-script.zsh
var forZsh string

//go:embed xbr-script.fish
var forFish string

// dialect is how a shell says that in which the scripts differ.
type dialect struct {
	script string
	or     string                                                   // between the patterns of a case
	one    func(pattern, do string) string                          // a case
	value  func(key string) string                                  // the pattern of a key with a value
	offer  func(words []string, about func(w string) string) string // words, with what they mean if about is set
	links  func(kind string) string                                 // the names of NICs, bridges or ports
	files  string                                                   // the names of files
}

var dialects = map[string]dialect{
	"bash": {
		script: forBash,
		or:     " | ",
		one:    func(pattern, do string) string { return pattern + ") " + do + " ;;\n" },
		value:  func(key string) string { return key + "*" },
		offer:  func(words []string, _ func(string) string) string { return "offers=(" + strings.Join(words, " ") + ")" },
		links:  func(kind string) string { return "_xbr_script_links " + kind },
		files:  `_xbr_script_files "$cur"`,
	},
	"zsh": {
		script: forZsh,
		or:     "|",
		one:    func(pattern, do string) string { return "(" + pattern + ") " + do + " ;;\n" },
		value:  func(key string) string { return key + "*" },
		offer:  offerZsh,
		links:  func(kind string) string { return "_xbr_script_links " + kind },
		files:  "_xbr_script_files; return",
	},
	"fish": {
		script: forFish,
		or:     " ",
		one: func(pattern, do string) string {
			return "case " + pattern + "\n    " + strings.ReplaceAll(do, "\n", "\n    ") + "\n"
		},
		value: func(key string) string { return key },
		offer: offerFish,
		links: func(kind string) string { return "__xbr_script_links " + kind },
		files: "__xbr_script_files $word",
	},
}

// offerZsh has a ":" between a word and what it means.
func offerZsh(words []string, about func(string) string) string {
	if about == nil {
		return "offers=(" + strings.Join(words, " ") + ")"
	}
	var b strings.Builder
	for _, w := range words {
		b.WriteString("\n\t" + shell.Quote(w+":"+about(w)))
	}
	return "offers=(" + b.String() + "\n)"
}

// offerFish has a line for each word, with a tab before what it means.
func offerFish(words []string, about func(string) string) string {
	if about == nil {
		return `printf '%s\n' ` + strings.Join(words, " ")
	}
	var b strings.Builder
	for _, w := range words {
		b.WriteString(" \\\n    " + shell.Quote(w) + " " + shell.Quote(about(w)))
	}
	return `printf '%s\t%s\n'` + b.String()
}
