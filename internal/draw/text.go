package draw

import (
	"fmt"
	"slices"
	"strings"
)

// Width is what no line of a text is longer than, in columns.
const Width = 80

// Few is how many guests of a bridge are drawn unless all are wanted.
const Few = 24

// Style is how a text is drawn.
type Style struct {
	ASCII bool // the terminal knows nothing else
	All   bool // every guest, and every address
}

// strokes are what lines are made of.
type strokes struct{ down, top, tee, corner, line, cut, bar, joint, dots string }

var (
	boxes = strokes{"│", "┌", "├", "└", "─", "╳", "━", "┿", "…"} // of Unicode's block of box drawings
	plain = strokes{"|", ",", "|", "`", "-", "x", "=", "+", "..."}
)

// Where a text has its columns.
const (
	portWidth   = 15 // IFNAMSIZ less the NUL
	whoWidth    = 22
	moreColumn  = len("  +- ") + portWidth + len(" --- ") - 1 + whoWidth + 1
	fewestLines = 3 // of what there is to say of one guest
)

// Text draws the picture for a terminal.
func (p *Picture) Text(s Style) string {
	t := &text{Style: s, strokes: boxes}
	if s.ASCII {
		t.strokes = plain
	}
	for i := range p.Bridges {
		t.bridge(&p.Bridges[i])
	}
	t.loose(p.Loose)
	if len(p.Bridges)+len(p.Loose) == 0 {
		t.say("there is no bridge and no NIC")
	}
	return t.b.String()
}

// text is what is drawn so far.
type text struct {
	Style
	strokes
	b strings.Builder
}

// say draws a line, of which nothing that is too long is left.
func (t *text) say(format string, args ...any) {
	t.b.WriteString(strings.TrimRight(t.fit(fmt.Sprintf(format, args...), Width), " ") + "\n")
}

// bridge is a bridge between what is outside and who hangs on it.
func (t *text) bridge(b *Bridge) {
	if t.b.Len() > 0 {
		t.say("")
	}
	t.outside(b)
	joint, end := t.joint, ""
	if b.Link != Up {
		end = " " + string(b.Link)
	}
	if len(b.NICs) == 0 {
		joint, end = t.bar, strings.TrimSuffix(" no NIC,"+end, ",")
	}
	head := t.bar + t.bar + joint + t.bar + t.bar + " " + t.fit(b.Name, portWidth) + " "
	t.say("%s%s%s", head, strings.Repeat(t.bar, Width-width(head)-width(end)), end)
	shown, rest := t.shown(b.Ends)
	for i, e := range shown {
		t.end(e, i == len(shown)-1 && len(rest) == 0)
	}
	if len(rest) > 0 {
		t.say("  %s%s %s and %s", t.corner, t.line, t.dots, restText(rest))
	}
	if len(b.Ends) == 0 {
		t.say("  %s%s nobody", t.corner, t.line)
	}
}

// outside is the LAN, and the NICs that lead there.
func (t *text) outside(b *Bridge) {
	if len(b.NICs) == 0 {
		return
	}
	outside := b.leadsOut()
	if outside {
		t.lan(b.Gateways)
	}
	for i, n := range b.NICs {
		tee := t.tee
		if !outside && i == 0 {
			tee = t.top
		}
		t.say("  %s%s %s  %s", tee, t.stroke(n.Link), t.padded(n.Name, portWidth), n.about())
	}
	t.say("  %s", t.down)
}

func (t *text) lan(gateways []string) {
	line, more := " LAN", false
	if len(gateways) > 0 {
		line += "   gateway"
	}
	for i, g := range gateways {
		switch {
		case width(line)+1+width(g)+1 <= Width:
			line += " " + g
		case more && !t.All:
			t.say("%s", line)
			t.say("  %s            %s and %d more", t.down, t.dots, len(gateways)-i)
			return
		default:
			t.say("%s", line)
			line, more = "  "+t.down+"            "+g, true
		}
		if i < len(gateways)-1 {
			line += ","
		}
	}
	t.say("%s", line)
}

// nowhere says whether a NIC leads to no other host.
func (n NIC) nowhere() bool { return strings.HasPrefix(n.What, nowhere) }

const nowhere = "leads nowhere"

// about is what there is to say of a NIC besides its name.
func (n NIC) about() string {
	if n.What == "" || n.Link != Up {
		return strings.TrimSuffix(string(n.Link)+", "+n.What, ", ")
	}
	return n.What
}

// stroke leads to a port.
func (t *text) stroke(l Link) string {
	if l == Up {
		return t.line
	}
	return t.cut
}

// end is one who hangs on a bridge, in a line or more.
func (t *text) end(e End, last bool) {
	tee, down := t.tee, t.down
	if last {
		tee, down = t.corner, " "
	}
	port := t.fit(e.Port, portWidth)
	if e.Port == "" {
		port = "itself"
	}
	pad := strings.Repeat(" ", max(0, portWidth-width(port)))
	head := fmt.Sprintf("  %s%s %s %s", tee, t.stroke(e.Link), port, strings.Repeat(t.line, width(pad)+2))
	head += " " + t.padded(e.whoText(), whoWidth) + " "
	for i, line := range t.about(e) {
		if i > 0 {
			head = "  " + down + strings.Repeat(" ", max(1, min(moreColumn, Width-width(line))-3))
		}
		t.say("%s%s", head, line)
	}
}

// whoText is who it is, with the name of his interface.
func (e End) whoText() string {
	who := e.Who
	if who == "" {
		who = "guest"
		if d := domain(e.Port); d != "" {
			who = "domain " + d
		}
	}
	return strings.TrimSpace("[" + who + "] " + e.Device)
}

// about is what there is to say besides, in lines. One that has no room where the others
// are is not the first.
func (t *text) about(e End) []string {
	words := slices.Clone(e.Addresses)
	if e.Link != Up {
		words = append([]string{string(e.Link)}, words...)
	}
	lines := []string{e.what}
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		last := &lines[len(lines)-1]
		switch room := Width - moreColumn; {
		case *last == "" && width(word) <= room:
			*last = word
		case *last != e.what && width(*last)+1+width(word) <= room:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	for _, o := range e.Elsewhere {
		lines = append(lines, fmt.Sprintf("also %s on %s", o.Port, o.Bridge))
	}
	if most := fewestLines; !t.All && len(lines) > most {
		lines = append(lines[:most-1], fmt.Sprintf("%s and %d lines more", t.dots, len(lines)-most+1))
	}
	if lines[0] == "" && len(lines) > 1 && width(lines[1]) <= Width-moreColumn {
		return lines[1:]
	}
	return lines
}

// shown are those that are drawn, and the rest.
func (t *text) shown(ends []End) (shown, rest []End) {
	if t.All || len(ends) <= Few+1 {
		return ends, nil
	}
	return ends[:Few], ends[Few:]
}

// restText says how many are not drawn.
func restText(rest []End) string {
	dead := 0
	for _, e := range rest {
		if e.Link != Up {
			dead++
		}
	}
	text := fmt.Sprintf("%d more", len(rest))
	if dead > 0 {
		text += fmt.Sprintf(", %d of them without a link", dead)
	}
	return text
}

// loose are interfaces in no bridge.
func (t *text) loose(list []Loose) {
	if len(list) == 0 {
		return
	}
	if t.b.Len() > 0 {
		t.say("")
		t.say("In no bridge:")
	} else {
		t.say("No bridge is up.")
	}
	for _, n := range list {
		if t.say(""); len(n.Gateways) > 0 {
			t.lan(n.Gateways)
		}
		t.end(n.end(), true)
	}
}

// end is the same as an end of dom0's.
func (n Loose) end() End {
	return End{Port: n.Name, Link: n.Link, Who: dom0, Dom0: true, Addresses: n.Addresses, what: n.What}
}

// padded is a text that has exactly that many columns, but for characters whose width
// nobody knows.
func (t *text) padded(s string, columns int) string {
	s = t.fit(s, columns)
	return s + strings.Repeat(" ", max(0, columns-width(s)))
}

// fit shortens a text that has more columns than that.
func (t *text) fit(s string, columns int) string {
	s = visible(s)
	if t.ASCII {
		s = strings.Map(func(r rune) rune {
			if r > '~' {
				return '?'
			}
			return r
		}, s)
	}
	if width(s) <= columns {
		return s
	}
	room := columns - width(t.dots)
	var b strings.Builder
	for _, r := range s {
		if room -= runeWidth(r); room < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + t.dots
}

// width is how many columns a text has, or a few more: what can be wide counts as wide.
func width(s string) (columns int) {
	for _, r := range s {
		columns += runeWidth(r)
	}
	return columns
}

func runeWidth(r rune) int {
	const hangul, punctuation, kangxi = 0x1100, 0x2010, 0x2e80
	if r < hangul || r >= punctuation && r < kangxi && !wideSymbol(r) {
		return 1
	}
	return 2
}

// wideSymbol says whether one of the symbols between punctuation and ideographs may be
// wide, as emoji are.
func wideSymbol(r rune) bool { return r >= 0x2300 && r < 0x2500 || r >= 0x25a0 }
