package plan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// acquire takes the lock at once.
func acquire(t *testing.T, dir, who string) *Lock {
	t.Helper()
	l, err := Acquire(t.Context(), dir, who, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "if need be")
	for _, who := range []string{"start bridge=xenbr0 (process 100)", "stop (process 7)"} { // the second is shorter
		l := acquire(t, dir, who)
		if _, err := Acquire(t.Context(), dir, "another", 0, nil); !isBusy(err, who, 0) {
			t.Errorf("taken twice: %v", err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func isBusy(err error, who string, waited time.Duration) bool {
	var b *Busy
	return errors.As(err, &b) && b.Holder == who && b.Waited == waited
}

func TestLockWaits(t *testing.T) {
	dir := t.TempDir()
	first := acquire(t, dir, "start (process 100)")
	var told []string
	released := make(chan error, 1)
	l, err := Acquire(t.Context(), dir, "stop (process 7)", time.Minute, func(holder string) func() {
		told = append(told, holder)
		time.AfterFunc(5*lockPoll, func() { released <- first.Release() })
		return func() { told = append(told, "over") }
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-released; err != nil {
		t.Error(err)
	}
	if want := []string{"start (process 100)", "over"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if _, err := Acquire(t.Context(), dir, "third", 0, nil); !isBusy(err, "stop (process 7)", 0) {
		t.Errorf("a third: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestLockBusy(t *testing.T) {
	dir, limit := t.TempDir(), 3*lockPoll
	first := acquire(t, dir, "start (process 100)")
	told := 0
	start := time.Now()
	_, err := Acquire(t.Context(), dir, "stop", limit, func(string) func() { told++; return func() {} })
	if !isBusy(err, "start (process 100)", limit) {
		t.Errorf("after the limit: %v", err)
	}
	if want := "cannot get the lock: start (process 100) has had it for 60ms"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if told != 1 || time.Since(start) < limit {
		t.Errorf("told %d times, gave up after %s", told, time.Since(start))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errFake)
	if _, err := Acquire(ctx, dir, "stop", time.Minute, nil); !errors.Is(err, errFake) {
		t.Errorf("cancelled: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := acquire(t, dir, "a third").Release(); err != nil { // those that gave up hold nothing
		t.Error(err)
	}
}

// TestLockNameless reads the lock of a holder that has not written its name
// yet.
func TestLockNameless(t *testing.T) {
	dir := t.TempDir()
	l := acquire(t, dir, "")
	if _, err := Acquire(t.Context(), dir, "stop", 0, nil); !isBusy(err, "another process", 0) {
		t.Errorf("a holder without a name: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestLockNoPlace(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, lockName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{plain, dir} {
		if _, err := Acquire(t.Context(), d, "start", 0, nil); err == nil {
			t.Errorf("%s: no error", d)
		}
	}
}
