package forward_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xbr-script/forward"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// lab is a host in a namespace of its own, whose NICs differ.
type lab struct {
	t   *testing.T
	fwd forward.Forward
	run *plan.Runner
}

func newLab(t *testing.T, script string) *lab {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, `
		ip link add eth0 type veth peer name lan0
		ip link add em1.2 type veth peer name lan1
		`+script)
	dir := t.TempDir()
	return &lab{t, forward.Forward{Records: plan.Records{Dir: dir}}, &plan.Runner{Dir: dir, Kinds: plan.Merge(sysctl.Kinds())}}
}

// host is a snapshot of the host as it is now.
func (l *lab) host() *host.Host {
	l.t.Helper()
	conn, err := rtnl.Dial()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	h, err := host.Look(conn)
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

func (l *lab) start(asked config.IPForward) {
	l.t.Helper()
	steps, err := l.fwd.Start(l.host(), asked)
	if err != nil {
		l.t.Fatal("start: ", err)
	}
	l.carryOut(steps)
}

// stop takes the setting back, and returns the note.
func (l *lab) stop() string {
	l.t.Helper()
	steps, note, err := l.fwd.Stop(l.host())
	if err != nil {
		l.t.Fatal("stop: ", err)
	}
	l.carryOut(steps)
	return note
}

func (l *lab) carryOut(steps []plan.Step) {
	l.t.Helper()
	if err := l.run.Run(l.t.Context(), &plan.Plan{Steps: steps}); err != nil {
		l.t.Fatal(err)
	}
}

// expect compares settings below net/ipv4: "ip_forward=1 conf/eth0/forwarding=0".
func (l *lab) expect(settings string) {
	l.t.Helper()
	for _, s := range strings.Fields(settings) {
		name, value, _ := strings.Cut(s, "=")
		if got, err := sysctl.Get("net/ipv4/" + name); err != nil || got != value {
			l.t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
}

// settings are all settings of IPv4 in the namespace, as text.
func (l *lab) settings() string {
	l.t.Helper()
	return nstest.Run(l.t, "sh", "-c", "cd /proc/sys/net/ipv4 && grep -r . ip_forward conf")
}

// unchanged compares settings with those of before.
func (l *lab) unchanged(when, before string) {
	l.t.Helper()
	was := strings.Split(before, "\n")
	for i, now := range strings.Split(l.settings(), "\n") {
		if now != was[i] {
			l.t.Errorf("%s: %s, was %s", when, now, was[i])
		}
	}
}

// records are the record files that exist.
func (l *lab) records() []string {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.fwd.Records.Dir, "*"))
	if err != nil {
		l.t.Fatal(err)
	}
	return files
}

func (l *lab) noRecord() {
	l.t.Helper()
	if left := l.records(); len(left) > 0 {
		l.t.Errorf("files left: %q", left)
	}
}

const (
	on  = config.IPForwardOn
	off = config.IPForwardOff
)

// hosts are states of forwarding before the first start. After the last stop
// everything must be so again.
var hosts = map[string]string{
	"off":           ``,
	"on":            `sysctl -qw net/ipv4/ip_forward=1`,
	"one NIC on":    `sysctl -qw net/ipv4/conf/em1.2/forwarding=1`,
	"one NIC off":   `sysctl -qw net/ipv4/ip_forward=1 net/ipv4/conf/eth0/forwarding=0`,
	"new NICs on":   `sysctl -qw net/ipv4/conf/default/forwarding=1`,
	"redirects off": `sysctl -qw net/ipv4/conf/all/accept_redirects=0`,
	"redirects on":  `sysctl -qw net/ipv4/ip_forward=1 net/ipv4/conf/all/accept_redirects=1`,
}

// TestStartStop sets forwarding once or twice, and takes it back.
func TestStartStop(t *testing.T) {
	for name, script := range hosts {
		for _, starts := range [][]config.IPForward{{on}, {off}, {on, on}, {on, off}, {off, on}} {
			t.Run(name, func(t *testing.T) {
				l := newLab(t, script)
				before := l.settings()
				for _, asked := range starts {
					l.start(asked)
					l.expect("ip_forward=" + string(asked))
				}
				if note := l.stop(); note != "" {
					t.Errorf("stop after %v: %s", starts, note)
				}
				l.unchanged("after stop", before)
				l.noRecord()
			})
		}
	}
}

// TestStartSets checks that start sets forwarding on every NIC.
func TestStartSets(t *testing.T) {
	l := newLab(t, `sysctl -qw net/ipv4/conf/em1.2/forwarding=1`)
	l.start(on)
	l.expect("ip_forward=1 conf/eth0/forwarding=1 conf/em1.2/forwarding=1 conf/default/forwarding=1")
	if steps, err := l.fwd.Start(l.host(), on); len(steps) > 0 || err != nil {
		t.Errorf("a second start: %v, %v", steps, err)
	}
	if note := l.stop(); note != "" {
		t.Error(note)
	}
	l.expect("ip_forward=0 conf/eth0/forwarding=0 conf/em1.2/forwarding=1 conf/default/forwarding=0")
	if steps, note, err := l.fwd.Stop(l.host()); len(steps) > 0 || note != "" || err != nil {
		t.Errorf("a second stop: %v, %q, %v", steps, note, err)
	}
}

// TestNothingToSet starts where everything is as asked: no record is written,
// and stop leaves what others have done meanwhile.
func TestNothingToSet(t *testing.T) {
	l := newLab(t, `sysctl -qw net/ipv4/ip_forward=1`)
	l.start(on)
	l.noRecord()
	nstest.Script(t, `sysctl -qw net/ipv4/ip_forward=0`)
	if note := l.stop(); note != "" {
		t.Error(note)
	}
	l.expect("ip_forward=0")
}

// TestChangedSince lets somebody change the setting between start and stop:
// stop leaves it, and says so.
func TestChangedSince(t *testing.T) {
	l := newLab(t, `sysctl -qw net/ipv4/conf/em1.2/forwarding=1`)
	l.start(on)
	nstest.Script(t, `sysctl -qw net/ipv4/ip_forward=0`)
	if note, want := l.stop(), "ip_forward is left at 0: it was changed from 1 since start"; note != want {
		t.Errorf("note %q, want %q", note, want)
	}
	l.expect("ip_forward=0 conf/em1.2/forwarding=0")
	l.noRecord()

	l.start(on)
	nstest.Script(t, `sysctl -qw net/ipv4/ip_forward=0`)
	l.start(on) // asked for again, it is ours again
	l.expect("ip_forward=1")
	if note := l.stop(); note != "" {
		t.Error(note)
	}
	l.expect("ip_forward=0 conf/em1.2/forwarding=0")
}

// TestNICGone removes a NIC that differed: nothing of it has to be put back.
func TestNICGone(t *testing.T) {
	l := newLab(t, `sysctl -qw net/ipv4/conf/em1.2/forwarding=1 net/ipv4/conf/eth0/forwarding=1`)
	l.start(on)
	nstest.Script(t, `ip link del em1.2`)
	if note := l.stop(); note != "" {
		t.Error(note)
	}
	l.expect("ip_forward=0 conf/eth0/forwarding=1")
	l.noRecord()
}

// TestRenamed takes a start back after the NIC has got another name, and
// another interface the NIC's, as happens when a NIC is moved.
func TestRenamed(t *testing.T) {
	l := newLab(t, `sysctl -qw net/ipv4/conf/eth0/forwarding=1`)
	steps, err := l.fwd.Start(l.host(), on)
	if err != nil {
		t.Fatal(err)
	}
	fail := errors.New("fail")
	l.run.Hook = func(step int, after bool) error {
		if step == len(steps)-1 && after {
			nstest.Script(t, `ip link set eth0 name peth0
				ip link set em1.2 name eth0`)
			return fail
		}
		return nil
	}
	if err := l.run.Run(t.Context(), &plan.Plan{Steps: steps}); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	l.expect("ip_forward=0 conf/peth0/forwarding=1 conf/eth0/forwarding=0")
	l.noRecord()
}

// TestFaults makes each step go wrong in each way, for each host: at start, at
// another start and at stop.
func TestFaults(t *testing.T) {
	total := &faults.Matrix{}
	for name, script := range hosts {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, script)
			now, err := sysctl.Get(forward.Setting)
			if err != nil {
				t.Fatal(err)
			}
			asked, again := on, off
			if now == string(on) {
				asked, again = off, on
			}
			l.everyStep(total, "start", func() ([]plan.Step, error) { return l.fwd.Start(l.host(), asked) })
			l.start(asked)
			l.everyStep(total, "start again", func() ([]plan.Step, error) { return l.fwd.Start(l.host(), again) })
			l.everyStep(total, "stop", func() ([]plan.Step, error) {
				steps, _, err := l.fwd.Stop(l.host())
				return steps, err
			})
		})
	}
	t.Log(total)
}

func (l *lab) everyStep(total *faults.Matrix, verb string, makeSteps func() ([]plan.Step, error)) {
	l.t.Helper()
	before, record := l.settings(), l.record()
	m := &faults.Matrix{T: l.t, Runner: *l.run, Every: faults.Ways(testing.Short(), 2), Same: func(what string) bool {
		l.t.Helper()
		l.unchanged(what, before)
		r := l.record()
		if r != record {
			l.t.Errorf("%s: the record is %q, was %q", what, r, record)
		}
		return r == record
	}}
	m.Try(verb, func() *plan.Plan {
		steps, err := makeSteps()
		if err != nil || len(steps) != 2 {
			l.t.Fatalf("%s: %d steps, %v", verb, len(steps), err)
		}
		return &plan.Plan{Steps: steps}
	})
	total.Steps += m.Steps
	total.Cases += m.Cases
}

// record is the text of the record, "" if there is none.
func (l *lab) record() string {
	l.t.Helper()
	text := ""
	for _, f := range l.records() {
		b, err := os.ReadFile(f)
		if err != nil {
			l.t.Fatal(err)
		}
		text += filepath.Base(f) + " " + string(b)
	}
	return text
}

// TestCommandLines compares the commands of both directions with the settings
// that the plans make.
func TestCommandLines(t *testing.T) {
	l := newLab(t, `sysctl -qw net/ipv4/conf/em1.2/forwarding=1`)
	before := l.settings()
	steps, err := l.fwd.Start(l.host(), on)
	if err != nil {
		t.Fatal(err)
	}
	start := plan.Plan{Steps: steps}
	l.carryOut(steps)
	if steps, _, err = l.fwd.Stop(l.host()); err != nil {
		t.Fatal(err)
	}
	stop := plan.Plan{Steps: steps}
	l.carryOut(steps)
	nstest.Script(t, strings.Join(start.Commands(), "\n"))
	l.expect("ip_forward=1 conf/eth0/forwarding=1")
	nstest.Script(t, strings.Join(stop.Commands(), "\n"))
	l.unchanged("after both scripts", before)
}

// TestBadRecord reads a record that somebody has damaged.
func TestBadRecord(t *testing.T) {
	l := newLab(t, "")
	l.start(on)
	file := l.records()[0]
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	says := regexp.MustCompile(`^cannot read the record ` + regexp.QuoteMeta(file) + `: unexpected end`)
	if _, err := l.fwd.Start(l.host(), off); err == nil || !says.MatchString(err.Error()) {
		t.Errorf("start: %v", err)
	}
	if _, _, err := l.fwd.Stop(l.host()); err == nil || !says.MatchString(err.Error()) {
		t.Errorf("stop: %v", err)
	}
}
