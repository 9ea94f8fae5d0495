package draw

import (
	"fmt"
	"slices"
	"strings"
)

// Sizes in a drawing, in pixels.
const (
	margin    = 20
	column    = 200 // from bridge to bridge
	rowHeight = 18
	gap       = 12
	nicWidth  = 176
	rail      = 8                           // how far beside NICs their wires go
	small     = (nicWidth - 16) * 100 / 605 // how many columns of 6.05 pixels a box above a bridge has
	charWidth = 7.3                         // of a monospaced font of 12 pixels, rounded up
)

// svgStyle has colours of its own for the background, so that they fit whatever page the
// drawing is on.
const svgStyle = `
text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1b1f24; white-space: pre; }
.small { font-size: 10px; fill: #57606a; }
.name { font-weight: bold; }
.page { fill: #ffffff; stroke: #d0d7de; }
.box { fill: #f6f8fa; stroke: #57606a; }
.dom0 { fill: #fdf1d0; stroke: #9a6700; }
.lan { fill: #eaeef2; stroke: #57606a; }
.bus { fill: #2f6fba; }
.wire { stroke: #2f6fba; stroke-width: 1.5; fill: none; }
.dead { stroke: #c0182c; stroke-dasharray: 4 3; }
.trouble { fill: #c0182c; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9aa4af; }
.page { fill: #0d1117; stroke: #30363d; }
.box { fill: #161b22; stroke: #8b949e; }
.dom0 { fill: #3a2e0c; stroke: #d4a72c; }
.lan { fill: #21262d; stroke: #8b949e; }
.bus { fill: #58a6ff; }
.wire { stroke: #58a6ff; }
.dead { stroke: #ff7b72; }
.trouble { fill: #ff7b72; }
}
`

// SVG is the picture as a drawing that needs nothing else: a vertical line for each
// bridge, what is outside above it, and a box for each machine to the right, with a wire
// to each bridge that it hangs on.
func (p *Picture) SVG(all bool) string {
	d := &drawing{t: &text{strokes: boxes}}
	top := d.heads(p.Bridges)
	left := float64(margin + column*len(p.Bridges) + margin)
	y, bottoms := top, make([]float64, len(p.Bridges))
	for i := range bottoms {
		bottoms[i] = top + rowHeight
	}
	machines := p.machines(all)
	right := left + boxWidth(machines)
	for _, m := range machines {
		y = d.machine(m, left, y, right-left, bottoms) + gap
	}
	if len(p.Bridges)+len(p.Loose) == 0 {
		d.text(margin, margin+rowHeight, "", "there is no bridge and no NIC")
		right, y = margin+30*charWidth, margin+2*rowHeight
	}
	for i, bottom := range bottoms {
		d.under("<rect class=\"bus\" x=\"%.0f\" y=\"%.0f\" width=\"6\" height=\"%.0f\" rx=\"3\"/>", bus(i)-3, top-gap, bottom-top+gap)
		y = max(y, bottom+gap)
	}
	return d.page(right+margin, y+margin-gap)
}

// drawing is what is drawn so far: what lies below, and what above that.
type drawing struct {
	t           *text
	below, over strings.Builder
}

func (d *drawing) under(format string, args ...any) { fmt.Fprintf(&d.below, format+"\n", args...) }
func (d *drawing) above(format string, args ...any) { fmt.Fprintf(&d.over, format+"\n", args...) }

// page is the whole document.
func (d *drawing) page(w, h float64) string {
	head := fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>The network of this host</title>\n<style>%s</style>\n", w, h, w, h, svgStyle)
	back := fmt.Sprintf("<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"%.0f\" height=\"%.0f\" rx=\"6\"/>\n", w-1, h-1)
	return head + back + d.below.String() + d.over.String() + "</svg>\n"
}

// bus is where the line of a bridge is.
func bus(i int) float64 { return margin + nicWidth/2 + float64(column*i) }

// heads draws what is above the lines: the LAN, NICs and the bridges' names. It returns
// where there is room below that.
func (d *drawing) heads(bridges []Bridge) float64 {
	base := float64(margin)
	for _, b := range bridges {
		base = max(base, margin+headHeight(b))
	}
	top := base + 3*rowHeight
	for i, b := range bridges {
		d.outside(bus(i), base-headHeight(b), base, top-gap, b)
		d.text(bus(i)+10, base+rowHeight, "name", d.t.fit(b.Name, portWidth))
		if b.Link != Up {
			d.text(bus(i)+10, base+2*rowHeight-4, "small trouble", string(b.Link))
		} else if len(b.NICs) == 0 {
			d.text(bus(i)+10, base+2*rowHeight-4, "small", "no NIC")
		}
	}
	return top
}

// headed is how high a box above a bridge is, with a name and so many lines below it.
func headed(lines int) float64 { return rowHeight + 6 + 14*float64(lines) }

// lanLines are what is said of the LAN, at least an empty line.
func (b Bridge) lanLines() []string {
	if len(b.Gateways) == 0 {
		return []string{""}
	}
	return b.Gateways[:min(len(b.Gateways), mostLines)]
}

// nicLines are what is said of a NIC.
func (n NIC) nicLines() []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(n.about()) {
		last := &lines[len(lines)-1]
		if joined := strings.TrimSpace(*last + " " + word); width(joined) <= small || len(lines) == mostLines {
			*last = joined
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// headHeight is the height of everything that is above a bridge.
func headHeight(b Bridge) (h float64) {
	if b.leadsOut() {
		h = headed(len(b.lanLines())) + gap
	}
	for _, n := range b.NICs {
		h += headed(len(n.nicLines())) + gap
	}
	return h
}

// outside draws the LAN and NICs between y and base, and wires from there to the bridge,
// which begins at end. Several NICs are beside each other for the kernel, so each has its
// own way in and out, along rails.
func (d *drawing) outside(x, y, base, end float64, b Bridge) {
	if len(b.NICs) == 0 {
		return
	}
	const below = 4
	left, right, several, out := x-nicWidth/2, x+nicWidth/2, len(b.NICs) > 1, b.leadsOut()
	lan, first, last, lastOut := y+rowHeight, 0.0, 0.0, 0.0
	if out {
		y = d.head("lan", "small", left, y, "LAN", b.lanLines())
	}
	for _, n := range b.NICs {
		class := "small"
		if n.Link != Up {
			class = "small trouble"
		}
		top := y
		y = d.head("box", class, left, y, n.Name, n.nicLines())
		last = (top + y - gap) / 2
		if first == 0 {
			first = last
		}
		if several {
			d.wire(n.Link, right, last, right+rail, last)
		}
		if several && out && !n.nowhere() {
			lastOut = last
			d.wire(n.Link, left, last, left-rail, last)
		}
	}
	switch {
	case several:
		d.wire(Up, right+rail, first, right+rail, base+below, x, base+below)
		if out {
			d.wire(Up, left-rail, lastOut, left-rail, lan, left, lan)
		}
	case out:
		d.wire(b.NICs[0].Link, x, lan, x, base+below)
	default:
		d.wire(b.NICs[0].Link, x, base-gap, x, base+below)
	}
	d.wire(Up, x, base+below, x, end)
}

// head draws a box above a bridge, and returns where the next one is.
func (d *drawing) head(box, class string, x, y float64, name string, lines []string) float64 {
	h := headed(len(lines))
	d.box(box, x, y, nicWidth, h)
	d.text(x+8, y+15, "name", d.t.fit(name, portWidth))
	for i, l := range lines {
		d.text(x+8, y+31+14*float64(i), class, d.t.fit(l, small))
	}
	return y + h + gap
}

// leadsOut says whether one of its NICs leads to other hosts.
func (b Bridge) leadsOut() bool {
	return slices.ContainsFunc(b.NICs, func(n NIC) bool { return !n.nowhere() })
}

// boxWidth is how wide the boxes of machines are.
func boxWidth(machines []*machine) float64 {
	columns := 0
	for _, m := range machines {
		columns = max(columns, width(m.name))
		for _, w := range m.wires {
			for _, text := range w.texts {
				columns = max(columns, width(text))
			}
		}
	}
	return float64(columns)*charWidth + 16
}

// rows are how many rows of text a machine has below its name.
func (m *machine) rows() (n int) {
	if len(m.wires) == 1 && len(strings.Join(m.wires[0].texts, "")) == 0 {
		return 0
	}
	for _, w := range m.wires {
		n += max(1, len(w.texts))
	}
	return n
}

// machine draws a machine and its wires. It returns its lower edge.
func (d *drawing) machine(m *machine, x, y, boxed float64, bottoms []float64) (bottom float64) {
	class := "box"
	if m.dom0 {
		class = "dom0"
	}
	bottom = y + float64((1+m.rows())*rowHeight) + 6
	d.box(class, x, y, boxed, bottom-y)
	d.text(x+8, y+15, "name", m.name)
	line := y + rowHeight
	if m.rows() == 0 {
		line = y
	}
	for _, w := range m.wires {
		if w.bridge != none {
			at := line + rowHeight/2
			d.wire(w.link, bus(w.bridge), at, x, at)
			d.above("<circle class=\"bus\" cx=\"%.0f\" cy=\"%.0f\" r=\"5\"/>", bus(w.bridge), at)
			d.text(bus(w.bridge)+10, at-3, "small", w.port)
			bottoms[w.bridge] = max(bottoms[w.bridge], at+gap)
		}
		for i, text := range w.texts {
			class := ""
			if w.link != Up {
				class = "trouble"
			}
			d.text(x+8, line+float64(i*rowHeight)+13, class, text)
		}
		line += float64(max(1, len(w.texts)) * rowHeight)
	}
	return bottom
}

func (d *drawing) box(class string, x, y, w, h float64) {
	d.above("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\"/>", class, x, y, w, h)
}

// wire draws a line along points, each of an x and a y.
func (d *drawing) wire(l Link, points ...float64) {
	class := "wire"
	if l != Up {
		class = "wire dead"
	}
	path := "M"
	for i := 0; i+1 < len(points); i += 2 {
		path += fmt.Sprintf("%.0f %.0fL", points[i], points[i+1])
	}
	d.under("<path class=\"%s\" d=\"%s\"/>", class, strings.TrimSuffix(path, "L"))
}

// text draws words; whatever somebody has called his guest is text.
func (d *drawing) text(x, y float64, class, words string) {
	if words == "" {
		return
	}
	if class != "" {
		class = " class=\"" + class + "\""
	}
	d.above("<text%s x=\"%.1f\" y=\"%.1f\">%s</text>", class, x, y, escaped(words))
}

// escaped is a text in XML, of characters that XML has.
func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(visible(text))
}
