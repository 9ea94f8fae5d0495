package program

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// script makes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fake")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	out, err := Run(t.Context(), "in", script(t, `cat; echo " $1"; echo more >&2`), "an argument")
	if err != nil || out != "in an argument\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = Run(t.Context(), "", script(t, `echo first >&2; echo second >&2; exit 3`))
	var failed *Failed
	if !errors.As(err, &failed) || err.Error() != "fake: exit status 3: first; second" {
		t.Errorf("one that fails: %v", err)
	}
	if _, err = Run(t.Context(), "", "/nowhere/fake"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
}

// TestEnds ends a program that does not end by itself, together with its
// children, whether they hold the pipes or not.
func TestEnds(t *testing.T) {
	for name, text := range map[string]string{
		"sleeps":             `sleep 1000`,
		"is deaf":            `trap "" TERM INT HUP; while :; do sleep 1000; done`,
		"reads":              `exec 0</dev/zero; cat >/dev/null`,
		"leaves a child":     `sleep 1000 & exit 0`,
		"has left the group": `setsid sleep 5 & sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pids")
			path := script(t, "echo $$ >>"+pids+"\n"+text)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("enough")) })
			begin := time.Now()
			_, err := Run(ctx, "", path)
			if err == nil || !strings.Contains(err.Error(), "enough") && name != "leaves a child" {
				t.Errorf("it ends with %v", err)
			}
			if passed := time.Since(begin); passed > 4*time.Second {
				t.Errorf("after %s", passed)
			}
			gone(t, pids)
		})
	}
}

// gone fails if one of the process groups still exists.
func gone(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(2 * time.Second); unix.Kill(-pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("the group of %d is still there", pid)
				break
			}
		}
	}
}

// TestTooMuch ends a program whose output does not end.
func TestTooMuch(t *testing.T) {
	if _, err := Run(t.Context(), "", script(t, `exec yes`)); !errors.Is(err, errTooMuch) {
		t.Errorf("on standard output: %v", err)
	}
	out, err := Run(t.Context(), "", script(t, `yes | head -c 10000000 >&2; exit 1`))
	if err == nil || len(err.Error()) > 1000 || out != "" {
		t.Errorf("on standard error: %d bytes", len(err.Error()))
	}
}

func TestGuard(t *testing.T) {
	run := func(text string) func() error {
		path := script(t, text)
		return func() error {
			_, err := exec.Command(path).CombinedOutput()
			return err
		}
	}
	if err := Guard(t.Context(), run("exit 0")); err != nil {
		t.Error(err)
	}
	var status *exec.ExitError
	if err := Guard(t.Context(), run("exit 1")); !errors.As(err, &status) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := Guard(ctx, run("sleep 1000; sleep 1000")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that does not end: %v", err)
	}
	for range 20 { // it begins another one as soon as that is killed
		brief, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if err := Guard(brief, run("while :; do sleep 1000; done")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that goes on with another: %v", err)
		}
		cancel()
	}
	if err := Guard(t.Context(), run("exec yes")); !errors.Is(err, errTooMuch) {
		t.Errorf("one that says too much: %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", "relative:"+dir+"/none:"+dir)
	if path, err := Find("sh"); err == nil {
		t.Errorf("a shell in sbin: %s", path)
	} else if !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o755} {
		if err := os.WriteFile(filepath.Join(dir, "tool"), nil, mode); err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(filepath.Join(dir, "tool"), mode)
		path, err := Find("tool")
		if found := err == nil && path == dir+"/tool"; found != (mode == 0o755) {
			t.Errorf("with mode %o: %s, %v", mode, path, err)
		}
	}
	if _, err := Find(strings.Repeat("x", 300)); errors.Is(err, ErrMissing) || !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("what cannot be looked at: %v", err)
	}
}
