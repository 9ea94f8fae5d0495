package xend

import (
	"fmt"
	"strings"
)

// Node is an atom, or a list of nodes. A quoted string is an atom.
type Node struct {
	Atom string
	List []Node // not nil for a list, even an empty one
}

// Parse reads a sequence of S-expressions by the rules of xend's sxp.py:
//
//   - # begins a comment anywhere but in a string, and ends a word;
//   - a string is in single or double quotes, and may go over several lines;
//   - a backslash stands for itself before a character that makes no escape,
//     and swallows that character;
//   - quotes within a word are part of it.
func Parse(text string) ([]Node, error) {
	r := reader{text: text}
	nodes, err := r.nodes(false)
	if err != nil {
		line := 1 + strings.Count(text[:min(r.at, len(text))], "\n") // a comment may be the last
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return nodes, nil
}

const (
	spaces     = " \t\n\v\f\r"
	separators = "{}()<>[];"
)

// escapes are what follows a backslash in a string. xend's reader knows
// numbers, too, but takes \xA0 for \x00; no configuration has any.
var escapes = map[byte]byte{
	'a': '\a', 'b': '\b', 't': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r',
	'\\': '\\', '\'': '\'', '"': '"',
}

type reader struct {
	text string
	at   int
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
			return nil, fmt.Errorf("syntax error: )")
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
		return nil, fmt.Errorf("unexpected end: a list is open")
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
		r.skipTo(spaces + separators + "#")
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
	return "", fmt.Errorf("unexpected end: a string is open")
}

func (r *reader) escape() (byte, error) {
	r.at++
	if r.at == len(r.text) {
		return 0, fmt.Errorf("unexpected end: a string is open")
	}
	c := r.text[r.at]
	if c == 'x' || '0' <= c && c <= '7' {
		return 0, fmt.Errorf("an escape by number: \\%c", c)
	}
	if to, ok := escapes[c]; ok {
		return to, nil
	}
	return '\\', nil
}

// skipTo goes on to the next of the bytes, or to the end.
func (r *reader) skipTo(bytes string) {
	if i := strings.IndexAny(r.text[r.at:], bytes); i >= 0 {
		r.at += i
	} else {
		r.at = len(r.text)
	}
}
