package bridge_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

var groupDeleted = regexp.MustCompile(`^ip link del group ([0-9]+)$`)

// deletion finds the step of a stop that deletes interfaces, its commands, and the
// group that it deletes them by.
func deletion(t *testing.T, p *plan.Plan) (step *plan.Step, commands []string, group string) {
	t.Helper()
	for i := range p.Steps {
		s := &p.Steps[i]
		if !s.Final || len(s.Do) == 0 {
			continue
		}
		if step != nil {
			t.Fatalf("two steps delete something: %q and %q", step.Title, s.Title)
		}
		step, commands = s, s.Do[len(s.Do)-1].Commands() // the first has the kernel count on
		if m := groupDeleted.FindStringSubmatch(commands[len(commands)-1]); m != nil {
			group = m[1]
		}
	}
	if step == nil || group == "" {
		t.Fatalf("no group is deleted: %v", commands)
	}
	return step, commands, group
}

// inNoGroup fails the test if an interface that start has not found so is in a group.
func inNoGroup(t *testing.T, conn *rtnl.Conn, allowed ...string) {
	t.Helper()
	links, err := host.ReadLinkList(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Group != 0 && !slices.Contains(allowed, l.Name) {
			t.Errorf("%s is in the group %d", l.Name, l.Group)
		}
	}
}

// TestGroupOfSomebody has somebody put an interface into the group by which a stop
// is about to delete its own: it stays, and all of the network goes.
func TestGroupOfSomebody(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(seed002) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, n, true)
			before := nstest.ReadState(t)
			l.mustRun(true)
			p := l.plan(false)
			_, _, group := deletion(t, p)
			nstest.Script(t, "ip link add other group "+group+" type bridge\nip link set lan1 group "+group)
			if err := l.runner().Run(t.Context(), p); err != nil {
				t.Error(err)
			}
			links, err := host.ReadLinkList(l.conn)
			if err != nil {
				t.Fatal(err)
			}
			stay := 0
			for _, link := range links {
				if fmt.Sprint(link.Group) == group {
					stay++
				}
			}
			if stay != 2 {
				t.Errorf("%d interfaces are in the group, 2 were put there by somebody", stay)
			}
			nstest.Script(t, "ip link del other\nip link set lan1 group 0")
			if d := nstest.Settled(t, before, nstest.Whole); d != "" {
				t.Errorf("not as before start:\n%s", d)
			}
		})
	}
}

// TestGroupOfHost plans on a host on which interfaces are in the very group that
// the plan would choose: it chooses another.
func TestGroupOfHost(t *testing.T) {
	l := newLab(t, seed002, true)
	l.mustRun(true)
	h, err := host.Read(l.conn)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 3 {
		p, _ := l.planFor(h, false)
		_, _, group := deletion(t, p)
		if seen[group] {
			t.Fatalf("the group %s is chosen though %v are in use", group, seen)
		}
		seen[group] = true
		for _, link := range h.Links {
			if link.Group == 0 && strings.HasPrefix(link.Name, "lan") {
				_, _ = fmt.Sscan(group, &link.Group)
				break
			}
		}
	}
}

// TestKilledInGroup is what a process leaves that dies when interfaces are in the
// group but not deleted, which only a kernel that cannot delete a group makes
// possible: the next call finds them by that, puts them back, and stops again.
func TestKilledInGroup(t *testing.T) {
	t.Parallel()
	for _, n := range shapes(seed002) {
		for _, some := range []bool{false, true} {
			t.Run(fmt.Sprint(n.name, some), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, true)
				l.mustRun(true)
				nstest.Script(t, "ip link set dev "+n.specs[0].Dom0()+" group 5")
				before := nstest.Rest(t)
				p := l.plan(false)
				step, commands, _ := deletion(t, p)
				commands = commands[:len(commands)-1]
				if some {
					commands = commands[:1]
				}
				step.Do = []plan.Op{script{t, strings.Join(commands, "\n")}}
				r := l.runner()
				r.Hook = func(at int, after bool) error {
					if after && at == slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Title == step.Title }) {
						panic("killed")
					}
					return nil
				}
				func() {
					defer func() { _ = recover() }()
					t.Errorf("it was not killed: %v", r.Run(t.Context(), p))
				}()
				u, err := l.runner().Unfinished()
				if err != nil || u == nil {
					t.Fatal("nothing is unfinished: ", err)
				}
				if err := l.runner().Recover(t.Context(), u); err != nil {
					t.Error(err)
				}
				if d := nstest.Settled(t, before, nstest.Whole); d != "" {
					t.Errorf("not as before stop:\n%s", d)
				}
				inNoGroup(t, l.conn, n.specs[0].Dom0())
				l.mustRun(false)
			})
		}
	}
}

// TestNoGroups is a kernel that refuses to delete a group, as it always does with
// group 0: the interfaces are deleted one by one.
func TestNoGroups(t *testing.T) {
	l := newLab(t, seed002, true)
	before := nstest.ReadState(t)
	l.mustRun(true)
	p := l.plan(false)
	step, _, _ := deletion(t, p)
	bridge.WithoutGroup(step.Do[len(step.Do)-1])
	if err := l.runner().Run(t.Context(), p); err != nil {
		t.Error(err)
	}
	if d := nstest.Settled(t, before, nstest.Whole); d != "" {
		t.Errorf("not as before start:\n%s", d)
	}
}

// script is an operation that carries out shell commands.
type script struct {
	t    *testing.T
	text string
}

func (script) Kind() string                     { return "script" }
func (s script) Commands() []string             { return []string{s.text} }
func (s script) Do(context.Context, bool) error { nstest.Script(s.t, s.text); return nil }
