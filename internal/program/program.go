// Package program runs other programs without being at their mercy: each has
// limited time and output, is told when this program is to end, and ends together
// with everything that it has started.
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

// How much a program may print: a host may have many rules.
const (
	maxOutput = 64 << 20 // bytes
	maxErrors = 64 << 10
)

// ErrMissing says that a program is not installed.
var ErrMissing = errors.New("is not installed")

// ErrStuck says that a program had to be ended: trying again is no use.
var ErrStuck = fmt.Errorf("has not ended after %s", Limit)

// errTooMuch says that a program does not stop printing.
var errTooMuch = errors.New("prints more than it ever should")

// sbin is where root's programs are if PATH does not say, as in a cron job.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// Find looks for a program in PATH and then where it usually is. A folder that
// cannot be searched is an error: the program may be there.
func Find(name string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), sbin...) {
		if !filepath.IsAbs(dir) {
			continue // never from whatever folder the caller is in
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

// Failed is a program whose exit status was not 0.
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

// Run runs a program, given by its path, with that input, and returns its
// standard output. When ctx is done, or after Limit, the program is killed
// together with everything that it has started, and also if this program is
// killed.
func Run(ctx context.Context, input, path string, args ...string) (string, error) {
	// The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	out, errs := &bounded{max: maxOutput, full: cancel}, &bounded{max: maxErrors}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), out, errs
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = time.Second // for a process that has left the group and still holds a pipe
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
// when it cannot take more.
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
