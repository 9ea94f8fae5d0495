package dhcpcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/shell"
)

// End ends a dhcpcd so that it leaves everything as it is.
type End struct {
	PIDFile string `json:"pid_file"`
	Unit    string `json:"unit,omitempty"` // the service of systemd that it is
}

const (
	// endLimit is how long it may take to be gone after it was killed.
	endLimit = 10 * time.Second
	// runLimit is how long it may take to begin.
	runLimit = 10 * time.Second
	// pause is the time between two looks.
	pause = 10 * time.Millisecond
)

var _ plan.Prudent = (*End)(nil)

// Kind is its name in the journal.
func (*End) Kind() string { return "dhcpcd end" }

// Commands are those that do the same.
func (e *End) Commands() []string {
	if e.Unit != "" {
		return append(writeCommands(dropIn(e.Unit), quiet), "systemctl daemon-reload", "systemctl stop "+shell.Quote(e.Unit))
	}
	pid := `"$(cat ` + shell.Quote(e.PIDFile) + `)"`
	return []string{"kill -STOP " + pid + "; pkill -KILL -P " + pid + "; kill -KILL " + pid}
}

// Ready says whether systemd can be asked, if it has to be.
func (e *End) Ready(ctx context.Context) error { return ready(ctx, e.Unit) }

// Do carries it out.
func (e *End) Do(ctx context.Context, _ bool) error {
	if e.Unit != "" {
		return stopUnit(ctx, e.Unit)
	}
	return kill(ctx, e.PIDFile)
}

// kill kills it and its helpers, which in 9.4 would go on without it, and hold sockets
// that the next one needs. It stands still meanwhile, so that it starts no others, and
// does not see them go. If this process ends in between, the next finds it as it is.
func kill(ctx context.Context, pidFile string) error {
	pid, err := running("", pidFile)
	if err != nil || pid == 0 {
		return err
	}
	_ = unix.Kill(pid, unix.SIGSTOP)
	helpers := family(pid)
	for _, p := range append(helpers, pid) {
		if err := unix.Kill(p, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	for end := time.Now().Add(endLimit); ; {
		left := 0
		for _, p := range append(helpers, pid) {
			if state := stat(p, fieldState); state != "" && state != "Z" {
				left++
			}
		}
		switch {
		case left == 0:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("it has not ended after %v", endLimit)
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

// wait waits between two looks.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}
