package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// TestHangingIPTables ends the program by a signal while iptables hangs, either
// at its first call or in the middle of the change: everything is put back, and
// no process of iptables is left.
func TestHangingIPTables(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]string{
		"asked":  `case $0 in *-save) echo $$ >>/run/hung; sleep 1000 & wait;; esac`,
		"amidst": `case $0 in *-restore) [ -e /run/hung ] || { echo $$ >>/run/hung; sleep 1000; } ;; esac`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nstest.New(t)
			nstest.IPTables(t, "nft")
			nstest.Script(t, dom0)
			const line = "start netdev=eth0 antispoof=yes check=no"
			mustRun(t, line)
			mustRun(t, "stop")
			nstest.Rest(t)
			before := readNetwork(t)
			cmd := program(line)
			cmd.Env = append(os.Environ(), "PATH="+hanging(t, hangs)+":"+os.Getenv("PATH"))
			end(t, cmd)
			if d, _ := differs(t, before); d != "" {
				t.Error(d)
			}
			mustRun(t, line)
		})
	}
}

// hanging makes a folder with an iptables that runs the script before the real
// one.
func hanging(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			text := "#!/bin/sh\n" + script + "\nexec /run/alternatives/" + program + suffix + " \"$@\"\n"
			if err := os.WriteFile(filepath.Join(dir, program+suffix), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// end starts the program, ends it as soon as iptables hangs, and fails if any
// process of that is left.
func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Minute
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := ""
	for limit := time.Now().Add(time.Minute); pid == "" && time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		data, _ := os.ReadFile("/run/hung") // not there yet
		pid = strings.TrimSpace(string(data))
	}
	begin := time.Now()
	_ = cmd.Process.Signal(unix.SIGTERM)
	_ = cmd.Wait() // the process state tells how it ended
	if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(out.String(), "was ended: ") || time.Since(begin) > 20*time.Second {
		t.Errorf("exit status %d after %s\n%s", status, time.Since(begin), out.String())
	}
	group, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("iptables was not run: %v", err)
	}
	for limit := time.Now().Add(5 * time.Second); unix.Kill(-group, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Error("iptables is still there")
			return
		}
	}
}
