package plan

import (
	"context"
	"slices"
	"testing"
)

// TestParts joins what three packages add to a plan: each step has its place,
// on the way up and on the way down, and where nothing is changed nothing is
// looked up.
func TestParts(t *testing.T) {
	step := func(title string) Step { return Step{Title: title, Do: []Op{&File{Path: title}}} }
	verify := func(title string) Step {
		return Step{Title: title, Check: func(context.Context) error { return nil }}
	}
	end := step("delete")
	end.Final = true
	network := Part{
		First: []Step{{}, step("keep")}, Network: []Step{step("bridge"), end}, Guests: []Step{step("guests")},
		Verify: []Step{verify("network"), {Title: "left over", Check: verify("").Check, Final: true}}, Warnings: []string{"slow"},
	}
	rules := Part{Rules: []Step{step("rules")}, Last: []Step{verify("in force")}}
	forwarding := Part{Host: []Step{step("forwarding")}, Warnings: []string{"twice"}}
	idle := Part{Verify: network.Verify, Last: rules.Last}
	for name, c := range map[string]struct {
		plan *Plan
		want []string
	}{
		"up":           {Up(network, rules, forwarding), []string{"keep", "bridge", "rules", "guests", "network", "forwarding", "in force", "delete", "left over"}},
		"down":         {Down(network, rules, forwarding), []string{"keep", "guests", "rules", "bridge", "network", "forwarding", "in force", "delete", "left over"}},
		"nothing":      {Up(idle), nil},
		"rules":        {Up(idle, rules), []string{"rules", "network", "in force", "in force", "left over"}},
		"host's alone": {Up(idle, forwarding), []string{"forwarding", "in force"}},
	} {
		var titles []string
		for _, s := range c.plan.Steps {
			titles = append(titles, s.Title)
		}
		if !slices.Equal(titles, c.want) {
			t.Errorf("%s: %q, want %q", name, titles, c.want)
		}
	}
	if w := Up(network, forwarding).Warnings; !slices.Equal(w, []string{"slow", "twice"}) {
		t.Errorf("warnings %q", w)
	}
}
