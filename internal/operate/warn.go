package operate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"xbr-script/internal/holders"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// breakage is what a change is going to break, in a few lines.
type breakage struct {
	all   []holders.Holder
	texts []string // those that are to be named
	shuts bool     // a new connection from outside may not get in any more
}

// mostWarnings is how many holders start and stop name.
const mostWarnings = 5

// breaking finds what the change is going to break.
func (v *view) breaking() (breakage, error) {
	if v.Request.Host != "" || os.Geteuid() != 0 {
		return breakage{}, nil // a file does not tell, and only root is told
	}
	found, unknown := v.holders()
	if err := errors.Join(unknown...); err != nil {
		return breakage{}, err
	}
	breaking := holders.Breaking(found)
	b := breakage{all: breaking, texts: breakingTexts(breaking, ", which xbr-script check names")}
	if b.shuts = slices.ContainsFunc(breaking, holders.Holder.Admits); b.shuts && v.Request.Confirm == 0 {
		b.texts = append(b.texts, "a new connection to this host may no longer get in: with confirm=120 everything is put back unless you confirm within that time")
	}
	return b, nil
}

// breakingTexts are the lines for them; where says who names the rest.
func breakingTexts(breaking []holders.Holder, where string) (texts []string) {
	for _, h := range breaking[:min(len(breaking), mostWarnings)] {
		texts = append(texts, "will break: "+h.String())
	}
	if more := len(breaking) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("will break: %d more%s", more, where))
	}
	return texts
}

// warn gives the user each warning once, however often the call begins anew.
func (c *Call) warn(p *plan.Plan, b breakage) {
	if c.said == nil {
		c.said = map[string]bool{}
	}
	for _, text := range slices.Concat(p.Warnings, b.texts) {
		if !c.said[text] {
			c.said[text] = true
			c.Note(text)
		}
	}
}

// ask lets the user decide once whether to risk that nobody gets in any more; a change
// that has to be confirmed is no risk. It says whether time has passed with that.
func (c *Call) ask(ctx context.Context, p *plan.Plan, b breakage) (asked bool, err error) {
	if !b.shuts || c.Request.Confirm != 0 || c.Ask == nil || c.yes {
		return false, nil
	}
	c.warn(p, b)
	c.yes = c.Ask(ctx, "go on all the same?")
	switch {
	case ctx.Err() != nil:
		return true, context.Cause(ctx)
	case !c.yes:
		return true, refusal.New(c.quoted()+" confirm=120 goes on, and puts everything back unless you confirm within that time",
			"cannot %s without a yes: nothing was changed", c.Request.Command)
	}
	return true, nil
}
