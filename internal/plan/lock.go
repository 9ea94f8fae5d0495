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

	"xbr-script/internal/idle"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rundir"
)

// lockName is the file whose lock keeps calls apart.
const lockName = "lock"

// maxLock is more than the length of any command line, in bytes.
const maxLock = 4 << 20

// lockPoll is how often a waiting call checks whether the lock is free.
const lockPoll = 20 * time.Millisecond

// Lock is held while the host is read and changed.
type Lock struct{ f *os.File }

// Busy says that another process did not release the lock in time.
type Busy struct {
	Holder string // who has it: what that process gave Acquire as who
	Waited time.Duration
}

func (b *Busy) Error() string {
	return fmt.Sprintf("cannot get the lock: %s has had it for %s", b.Holder, b.Waited)
}

// Advice implements refusal.Explained.
func (*Busy) Advice() string { return "nothing was changed; try again when it has ended" }

// ExitStatus implements refusal.Explained.
func (*Busy) ExitStatus() int { return refusal.Failed }

// Acquire takes the lock in dir, which it creates if need be, and leaves who in the
// file for others to read. While another process has the lock, waiting is called
// once with the holder, and what it returns when that is over; after limit Acquire gives up with a *Busy.
func Acquire(ctx context.Context, dir, who string, limit time.Duration, waiting func(holder string) (over func())) (*Lock, error) {
	f, err := openLock(dir)
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, refusal.Wrap(err, "nothing was changed; a file there keeps calls apart, so it must be writable", "cannot take the lock")
	}
	l := &Lock{f}
	over := func() {}
	defer func() { over() }()
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
			over = waiting(l.holder())
			told = true
		}
		if err := idle.For(ctx, lockPoll); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}

func openLock(dir string) (*os.File, error) {
	if err := rundir.Make(dir); err != nil {
		return nil, err
	}
	return rundir.Open(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, maxLock)
}

// sign may fail if the file system is full: who holds the lock is only
// information.
func (l *Lock) sign(who string) {
	_ = l.f.Truncate(0)
	_, _ = l.f.WriteAt([]byte(who+"\n"), 0)
}

// holder reads who has the lock.
func (l *Lock) holder() string {
	b := make([]byte, 256)
	n, _ := l.f.ReadAt(b, 0) // if it cannot be read, it is just another process
	if who := strings.TrimSpace(string(b[:n])); who != "" {
		return who
	}
	return "another process"
}

// Release releases the lock.
func (l *Lock) Release() error { return l.f.Close() }
