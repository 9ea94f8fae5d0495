package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"syscall"
)

// meterArg turns this program into a small one that runs a command and prints,
// as JSON, what it took. A process's peak memory includes that of the process
// that started it, so it must not be started by the bench, which is full of
// probes.
const meterArg = "meter"

func meter(args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout = io.Discard
	var failed strings.Builder
	cmd.Stderr = &failed
	before, begin := readBusy(), time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	waited := since(before)
	if err != nil {
		fmt.Fprintln(os.Stderr, strings.Join(args, " ")+": "+err.Error()+"\n"+head(failed.String(), 1000))
		return 1
	}
	u := usage{Wall: wall.Seconds(), Waited: waited, User: cmd.ProcessState.UserTime().Seconds(), System: cmd.ProcessState.SystemTime().Seconds()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.MaxRSS = r.Maxrss
	}
	if err := json.NewEncoder(os.Stdout).Encode(u); err != nil {
		return 1
	}
	return 0
}

// metered runs a command inside and tells what it took, together with
// everything that it started.
func (n *netns) metered(args ...string) (usage, error) {
	var u usage
	self, err := os.Executable()
	if err != nil {
		return u, err
	}
	out, err := n.output(append([]string{self, meterArg}, args...)...)
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(out), &u)
}

// counter reads a counter of the kernel; it is 0 if there is none.
func (n *netns) counter(file, name string) int {
	var text []byte
	_ = n.try(func() (err error) { text, err = os.ReadFile(file); return err })
	total := 0
	var names []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		// A line of snmp6 has a name and a number; snmp has a line of names and
		// one of numbers.
		if len(f) == 2 && strings.HasSuffix(f[0], name) {
			var v int
			_, _ = fmt.Sscan(f[1], &v)
			total += v
		}
		if names != nil && len(f) == len(names) && f[0] == names[0] {
			for i := range f {
				if names[i] == name {
					var v int
					_, _ = fmt.Sscan(f[i], &v)
					total += v
				}
			}
			names = nil
			continue
		}
		names = f
	}
	return total
}
