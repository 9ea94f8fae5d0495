package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// The storms: others change the host all the time while the program works.
// After every few calls the storm pauses and removes what it has made, and the
// network must be what the calls' exit statuses promise.

var stormFlag = flag.Duration("storm", 0, "how long each storm blows; 0: some seconds")

// storm is one kind of change.
type storm interface {
	// act makes one change. It may fail, as anything may on a host that
	// changes. It is called from a goroutine of its own, but never during calm.
	act()
	// calm undoes all changes that are left, and returns those that did not end
	// as they must.
	calm() (lost []string)
}

// stormKind is how one kind of storm is made for a world.
type stormKind struct {
	name   string
	make   func(*world) storm
	rate   int  // changes a second
	short  bool // may run in everyday tests, too: two of them do
	safe   bool // every start has antispoof and ip_forward
	again  bool // rules may be whole only after another start
	online bool // the NIC is never switched off, so that nothing is lost
}

// TestStorm runs each kind of storm on hosts with both shapes of network, with
// kernels that can rename an interface that is up and kernels that cannot. Some
// calls are killed.
func TestStorm(t *testing.T) {
	kinds := []stormKind{
		{name: "guests", make: newGuestStorm, rate: 100, short: true},
		{name: "names", make: newNameStorm, rate: 200},
		{name: "parts", make: newPartStorm, rate: 20},
		{name: "settings", make: newSettingStorm, rate: 500, short: true},
		{name: "claims", make: newClaimStorm, rate: 100, short: true},
		{name: "rules/nft", make: newRuleStorm, rate: 20, safe: true, again: true},
		{name: "rules/legacy", make: newRuleStorm, rate: 20, safe: true, again: true},
		{name: "routes", make: newRouteStorm, rate: 1000, short: true, again: true, online: true},
		{name: "link", make: newLinkStorm, rate: 10},
	}
	if testing.Short() {
		kinds = slices.DeleteFunc(kinds, func(k stormKind) bool { return !k.short })
		rand.Shuffle(len(kinds), func(a, b int) { kinds[a], kinds[b] = kinds[b], kinds[a] })
		kinds = kinds[:2]
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			blow(t, kind)
		})
	}
}

// stormLength is how long each storm lasts.
func stormLength() time.Duration {
	switch {
	case *stormFlag != 0:
		return *stormFlag
	case testing.Short():
		return 1500 * time.Millisecond
	}
	return 15 * time.Second
}

// stormFaults is the number of faults after which a storm ends.
const stormFaults = 4

// blow runs one kind of storm. After a fault it goes on with another host.
func blow(t *testing.T, kind stormKind) {
	t.Helper()
	n := &tally{calls: map[string]int{}, said: map[string]int{}}
	for left := stormLength(); left > 0 && n.faults < stormFaults; {
		w := newWorld(t, kind, n)
		begin := time.Now()
		for time.Since(begin) < left && w.gust() {
			n.gusts++
		}
		left -= time.Since(begin)
		n.took += time.Since(begin)
		w.end()
	}
	t.Log(n)
	if enough := 40; n.count() > enough && (n.up == 0 || n.down == 0) {
		t.Errorf("of so many calls no start or no stop succeeded in the storm: %d and %d", n.up, n.down)
	}
}

// tally tells how large a storm was.
type tally struct {
	took        time.Duration // in all
	blown       time.Duration // while the storm blew
	gusts       int
	acts        atomic.Int64
	calls       map[string]int // by command and exit status
	said        map[string]int // by message, of calls that failed
	up, down    int            // calls that changed the network
	faults      int
	tookLongest time.Duration
}

// count is the number of calls.
func (n *tally) count() (all int) {
	for _, count := range n.calls {
		all += count
	}
	return all
}

func (n *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s with %d gusts of %s in all: %d changes by the storm, %.0f a second; %d calls; %d times up and %d down; the longest call took %s\n",
		n.took.Round(time.Second), n.gusts, n.blown.Round(time.Second), n.acts.Load(), float64(n.acts.Load())/n.blown.Seconds(),
		n.count(), n.up, n.down, n.tookLongest.Round(time.Millisecond))
	for _, how := range slices.Sorted(maps.Keys(n.calls)) {
		fmt.Fprintf(&b, "  %6d %s\n", n.calls[how], how)
	}
	for _, what := range slices.Sorted(maps.Keys(n.said)) {
		fmt.Fprintf(&b, "  %6d × %s\n", n.said[what], what)
	}
	return b.String()
}

// world is a host in a storm.
type world struct {
	t     *testing.T
	kind  stormKind
	storm storm
	rtnl  *netlink.Handle // of the host
	lan   *netlink.Handle // of the LAN's end
	n     *tally

	hostNS, lanNS int // their namespaces

	calling atomic.Bool // a call is under way

	nets   []network // without bridges, and with those of each line
	lines  []string  // words of start, from index 1 on
	at     []int     // which of nets are possible now
	cut    bool      // a call was killed and not taken back
	report []string  // of the current gust
}

// down is the index in nets of the network without bridges.
const down = 0

// newWorld makes a host with a neighbour on its LAN, and reads its network
// without bridges and with those of each line.
func newWorld(t *testing.T, kind stormKind, n *tally) *world {
	t.Helper()
	nstest.New(t)
	if backend, ok := strings.CutPrefix(kind.name, "rules/"); ok {
		nstest.IPTables(t, backend)
	}
	nstest.Script(t, dom0+`
		sysctl -qw net.ipv4.ip_forward=0
		ip netns add lan
		ip link set lan0 address 02:00:00:00:00:01 netns lan
		ip netns exec lan sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.lan0.accept_dad=0 net.ipv6.conf.lan0.disable_ipv6=0
		ip -n lan addr add 192.168.0.1/24 dev lan0
		ip -n lan addr add 2001:db8::1/64 dev lan0
		ip -n lan link set lo up
		ip -n lan link set lan0 up`)
	w := &world{t: t, kind: kind, n: n, at: []int{down}, lines: []string{"stop"}}
	var err error
	if w.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		t.Fatal(err)
	}
	if w.hostNS, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	if w.lanNS, err = unix.Open("/run/netns/lan", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	<-nstest.Beside(t, func() {
		if err = unix.Setns(w.lanNS, unix.CLONE_NEWNET); err == nil {
			w.lan, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.readNets()
	w.storm = kind.make(w)
	return w
}

// readNets reads all networks that calls may lead to.
func (w *world) readNets() {
	w.t.Helper()
	for _, shape := range []string{"veth", "bridge"} {
		line := "start vifnum=0 netdev=eth0 dom0=" + shape
		if !w.kind.safe && !testing.Short() {
			w.lines = append(w.lines, line)
		}
		w.lines = append(w.lines, line+" antispoof=yes guests=allow ip_forward=1")
	}
	mustRun(w.t, w.lines[1]) // so that what is loaded on demand is there from the start
	mustRun(w.t, "stop")
	for i, line := range w.lines {
		if i > 0 {
			mustRun(w.t, line)
		}
		nstest.Rest(w.t)
		w.nets = append(w.nets, w.read())
		if i > 0 {
			mustRun(w.t, "stop")
		}
	}
}

// end closes what the world holds open.
func (w *world) end() {
	w.rtnl.Close()
	w.lan.Close()
	_ = unix.Close(w.hostNS)
	_ = unix.Close(w.lanNS)
}

var learntNow = regexp.MustCompile(`learnt$`)

// read is readNetwork without what depends on who came first, or on who was
// spoken to recently.
func (w *world) read() network {
	w.t.Helper()
	every := func(string) bool { return true }
	n := readNetwork(w.t)
	n.state = nstest.Unnumbered(n.state).Filter(every, func(section, line string) string {
		if section == "neigh" && learntNow.MatchString(line) {
			return ""
		}
		if setting, ok := strings.CutPrefix(section, "sysctl "); ok && w.kind.name == "settings" && followsDefault(setting, line) {
			return ""
		}
		return line
	})
	// The kernel's own tables and chains exist once somebody has asked for
	// them.
	n.rest = nstest.Script(w.t, `
		for p in iptables ip6tables; do $p-save | sed -n 's/ \[[0-9]*:[0-9]*\]//; /^:.* ACCEPT/d; /^[:-]/p' | sed "s/^/$p /"; done
		sysctl net.bridge net.ipv4.ip_forward
		ls -A /run/xbr-script | grep -v -e '^lock$' -e '^guests[.]' || true`)
	return n
}

// gustLength bounds the time until a storm pauses.
const gustLength = time.Second

// gust makes some calls while the storm is on, then lets it pause and compares.
// It says whether to go on.
func (w *world) gust() bool {
	w.report = nil
	begin := time.Now()
	stop := make(chan struct{})
	ended := nstest.Beside(w.t, func() { w.keepOn(stop) })
	time.Sleep(rand.N(20 * time.Millisecond))
	w.between()
	for begin, length := time.Now(), rand.N(gustLength); w.call() && time.Since(begin) < length; {
		w.between()
	}
	time.Sleep(rand.N(5 * time.Millisecond))
	close(stop)
	<-ended
	w.n.blown += time.Since(begin)
	if w.cut {
		w.quiet("recover")
	}
	w.cut = false
	lost := w.storm.calm()
	if w.kind.again && w.link("peth0") != nil {
		w.quiet(w.lines[slices.Max(w.at)])
	}
	if wrong := slices.Concat(lost, w.compare()); len(wrong) > 0 {
		w.fault("%s", strings.Join(wrong, "\n"))
	}
	return !w.failed()
}

// between tells storms that ask for it that no call is under way.
func (w *world) between() {
	if s, ok := w.storm.(interface{ mark() }); ok {
		s.mark()
	}
}

// stormBurst bounds what a storm catches up on after it had no processor.
const stormBurst = 100 * time.Millisecond

// keepOn makes changes at the storm's rate.
func (w *world) keepOn(stop <-chan struct{}) {
	next := time.Now()
	for {
		select {
		case <-stop:
			return
		default:
		}
		w.storm.act()
		w.n.acts.Add(1)
		next = next.Add(time.Second / time.Duration(w.kind.rate))
		if late := time.Since(next); late > stormBurst {
			next = next.Add(late - stormBurst) // what was missed before that is not caught up on
		}
		time.Sleep(time.Until(next))
	}
}

// stormShown is how many bytes of a fault are printed.
const stormShown = 6000

// fault records that something is wrong, with everything that led to it.
func (w *world) fault(format string, args ...any) {
	w.t.Helper()
	w.n.faults++
	what := fmt.Sprintf(format, args...)
	if len(what) > stormShown {
		what = what[:stormShown] + " …"
	}
	w.t.Errorf("%s\n%s", strings.Join(w.report, "\n"), what)
	w.report = append(w.report, "FAULT")
}

func (w *world) failed() bool { return slices.Contains(w.report, "FAULT") }

// choose picks the next command: mostly start and stop in turn, sometimes
// another.
func (w *world) choose() (line string, to []int) {
	is := w.at[0]
	switch n := rand.N(10); {
	case n == 0:
		return "status", w.at
	case n == 1:
		return "recover", w.at
	case (is == down) == (n > 2):
		if is == down {
			is = 1 + rand.N(len(w.lines)-1)
		}
		return w.lines[is], []int{is}
	}
	return "stop", []int{down}
}

// uname26 makes programs that the calling thread starts see a kernel 2.6
// (personality(2)), which cannot rename an interface that is up.
const uname26 = 0x0020000

// call makes one call in the storm, and says whether its outcome is known.
func (w *world) call() bool {
	w.t.Helper()
	line, to := w.choose()
	cmd := program(line)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	title := line
	if old := !w.kind.online && rand.N(4) == 0; old {
		title += " (without live rename)"
		_, _, _ = unix.Syscall(unix.SYS_PERSONALITY, uname26, 0, 0)
		defer func() { _, _, _ = unix.Syscall(unix.SYS_PERSONALITY, 0, 0, 0) }()
	}
	w.calling.Store(true)
	defer w.calling.Store(false)
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	after := 2 * time.Minute
	if rand.N(8) == 0 {
		after = rand.N(100 * time.Millisecond)
	}
	killer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the process state tells how it ended
	killer.Stop()
	w.n.tookLongest = max(w.n.tookLongest, time.Since(begin))
	status := cmd.ProcessState.ExitCode()
	w.report = append(w.report, fmt.Sprintf("%s: status %d after %s, %s", title, status, time.Since(begin), out.String()))
	command, _, _ := strings.Cut(line, " ")
	return w.note(command, status, out.String(), to)
}

// numbers are what differs between messages of the same kind.
var numbers = regexp.MustCompile(`[0-9a-f:.]*[0-9][0-9a-f:./]*`)

// note records how a call ended.
func (w *world) note(command string, status int, out string, to []int) (known bool) {
	w.t.Helper()
	w.n.calls[fmt.Sprintf("%s: %d", command, status)]++
	if status != 0 && status != -1 && command != "status" {
		first, _, _ := strings.Cut(out, "\n")
		w.n.said[numbers.ReplaceAllString(first, "#")]++
	}
	if strings.Contains(out, "by hand:") || strings.Contains(out, "panic") {
		w.fault("left to be done by hand")
		return false
	}
	switch {
	case status == -1 && command != "status":
		w.at = slices.Concat(w.at, to)
		w.cut = true
	case status == 0 && command == "start":
		w.at = to
		w.n.up++
	case status == 0 && command == "stop":
		w.at = to
		w.n.down++
	}
	return !w.cut
}

// quiet makes a call that must succeed, as the storm pauses.
func (w *world) quiet(line string) {
	w.t.Helper()
	status, out := run(w.t, line)
	w.report = append(w.report, fmt.Sprintf("the storm pauses; %s: status %d, %s", line, status, out))
	w.n.calls[fmt.Sprintf("when the storm had paused, %s: %d", strings.Fields(line)[0], status)]++
	if status != 0 {
		w.fault("a call without a storm")
	}
}

// stormSettles is how long the kernel may take to note what has changed.
const stormSettles = 5 * time.Second

// compare tells in what way the network is none of those that it may be.
func (w *world) compare() (wrong []string) {
	w.t.Helper()
	if _, err := os.Stat("/run/xbr-script/journal"); err == nil {
		wrong = append(wrong, "a journal is left")
	}
	var diff string
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		diff = ""
		now := w.read()
		for _, i := range w.at {
			d := w.nets[i].state.Diff(now.state)
			if w.nets[i].rest != now.rest {
				d += fmt.Sprintf("was:\n%s\nis:\n%s", w.nets[i].rest, now.rest)
			}
			if d == "" {
				w.at = []int{i}
				return append(wrong, w.answers()...)
			}
			diff += fmt.Sprintf("is not %q:\n%s\n", w.lines[i], d)
		}
		if time.Since(begin) > stormSettles {
			return append(wrong, diff)
		}
	}
}

// answers lists who on the LAN cannot be reached, and who cannot reach dom0.
func (w *world) answers() (mute []string) {
	w.t.Helper()
	for _, ping := range []string{
		"ping -qnc1 -W5 192.168.0.1", "ping -qnc1 -W5 2001:db8::1",
		"ip netns exec lan ping -qnc1 -W5 192.168.0.3", "ip netns exec lan ping -qnc1 -W5 2001:db8::2",
	} {
		if _, err := nstest.Try(w.t, "sh", "-c", ping); err != nil {
			mute = append(mute, err.Error())
		}
	}
	return mute
}
