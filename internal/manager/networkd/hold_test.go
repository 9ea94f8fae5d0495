package networkd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// network is a change amid those of systemd-networkd, which has to be held still
// while it is made and while it is taken back.
type network struct {
	From int `json:"From"` // the index of the interface that has dom0's addresses before
	To   int `json:"To"`   // and after it
	f    *fakeSystemd
	lax  bool // nothing is said of it
}

func (*network) Kind() string       { return "test network" }
func (*network) Commands() []string { return nil }
func (n *network) Do(_ context.Context, undoing bool) error {
	n.f.set(func() {
		if n.f.takes = n.To; undoing {
			n.f.takes = n.From
		}
	})
	if !n.lax && !n.f.isStill() {
		n.f.Error("systemd-networkd runs while the network changes")
	}
	return nil
}

// move is that of dom0's addresses to a pair, or back.
func (s states) move(back bool) manager.Move {
	port, dom0 := s.index("peth0"), s.index("eth0")
	m := manager.Move{NetDev: "eth0", Port: "peth0"}
	if back {
		m.From, m.NIC = &host.Link{Index: dom0, Name: "eth0"}, &host.Link{Index: port, Name: "peth0"}
		m.To = manager.Interface{Name: "eth0", Index: port}
		return m
	}
	m.NIC = &host.Link{Index: port, Name: "eth0"}
	m.From, m.To = m.NIC, manager.Interface{Name: "eth0", Index: dom0}
	m.New = []manager.Interface{{Name: "peth0", Index: port}}
	return m
}

// configured has it configure one interface, by netplan's file or by ours.
func (s states) configured(name string) {
	s.Helper()
	nstest.Script(s.T, "rm -f "+linksDir+"/*\nmkdir -p "+runConfig)
	if err := os.WriteFile(netplans, []byte(byMAC), 0o600); err != nil {
		s.Fatal(err)
	}
	s.say(name, "configured", netplans, false)
}

// files are those in /run/systemd/network, with their content.
func (s states) files() string {
	s.Helper()
	return nstest.Run(s.T, "sh", "-c", "find "+runConfig+" -type f | sort | xargs grep -H .")
}

// around is a whole plan, with a change of the network.
func (s states) around(f *fakeSystemd, back bool) *plan.Plan {
	s.Helper()
	move := s.move(back)
	before, after, err := (Manager{}).Around([]manager.Move{move})
	if err != nil {
		s.Fatal(err)
	}
	n := &network{From: move.From.Index, To: move.To.Index, f: f}
	f.set(func() { f.takes = n.From })
	middle := plan.Step{Title: "move", Do: []plan.Op{n}, Undo: []plan.Op{n}}
	return &plan.Plan{Steps: slices.Concat(before, []plan.Step{middle}, after)}
}

func (s states) runner(f *fakeSystemd) plan.Runner {
	return plan.Runner{Dir: s.TempDir(), Kinds: plan.Merge((Manager{}).Kinds(), plan.Kinds{"test network": func() plan.Op { return &network{f: f} }})}
}

// TestHeld makes each step go wrong in each way: the network never changes while
// systemd-networkd runs, and in the end it runs, anew. The latter holds also if it goes
// wrong again while that is taken back; what is then tried once more may find it running.
func TestHeld(t *testing.T) {
	s := newStates(t)
	f := newFakeSystemd(t)
	m := &faults.Matrix{T: t, Runner: s.runner(f)}
	s.configured("peth0")
	s.held(m, f, false)
	const added = netplans + ".d/xbr-script-eth0.conf"
	if files := s.files(); strings.Count(files, added) == 0 || strings.Count(files, "Unmanaged=yes") != 1 {
		t.Errorf("after start: %s", files)
	}
	s.configured("eth0")
	s.held(m, f, true)
	if files := s.files(); strings.Contains(files, mark) {
		t.Errorf("after stop: %s", files)
	}
	t.Log(m)
}

// held tries such a change in all ways, then makes it.
func (s states) held(m *faults.Matrix, f *fakeSystemd, back bool) {
	s.Helper()
	files := s.files()
	m.Same = func(what string) bool {
		calls, now := f.calls(), s.files()
		ok := !f.isFrozen() && !f.isInactive() && len(calls) > 0 && calls[len(calls)-1] == "RestartUnit" && now == files
		if !ok {
			s.Errorf("%s: frozen: %t, after %q; files:\n%s", what, f.isFrozen(), calls, now)
		}
		return ok
	}
	strict, lax := s.runner(f), s.runner(f)
	lax.Kinds["test network"] = func() plan.Op { return &network{f: f, lax: true} }
	steps := m.Steps
	m.Runner = strict
	m.Try("change", func() *plan.Plan { return s.around(f, back) })
	if m.Steps-steps != 4 {
		s.Errorf("%d steps were tried", m.Steps-steps)
	}
	nth := faults.OneIn(23, 5)
	makeLax := func() *plan.Plan {
		p := s.around(f, back)
		p.Steps[1].Undo[0].(*network).lax = true
		return p
	}
	m.Runner = lax
	m.Series("change", makeLax, nth, 0)
	m.SeriesBack("change", makeLax, nth, 0)
	if err := strict.Run(s.Context(), s.around(f, back)); err != nil {
		s.Error(err)
	}
	if calls := f.calls(); !slices.Equal(calls, []string{"FreezeUnit", "ThawUnit", "sockets", "RestartUnit"}) {
		s.Errorf("a change that goes well: %q", calls)
	}
}

// TestCannotHold has systemd refuse to freeze or thaw: where it is not able to at all,
// the change is made as ever; where something goes wrong, nothing is changed.
func TestCannotHold(t *testing.T) {
	const busy, failed = "org.freedesktop.systemd1.UnitBusy", "org.freedesktop.DBus.Error.AccessDenied"
	const cancelled = "org.freedesktop.systemd1.FreezeCancelled"
	for name, c := range map[string]struct {
		fails map[string][]string
		calls string
		err   string // what the error begins with
	}{
		"cgroups of version 1":  {map[string][]string{"FreezeUnit": {"org.freedesktop.DBus.Error.NotSupported", "…"}}, "RestartUnit", ""},
		"systemd 245":           {map[string][]string{"FreezeUnit": {"org.freedesktop.DBus.Error.UnknownMethod", "…"}}, "RestartUnit", ""},
		"busy at first":         {map[string][]string{"FreezeUnit": {busy, cancelled, busy}, "ThawUnit": {busy, cancelled}}, "FreezeUnit ThawUnit sockets RestartUnit", ""},
		"it goes wrong":         {map[string][]string{"FreezeUnit": {failed}}, "RestartUnit", "cannot hold systemd-networkd still: "},
		"thawing goes wrong":    {map[string][]string{"ThawUnit": {failed}}, "FreezeUnit FreezeUnit ThawUnit sockets RestartUnit", "cannot have systemd-networkd follow: "},
		"restarting goes wrong": {map[string][]string{"RestartUnit": {failed}}, "FreezeUnit ThawUnit sockets RestartUnit", "cannot have systemd-networkd follow: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t)
			f := newFakeSystemd(t)
			f.set(func() { f.fails = c.fails })
			s.configured("peth0")
			p := s.around(f, false)
			if c.calls == "RestartUnit" { // it is not held
				p.Steps = slices.Delete(p.Steps, 1, 2)
				f.set(func() { f.takes = s.index("eth0") })
			}
			r := s.runner(f)
			err := r.Run(t.Context(), p)
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("ended with %v, want %q", err, c.err)
			}
			var left *plan.Failed
			if errors.As(err, &left) && len(left.Left) > 0 {
				t.Errorf("left to be done: %q", left.Left)
			}
			if calls := fmt.Sprint(f.calls()); calls != "["+c.calls+"]" || f.isFrozen() {
				t.Errorf("%s, want %s; frozen: %t", calls, c.calls, f.isFrozen())
			}
		})
	}
}

// TestNotHeld has systemd-networkd not run, or the machine being switched off: nothing
// is frozen, and what is frozen is thawed all the same.
func TestNotHeld(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fakeSystemd)
		calls   string
	}{
		"it has ended":   {func(f *fakeSystemd) { f.inactive = true }, "[]"},
		"switching off":  {func(f *fakeSystemd) { f.state = "stopping" }, "[]"},
		"frozen already": {func(f *fakeSystemd) { f.state, f.frozen, f.stored = "stopping", true, false }, "[ThawUnit sockets]"},
	} {
		t.Run(name, func(t *testing.T) {
			newStates(t)
			f := newFakeSystemd(t)
			c.prepare(f)
			for _, op := range []plan.Op{&Freeze{unit}, &Resume{Unit: unit}, &Restart{}} {
				if err := op.Do(t.Context(), false); err != nil {
					t.Error(op.Kind(), err)
				}
			}
			if calls := fmt.Sprint(f.calls()); calls != c.calls || f.isFrozen() {
				t.Errorf("%s, want %s; frozen: %t", calls, c.calls, f.isFrozen())
			}
		})
	}
}

// TestBegan has a call wait for what the new process says, not the one before.
func TestBegan(t *testing.T) {
	newStates(t)
	f := newFakeSystemd(t)
	r := &Resume{Unit: unit}
	if err := r.Do(t.Context(), false); err != nil || !r.at.Equal(time.Unix(1000+3600, 0)) {
		t.Errorf("it began at %v, %v", r.at, err)
	}
	f.set(func() { f.inactive = true })
	r = &Resume{Unit: unit}
	if err := r.Do(t.Context(), false); err != nil || !r.at.IsZero() {
		t.Errorf("it has not run; it began at %v, %v", r.at, err)
	}
}

// TestAgain has systemd start it by itself when it has been killed: it has begun anew, and
// is not restarted.
func TestAgain(t *testing.T) {
	newStates(t)
	f := newFakeSystemd(t)
	f.set(func() { f.again = true })
	r := &Resume{Unit: unit, Ran: true}
	for _, op := range []plan.Op{&Freeze{unit}, r} {
		if err := op.Do(t.Context(), false); err != nil {
			t.Fatal(op.Kind(), err)
		}
	}
	if calls := fmt.Sprint(f.calls()); calls != "[FreezeUnit ThawUnit sockets again]" || f.isInactive() || !r.at.Equal(time.Unix(1000+3600, 0)) {
		t.Errorf("%s; it began at %v", calls, r.at)
	}
}

// TestHoldEnds ends a call that waits for systemd.
func TestHoldEnds(t *testing.T) {
	newStates(t)
	f := newFakeSystemd(t)
	f.set(func() { f.fails["FreezeUnit"] = []string{"org.freedesktop.systemd1.UnitBusy", "…"} })
	signalled := errors.New("terminated signal received")
	ctx, end := context.WithCancelCause(t.Context())
	end(signalled)
	if err := (&Freeze{unit}).Do(ctx, false); !errors.Is(err, signalled) {
		t.Errorf("ended with %v", err)
	}
}

// TestTaken gives back what systemd-networkd takes off that is not in its files, when it
// follows and when the change is taken back.
func TestTaken(t *testing.T) {
	s := newStates(t)
	f := newFakeSystemd(t)
	nstest.Script(t, "ip rule add from 198.51.100.7 lookup 77 pref 5000")
	net := fmt.Sprintf("--net=/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	taken := 0
	f.set(func() {
		f.strips = func() {
			if text, err := exec.Command("nsenter", net, "ip", "rule", "del", "pref", "5000").CombinedOutput(); err != nil {
				f.Errorf("%v: %s", err, text)
			}
			taken++
		}
	})
	for _, fails := range []bool{false, true} {
		s.configured("peth0")
		s.say("eth0", "configured", netplans, false)
		p := s.around(f, false)
		if fails {
			p.Steps = append(p.Steps, plan.Step{Title: "fail", Check: func(context.Context) error { return errors.New("as it must") }})
		}
		r := s.runner(f)
		if err := r.Run(t.Context(), p); (err != nil) != fails {
			t.Errorf("to fail is %t: %v", fails, err)
		}
		if rules := nstest.Run(t, "ip", "rule"); !strings.Contains(rules, "from 198.51.100.7 lookup 77") {
			t.Errorf("to fail is %t: it has not been given back:\n%s", fails, rules)
		}
	}
	f.set(func() {
		if taken != 3 {
			t.Errorf("taken %d times", taken)
		}
	})
}
