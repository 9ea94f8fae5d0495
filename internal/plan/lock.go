package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
)

// lockName is the file whose lock keeps two calls apart.
const lockName = "lock"

// maxLock is more than a command line can have, in bytes.
const maxLock = 4 << 20

// lockPoll is how often a waiting call looks whether the lock is free.
const lockPoll = 20 * time.Millisecond

// Lock is held while the host is read and changed.
type Lock struct{ f *os.File }

// Busy is a lock that another process did not give back in time.
type Busy struct {
	Holder string // who has it, as Acquire's who of that process
	Waited time.Duration
}

func (b *Busy) Error() string {
	return fmt.Sprintf("cannot get the lock: %s has had it for %s", b.Holder, b.Waited)
}

// Advice implements refusal.Explained.
func (*Busy) Advice() string { return "nothing was changed; try again when it has ended" }

// ExitStatus implements refusal.Explained.
func (*Busy) ExitStatus() int { return refusal.Failed }

// Acquire takes the lock in dir, which it makes if need be, and leaves who in
// the file for others to read. While another process has it, waiting is
// called once with its name; after limit it gives up with a *Busy.
func Acquire(ctx context.Context, dir, who string, limit time.Duration, waiting func(holder string)) (*Lock, error) {
	f, err := openLock(dir)
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, refusal.Wrap(err, "nothing was changed; calls keep apart by a file there, so it must be possible to write it", "cannot take the lock")
	}
	l := &Lock{f}
	for start, told := time.Now(), false; ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			l.sign(who)
			return l, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		if time.Since(start) >= limit {
			return nil, errors.Join(&Busy{l.holder(), limit}, f.Close())
		}
		if !told && waiting != nil {
			waiting(l.holder())
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(lockPoll):
		}
	}
}

func openLock(dir string) (*os.File, error) {
	if err := rundir.Make(dir); err != nil {
		return nil, err
	}
	return rundir.Open(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, maxLock)
}

// sign needs no room on the file system to be of use: who holds the lock is
// told for information only.
func (l *Lock) sign(who string) {
	_ = l.f.Truncate(0)
	_, _ = l.f.WriteAt([]byte(who+"\n"), 0)
}

// holder reads who has the lock.
func (l *Lock) holder() string {
	b := make([]byte, 256)
	n, _ := l.f.ReadAt(b, 0) // what cannot be read is another process
	if who := strings.TrimSpace(string(b[:n])); who != "" {
		return who
	}
	return "another process"
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.f.Close() }
