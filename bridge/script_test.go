package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// scriptHosts is how many made-up hosts TestDryRunScript uses, scriptSeed the
// seed that they are made from.
const (
	scriptHosts = 15
	scriptSeed  = 7
)

// TestDryRunScript carries plans out on a host, and their commands on its twin:
// both must be the same after start and after stop. The shell that runs the
// commands stops at the first failure, since no admin would trust a script in
// which some commands must fail.
func TestDryRunScript(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(seed000, seed002, rich, settled) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			(&twins{t: t, network: n, build: (*lab).build}).compare()
		})
	}
	for i := range scriptHosts {
		t.Run(fmt.Sprint("host ", i), func(t *testing.T) {
			t.Parallel()
			onBridge := i%2 == 1
			script, nic := generate(scriptSeed, uint64(i), onBridge)
			script = expressible(script)
			n := network{name: "random host", specs: []bridge.Spec{specOf(0, nic)}}.shaped(onBridge)
			(&twins{t: t, network: n, build: func(l *lab) {
				accepted := (&randomHost{l}).build(script)
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("the host:\n%s", strings.Join(accepted, "\n"))
					}
				})
			}}).compare()
		})
	}
}

// twins is two hosts that are made in the same way.
type twins struct {
	t *testing.T
	network
	build func(*lab)
}

// outcome is what became of one of the twins.
type outcome struct {
	before  nstest.State
	records map[string][]byte // after start
	states  [2]nstest.State   // after start, after stop
}

// compare carries the plans out in one namespace and their commands in the
// other.
func (w *twins) compare() {
	var planned outcome
	w.t.Run("plan", func(t *testing.T) { planned = w.planned(t) })
	if !w.t.Failed() {
		w.t.Run("script", func(t *testing.T) { w.scripted(t, planned) })
	}
}

// host makes one of the two.
func (w *twins) host(t *testing.T) (*lab, nstest.State) {
	t.Helper()
	l := emptyLab(t, w.network, true)
	w.build(l)
	nstest.Rest(t)
	return l, nstest.ReadState(t)
}

// apart is how much later the second twin was made, judging by the lifetimes
// that both have.
func apart(t *testing.T, first, second nstest.State) time.Duration {
	t.Helper()
	const most, step = 5 * time.Minute, time.Second
	var fit []time.Duration
	for d := -step; d < most; d += step {
		if first.Later(d).Diff(second) == "" {
			fit = append(fit, d)
		}
	}
	if len(fit) == 0 {
		t.Fatal("the twins are not alike:\n", first.Later(0).Diff(second))
	}
	return fit[len(fit)/2]
}

func (w *twins) planned(t *testing.T) (o outcome) {
	l, before := w.host(t)
	o = outcome{before: before, records: map[string][]byte{}}
	for i, start := range []bool{true, false} {
		l.mustRun(start)
		nstest.Rest(t)
		o.states[i] = nstest.ReadState(t)
		if start {
			for _, file := range must(filepath.Glob(filepath.Join(l.dir, "*"))) {
				o.records[filepath.Base(file)] = must(os.ReadFile(file))
			}
		}
	}
	return o
}

func (w *twins) scripted(t *testing.T, planned outcome) {
	l, before := w.host(t)
	later, slow := apart(t, planned.before, before), false
	for i, start := range []bool{true, false} {
		commands := strings.Join(l.plan(start).Commands(), "\n")
		began := time.Now()
		if out, err := nstest.Try(t, "sh", "-e", "-c", "exec 2>&1; set -x\n"+commands); err != nil {
			t.Fatalf("the script of %s fails:\n%s\nit was:\n%s", verb(start), tail(out, 5), commands)
		}
		pick := nstest.Whole
		if slow = slow || time.Since(began) > slowScript; slow {
			pick = timeless
		}
		nstest.Rest(t)
		if d := nstest.Settled(t, planned.states[i].Later(later), pick); d != "" {
			t.Errorf("after the script of %s (+) the host is not as after the plan (-):\n%s\nit was:\n%s", verb(start), d, commands)
		}
		for name, data := range planned.records { // the script writes none, and stop reads them
			must(0, os.WriteFile(filepath.Join(l.dir, name), data, 0o600))
		}
	}
}

// slowScript is how long a script may take if its lifetimes are compared: it
// has those that were left when it was written.
const slowScript = 1500 * time.Millisecond

var lifetime = regexp.MustCompile(`\b[0-9]+sec\b`)

// timeless is the state without lifetimes.
func timeless(s nstest.State) nstest.State {
	return s.Filter(func(string) bool { return true }, func(_, line string) string { return lifetime.ReplaceAllString(line, "limited") })
}

// tail is the last lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// must is the value of a call that has to succeed.
func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// expressible leaves out what makes twins differ by themselves: for "random"
// the kernel draws a secret for each host, and whether an address on a NIC that
// is off counts as tentative, if detection is switched on last, depends on when
// the kernel looks at it. (iproute2 6.1 has words for everything else on a
// made-up host; internal/ipcmd says what it lacks.)
func expressible(script []string) []string {
	return slices.DeleteFunc(slices.Clone(script), func(line string) bool {
		return strings.Contains(line, "addrgenmode random") || strings.HasSuffix(line, "/accept_dad=1")
	})
}
