package draw

import (
	"fmt"
	"strings"
)

// machine is dom0 or a guest, with all that it hangs on: for pictures in which each has
// one place.
type machine struct {
	name  string
	dom0  bool
	wires []wire
}

// wire leads from a machine to a bridge.
type wire struct {
	bridge int // its place in the picture; none if it leads to no bridge
	port   string
	link   Link
	texts  []string // what is said of it, in lines
}

// none is the place of no bridge.
const none = -1

// How much of a picture is text.
const (
	lineColumns = 46 // of what is said of a wire
	mostLines   = 3
	nameColumns = 40
)

// machines are all of them, dom0 first. Of very many guests of a bridge only some are
// there, unless all are wanted.
func (p *Picture) machines(all bool) []*machine {
	t := &text{Style: Style{All: all}, strokes: boxes}
	list := []*machine{{name: dom0, dom0: true}}
	places := map[string]*machine{dom0: list[0]}
	at := func(key, name string) *machine {
		if places[key] == nil {
			places[key] = &machine{name: t.fit(name, nameColumns)}
			list = append(list, places[key])
		}
		return places[key]
	}
	for i, b := range p.Bridges {
		shown, rest := t.shown(b.Ends)
		for _, e := range shown {
			m := at(e.key(i), e.name())
			m.wires = append(m.wires, wire{i, t.fit(e.Port, portWidth), e.Link, t.wireTexts(e)})
		}
		if len(rest) > 0 {
			m := at(fmt.Sprintf("more of %d", i), t.dots+" and "+restText(rest))
			m.wires = append(m.wires, wire{i, "", Up, nil})
		}
	}
	for _, n := range p.Loose {
		e := n.end()
		e.Device = n.Name
		list[0].wires = append(list[0].wires, wire{none, "", n.Link, t.wireTexts(e)})
	}
	if len(list[0].wires) == 0 {
		list = list[1:]
	}
	return list
}

// key is the same for all ends of one machine.
func (e End) key(bridge int) string {
	switch {
	case e.Dom0:
		return dom0
	case e.Who != "":
		return "guest " + e.Who
	case domain(e.Port) != "":
		return "domain " + domain(e.Port)
	}
	return fmt.Sprintf("port %s of %d", e.Port, bridge)
}

// name is who it is.
func (e End) name() string {
	return strings.TrimSuffix(strings.TrimPrefix(End{Who: e.Who, Port: e.Port}.whoText(), "["), "]")
}

// wireTexts are what is said of an end: how it is called in there, and its addresses.
func (t *text) wireTexts(e End) []string {
	var words []string
	if e.Link != Up {
		words = append(words, "("+string(e.Link)+")")
	}
	if e.what != "" {
		words = append(words, "("+e.what+")")
	}
	lines := []string{t.fit(e.Device, portWidth)}
	for _, word := range append(words, e.Addresses...) {
		last := &lines[len(lines)-1]
		switch joined := strings.TrimSpace(*last + "  " + word); {
		case width(joined) <= lineColumns:
			*last = joined
		default:
			lines = append(lines, t.fit(word, lineColumns))
		}
	}
	if !t.All && len(lines) > mostLines {
		lines = append(lines[:mostLines-1], t.dots)
	}
	return lines
}
