package strict

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// shapes runs a test with dom0's port in the bridge, and with the bridge itself as
// dom0's interface.
func shapes(t *testing.T, test func(t *testing.T, onBridge bool)) {
	t.Parallel()
	for name, onBridge := range map[string]bool{"dom0=veth": false, "dom0=bridge": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, onBridge)
		})
	}
}

func mark(i int) string { return fmt.Sprintf("MRK%04d.", i) }

// try carries out attacks, and names those of which a frame has come to anybody else.
// apart is whether everybody says before each where they are: then none draws off the
// frames of the next.
func (l *lab) try(attacks []attack, apart bool) (arrived []string) {
	l.Helper()
	_ = l.heard("READY")
	for i, a := range attacks {
		if apart {
			l.sayWhere()
		}
		for _, f := range a.frames {
			l.send(a.from, cat(f, []byte(mark(i))))
		}
	}
	seen := l.heard("ENOUGH")
	for i, a := range attacks {
		for b, what := range seen {
			if b != a.from && bytes.Contains(what, []byte(mark(i))) {
				arrived = append(arrived, a.name)
				break
			}
		}
	}
	return arrived
}

// deliver sends the frames of flows, and names those that did not arrive where they
// should.
func (l *lab) deliver(flows []flow) (lost []string) {
	l.Helper()
	_ = l.heard("READY")
	for i, f := range flows {
		if f.frame != nil {
			l.send(f.from, cat(f.frame, []byte(mark(i))))
		}
	}
	seen := l.heard("ENOUGH")
	for i, f := range flows {
		if f.frame != nil && !bytes.Contains(seen[f.to], []byte(mark(i))) {
			lost = append(lost, f.name)
		}
	}
	return lost
}

// announce lets everybody on the bridge say where they are.
func (l *lab) announce() {
	l.Helper()
	l.sayWhere()
	_ = l.heard("ANNOUNCED")
}

func (l *lab) sayWhere() {
	l.Helper()
	for _, b := range []*box{l.gw, l.dom0, l.mallory, l.victim, l.loose, l.router} {
		l.send(b, frame(broadcast, b.mac, 0x0806, arpPacket(1, b.mac, b.v4, zeros(6), b.v4)))
	}
}

// effects are what attacks leave: who is where for the bridge, and what the other guest
// and the gateway believe.
func (l *lab) effects() (bad []string) {
	l.Helper()
	fdb := nstest.Run(l, "bridge", "fdb", "show", "br", "xenbr0")
	for b, port := range map[*box]string{l.gw: "peth0", l.victim: "vif2.0", l.router: "vif4.0"} {
		if !strings.Contains(fdb, b.mac.String()+" dev "+port+" master") {
			bad = append(bad, "the forwarding entry of "+b.mac.String()+" is not at "+port)
		}
	}
	believes := func(who *box, about *box, addr string) {
		out := nstest.Run(l, "ip", "-n", who.name, "neigh", "show", addr)
		if strings.Contains(out, "lladdr") && !strings.Contains(out, about.mac.String()) {
			bad = append(bad, who.name+" believes "+strings.TrimSpace(out))
		}
	}
	for _, who := range []*box{l.victim, l.gw} {
		for _, about := range []*box{l.gw, l.victim, l.dom0, l.mallory} {
			if who != about {
				believes(who, about, about.v4.String())
				believes(who, about, about.v6.String())
				believes(who, about, about.local.String())
			}
		}
	}
	if routes := nstest.Run(l, "ip", "-n", l.victim.name, "-6", "route", "show", "default"); strings.Contains(routes, "proto ra") {
		bad = append(bad, "the other guest has a router: "+strings.TrimSpace(routes))
	}
	return bad
}

// TestAttacks has attacks and flows, first without protection, so that it is known that
// they would arrive; then nothing forged arrives or has an effect, and all else works.
func TestAttacks(t *testing.T) {
	shapes(t, func(t *testing.T, onBridge bool) {
		l := newLab(t, onBridge)
		attacks, flows := l.attacks(), l.flows()
		frames := func(what string) {
			t.Helper()
			for _, name := range append(l.ping(flows), l.undisturbed(func() []string { return l.deliver(flows) })...) {
				t.Errorf("%s: does not work: %s", what, name)
			}
		}
		frames("without protection")
		l.announce()
		open := l.try(attacks, true)
		_ = l.try(attacks, false)
		effects := l.effects()
		t.Logf("without protection %d of %d attacks arrive, %d flows; effects: %s", len(open), len(attacks), len(flows), strings.Join(effects, "; "))
		if len(open) < len(attacks)*9/10 || len(effects) < 4 || len(attacks) < 80 || len(flows) < 35 {
			t.Errorf("too few arrive: these do not: %q", missing(attacks, open))
		}
		l.start()
		for _, b := range []*box{l.victim, l.gw} {
			nstest.Script(t, fmt.Sprintf("ip -n %[1]s neigh flush all; ip -n %[1]s -6 neigh flush all; ip -n %[1]s -6 route flush proto ra", b.name))
		}
		frames("strict")
		l.announce()
		for _, apart := range []bool{true, false} {
			for _, name := range l.try(attacks, apart) {
				t.Errorf("arrives: %s", name)
			}
		}
		for _, bad := range l.effects() {
			t.Error(bad)
		}
		frames("strict, after the attacks")
		l.counted()
	})
}

func missing(all []attack, arrived []string) (names []string) {
	for _, a := range all {
		if !slices.Contains(arrived, a.name) {
			names = append(names, a.name)
		}
	}
	return names
}

// counted finds the frames of the attacks in the counters.
func (l *lab) counted() {
	l.Helper()
	st, err := l.planner().Status(l.b)
	if err != nil || !st.InForce {
		l.Fatalf("status: %+v, %v", st, err)
	}
	for _, g := range st.Guests {
		if g.Port != "vif1.0" {
			continue
		}
		for _, reason := range Reasons {
			if g.Dropped[reason] == 0 {
				l.Errorf("no frame of %s was counted as %s: %v", g.Port, reason, g.Dropped)
			}
		}
	}
	if st.Unadmitted == 0 || st.FromLAN == 0 || !slices.Equal(st.Strangers, []string{"vif9.0"}) {
		l.Errorf("unadmitted %d, from the LAN %d, strangers %q", st.Unadmitted, st.FromLAN, st.Strangers)
	}
}
