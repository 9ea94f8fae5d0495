package dhcpcd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/idle"
	"xbr-script/internal/manager"
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

var (
	_ plan.Prudent = (*End)(nil)
	_ plan.Patient = (*End)(nil)
)

// Kind is its name in the journal.
func (*End) Kind() string { return "dhcpcd end" }

// Await is what it waits for.
func (e *End) Await() plan.Wait {
	return plan.Wait{For: "dhcpcd to end", Limit: limit(e.Unit, endLimit)}
}

// limit is how long systemd may take with a unit, or how long dhcpcd may without one.
func limit(unit string, without time.Duration) time.Duration {
	if unit != "" {
		return unitLimit
	}
	return without
}

// Commands are those that do the same.
func (e *End) Commands() []string {
	if e.Unit != "" {
		return append(shell.Make(dropIn(e.Unit), quiet), "systemctl daemon-reload", "systemctl stop "+shell.Quote(e.Unit))
	}
	pid := `"$(cat ` + shell.Quote(e.PIDFile) + `)"`
	return []string{"kill -STOP " + pid + "; pkill -KILL -P " + pid + "; kill -KILL " + pid}
}

// Ready says whether systemd can be asked, if it has to be.
func (e *End) Ready(ctx context.Context) error { return ready(ctx, e.Unit) }

// Do carries it out.
func (e *End) Do(ctx context.Context, _ bool) error {
	if e.Unit != "" {
		return e.stopUnit(ctx)
	}
	return kill(ctx, e.PIDFile)
}

// kill kills it with its helpers, which in 9.4 would go on without it, and hold sockets
// that the next one needs, and with the process that was started first, which waits for
// an address in the foreground and holds the lock that keeps a second dhcpcd from
// running. They stand still meanwhile, so that they start no others, and do not see each
// other go. If this process ends in between, the next finds them as they are.
func kill(ctx context.Context, pidFile string) error {
	all, err := halted(pidFile)
	if err != nil {
		return err
	}
	if err := signal(all, unix.SIGKILL); err != nil {
		return err
	}
	for end := time.Now().Add(endLimit); ; {
		left := 0
		for _, p := range all {
			if !hasEnded(p) {
				left++
			}
		}
		switch {
		case left == 0:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("it has not ended after %v", endLimit)
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}

// halted has all of its processes stand still, those included that others have begun while
// these were looked for.
func halted(pidFile string) (all []int, err error) {
	for {
		there, err := processes(pidFile)
		if err != nil {
			return nil, err
		}
		there = slices.DeleteFunc(there, func(p int) bool { return slices.Contains(all, p) })
		if len(there) == 0 {
			return all, nil
		}
		if err := signal(there, unix.SIGSTOP); err != nil {
			return nil, err
		}
		all = append(all, there...)
	}
}

// signal sends it to processes. One that has ended is none.
func signal(pids []int, s unix.Signal) error {
	for _, p := range pids {
		if err := unix.Kill(p, s); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// hasEnded says whether a process has let go of all that it had: one whose parent has
// not asked for its end still shows, and so does the first thread while others are left.
func hasEnded(pid int) bool {
	state := stat(pid, fieldState)
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*")
	return state == "" || state == "Z" && len(threads) <= 1
}

// processes are all that belong to the dhcpcd of that file.
func processes(pidFile string) (all []int, err error) {
	pid, err := running("", pidFile)
	if err != nil {
		return nil, err
	}
	owners, err := lockers(pidFile)
	if err != nil {
		return nil, err
	}
	for _, p := range append(owners, pid) {
		if p != 0 && !slices.Contains(all, p) {
			first := launcher(p)
			all = append(append(all, first), family(first)...)
		}
	}
	return all, nil
}

// launcher is the process by which a dhcpcd was begun, if that is still there.
func launcher(pid int) int {
	for {
		parent, err := strconv.Atoi(stat(pid, fieldParent))
		if err != nil || !isDhcpcd(parent) {
			return pid
		}
		pid = parent
	}
}

func isDhcpcd(pid int) bool {
	comm, err := manager.Content("/proc/" + strconv.Itoa(pid) + "/comm")
	return err == nil && comm == "dhcpcd"
}

// lockers are the dhcpcds that have locked a file (flock(2)), by /proc/locks (proc(5)).
func lockers(file string) (pids []int, err error) {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return nil, unlessGone(err)
	}
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	text, err := manager.Content("/proc/locks")
	for line := range strings.Lines(text) {
		// 1: FLOCK ADVISORY WRITE 364 00:1a:1234 0 EOF
		words := strings.Fields(line)
		if len(words) < 6 || words[1] != "FLOCK" || words[5] != id {
			continue
		}
		if pid, err := strconv.Atoi(words[4]); err == nil && pid > 0 && isDhcpcd(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, err
}
