package xend

import (
	"errors"
	"fmt"
	"strings"
)

// Node is an atom, or a list of nodes. A quoted string is an atom.
type Node struct {
	Atom string
	List []Node // not nil for a list, even an empty one
}

// Parse reads a sequence of S-expressions by the rules of that version's
// sxp.py:
//
//   - # begins a comment anywhere but in a string, and ends a word;
//   - before 4.0 ! ends a word, too, and begins another;
//   - a string is in single or double quotes, and may go over several lines;
//   - a backslash in a string begins an escape: a letter, one to three octal
//     digits, or x and two digits, where A and a count as 0; before anything else
//     the backslash is dropped, but see escape for Xen 3.0;
//   - quotes within a word are part of it;
//   - ^D outside of lists, words and strings ends the text.
func (v Version) Parse(text string) ([]Node, error) {
	r := reader{text: text, version: v, separators: "{}()<>[];"}
	if v < Xen40 {
		r.separators += "!"
	}
	nodes, err := r.nodes(false)
	if err != nil {
		line := 1 + strings.Count(text[:min(r.at, len(text))], "\n") // a comment may be the last
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return nodes, nil
}

const spaces = " \t\n\v\f\r"

// endOfText is ^D.
const endOfText = 4

// escapes are the letters that may follow a backslash in a string.
var escapes = map[byte]byte{
	'a': '\a', 'b': '\b', 't': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r',
	'\\': '\\', '\'': '\'', '"': '"',
}

// What is still open at the end of the text.
var (
	errListOpen   = errors.New("unexpected end: a list is open")
	errStringOpen = errors.New("unexpected end: a string is open")
)

type reader struct {
	text       string
	at         int
	version    Version
	separators string
}

// nodes reads up to the end of the text, or of the list.
func (r *reader) nodes(inList bool) ([]Node, error) {
	nodes := []Node{}
	for ; r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		switch {
		case strings.IndexByte(spaces, c) >= 0:
			continue
		case c == '#':
			r.skipTo("\n")
			continue
		case c == ')' && inList:
			return nodes, nil
		case c == ')':
			return nil, errors.New("syntax error: )")
		case c == endOfText && !inList:
			return nodes, nil
		case c == endOfText:
			return nil, errListOpen
		case c < ' ' || c > '~':
			return nil, fmt.Errorf("invalid character: code %d", c)
		}
		node, err := r.node(c)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	if inList {
		return nil, errListOpen
	}
	return nodes, nil
}

// node reads what begins with c, and stops at its last byte.
func (r *reader) node(c byte) (Node, error) {
	switch c {
	case '(':
		r.at++
		list, err := r.nodes(true)
		return Node{List: list}, err
	case '\'', '"':
		s, err := r.quoted(c)
		return Node{Atom: s}, err
	default:
		begin := r.at
		r.at++ // a separator may begin a word
		r.skipTo(spaces + r.separators + "#")
		r.at--
		return Node{Atom: r.text[begin : r.at+1]}, nil
	}
}

func (r *reader) quoted(quote byte) (string, error) {
	var s strings.Builder
	for r.at++; r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		if c == quote {
			return s.String(), nil
		}
		if c == '\\' {
			var err error
			if c, err = r.escape(); err != nil {
				return "", err
			}
		}
		s.WriteByte(c)
	}
	return "", errStringOpen
}

// escape reads what follows a backslash, up to its last byte. On something that
// is not an escape 3.0.0 to 3.0.2 fail; 3.0.3 takes it for the beginning of an
// octal number and looks for its digits, to the end of the text if need be.
func (r *reader) escape() (byte, error) {
	r.at++
	if r.at == len(r.text) {
		return 0, errStringOpen
	}
	c := r.text[r.at]
	to, letter := escapes[c]
	switch {
	case letter:
		return to, nil
	case c == 'x':
		return r.hex()
	case isOctal(c):
		return r.octal()
	case r.version < Xen303:
		return 0, fmt.Errorf("no escape: \\%c", c)
	case r.version < Xen304:
		for r.at < len(r.text) && !isOctal(r.text[r.at]) {
			r.at++
		}
		return r.octal()
	}
	return '\\', nil
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

// octal reads up to three digits. 3.0.0 to 3.0.2 fail if there are fewer.
func (r *reader) octal() (byte, error) {
	n, digits := 0, 0
	for ; digits < 3 && r.at < len(r.text) && isOctal(r.text[r.at]); digits++ {
		n = n*8 + int(r.text[r.at]-'0')
		r.at++
	}
	switch {
	case r.at == len(r.text):
		return 0, errStringOpen
	case n > 0xff:
		return 0, fmt.Errorf("an escape out of range: %d", n)
	case digits < 3 && r.version < Xen303:
		return 0, errors.New("an escape of less than three digits")
	}
	r.at-- // to the last digit
	return byte(n), nil
}

// hex reads the two digits behind \x, as every version does: letters count
// from 0.
func (r *reader) hex() (byte, error) {
	n := 0
	for range 2 {
		r.at++
		if r.at == len(r.text) {
			return 0, errStringOpen
		}
		switch c := r.text[r.at]; {
		case '0' <= c && c <= '9':
			n = n*16 + int(c-'0')
		case 'A' <= c && c <= 'F':
			n = n*16 + int(c-'A')
		case 'a' <= c && c <= 'f':
			n = n*16 + int(c-'a')
		default:
			return 0, fmt.Errorf("no hexadecimal digit: %q", c)
		}
	}
	return byte(n), nil
}

// skipTo goes on to the next of the bytes, or to the end.
func (r *reader) skipTo(bytes string) {
	if i := strings.IndexAny(r.text[r.at:], bytes); i >= 0 {
		r.at += i
	} else {
		r.at = len(r.text)
	}
}
