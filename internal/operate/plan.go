package operate

import (
	"errors"
	"slices"

	"xbr-script/internal/config"
	"xbr-script/internal/plan"
)

// plan makes the whole plan, and what there is to say when it is done. All refusals
// are reported at once.
func (v *view) plan() (*plan.Plan, *Result, error) {
	join := plan.Down
	if v.Request.Command == config.Start {
		join = plan.Up
	}
	var parts []plan.Part
	var refused error
	for _, f := range v.features() {
		planned := f.Stop
		if v.Request.Command == config.Start {
			planned = f.Start
		}
		part, err := planned()
		parts, refused = append(parts, part), errors.Join(refused, err)
	}
	before, after, err := v.around()
	refused = errors.Join(refused, err)
	if refused != nil {
		return nil, nil, refused
	}
	done := &Result{Notes: v.notes}
	for _, p := range parts {
		done.Lines, done.Notes = append(done.Lines, p.Lines...), append(done.Notes, p.Notes...)
	}
	p := join(parts...)
	p.Warnings = slices.Concat(p.Warnings, v.lacks, v.cautions)
	p.Steps = slices.Concat(before, p.Steps, after)
	return p, done, nil
}
