// Package program runs other programs without being at their mercy: each has a
// limit of time and of what it may say, hears that this program is to end, and
// ends with all that it has started.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Limit is how long a program may take. It is well above what very many rules
// need on a slow machine.
const Limit = 30 * time.Second

// What a program may say: the rules of a host may be many.
const (
	maxOutput = 64 << 20 // bytes
	maxErrors = 64 << 10
)

// ErrMissing is a program that is not installed.
var ErrMissing = errors.New("is not installed")

// ErrStuck is one that had to be ended: there is no use in trying again.
var ErrStuck = fmt.Errorf("has not ended after %s", Limit)

// errTooMuch is one that does not stop talking.
var errTooMuch = errors.New("says more than it ever should")

// sbin is where programs for root are if PATH, as of a cron job, does not say.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// Find looks for a program in PATH and then where it is as a rule. A place that
// cannot be looked at is an error: the program may be there.
func Find(name string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), sbin...) {
		if !filepath.IsAbs(dir) {
			continue // never from wherever the caller happens to stand
		}
		path := filepath.Join(dir, name)
		switch there, err := executable(path); {
		case err != nil:
			return "", err
		case there:
			return path, nil
		}
	}
	return "", fmt.Errorf("%s %w", name, ErrMissing)
}

// executable says whether there is a program.
func executable(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ELOOP):
		return false, nil
	case err != nil:
		return false, err
	}
	return info.Mode().IsRegular() && info.Mode()&0o111 != 0, nil
}

// Failed is a program that ended with another status than 0.
type Failed struct {
	Name   string
	Status string // such as "exit status 1"
	Said   string // the first lines of its standard error
}

func (f *Failed) Error() string {
	if f.Said == "" {
		return f.Name + ": " + f.Status
	}
	return f.Name + ": " + f.Status + ": " + f.Said
}

// Run runs a program, by its path, with that as its input, and returns what it
// said on standard output. When ctx is done, or after Limit, it is killed with
// all that it has started; so it is should this program be killed.
func Run(ctx context.Context, input, path string, args ...string) (string, error) {
	// The kernel kills it with the thread that started it (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	out, errs := &bounded{max: maxOutput, full: cancel}, &bounded{max: maxErrors}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), out, errs
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = time.Second // for who has left the group and still holds a pipe
	err := cmd.Run()
	if cmd.Process != nil {
		_ = killGroup(cmd) // what it has left behind
	}
	return out.text.String(), explain(ctx, limited, filepath.Base(path), err, out, errs)
}

func killGroup(cmd *exec.Cmd) error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }

// explain says why a program has failed; nil if it has not.
func explain(ctx, limited context.Context, name string, err error, out, errs *bounded) error {
	var status *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s was ended: %w", name, context.Cause(ctx))
	case out.over:
		return fmt.Errorf("%s %w", name, errTooMuch)
	case limited.Err() != nil:
		return fmt.Errorf("%s %w", name, ErrStuck)
	case errors.As(err, &status):
		return &Failed{name, status.String(), firstLines(errs.text.String())}
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// firstLines is a message in one line, of at most three.
func firstLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[:min(len(lines), 3)], "; ")
}

// bounded keeps the beginning of what is written to it. full, if set, is called
// when it takes no more.
type bounded struct {
	text bytes.Buffer
	max  int
	over bool
	full func()
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	room := b.max - b.text.Len()
	b.text.Write(p[:min(room, len(p))])
	if len(p) > room && b.full != nil {
		b.over = true
		b.full()
	}
	return len(p), nil
}
