package cli

import (
	"strings"

	"xbr-script/internal/completion"
	"xbr-script/internal/config"
	"xbr-script/internal/refusal"
)

// completionWord is the argument by which the program prints the script that has a shell
// complete its command line. It is no command: nothing else goes with it.
const completionWord = "completion"

// completionFor is that script; args begins after the word.
func completionFor(args []string) (string, error) {
	if len(args) == 1 {
		if script := completion.Script(args[0], about); script != "" {
			return script, nil
		}
	}
	return "", &refusal.Error{
		Msg:   "cannot tell for which shell the completion is meant",
		Hint:  "xbr-script " + completionWord + " " + strings.Join(completion.Shells, "|"),
		Usage: true,
	}
}

// maxAbout is how much is said of a word, in bytes: more of them have to fit on a screen.
const maxAbout = 60

// about is the beginning of what the help says of a word.
func about(word string) string {
	text := cutAt(withoutParens(entry(word)), "; ", ". ", "? ")
	if len(text) > maxAbout {
		text = text[:strings.LastIndex(text[:maxAbout], " ")] + " …"
	}
	return text
}

// withoutParens is the text without what is in parentheses.
func withoutParens(text string) string {
	before, rest, found := strings.Cut(text, " (")
	if _, after, closed := strings.Cut(rest, ")"); found && closed {
		return before + withoutParens(after)
	}
	return text
}

// cutAt is the text up to the first of the marks.
func cutAt(text string, marks ...string) string {
	for _, m := range marks {
		text, _, _ = strings.Cut(text, m)
	}
	return text
}

// Where the help says what a word means: the words before it are shorter.
const (
	aboutCommands = 11
	aboutOthers   = 19
)

// entry is what the help says of a word.
func entry(word string) string {
	var found bool
	var text []string
	column := aboutCommands
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		begin := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case begin == 0: // a heading
			found = false
			if strings.HasPrefix(line, "Keys") {
				column = aboutOthers
			}
			continue
		case begin < column:
			head := line[:min(column, len(line))]
			found = names(line, head, word)
			line = strings.TrimPrefix(line, head)
			if len(head) == column && head[column-1] != ' ' {
				line = "" // the words leave no room
			}
		}
		if found {
			text = append(text, strings.Fields(line)...)
		}
	}
	return strings.Join(text, " ")
}

// names says whether a line of the help is about a word.
func names(line, head, word string) bool {
	if strings.HasSuffix(word, "=") {
		return strings.HasPrefix(strings.TrimSpace(line), word)
	}
	for w := range strings.FieldsSeq(head) {
		if strings.TrimSuffix(w, ",") == word {
			return true
		}
	}
	return false
}

// isCompletion says whether the program is called for it: by Xen's name it is not.
func isCompletion(name string, args []string) bool {
	return len(args) > 0 && args[0] == completionWord && name != config.Original
}
