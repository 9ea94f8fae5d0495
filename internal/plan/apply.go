package plan

import (
	"context"
	"errors"
	"slices"
)

// Apply carries out a plan without a journal, so that nobody else can take it back. After
// a failure everything is undone at once.
func Apply(ctx context.Context, p *Plan) error {
	for i, s := range p.Steps {
		err := apply(ctx, s.Do, false)
		if err == nil && s.Check != nil {
			err = s.Check(ctx)
		}
		if err == nil {
			continue
		}
		for _, done := range slices.Backward(p.Steps[:i+1]) {
			err = errors.Join(err, apply(context.WithoutCancel(ctx), done.Undo, true))
		}
		return &Failed{Step: s.Title, Cause: err}
	}
	return nil
}

func apply(ctx context.Context, ops []Op, undoing bool) error {
	var errs []error
	for _, op := range ops {
		if err := guard(func() error { return op.Do(ctx, undoing) }); err != nil {
			errs = append(errs, err)
			if !undoing {
				break
			}
		}
	}
	return errors.Join(errs...)
}
