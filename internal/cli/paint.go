package cli

import (
	"io"
	"strings"

	"xbr-script/internal/shell"
)

// A style is how a terminal shows words: the numbers of ECMA-48's SGR.
type style string

const (
	strong style = "1"
	good   style = "32"
	bad    style = "1;31"
	heed   style = "33"
)

// look is what the screen can show.
type look struct {
	colours bool
	unicode bool
}

// lookOf is that of a file, by what the environment says. See no-color.org, and locale(7)
// for the order of the variables.
func lookOf(terminal bool, getenv func(string) string) look {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale = getenv(name); locale != "" {
			break
		}
	}
	locale = strings.ToUpper(locale)
	term := getenv("TERM")
	return look{
		colours: terminal && getenv("NO_COLOR") == "" && term != "" && term != "dumb",
		unicode: strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8"),
	}
}

// looks is what a writer can show.
func looks(w io.Writer) look {
	if o, ok := w.(*output); ok {
		return o.look
	}
	return look{}
}

// page is an answer, which is printed at once: each write wakes the writer. Words may
// have styles. Whatever they are, a terminal obeys nothing but these.
type page struct {
	text    strings.Builder
	colours bool
	next    []painted
}

// painted are words in the next line.
type painted struct {
	style
	words string
}

// Write implements io.Writer: it takes a line.
func (p *page) Write(line []byte) (int, error) {
	if !p.colours {
		return p.text.Write(line)
	}
	rest := shell.Visible(string(line))
	for _, n := range p.next {
		words := shell.Visible(n.words)
		before, after, found := strings.Cut(rest, words)
		if found && words != "" {
			p.text.WriteString(before + "\x1b[" + string(n.style) + "m" + words + "\x1b[m")
			rest = after
		}
	}
	p.next = nil
	p.text.WriteString(rest)
	return len(line), nil
}

// print prints it.
func (p *page) print(w io.Writer) {
	if o, ok := w.(screen); ok && p.colours {
		o.raw(p.text.String())
		return
	}
	_, _ = io.WriteString(w, p.text.String())
}

// paint gives words a style that are in the next line, after those that have one already.
func paint(w io.Writer, s style, words string) {
	if p, ok := w.(*page); ok && p.colours {
		p.next = append(p.next, painted{s, words})
	}
}
