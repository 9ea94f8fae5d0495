package idle

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestFor(t *testing.T) {
	ctx, end := context.WithCancelCause(context.Background())
	begin := time.Now()
	if err := For(ctx, 20*time.Millisecond); err != nil || time.Since(begin) < 20*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
	signalled := errors.New("SIGTERM")
	time.AfterFunc(20*time.Millisecond, func() { end(signalled) })
	if err := For(ctx, time.Hour); !errors.Is(err, signalled) {
		t.Errorf("cut short: %v", err)
	}
	if err := For(ctx, time.Hour); !errors.Is(err, signalled) {
		t.Errorf("when the call has ended: %v", err)
	}
}
