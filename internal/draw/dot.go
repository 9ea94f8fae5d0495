package draw

import (
	"fmt"
	"strings"
)

// Dot is the picture as a graph for Graphviz.
func (p *Picture) Dot(all bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("graph network {")
	line("  graph [rankdir=LR, ranksep=1, nodesep=0.15, bgcolor=white];")
	line(`  node [shape=box, style="rounded,filled", fillcolor=white, fontname="monospace", fontsize=10];`)
	line(`  edge [fontname="monospace", fontsize=9];`)
	for i, br := range p.Bridges {
		line(`  bridge%d [label=%s, style=filled, fillcolor="#cfe0f5", height=1];`, i, dotText(append([]string{br.Name}, trouble(br.Link)...)))
		for n, nic := range br.NICs {
			line(`  nic%d_%d [label=%s];`, i, n, dotText([]string{nic.Name, nic.about()}))
			line("  nic%d_%d -- bridge%d%s;", i, n, i, dotStyle(nic.Link, ""))
			if !nic.nowhere() {
				line(`  lan%d [label=%s, shape=ellipse, fillcolor="#eeeeee"];`, i, dotText(append([]string{"LAN"}, br.Gateways...)))
				line("  lan%d -- nic%d_%d;", i, i, n)
			}
		}
	}
	for i, m := range p.machines(all) {
		texts := []string{m.name}
		for _, w := range m.wires {
			texts = append(texts, w.texts...)
		}
		fill := "white"
		if m.dom0 {
			fill = "#fdf1d0"
		}
		line(`  machine%d [label=%s, fillcolor="%s"];`, i, dotText(texts), fill)
		for _, w := range m.wires {
			if w.bridge != none {
				line("  bridge%d -- machine%d%s;", w.bridge, i, dotStyle(w.link, w.port))
			}
		}
	}
	line("}")
	return b.String()
}

func trouble(l Link) []string {
	if l == Up {
		return nil
	}
	return []string{string(l)}
}

// dotStyle is how an edge looks.
func dotStyle(l Link, port string) string {
	var words []string
	if port != "" {
		words = append(words, "label="+dotText([]string{port}))
	}
	if l != Up {
		words = append(words, `style=dashed, color="#b00020"`)
	}
	if len(words) == 0 {
		return ""
	}
	return " [" + strings.Join(words, ", ") + "]"
}

// dotText is a string of the language DOT, of several lines. A backslash in what
// somebody has called his guest is one in the picture, too.
func dotText(lines []string) string {
	for i, l := range lines {
		lines[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(visible(l))
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}
