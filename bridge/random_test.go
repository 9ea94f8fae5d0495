package bridge_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

var (
	seed  = flag.Uint64("seed", 33, "what TestRandomHosts makes its hosts from; 0 takes the time")
	hosts = flag.Int("hosts", 200, "how many hosts TestRandomHosts makes")
)

// TestRandomHosts moves the NICs of made-up hosts: after start everything is on
// the new interface, after stop the host is as it was.
func TestRandomHosts(t *testing.T) {
	t.Parallel()
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano() % 1_000_000)
	}
	var asked, made atomic.Int64
	many := *hosts
	if testing.Short() {
		many = min(many, 48)
	}
	t.Logf("-seed %d", from)
	t.Run("host", func(t *testing.T) {
		for i := range many {
			live, onBridge := i%2 == 0, i/2%2 == 1
			script, nic := generate(from, uint64(i), onBridge) // on a bridge, one that is off may be refused
			n := network{name: "random host", specs: []bridge.Spec{specOf(0, nic)}}.shaped(onBridge)
			t.Run(fmt.Sprintf("%d %s", i, renaming(live)), func(t *testing.T) {
				t.Parallel()
				r := &randomHost{lab: emptyLab(t, n, live)}
				accepted := r.build(script)
				asked.Add(int64(len(script)))
				made.Add(int64(len(accepted)))
				nstest.Rest(t)
				defer func() {
					if t.Failed() {
						t.Logf("%s %d of -seed %d:\n%s", n.name, i, from, strings.Join(accepted, "\n"))
					}
				}()
				r.upAndDown()
			})
		}
	})
	t.Logf("%d hosts from -seed %d; the kernel took %d of %d commands", many, from, made.Load(), asked.Load())
}

type randomHost struct{ *lab }

// build carries the commands out and returns those that the kernel accepted.
func (r *randomHost) build(script []string) (accepted []string) {
	var batch []string
	flush := func() {
		accepted = append(accepted, r.batch(batch)...)
		batch = nil
	}
	for _, line := range script {
		if setting, ok := strings.CutPrefix(line, "sysctl -qw "); ok {
			flush()
			name, value, _ := strings.Cut(setting, "=")
			if os.WriteFile("/proc/sys/"+name, []byte(value), 0) == nil {
				accepted = append(accepted, line)
			}
			continue
		}
		batch = append(batch, line)
	}
	flush()
	return accepted
}

var refusedLine = regexp.MustCompile(`(?m)^Command failed .*:([0-9]+)$`)

// batch runs ip commands in one go and returns those that did not fail.
func (r *randomHost) batch(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(strings.TrimPrefix(l, "ip ") + "\n")
	}
	file := filepath.Join(r.t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	out, _ := nstest.Try(r.t, "ip", "-force", "-batch", file)
	refused := map[int]bool{}
	for _, m := range refusedLine.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1]) // the pattern has matched digits
		refused[n-1] = true
	}
	var accepted []string
	for i, l := range lines {
		if !refused[i] {
			accepted = append(accepted, l)
		}
	}
	return accepted
}

// upAndDown checks what start and stop promise.
func (r *randomHost) upAndDown() {
	t, w := r.t, r.specs[0]
	before := nstest.ReadState(t)
	if err := r.run(true); err != nil {
		t.Errorf("start: %v\nleft behind:\n%s", err, nstest.Settled(t, before, nstest.Whole))
		return
	}
	if d := nstest.Settled(t, before, dom0View(w)); d != "" {
		t.Errorf("after start the host has other state:\n%s", d)
	}
	if again := r.plan(true); len(again.Steps) > 0 {
		t.Errorf("a second start has steps: %q", again.Commands())
	}
	r.mustRun(false)
	if d := nstest.Settled(t, before, undead); d != "" {
		t.Errorf("after stop the host is not as before start:\n%s", d)
	}
	if left := r.journals(); len(left) > 0 {
		t.Errorf("journal left: %q", left)
	}
}

var (
	// Where an interface stands among the others, and what its type is.
	place   = regexp.MustCompile(`^[0-9]+: ([^:@]+)(@[^:]+)?:`)
	carrier = regexp.MustCompile(`,LOWER_UP|NO-CARRIER,|,M-DOWN| state [A-Z]+| mode DEFAULT| minmtu .*`)
	dead    = regexp.MustCompile(` dead| linkdown`)

	multicastAll = regexp.MustCompile(`^multicast ff00::/8 .* proto kernel`)
)

// undead is everything except whether routes know of a missing carrier (the
// kernel marks them when they are made, or when the carrier is lost), and
// except anycast addresses: if forwarding is switched on while the kernel still
// works on new addresses, it joins them twice and leaves them once.
func undead(s nstest.State) nstest.State {
	all := func(string) bool { return true }
	return s.Filter(all, func(_, line string) string {
		if strings.HasPrefix(line, "anycast ") {
			return ""
		}
		return dead.ReplaceAllString(line, "")
	})
}

// dom0View is what must be the same before and after start: everything but the
// parts of the bridge. Dom0's interface is another type of device, and has a
// carrier where the NIC may have none.
func dom0View(w bridge.Spec) func(nstest.State) nstest.State {
	keep := func(section string) bool {
		_, device, _ := strings.Cut(section, " ")
		return !strings.HasPrefix(section, "bridge") && device != w.PDev && device != w.VIF && device != w.Bridge
	}
	edit := func(section, line string) string {
		if strings.HasPrefix(section, "link ") {
			line = place.ReplaceAllString(line, "$1:")
			if strings.HasPrefix(strings.TrimSpace(line), "veth") {
				return ""
			}
			line = carrier.ReplaceAllString(line, "")
		}
		if multicastAll.MatchString(line) || strings.HasPrefix(line, "anycast ") {
			return "" // the kernel adds it once there is a carrier
		}
		return dead.ReplaceAllString(line, "")
	}
	return func(s nstest.State) nstest.State { return s.Filter(keep, edit) }
}
