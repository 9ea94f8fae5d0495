package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/config"
	"xbr-script/internal/idle"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/syslog"
)

// A change with confirm= is watched by a process of its own, the timer, in a session of
// its own: it survives the terminal and the call that made the change. It exists before
// the first step, so it also takes back what a call leaves that is killed on the way. A
// socket connects the two: the timer says that it is ready, the call that the change is
// done, and the timer that it has seen the journal. If the socket is closed instead,
// the call has died or given up.

// TimerWord is the argument by which the program is called as a timer, before
// that of Timer.
const TimerWord = "--timer"

// timerPatience is how long the call waits for the timer's word.
const timerPatience = 10 * time.Second

// timer is the call's side.
type timer struct{ sock *os.File }

// startTimer starts the process and waits until it is ready.
func startTimer() (*timer, error) {
	t, err := spawnTimer()
	if err != nil {
		return nil, fmt.Errorf("cannot start the timer for confirm=: %w", err)
	}
	return t, nil
}

func spawnTimer() (*timer, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "timer"), os.NewFile(uintptr(fds[1]), "call")
	defer func() { _ = theirs.Close() }()
	t := &timer{ours}
	cmd := exec.Command("/proc/self/exe") // this very program, even if its file is gone
	cmd.Args = []string{"xbr-script", TimerWord, strconv.Itoa(os.Getpid())}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err == nil {
		err = errors.Join(cmd.Process.Release(), t.hear())
	}
	if err != nil {
		t.leave()
		return nil, err
	}
	return t, nil
}

// hear waits for the timer's word.
func (t *timer) hear() error {
	if err := t.sock.SetReadDeadline(time.Now().Add(timerPatience)); err != nil {
		return err
	}
	_, err := t.sock.Read(make([]byte, 1))
	return err
}

// arm tells the timer that the change is done.
func (t *timer) arm() error {
	if _, err := t.sock.Write([]byte{0}); err != nil {
		return err
	}
	return t.hear()
}

// leave closes the connection: if the timer is not armed, it checks whether there is
// something to take back, and ends.
func (t *timer) leave() { _ = t.sock.Close() }

// Timer is the timer itself; pid is that of the call. An error has been logged, or the
// call handles it.
func Timer(pid string) error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGTSTP)
	// Who ends the timer ends the wait: nobody would put things back later.
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	sock := os.NewFile(3, "call")
	parent, err := strconv.Atoi(pid)
	if err != nil || sock == nil {
		return &refusal.Error{Msg: "cannot be a timer: nobody has started it as one", Usage: true}
	}
	conn, err := rtnl.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	w := &waiter{Call{Request: &config.Request{Command: config.Recover}, Args: []string{TimerWord, pid}, Note: func(string) {}, conn: conn}}
	if _, err := sock.Write([]byte{0}); err != nil {
		return err // the call ended before it began
	}
	if _, err := sock.Read(make([]byte, 1)); err != nil {
		_ = sock.Close() // a call that still exists must not wait for an answer
		return w.takeBack(ctx, func(u *plan.Unfinished) bool { return u.PID == parent })
	}
	u, err := w.runner().Unfinished()
	if err != nil || u == nil || u.Until == 0 {
		return cmp.Or(err, errNoChange) // the call sees that the socket is closed, and takes the change back
	}
	until := u.Until
	_, _ = sock.Write([]byte{0}) // even if the call is gone, its change has to be confirmed
	_ = sock.Close()
	wait(ctx, until)
	return w.takeBack(ctx, func(u *plan.Unfinished) bool { return u.Until == until })
}

// errNoChange is the error of a timer that has nothing to wait for.
var errNoChange = errors.New("no change waits to be confirmed")

// waiter is the timer at work.
type waiter struct{ Call }

// timerTick is how often the timer checks whether it is still needed.
const timerTick = 200 * time.Millisecond

// wait returns when the time is over, or when the journal is gone or another one: then
// the change was confirmed or taken back. It only checks whether the file is there,
// because a journal may be large.
func wait(ctx context.Context, until time.Duration) {
	journal, _ := os.Stat(plan.JournalPath(runDir)) // if nil, takeBack finds out
	for left := until - boottime.Now(); left > 0; left = until - boottime.Now() {
		now, err := os.Stat(plan.JournalPath(runDir))
		if errors.Is(err, fs.ErrNotExist) || err == nil && journal != nil && !os.SameFile(journal, now) {
			return
		}
		if idle.For(ctx, min(left, timerTick)) != nil {
			return
		}
	}
}

// timerPauses are the times that the timer waits before it tries again what failed:
// perhaps nobody else can reach the host to do so.
var timerPauses = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second}

// takeBack undoes the change if it is still the same, tries again if that fails, and
// logs how it went.
func (w *waiter) takeBack(ctx context.Context, is func(*plan.Unfinished) bool) (err error) {
	for _, pause := range append([]time.Duration{0}, timerPauses...) {
		_ = idle.For(ctx, pause) // if the call ends: at once, and for the last time
		if err = w.tryBack(ctx, is); err == nil {
			return nil
		}
		syslog.Send(syslog.Warning, refusal.Text(err))
		if ctx.Err() != nil {
			break
		}
	}
	return err
}

// tryBack is one try.
func (w *waiter) tryBack(ctx context.Context, is func(*plan.Unfinished) bool) error {
	var lock *plan.Lock
	for lock == nil {
		var err error
		lock, err = w.lock(context.WithoutCancel(ctx), lockWait)
		if err != nil && !errors.As(err, new(*plan.Busy)) {
			return err
		}
	}
	defer func() { _ = lock.Release() }()
	r := w.runner()
	u, err := r.Unfinished()
	if err != nil || u == nil || !is(u) {
		return err
	}
	if err := w.putBack(ctx, r, u, "was not confirmed in time"); err != nil {
		return err
	}
	syslog.Send(syslog.Warning, fmt.Sprintf("%q was not confirmed: everything is as it was before", u.Command))
	return nil
}
