package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/systemd"
)

// answerWait is how long the program waits for an answer. Other calls wait meanwhile.
const answerWait = 30 * time.Second

// terminal is where a person can be asked: what he types comes from one file, and he
// reads the other.
type terminal struct {
	in  int // the descriptor
	out screen
	// limit is how long to wait for an answer.
	limit time.Duration
}

// personAt is the terminal at which somebody has typed this command, and sees what is
// said; nil if there is nobody: neither a script, nor xend, nor systemd can answer.
func personAt(name string, stderr screen) *terminal {
	if filepath.Base(name) == config.Original || systemd.InService() || !attended(unix.Stdin) || !isTerminal(unix.Stderr) {
		return nil
	}
	return &terminal{in: unix.Stdin, out: stderr, limit: answerWait}
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// attended says whether a person at that terminal waits for this very program: it is in
// the foreground, and a process group of its own, as an interactive shell makes one for
// each command. What a script or a daemon starts is in its own group.
func attended(fd int) bool {
	group := unix.Getpgrp()
	foreground, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && foreground == group && (group == unix.Getpid() || group == unix.Getppid() && lendsRoot(group))
}

// lendsRoot says whether a process is a program that runs another one as root, in its
// own process group.
func lendsRoot(pid int) bool {
	comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	switch string(bytes.TrimSpace(comm)) {
	case "sudo", "doas", "run0", "pkexec":
		return true
	}
	return false
}

// ask is operate.Call's Ask.
func (t terminal) ask(ctx context.Context, question string) bool {
	_ = ctx.Err() // the program listens to signals from now on: one is an answer, too
	_, _ = fmt.Fprintf(t.out, "xbr-script: %s [y/N] ", question)
	answer, ended := t.line(ctx)
	if !ended {
		say(t.out, "") // the question stands in the line alone
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

// line is the line that the user types; ended says whether he has ended it.
func (t terminal) line(ctx context.Context) (line string, ended bool) {
	const once = 100 * time.Millisecond // a signal is noticed after that at the latest
	deadline := time.Now().Add(t.limit)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		fds := []unix.PollFd{{Fd: int32(t.in), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(once.Milliseconds()))
		switch {
		case err == unix.EINTR || err == nil && n == 0:
			continue
		case err != nil:
			return "", false
		}
		b := make([]byte, 256)
		n, err = unix.Read(t.in, b) // the terminal gives whole lines
		if err != nil || n == 0 {
			time.Sleep(once) // who asks again must not spin
			return "", false
		}
		return string(b[:n]), bytes.HasSuffix(b[:n], []byte("\n"))
	}
	return "", false
}
