// Package nstest gives a test a network namespace of its own, with a /sys and
// a /run that belong to it.
//
// A namespace is a property of an OS thread, so everything holds for the
// goroutine that called New: a goroutine or subtest started from it runs on
// another thread, outside, and has to call New itself. Commands started with
// os/exec follow the thread. Of the files under /proc, /proc/sys/net follows
// the thread too, whereas /proc/net and /proc/self/net are the process's: a
// test reads /proc/thread-self/net.
package nstest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// T is what New and its companions need of a *testing.T, *testing.B or
// testscript.T.
type T interface {
	Skip(args ...any)
	Fatal(args ...any)
}

// helper keeps this package's lines out of reports, where t can do that.
func helper(t T) func() {
	if h, ok := t.(interface{ Helper() }); ok {
		return h.Helper
	}
	return func() {}
}

// New moves the calling goroutine into a new network and mount namespace, with
// settings that are the same on every machine. They vanish with the goroutine:
// its thread stays locked, and so ends with it. Where this is impossible (without
// root, in most containers, without IPv6) the test is skipped, but fails if the
// environment has CI=true: there a run that tested nothing must not pass.
func New(t T) {
	helper(t)()
	if os.Geteuid() != 0 {
		unable(t, "a network namespace needs root")
		return
	}
	runtime.LockOSThread()
	outside, err := current()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		unable(t, "cannot make a network namespace: "+err.Error())
		return
	}
	inside, err := current()
	if err != nil || inside == outside {
		t.Fatal("still in the old network namespace: ", outside, err)
	}
	made.Store(inside, true)
	if err := prepare(); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, errNoIPv6) {
			unable(t, err.Error())
			return
		}
		t.Fatal(err)
	}
	Run(t, "ip", "link", "set", "dev", "lo", "up")
}

// unable ends a test that cannot run here.
func unable(t T, why string) {
	helper(t)()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

var errNoIPv6 = errors.New("this kernel has no IPv6, or it is switched off at boot")

// prepare makes the thread's new namespaces fit for a test.
func prepare() error {
	if err := mounts(); err != nil {
		return err
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); errors.Is(err, fs.ErrNotExist) {
		return errNoIPv6
	}
	return settle()
}

// mounts gives the namespace its own /sys, where /sys/class/net would otherwise show
// the host's interfaces, and an empty /run, where locks and journals are.
func mounts() error {
	for _, m := range []struct {
		source, target, fstype string
		flags                  uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"sysfs", "/sys", "sysfs", 0},
		{"tmpfs", "/run", "tmpfs", 0},
	} {
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, ""); err != nil {
			return fmt.Errorf("cannot mount %s on %s: %w", m.source, m.target, err)
		}
	}
	return nil
}

// made holds the namespaces that New has made, by their names.
var made sync.Map

// Guard fails the test if it is not in a network namespace that New has made:
// nothing may be changed in the machine's own. Comparing with /proc/1/ns/net would
// not do, because in some containers even root may not read that.
func Guard(t T) {
	helper(t)()
	here, err := current()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := made.Load(here); !ok {
		t.Fatal("not in a test's network namespace: call nstest.New in this goroutine first")
	}
}

// current names the calling thread's network namespace.
func current() (string, error) { return os.Readlink("/proc/thread-self/ns/net") }

// Run runs a command in the namespace and returns what it printed, on
// standard output and error; the test fails if the command does.
func Run(t T, name string, args ...string) string {
	helper(t)()
	out, err := Try(t, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Try is Run for a command that may fail. The error contains its output.
func Try(t T, name string, args ...string) (string, error) {
	helper(t)()
	Guard(t)
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		line := strings.Join(append([]string{name}, args...), " ")
		return string(out), fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return string(out), nil
}

// Script runs each line of text with sh -ec and returns all that they
// printed; empty lines and those that begin with # are passed over. The line
// "netns NAME" is a call of Netns.
func Script(t T, text string) string {
	helper(t)()
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "netns "); ok {
			Netns(t, name)
			continue
		}
		out.WriteString(runLine(t, line))
	}
	return out.String()
}

// runLine has a shell carry out one line. An IPv6 address cannot be a route's
// source until the kernel has come to it in the background (addrconf_dad_work).
func runLine(t T, line string) string {
	helper(t)()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		out, err := Try(t, "sh", "-ec", line)
		if err == nil {
			return out
		}
		if !strings.Contains(out, "Invalid source address") || time.Since(start) > settleLimit {
			t.Fatal(err)
		}
	}
}

// Background starts a command in the namespace and ends it with the test.
func Background(t B, name string, args ...string) {
	helper(t)()
	Guard(t)
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	})
}

// B is a T that can clean up.
type B interface {
	T
	Cleanup(func())
}
