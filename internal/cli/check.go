package cli

import (
	"fmt"
	"io"
	"strings"

	"xbr-script/internal/config"
	"xbr-script/internal/operate"
	"xbr-script/internal/refusal"
)

// checkStatus is the exit status of the command check.
func checkStatus(c *operate.Check) int {
	switch {
	case !c.GoesThrough || len(c.Unknown) > 0:
		return refusal.Failed
	case c.Breaks():
		return notAsked
	}
	return done
}

// printCheck has one line for each reason, with its way out, and each holder.
func printCheck(w io.Writer, c *operate.Check) {
	labelled := func(label, text string) {
		wrap(w, fmt.Sprintf("%-19s", label), strings.Repeat(" ", 19), strings.Fields(text), " ")
	}
	switch {
	case !c.GoesThrough:
		say(w, c.Command+" would be refused")
	case len(c.Networks) == 0:
		say(w, c.Command+" would change no network")
	default:
		say(w, c.Command+" would go through: "+networksText(c))
	}
	for _, n := range c.Networks {
		for _, k := range n.Managers {
			labelled("configured", n.NetDev+" by "+k.String())
		}
	}
	for _, r := range c.Refused {
		labelled("refused", r.Reason)
		if r.Hint != "" {
			labelled("  hint", r.Hint)
		}
	}
	for _, u := range c.Unknown {
		labelled("unknown", u)
	}
	for _, h := range c.Holders {
		labelled(string(h.Outcome), h.String())
	}
}

// networksText says which NICs go into or out of which bridges.
func networksText(c *operate.Check) string {
	way := "into"
	if c.Command == string(config.Stop) {
		way = "out of"
	}
	var texts []string
	for _, n := range c.Networks {
		texts = append(texts, n.NetDev+" "+way+" the bridge "+n.Bridge)
	}
	return strings.Join(texts, ", ")
}
