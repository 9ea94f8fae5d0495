// Package shell writes words for a shell, and text for a terminal.
package shell

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote is s as one word of a POSIX shell: unchanged if that is safe, else in
// single quotes. Characters that must not reach a terminal are written in octal,
// for printf(1) to produce.
func Quote(s string) string {
	switch {
	case s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0:
		return s
	case visible(s):
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	// The shell strips line feeds from the end of a command's output.
	body := strings.TrimRight(s, "\n")
	tail := s[len(body):]
	if tail != "" {
		tail = "'" + tail + "'"
	}
	return `"$(printf '` + octal(body) + `')"` + tail
}

// plain are the characters that mean nothing to a shell.
func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
		strings.ContainsRune("_@%+=:,./-", r)
}

// octal writes bytes for printf(1).
func octal(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < utf8.RuneSelf && c != '%' && plain(rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return b.String()
}

// Join is a command as a shell takes it.
func Join(command string, args ...string) string {
	words := []string{Quote(command)}
	for _, a := range args {
		words = append(words, Quote(a))
	}
	return strings.Join(words, " ")
}

// Write is the command that writes lines into a file, whose folder is there.
func Write(path, text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return Join("printf", append([]string{`%s\n`}, lines...)...) + " >" + Quote(path)
}

// Make are the commands that write lines into a file, and make its folder for that.
func Make(path, text string) []string {
	return []string{"mkdir -p " + Quote(filepath.Dir(path)), Write(path, text)}
}

// Comment is text as a comment of one line, whatever the text contains.
func Comment(text string) string {
	return "# " + Visible(strings.ReplaceAll(text, "\n", " "))
}

// Visible is text fit for a terminal: characters that one cannot see are written
// as JSON writes them (\u001b), bytes that are not UTF-8 as \xff. Only line feeds
// and tabs stay.
func Visible(text string) string {
	if harmless(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// harmless says whether all characters of a text can be seen, or are line feeds or tabs.
func harmless(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) < 0
}

// visible says whether all characters of a text can be seen.
func visible(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
