package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// The tests here run the real program as a process of its own.

// dom0 is a host with two NICs, several addresses and routes, and nobody else
// on its links.
const dom0 = `
	sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
	ip link add eth0 address 00:16:3e:00:00:01 type veth peer name lan0
	ip link add eth1 address 00:16:3e:00:00:02 type veth peer name lan1
	sysctl -qw net/ipv6/conf/lan0/disable_ipv6=1 net/ipv6/conf/lan1/disable_ipv6=1
	for i in 0 1; do ip link set lan$i up; ip link set eth$i up; done
	ip addr add 192.168.0.2/24 brd + dev eth0
	ip addr add 192.168.0.3/24 dev eth0
	ip addr add 10.5.0.2/24 dev eth0 label eth0:db
	ip addr add 2001:db8::2/64 dev eth0
	ip addr add 192.168.1.2/24 dev eth1
	ip route add default via 192.168.0.1
	ip route add 10.6.0.0/16 via 10.5.0.1
	ip route append 10.6.0.0/16 via 192.168.1.1
	ip -6 route add default via 2001:db8::1
	ip neigh add 192.168.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent`

// program is one run of the program.
func program(line string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Args = strings.Fields("xbr-script " + line)
	return cmd
}

// linkNumber is an interface's index, which differs for each interface that is
// made anew.
var linkNumber = regexp.MustCompile(`^[0-9]+: `)

// network is everything that the program may change, as text.
type network struct {
	state nstest.State
	rest  string
}

func readNetwork(t *testing.T) network {
	t.Helper()
	// Links show what section bridge has, without the order in which they were made.
	every := func(section string) bool { return section != "bridge" }
	state := nstest.ReadState(t).Filter(every, func(_, line string) string { return linkNumber.ReplaceAllString(line, "") })
	return network{state, nstest.Script(t, `
		iptables-save | grep -v '^#' | sed 's/ \[[0-9]*:[0-9]*\]$//'
		ip6tables-save | grep -v '^#' | sed 's/ \[[0-9]*:[0-9]*\]$//'
		sysctl net.bridge net.ipv4.ip_forward`)}
}

// differs compares the network with several others. It returns the number of
// the one that it equals, or in what way it equals none.
func differs(t *testing.T, of ...network) (diff string, which int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		diff = ""
		now := readNetwork(t)
		for i, n := range of {
			d := n.state.Diff(now.state)
			if now.rest != n.rest {
				d += "\n" + n.rest + "\nnow:\n" + now.rest
			}
			if d == "" {
				return "", i
			}
			diff += fmt.Sprintf("network %d:\n%s\n", i, d)
		}
		if time.Now().After(deadline) {
			return diff, 0
		}
	}
}

// twoBridges are the words for the bridges of these tests: one of each shape,
// in random order.
func twoBridges(t *testing.T) string {
	t.Helper()
	shape := []string{" dom0=veth", " dom0=bridge"}
	first := rand.N(2)
	line := " vifnum=0 netdev=eth0 antispoof=yes" + shape[first] + " --next vifnum=1 netdev=eth1" + shape[1-first] + " ip_forward=1 check=no"
	t.Log("start" + line)
	return line
}

// run runs the program and returns its exit status and what it printed.
func run(t *testing.T, line string) (int, string) {
	t.Helper()
	out, err := program(line).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

// mustRun is run that has to succeed.
func mustRun(t *testing.T, line string) {
	t.Helper()
	if status, out := run(t, line); status != 0 {
		t.Fatalf("%s: exit status %d\n%s", line, status, out)
	}
}

// bothWays makes the host, and returns the network without and with the
// bridges. At the end the bridges are down.
func bothWays(t *testing.T, bridges string) (down, up network) {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, dom0)
	nstest.Rest(t)
	// So that what is loaded on demand is there from the start.
	mustRun(t, "start"+bridges)
	mustRun(t, "stop")
	nstest.Rest(t)
	down = readNetwork(t)
	mustRun(t, "start"+bridges)
	nstest.Rest(t)
	up = readNetwork(t)
	mustRun(t, "stop")
	if d, _ := differs(t, down); d != "" {
		t.Fatal(d)
	}
	return down, up
}

// TestKilled sends the program a signal at a random moment of start or stop,
// again and again. After SIGKILL the next call puts things right; after any
// other signal the call itself has done so. Either way the host is as before or
// as asked, never in between.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 500
	if testing.Short() {
		rounds = 25
	}
	bridges := twoBridges(t)
	down, up := bothWays(t, bridges)
	begin := time.Now()
	mustRun(t, "start"+bridges)
	takes := time.Since(begin)
	isUp := true
	counts := map[string]int{}
	for round := range rounds {
		command := "start"
		if isUp {
			command = "stop"
		}
		killed := unix.SIGKILL
		if round%5 == 4 { // in addition
			killed = []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP}[rand.N(3)]
		}
		after := rand.N(takes)
		status, out := interrupt(t, command+bridges, killed, after)
		title := fmt.Sprintf("round %d: %s, %v after %s: status %d, %s", round, command, killed, after, status, out)
		isUp = settle(t, title, killed == unix.SIGKILL, command, bridges, counts, down, up)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d rounds: %v", rounds, counts)
}

// interrupt runs the program and sends it a signal after some time.
func interrupt(t *testing.T, line string, s unix.Signal, after time.Duration) (int, string) {
	t.Helper()
	cmd := program(line)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Signal(s) // it may have ended
	_ = cmd.Wait()            // the process state tells how it ended
	return cmd.ProcessState.ExitCode(), out.String()
}

// settle makes the next call, and compares.
func settle(t *testing.T, title string, killed bool, command, bridges string, counts map[string]int, down, up network) (isUp bool) {
	t.Helper()
	asked := map[string]network{"start": up, "stop": down}
	next := []string{"start", "stop", "recover", "status"}[rand.N(4)]
	if !killed {
		next = "nothing"
	}
	expect := []network{down, up}
	switch next {
	case "start", "stop":
		mustRun(t, next+bridges)
		expect = []network{asked[next]}
	case "recover":
		mustRun(t, next)
	case "status":
		status, out := run(t, "status")
		if cut := strings.Contains(out, "unfinished"); cut != (status == 4) {
			t.Errorf("%s\nstatus: exit status %d\n%s", title, status, out)
		}
		mustRun(t, "recover")
	}
	diff, which := differs(t, expect...)
	if diff != "" {
		t.Errorf("%s\nthen %s: %s", title, next, diff)
	}
	if len(expect) == 1 {
		isUp = next == "start"
	} else {
		isUp = which == 1
	}
	end := "as asked"
	if isUp != (command == "start") {
		end = "as before"
	}
	counts[next+", "+end]++
	return isUp
}

// TestConfirmSurvives kills calls that have a timer, at random moments and
// together with their session, as when a terminal closes. The timer takes back
// an unfinished change at once, and a finished one when its time is over.
func TestConfirmSurvives(t *testing.T) {
	t.Parallel()
	rounds := 40
	if testing.Short() {
		rounds = 6
	}
	bridges := twoBridges(t)
	down, up := bothWays(t, bridges)
	begin := time.Now()
	mustRun(t, "start"+bridges+" confirm=600")
	takes := time.Since(begin)
	mustRun(t, "confirm")
	for round := range rounds {
		// From up: the network must be back to that by itself.
		cmd := program("stop" + bridges + " confirm=1")
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := rand.N(takes)
		time.Sleep(after)
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGHUP) // what a terminal that closes sends to its session
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
		_, err := os.Stat("/run/xbr-script/journal")
		for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			_, err = os.Stat("/run/xbr-script/journal")
		}
		if err == nil {
			t.Fatalf("round %d: the journal is still there", round)
		}
		if d, _ := differs(t, up); d != "" {
			t.Fatalf("round %d, killed after %s: %s", round, after, d)
		}
	}
	mustRun(t, "stop")
	if d, _ := differs(t, down); d != "" {
		t.Error(d)
	}
}

// TestMixed runs many calls at the same time. Each ends as it would alone, and
// the network is one that the same calls could have made one after the other.
func TestMixed(t *testing.T) {
	t.Parallel()
	rounds, width := 30, 8
	if testing.Short() {
		rounds = 4
	}
	nstest.New(t)
	nstest.Script(t, dom0)
	nstest.Rest(t)
	shape := []string{"", " dom0=bridge"}
	first := rand.N(2)
	bridges := []string{" vifnum=0 netdev=eth0" + shape[first], " vifnum=1 netdev=eth1 antispoof=yes" + shape[1-first]}
	t.Log(bridges)
	mustRun(t, "start"+bridges[0]+" --next"+bridges[1]) // as in bothWays
	mustRun(t, "stop")
	var possible []network // by the set of bridges that are up
	for set := range 1 << len(bridges) {
		for i, b := range bridges {
			command := "stop"
			if set&(1<<i) != 0 {
				command = "start"
			}
			mustRun(t, command+b)
		}
		nstest.Rest(t)
		possible = append(possible, readNetwork(t))
	}
	counts := map[int]int{}
	for round := range rounds {
		var lines []string
		for range width {
			b := bridges[rand.N(len(bridges))]
			lines = append(lines, []string{"start", "stop", "status", "start", "stop"}[rand.N(5)]+b)
		}
		for i, r := range together(t, lines) {
			ok := r.status == 0 || strings.HasPrefix(lines[i], "status") && r.status == 3
			if !ok {
				t.Errorf("round %d: %s: exit status %d, %s", round, lines[i], r.status, r.out)
			}
		}
		d, which := differs(t, possible...)
		if d != "" {
			t.Fatalf("round %d: %s\n%s", round, strings.Join(lines, "\n"), d)
		}
		counts[which]++
	}
	t.Logf("%d rounds of %d calls; the sets of bridges that were up at the end: %v", rounds, width, counts)
}

// outcome is how a call ended.
type outcome struct {
	status int
	out    string
}

// together runs all of the lines at once.
func together(t *testing.T, lines []string) []outcome {
	t.Helper()
	outcomes := make([]outcome, len(lines))
	var all sync.WaitGroup
	for i, line := range lines {
		cmd := program(line)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil { // not in a goroutine: the namespace belongs to this thread
			t.Fatal(err)
		}
		all.Go(func() {
			_ = cmd.Wait() // the process state tells how it ended
			outcomes[i] = outcome{cmd.ProcessState.ExitCode(), out.String()}
		})
	}
	all.Wait()
	return outcomes
}
