package program

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// guardTick is how often Guard checks.
const guardTick = 20 * time.Millisecond

// Guard calls f, which runs programs through a library without limits. When ctx
// is done, after Limit, or when their output fills the memory, they are killed
// together with everything that they have started, and the result is an error,
// whatever f returns.
func Guard(ctx context.Context, f func() error) error {
	runtime.LockOSThread() // the programs are this thread's children
	defer runtime.UnlockOSThread()
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	done, ended := make(chan struct{}), make(chan error)
	tid := unix.Gettid()
	go func() { ended <- watch(limited, tid, done) }()
	err := f()
	close(done)
	if killed := <-ended; killed != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("it was ended: %w", context.Cause(ctx))
		}
		return killed
	}
	return err
}

// watch kills the children of a thread when they have to end; it returns when
// done is closed.
func watch(ctx context.Context, tid int, done <-chan struct{}) (why error) {
	begin := heap()
	for {
		select {
		case <-done:
			return why
		case <-time.After(guardTick):
		}
		switch {
		case ctx.Err() != nil:
			why = fmt.Errorf("it %w", ErrStuck)
		case heap() > begin+maxOutput:
			why = fmt.Errorf("it %w", errTooMuch)
		}
		if why != nil {
			killChildren("/proc/self/task/" + strconv.Itoa(tid) + "/children")
		}
	}
}

// killChildren kills the processes that such a file lists (proc(5)), but their
// own children first. They are stopped before that: a shell whose child is killed goes on
// with its next command, and who has lost the parent is found by nobody, and may hold a
// pipe open for good.
func killChildren(file string) {
	killed := map[string]bool{}
	for more := true; more; {
		more = false
		pids, _ := os.ReadFile(file)
		for _, pid := range strings.Fields(string(pids)) {
			n, err := strconv.Atoi(pid)
			if err != nil || killed[pid] {
				continue
			}
			killed[pid], more = true, true
			_ = unix.Kill(n, unix.SIGSTOP)
			killChildren("/proc/" + pid + "/task/" + pid + "/children")
			_ = unix.Kill(n, unix.SIGKILL)
		}
	}
}

// heap is how many bytes of memory are in use.
func heap() uint64 {
	var m runtime.MemStats // package runtime/metrics would take each call a quarter of a millisecond at its start
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
