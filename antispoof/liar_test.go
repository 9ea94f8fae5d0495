package antispoof

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/plan"
	sys "xbr-script/internal/program"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/nstest"
)

// fake puts programs in front of the installed ones. Each is a shell script, in
// which $real is the installed one.
func fake(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{}
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			all[program+suffix] = `exec $real "$@"`
		}
	}
	maps.Copy(all, programs)
	for name, text := range all {
		text = "#!/bin/sh\nreal=/run/alternatives/" + name + "\n" + text + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", dir+":"+path)
}

// someBackends are both back ends, or in a short run one.
func someBackends() []string {
	if testing.Short() {
		return nstest.IPTablesBackends[:1]
	}
	return nstest.IPTablesBackends
}

// TestLiars has programs that do not do what they say, or say what is not true.
func TestLiars(t *testing.T) {
	each := func(name string, f func(t *testing.T, d *dom0, a Bridge)) {
		for _, backend := range someBackends() {
			t.Run(name+", "+backend, func(t *testing.T) {
				d := newDom0(t, backend)
				f(t, d, d.bridge(0))
			})
		}
	}
	for name, programs := range map[string]map[string]string{
		"another program":        {"iptables": "echo hello"},
		"no version":             {"iptables": "exit 0"},
		"fails":                  {"iptables-save": "echo no >&2; exit 1"},
		"garbage":                {"iptables-save": "head -c 1000 /dev/urandom"},
		"a web page":             {"iptables-save": "echo '<html>'"},
		"cut short":              {"iptables-save": "$real | head -n -2; echo '*filter'"},
		"rules without a table":  {"ip6tables-save": "echo '-A INPUT -j DROP'"},
		"rules without a chain":  {"ip6tables-save": "printf '*filter\\n-A X -j DROP\\nCOMMIT\\n'"},
		"ends by a signal":       {"iptables-save": "kill -KILL $$"},
		"no end":                 {"iptables-save": "exec yes '# more'"},
		"no end of its complain": {"ip6tables": "yes >&2"},
	} {
		if testing.Short() && strings.HasPrefix(name, "no end of") {
			continue // it runs into the limit
		}
		each(name, func(t *testing.T, d *dom0, a Bridge) {
			before := d.saved()
			fake(t, programs)
			if _, _, err := d.planner.Start([]Bridge{yes(a)}); err == nil {
				t.Error("a start is planned")
			} else {
				t.Log(err)
			}
			t.Setenv("PATH", strings.SplitN(os.Getenv("PATH"), ":", 2)[1])
			d.same(name, before)
		})
	}
	each("restores nothing", func(t *testing.T, d *dom0, a Bridge) {
		before := d.saved()
		steps, _, err := d.planner.Start([]Bridge{yes(a)})
		if err != nil {
			t.Fatal(err)
		}
		fake(t, map[string]string{"iptables-restore": "cat >/dev/null", "ip6tables-restore": "cat >/dev/null"})
		var failed *plan.Failed
		if err := d.do(steps); !errors.As(err, &failed) || !strings.Contains(err.Error(), "has not") || len(failed.Left) > 0 {
			t.Errorf("start: %v %+v", err, failed)
		}
		d.same("start", before)
	})
	each("hides the rules", func(t *testing.T, d *dom0, a Bridge) {
		d.start(yes(a))
		fake(t, map[string]string{"iptables-save": "exit 0"})
		if _, _, err := d.planner.Stop([]Bridge{a}); err == nil || !strings.Contains(err.Error(), "does not list the table") {
			t.Errorf("stop: %v", err)
		}
	})
}

// TestHangs ends a start while iptables hangs: everything is put back.
func TestHangs(t *testing.T) {
	for _, backend := range someBackends() {
		t.Run(backend, func(t *testing.T) {
			d := newDom0(t, backend)
			a := d.bridge(0)
			before := d.saved()
			ctx, cancel := context.WithCancelCause(t.Context())
			steps, _, err := d.planner.Start([]Bridge{yes(a)})
			if err != nil {
				t.Fatal(err)
			}
			// That of the second family hangs once.
			fake(t, map[string]string{"ip6tables-restore": `mkdir /run/hung 2>/dev/null && sleep 1000; exec $real "$@"`})
			time.AfterFunc(2*time.Second, func() { cancel(errors.New("a signal")) })
			begin := time.Now()
			if err := d.runner.Run(ctx, &plan.Plan{Steps: steps}); err == nil || !strings.Contains(err.Error(), "a signal") {
				t.Errorf("start: %v", err)
			}
			if passed := time.Since(begin); passed > 20*time.Second {
				t.Errorf("it took %s", passed)
			}
			d.same("start", before)
		})
	}
}

// TestHangsForEver lets iptables hang during the change and during its undoing.
// The call ends all the same, and says what is left.
func TestHangsForEver(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes until the limit, some times")
	}
	d := newDom0(t, "nft")
	a := d.bridge(0)
	before := d.saved()
	steps, _, err := d.planner.Start([]Bridge{yes(a)})
	if err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	fake(t, map[string]string{"ip6tables-restore": "sleep 1000"})
	var failed *plan.Failed
	if err := d.do(steps); !errors.As(err, &failed) || !errors.Is(err, sys.ErrStuck) {
		t.Errorf("start: %v %+v", err, failed)
	}
	d.same("the rest is undone, and of IPv6 nothing was done", before)
	t.Setenv("PATH", path)
}

// TestForeignPrograms has journals with operations that name other programs or
// files: they are refused.
func TestForeignPrograms(t *testing.T) {
	nstest.New(t)
	for _, name := range []string{"reboot", "/tmp/iptables", "../iptables", "iptables;reboot", "", "iptables-save"} {
		for _, undoing := range []bool{false, true} {
			for _, op := range []plan.Op{&edit{Program: name}, &dropTables{Program: name}, &load{Program: name}} {
				if _, loads := op.(*load); loads && !undoing {
					continue // the module is loaded
				}
				if err := op.Do(t.Context(), undoing); err == nil {
					t.Errorf("%T of %q is carried out", op, name)
				}
			}
		}
	}
	for _, c := range []nfCall{{Bridge: "../../etc"}, {Bridge: ".."}, {}, {Bridge: "a/b"}} {
		c.Sets = switched([]*family{ipv4})
		if err := c.Do(t.Context(), true); err == nil {
			t.Errorf("a flag of %q is set", c.Bridge)
		}
	}
	if err := (&nfCall{"lo", 0, []sysctl.Set{{Name: "../flags", Value: "0x1"}}}).Do(t.Context(), true); err == nil {
		t.Error("another file is written")
	}
}
