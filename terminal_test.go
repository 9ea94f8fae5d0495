package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// openPTY makes a terminal: what is written to person is typed there, and what comes
// from it is what the screen shows.
func openPTY(t *testing.T) (person, tty *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return person, tty
}

// atTerminal runs a command on a terminal of its own. When the program asks, the person
// types the answer. It gives the exit status, and what the screen has shown.
func atTerminal(t *testing.T, answer string, prepare func(*exec.Cmd), command ...string) (int, string) {
	t.Helper()
	person, tty := openPTY(t)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if prepare != nil {
		prepare(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	var screen bytes.Buffer
	for b := make([]byte, 1024); ; {
		n, err := person.Read(b) // fails once nobody has the terminal open any more
		screen.Write(b[:n])
		if err != nil {
			break
		}
		shown := screen.String()
		if answer != "" && (strings.HasSuffix(shown, "[y/N] ") || strings.HasSuffix(shown, " s left")) {
			if _, err := person.WriteString(answer); err != nil {
				t.Fatal(err)
			}
			answer = ""
		}
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.ReplaceAll(screen.String(), "\r\n", "\n")
}

// TestAsks has a firewall that shuts new connections out after start. Who has typed the
// command on a terminal is asked; a script, xend, systemd and whoever confirms are not.
func TestAsks(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, dom0)
	nstest.Script(t, `printf '%s\n' 'table inet f {' ' chain c {' 'type filter hook input priority 0; policy drop;' 'iifname "eth0" accept' ' }' '}' | nft -f -`)
	nstest.Rest(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	xbr, original := filepath.Join(dir, "xbr-script"), filepath.Join(dir, "network-bridge")
	for _, name := range []string{xbr, original} {
		if err := os.Symlink(self, name); err != nil {
			t.Fatal(err)
		}
	}
	start := []string{xbr, "start", "netdev=eth0", "dom0=bridge", "bridge=xenbr0", "check=no"}
	down := nstest.ReadState(t)
	const enter = "waiting for Enter, which keeps this change"
	const risk, question = "a new connection to this host may no longer get in: with confirm=120", "xbr-script: go on all the same? [y/N] "
	for _, c := range []struct {
		name    string
		answer  string // "": the program must not ask
		prepare func(*exec.Cmd)
		command []string
		want    int
	}{
		{"yes", "y\n", nil, start, 0},
		{"Yes", "Yes\n", nil, start, 0},
		{"no", "n\n", nil, start, 1},
		{"Enter", "\n", nil, start, 1},
		{"end of file", "\x04", nil, start, 1},
		{"interrupt", "\x03", nil, start, 1},
		{"confirm", "\n", nil, append(start, "confirm=600"), 0},
		{"nobody types", "", func(c *exec.Cmd) { c.Stdin = nil; c.SysProcAttr = nil }, start, 0},
		{"nobody reads", "", func(c *exec.Cmd) { c.Stderr = nil }, start, 0},
		{"a script", "", nil, []string{"sh", "-c", strings.Join(start, " ") + "; exit $?"}, 0},
		{"xend", "", nil, append([]string{original}, start[1:]...), 0},
		{"systemd", "", func(c *exec.Cmd) { c.Env = append(os.Environ(), "INVOCATION_ID=0123") }, start, 0},
	} {
		status, screen := atTerminal(t, c.answer, c.prepare, c.command...)
		warned := strings.Contains(screen, risk) || c.name == "confirm" || c.name == "nobody reads"
		if asked := strings.Contains(screen, question) || strings.Contains(screen, enter); status != c.want || asked != (c.answer != "") || !warned {
			t.Errorf("%s: exit status %d\n%s", c.name, status, screen)
		}
		if c.want == 0 {
			say(t, "status", 0)
			mustRun(t, "recover")
			mustRun(t, "stop check=no")
		} else if hint := "hint: xbr-script " + strings.Join(start[1:], " ") + " confirm=120 goes on"; c.name != "interrupt" && !strings.Contains(screen, hint) {
			t.Errorf("%s: %s", c.name, screen)
		}
		if d := nstest.Settled(t, down, nstest.Whole); d != "" {
			t.Errorf("%s: not as before:\n%s", c.name, d)
		}
	}
}

// TestEnter has changes that wait to be confirmed, on a terminal: Enter keeps them, and
// who waits is told if somebody else has decided, or nobody in time.
func TestEnter(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, dom0)
	nstest.Rest(t)
	xbr := filepath.Join(t.TempDir(), "xbr-script")
	if err := os.Symlink(self(t), xbr); err != nil {
		t.Fatal(err)
	}
	down := nstest.ReadState(t)
	for _, c := range []struct {
		name, answer, confirm string
		elsewhere             string // what somebody else calls
		want                  int
		says                  string
	}{
		{"Enter", "\n", "600", "", 0, `confirmed: "xbr-script start check=no confirm=600" stays`},
		{"interrupt", "\x03", "600", "", 0, "the change is still put back unless you give: xbr-script confirm"},
		{"confirmed by another", "", "600", "confirm", 0, "confirm=600: done at 2"},
		{"put back by another", "", "600", "recover", 1, "confirm=600: put back at 2"},
		{"nobody", "", "2", "", 1, "confirm=2: put back at 2"},
	} {
		if c.elsewhere != "" {
			other := exec.Command("sh", "-c", "until [ -e /run/xbr-script/journal ] && grep -q until /run/xbr-script/journal; do sleep 0.1; done; exec "+xbr+" "+c.elsewhere)
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Wait() })
		}
		status, screen := atTerminal(t, c.answer, nil, xbr, "start", "check=no", "confirm="+c.confirm)
		if status != c.want || !strings.Contains(strings.ReplaceAll(screen, "\n  ", " "), c.says) {
			t.Errorf("%s: exit status %d\n%s", c.name, status, screen)
		}
		mustRun(t, "recover")
		mustRun(t, "stop check=no")
		if d := nstest.Settled(t, down, nstest.Whole); d != "" {
			t.Errorf("%s: not as before:\n%s", c.name, d)
		}
	}
}

// TestColoursOnTerminal: status has colours where a person reads it, unless he or his
// terminal wants none.
func TestColoursOnTerminal(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, dom0)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	xbr := filepath.Join(t.TempDir(), "xbr-script")
	if err := os.Symlink(self, xbr); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]bool{"TERM=xterm": true, "TERM=xterm NO_COLOR=1": false, "TERM=dumb": false} {
		status, screen := atTerminal(t, "", nil, append(append([]string{"env", "-u", "NO_COLOR"}, strings.Fields(env)...), xbr, "status", "netdev=eth0")...)
		if got := strings.Contains(screen, "\x1b[1;31mnot up\x1b[m"); status != 3 || got != want || strings.Contains(screen, "\x1b") != want {
			t.Errorf("%s: exit status %d\n%q", env, status, screen)
		}
	}
}
