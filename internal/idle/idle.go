// Package idle waits between two looks at something.
package idle

import (
	"context"
	"time"
)

// For waits that long. If the call ends before, it returns at once, with the reason.
func For(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
