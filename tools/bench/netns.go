package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A netns is a network namespace with a /sys and a /run of its own. A namespace
// is a property of a thread, so one goroutine stays locked to a thread in there
// and runs what it is given. Sockets stay where they were made, and may be used
// from anywhere.
type netns struct {
	name string
	path string
	work chan func()
}

// newNetns makes a namespace. It goes away after close, when its thread ends.
func newNetns(name string) (*netns, error) {
	n := &netns{name: name, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := n.enter()
		ready <- err
		if err != nil {
			return
		}
		for f := range n.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("cannot make the network namespace %s: %w", name, err)
	}
	return n, n.run("ip", "link", "set", "lo", "up")
}

func (n *netns) enter() error {
	before, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return err
	}
	after, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	if before == after {
		return fmt.Errorf("still in %s", before)
	}
	n.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	for _, m := range []struct{ source, target string }{{"sysfs", "/sys"}, {"tmpfs", "/run"}} {
		if err := unix.Mount(m.source, m.target, m.source, 0, ""); err != nil {
			return fmt.Errorf("cannot mount %s: %w", m.target, err)
		}
	}
	return os.MkdirAll("/run/network", 0o755)
}

func (n *netns) close() { close(n.work) }

// do runs f inside and waits for it.
func (n *netns) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// try is do for functions that can fail.
func (n *netns) try(f func() error) (err error) {
	n.do(func() { err = f() })
	return err
}

// A usage is what a command took.
type usage struct {
	Wall   float64 `json:"wall_s"`
	User   float64 `json:"user_s"`
	System float64 `json:"system_s"`
	MaxRSS int64   `json:"max_rss_kib,omitempty"` // only where it was metered
	Waited float64 `json:"waited_s"`              // how long something waited for a processor meanwhile
}

// command runs a command inside, with text on its standard input.
func (n *netns) command(text string, args ...string) (out string, u usage, err error) {
	n.do(func() {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(text)
		if text == "" {
			cmd.Stdin = nil
		}
		var b bytes.Buffer
		cmd.Stdout, cmd.Stderr = &b, &b
		before, begin := readBusy(), time.Now()
		err = cmd.Run()
		u.Wall = time.Since(begin).Seconds()
		u.Waited = since(before)
		if s := cmd.ProcessState; s != nil {
			u.User, u.System = s.UserTime().Seconds(), s.SystemTime().Seconds()
		}
		out = b.String()
	})
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, head(out, 2000))
	}
	return out, u, err
}

// run runs a command whose output does not matter.
func (n *netns) run(args ...string) error {
	_, _, err := n.command("", args...)
	return err
}

// output is what a command printed.
func (n *netns) output(args ...string) (string, error) {
	out, _, err := n.command("", args...)
	return out, err
}

// batch gives lines to ip -batch.
func (n *netns) batch(lines []string) error {
	_, _, err := n.command(strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
	return err
}

// write writes a file of the namespace, for instance below /proc/sys/net or
// /run.
func (n *netns) write(name, text string) error {
	return n.try(func() error { return os.WriteFile(name, []byte(text), 0o600) })
}

// head is the beginning of a text that may be long.
func head(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
