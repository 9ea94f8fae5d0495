package networkd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
)

// network is a change amid those of systemd-networkd, which has to be held still
// while it is made and while it is taken back.
type network struct {
	Name string `json:"Name"`
	f    *fakeSystemd
	lax  bool // nothing is said of it
}

func (*network) Kind() string       { return "test network" }
func (*network) Commands() []string { return nil }
func (n *network) Do(context.Context, bool) error {
	if !n.lax && !n.f.isFrozen() {
		n.f.Error("systemd-networkd runs while the network changes")
	}
	return nil
}

// move is that of dom0's addresses to a pair.
func (s states) move() manager.Move {
	nic := &host.Link{Index: s.index("peth0"), Name: "peth0"}
	return manager.Move{
		Undertaking: "start xenbr0", From: nic, NIC: nic, NetDev: "eth0", Port: "peth0",
		To: manager.Interface{Name: "eth0", Index: s.index("eth0")},
	}
}

// around is a whole plan, with a change of the network.
func (s states) around(f *fakeSystemd) *plan.Plan {
	s.Helper()
	before, after, err := (Manager{}).Around([]manager.Move{s.move()})
	if err != nil {
		s.Fatal(err)
	}
	n := &network{Name: "eth0", f: f}
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
	s.say("peth0", "configured", "/etc/systemd/network/eth0.network", false)
	m := faults.Matrix{T: t, Runner: s.runner(f)}
	m.Same = func(what string) bool {
		calls := f.calls()
		ok := !f.isFrozen() && len(calls) > 0 && calls[len(calls)-1] == "TryRestartUnit"
		if !ok {
			t.Errorf("%s: frozen: %t, after %q", what, f.isFrozen(), calls)
		}
		return ok
	}
	makePlan := func() *plan.Plan { return s.around(f) }
	m.Try("change", makePlan)
	if err := m.Runner.Run(t.Context(), makePlan()); err != nil {
		t.Error(err)
	}
	if calls := f.calls(); !slices.Equal(calls, []string{"FreezeUnit", "ThawUnit", "TryRestartUnit"}) {
		t.Errorf("a change that goes well: %q", calls)
	}
	m.Runner.Kinds["test network"] = func() plan.Op { return &network{f: f, lax: true} }
	held := makePlan
	makePlan = func() *plan.Plan {
		p := held()
		p.Steps[1].Undo[0].(*network).lax = true
		return p
	}
	nth := 1
	if testing.Short() {
		nth = 13
	}
	m.Series("change", makePlan, nth, 0)
	m.SeriesBack("change", makePlan, nth, 0)
	if m.Steps != 3 {
		t.Errorf("%d steps were tried", m.Steps)
	}
	t.Log(&m)
}

// TestCannotHold has systemd refuse to freeze or thaw: where it is not able to at all,
// the change is made as ever; where something goes wrong, nothing is changed.
func TestCannotHold(t *testing.T) {
	const busy, failed = "org.freedesktop.systemd1.UnitBusy", "org.freedesktop.DBus.Error.AccessDenied"
	for name, c := range map[string]struct {
		fails map[string][]string
		calls string
		err   string // what the error begins with
	}{
		"cgroups of version 1": {map[string][]string{"FreezeUnit": {"org.freedesktop.DBus.Error.NotSupported", "…"}}, "TryRestartUnit", ""},
		"systemd 245":          {map[string][]string{"FreezeUnit": {"org.freedesktop.DBus.Error.UnknownMethod", "…"}}, "TryRestartUnit", ""},
		"busy at first":        {map[string][]string{"FreezeUnit": {busy, busy}, "ThawUnit": {busy}}, "FreezeUnit ThawUnit TryRestartUnit", ""},
		"it goes wrong":        {map[string][]string{"FreezeUnit": {failed}}, "TryRestartUnit", "cannot hold systemd-networkd still: "},
		"thawing goes wrong":   {map[string][]string{"ThawUnit": {failed}}, "FreezeUnit FreezeUnit ThawUnit TryRestartUnit", "cannot have systemd-networkd follow: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t)
			f := newFakeSystemd(t)
			f.fails = c.fails
			s.say("peth0", "configured", "/etc/systemd/network/eth0.network", false)
			p := s.around(f)
			if c.calls == "TryRestartUnit" { // it is not held
				p.Steps = slices.Delete(p.Steps, 1, 2)
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
		"frozen already": {func(f *fakeSystemd) { f.state, f.frozen = "stopping", true }, "[ThawUnit]"},
	} {
		t.Run(name, func(t *testing.T) {
			newStates(t)
			f := newFakeSystemd(t)
			c.prepare(f)
			for _, op := range []plan.Op{&Freeze{unit}, &Thaw{unit}, &Restart{}} {
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

// TestHoldEnds ends a call that waits for systemd.
func TestHoldEnds(t *testing.T) {
	newStates(t)
	f := newFakeSystemd(t)
	f.fails["FreezeUnit"] = []string{"org.freedesktop.systemd1.UnitBusy", "…"}
	signalled := errors.New("terminated signal received")
	ctx, end := context.WithCancelCause(t.Context())
	end(signalled)
	if err := (&Freeze{unit}).Do(ctx, false); !errors.Is(err, signalled) {
		t.Errorf("ended with %v", err)
	}
}
