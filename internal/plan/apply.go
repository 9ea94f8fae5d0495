package plan

import (
	"context"
	"slices"
)

// Apply carries out a plan without a journal, so that nobody else can take it back. After
// a failure everything is undone at once; the error is a *Failed.
func Apply(ctx context.Context, p *Plan) error {
	r := &Runner{}
	for i, s := range p.Steps {
		err := r.do(ctx, s)
		if err == nil {
			continue
		}
		failed := &Failed{Step: s.Title, Cause: err}
		for n, begun := range slices.Backward(p.Steps[:i+1]) {
			for _, op := range begun.Undo {
				if err := r.takenBack(context.WithoutCancel(ctx), op, n < i); err != nil {
					failed.Left = append(failed.Left, leftOver(op, err)...)
				}
			}
		}
		return failed
	}
	return nil
}
