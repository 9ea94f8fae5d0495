package nstest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// State is the network of a namespace as text, in sections: for each
// interface "link", "addr" and "sysctl", and for the namespace "rule",
// "route", "neigh" and so on. What changes by itself is left out or, where it
// counts down, compared with a tolerance.
type State struct {
	Sections []Section
	at       time.Duration // boot time when it was read: lifetimes count from there
}

// Section is one part of a State.
type Section struct {
	Name  string // such as "addr eth0" or "route"
	Lines []string
}

// lifetimeTolerance is by how many seconds the end of a lifetime may shift. The
// kernel reports whole seconds, so each move of an address costs up to one.
const lifetimeTolerance = 3

// ReadState reads the namespace of the calling thread.
func ReadState(t T) State {
	helper(t)()
	s := State{at: boottime(t)}
	links, tables := show(t)
	s.Sections = slices.Concat(links, tables)
	for _, l := range links {
		if name, ok := strings.CutPrefix(l.Name, "link "); ok {
			s.Sections = append(s.Sections, Section{"sysctl " + name, sysctls(name)})
		}
	}
	s.Sections = append(s.Sections, Section{"host", []string{
		"ip_forward " + read("/proc/sys/net/ipv4/ip_forward"),
		"ipv6 forwarding " + read("/proc/sys/net/ipv6/conf/all/forwarding"),
	}})
	return s
}

func boottime(t T) time.Duration {
	helper(t)()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// lines are a text's lines without trailing space.
func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimRight(l, " \n"); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func sorted(ls []string) []string {
	slices.Sort(ls)
	return ls
}

var (
	linkHead = regexp.MustCompile(`^[0-9]+: ([^:@]+)(@[^:]+)?: `)
	// Timers, what spanning tree has found out, and what a driver tells about
	// its queues are not state. That the kernel has made an IPv6 address up is
	// a mark that nobody can set.
	linkNoise = regexp.MustCompile(` [a-z_]+_timer +[0-9.]+| (designated|topology_change)\w* \S+| num[tr]xqueues .*| link-netns\S* \S+| stable-privacy`)
	// noop is the queue of an interface until it is switched on for the first
	// time.
	noQueue = regexp.MustCompile(`qdisc (noop|noqueue)`)
	// An interface with a carrier is up as soon as the kernel takes notice,
	// which can take it a second.
	notNoted = regexp.MustCompile(`LOWER_UP(.*) state UNKNOWN`)
	// A lifetime without end is one of 136 years where only the kernel can set
	// it.
	endless = regexp.MustCompile(`\b429496[0-9]{4}sec`)
)

// linkSections parts the output of ip addr into two sections an interface.
func linkSections(ls []string) []Section {
	var out []Section
	for _, l := range ls {
		if head := linkHead.FindStringSubmatch(l); head != nil {
			out = append(out, Section{Name: "link " + head[1]}, Section{Name: "addr " + head[1]})
		}
		at := len(out) - 1
		if text := strings.TrimSpace(l); at > 0 && !strings.HasPrefix(text, "inet") && !strings.HasPrefix(text, "valid_lft") {
			at--
		}
		l = noQueue.ReplaceAllString(linkNoise.ReplaceAllString(l, ""), "qdisc none")
		l = notNoted.ReplaceAllString(l, "LOWER_UP$1 state UP")
		l = endless.ReplaceAllString(l, "forever")
		out[at].Lines = append(out[at].Lines, l)
	}
	return out
}

var (
	learnt = regexp.MustCompile(`(REACHABLE|STALE|DELAY|PROBE)$`)
	asked  = regexp.MustCompile(`(INCOMPLETE|FAILED)$`)
)

// neighbours makes learnt entries equal, whatever their age, and drops those
// without an answer.
func neighbours(ls []string) []string {
	ls = slices.DeleteFunc(ls, asked.MatchString)
	for i, l := range ls {
		ls[i] = learnt.ReplaceAllString(l, "learnt")
	}
	return sorted(ls)
}

// read reads a setting; one that has no value yet reads as "-".
func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "-"
	}
	return strings.TrimSpace(string(b))
}

// Filter is a copy of the sections for which keep says yes, with each line changed
// by edit, if that is not nil; lines that edit empties are dropped.
func (s State) Filter(keep func(name string) bool, edit func(name, line string) string) State {
	out := State{at: s.at}
	for _, sec := range s.Sections {
		if !keep(sec.Name) {
			continue
		}
		var ls []string
		for _, l := range sec.Lines {
			if edit != nil {
				l = edit(sec.Name, l)
			}
			if l != "" {
				ls = append(ls, l)
			}
		}
		out.Sections = append(out.Sections, Section{sec.Name, ls})
	}
	return out
}

// Later is the state of a host that was made in the same way that much later: its
// lifetimes end later.
func (s State) Later(by time.Duration) State { return State{s.Sections, s.at + by} }

// Section is the lines of a section.
func (s State) Section(name string) []string {
	for _, sec := range s.Sections {
		if sec.Name == name {
			return sec.Lines
		}
	}
	return nil
}

func (s State) String() string {
	var b strings.Builder
	for _, sec := range s.Sections {
		fmt.Fprintf(&b, "[%s]\n%s\n", sec.Name, strings.Join(sec.Lines, "\n"))
	}
	return b.String()
}

// Diff lists what is in s and not in other ("-"), and the reverse ("+"), by section;
// "" if they are the same.
func (s State) Diff(other State) string {
	var b strings.Builder
	var names []string
	for _, sec := range slices.Concat(s.Sections, other.Sections) {
		if slices.Contains(names, sec.Name) {
			continue
		}
		names = append(names, sec.Name)
		if d := diff(s.Section(sec.Name), other.Section(sec.Name), (other.at - s.at).Seconds()); d != "" {
			fmt.Fprintf(&b, "[%s]\n%s", sec.Name, d)
		}
	}
	return b.String()
}

// diff compares lists of lines that were read passed seconds apart, by their
// longest common subsequence.
func diff(a, b []string, passed float64) string {
	for len(a) > 0 && len(b) > 0 && same(a[0], b[0], passed) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && same(a[len(a)-1], b[len(b)-1], passed) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	common := make([][]int, len(a)+1) // of a[i:] and b[j:]
	for i := len(a); i >= 0; i-- {
		common[i] = make([]int, len(b)+1)
		for j := len(b) - 1; j >= 0 && i < len(a); j-- {
			if same(a[i], b[j], passed) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && same(a[i], b[j], passed):
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out.WriteString("- " + a[i] + "\n")
			i++
		default:
			out.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

var seconds = regexp.MustCompile(`\b[0-9]+sec\b`)

// same compares lines; lifetimes must end at the same time, about.
func same(a, b string, passed float64) bool {
	if a == b && !strings.Contains(a, "sec") {
		return true
	}
	if seconds.ReplaceAllString(a, "sec") != seconds.ReplaceAllString(b, "sec") {
		return false
	}
	as, bs := seconds.FindAllString(a, -1), seconds.FindAllString(b, -1)
	for i := range as {
		late := number(bs[i]) + passed - number(as[i])
		if number(as[i]) > 0 && (late > lifetimeTolerance || late < -lifetimeTolerance) {
			return false
		}
	}
	return true
}

func number(sec string) float64 {
	n, _ := strconv.Atoi(strings.TrimSuffix(sec, "sec")) // the pattern matched digits
	return float64(n)
}

// settleLimit allows for what the kernel does in the background after a change: it
// notices the state of links at most once a second (linkwatch), and later on a
// busy machine.
const settleLimit = 5 * time.Second

// Settled reads the state until it is as wanted, by Diff of what pick makes of
// both, and returns the remaining difference. An IPv6 address that the kernel
// checks again counts as a difference at once, though that would pass.
func Settled(t T, want State, pick func(State) State) string {
	helper(t)()
	_, diff := Settle(t, want, pick)
	return diff
}

// Settle is Settled, and returns the whole state that it read last, too.
func Settle(t T, want State, pick func(State) State) (now State, diff string) {
	helper(t)()
	want = pick(want)
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		now = ReadState(t)
		picked := pick(now)
		diff = want.Diff(picked)
		if diff == "" || picked.checksMore(want) || time.Since(start) > settleLimit {
			return now, diff
		}
	}
}

// checksMore says whether an address is tentative that is not tentative in the
// other state.
func (s State) checksMore(than State) bool {
	for _, sec := range s.Sections {
		known := tentative(than.Section(sec.Name))
		for _, addr := range tentative(sec.Lines) {
			if strings.HasPrefix(sec.Name, "addr ") && !slices.Contains(known, addr) {
				return true
			}
		}
	}
	return false
}

// tentative are the addresses that the kernel has yet to find unique, by their
// lines in the output of ip addr.
func tentative(ls []string) (addrs []string) {
	for _, l := range ls {
		if strings.Contains(l, " tentative") && !strings.Contains(l, "dadfailed") {
			addrs = append(addrs, strings.Fields(l)[1])
		}
	}
	return addrs
}

// restLimit is well above what duplicate address detection takes, even on a busy
// machine.
const restLimit = time.Minute

// Rest waits until the kernel has found out everything about new interfaces and
// addresses that it finds out by itself, and returns the state that it has come to.
func Rest(t T) State {
	helper(t)()
	last := ReadState(t)
	for start := time.Now(); time.Since(start) < restLimit; {
		time.Sleep(10 * time.Millisecond)
		s := ReadState(t)
		if last.Diff(s) == "" && !s.busy() {
			return s
		}
		last = s
	}
	t.Fatal("the host does not come to rest:\n", last)
	return last
}

// busy says whether the kernel has yet to notice that an interface has got or lost
// its carrier, or to find an address unique that is on one with a carrier.
func (s State) busy() bool {
	for _, sec := range s.Sections {
		name, ok := strings.CutPrefix(sec.Name, "link ")
		if !ok {
			continue
		}
		flags := sec.flags()
		carrier := slices.Contains(flags, "LOWER_UP")
		if slices.Contains(flags, "UP") && carrier == slices.Contains(flags, "NO-CARRIER") {
			return true
		}
		if carrier && len(tentative(s.Section("addr "+name))) > 0 {
			return true
		}
	}
	return false
}

// flags are those of an interface, from its section.
func (sec Section) flags() []string {
	_, after, _ := strings.Cut(strings.Join(sec.Lines, ""), "<")
	list, _, _ := strings.Cut(after, ">")
	return strings.Split(list, ",")
}

var portNumber = regexp.MustCompile(` (port_id|port_no|designated_port) \S+`)

// Unnumbered picks everything but the numbers of a bridge's ports: they show in
// which order the ports joined, and mean nothing without STP.
func Unnumbered(s State) State {
	return s.Filter(func(string) bool { return true }, func(_, line string) string {
		return portNumber.ReplaceAllString(line, "")
	})
}

// Whole picks everything.
func Whole(s State) State { return s }
