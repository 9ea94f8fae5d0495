package antispoof

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

// refused fails unless a start is refused in these words, with a hint.
func (d *dom0) refused(what string, b Bridge, words string) {
	d.Helper()
	steps, _, err := d.planner.Start([]Bridge{b})
	var refused *refusal.Error
	if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "cannot ") || !strings.HasSuffix(err.Error(), words) || refused.Hint == "" || steps != nil {
		d.Errorf("%s: %v (%+v)\nwant: %s", what, err, refused, words)
	}
}

// TestMissing takes iptables away.
func TestMissing(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		nstest.Script(t, "rm /run/alternatives/iptables")
		d.refused("no iptables", yes(a), "iptables is not installed")
		for _, b := range []Bridge{a, no(a)} {
			if steps, notes, err := d.planner.Start([]Bridge{b}); err != nil || len(steps)+len(notes) > 0 {
				t.Errorf("without antispoof=yes: %v %v %v", steps, notes, err)
			}
		}
		if steps, _, err := d.planner.Stop([]Bridge{a}); err != nil || len(steps) > 0 {
			t.Errorf("stop: %v %v", steps, err)
		}
	})
}

// TestTakenAway takes iptables away while a bridge is protected.
func TestTakenAway(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		d.start(yes(a))
		nstest.Script(t, "rm /run/alternatives/ip6tables")
		if st, err := d.planner.Status(a); err != nil || st.InForce || len(st.Wrong) != 1 || !strings.Contains(st.Wrong[0], "ip6tables is not installed") {
			t.Errorf("status: %+v %v", st, err)
		}
		if _, _, err := d.planner.Stop([]Bridge{a}); err == nil {
			t.Error("a stop that cannot remove the rules is no error")
		}
	})
}

// hold takes the lock of the legacy back end, and returns what releases it.
func (d *dom0) hold() (release func()) {
	d.Helper()
	lock, err := os.OpenFile("/run/xtables.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		d.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		d.Fatal(err)
	}
	return func() { _ = lock.Close() }
}

// TestLocked holds the lock of the legacy back end for good: a start is refused
// nevertheless, and one that was planned before is undone. One that meets the
// lock half-way cannot be undone either, and says what is left; the next call
// puts that back.
func TestLocked(t *testing.T) {
	t.Parallel()
	d := newDom0(t, "legacy")
	a := d.bridge(0)
	before := d.saved()
	steps, _, err := d.planner.Start([]Bridge{yes(a)})
	if err != nil {
		t.Fatal(err)
	}
	release := d.hold()
	d.refused("locked", yes(a), "another program has held the lock of iptables for 5 s")
	err = d.do(steps)
	var failed *plan.Failed
	if !errors.As(err, &failed) || !errors.Is(err, errLocked) || len(failed.Left) > 0 {
		t.Errorf("planned before: %v %+v", err, failed)
	}
	d.same("locked", before)
	release()

	d.runner.Hook = func(step int, after bool) error {
		if after && strings.HasSuffix(steps[step].Title, "forged IPv4 addresses") {
			release = d.hold()
		}
		return nil
	}
	err = d.do(steps)
	d.runner.Hook = nil
	if !errors.As(err, &failed) || !errors.Is(err, errLocked) || !strings.Contains(strings.Join(failed.Left, "\n"), "iptables -X XBR-xenbr0") {
		t.Errorf("locked half-way: %v %+v", err, failed)
	}
	release()
	u, err := d.runner.Unfinished()
	if err != nil || u == nil {
		t.Fatal("no unfinished change is found: ", err)
	}
	if err := d.runner.Recover(t.Context(), u); err != nil {
		t.Error(err)
	}
	d.same("taken back", before)
}

// TestKernel hides features of the kernel.
func TestKernel(t *testing.T) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	dir, this := "/run/modules/"+release, "cannot guard xenbr0: this kernel ("+release+") "
	modulesDir = "/run/modules"
	defer func() { modulesDir = "/lib/modules" }()

	d := newDom0(t, "nft")
	a := d.bridge(0)
	nstest.Script(t, "mkdir -p "+dir)
	write := func(modules ...string) {
		text := ""
		for _, m := range modules {
			text += "kernel/net/" + m + ".ko.xz:\n"
		}
		if err := os.WriteFile(dir+"/modules.dep", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("xt_CT", "xt_addrtype", "ip6t_eui64")
	if !isLoaded(t, "xt_physdev") {
		d.refused("no physdev", yes(a), this+"has no xt_physdev")
	}
	write("xt_physdev", "xt_CT", "xt_addrtype", "ip6t_eui64")
	if _, _, err := d.planner.Start([]Bridge{yes(a)}); err != nil {
		t.Error(err)
	}

	before := d.saved()
	nstest.Script(t, "mount -t tmpfs none /proc/sys/net/bridge")
	if !isLoaded(t, "br_netfilter") {
		d.refused("no br_netfilter", yes(a), this+"has no br_netfilter")
		nstest.Script(t, "rm "+dir+"/modules.dep")
		d.refused("no modules at all", yes(a), this+"was built without br_netfilter, and has no modules")
	}
	// A module that is listed but cannot be loaded: only the attempt shows
	// that.
	write("xt_physdev", "xt_CT", "xt_addrtype", "ip6t_eui64", "br_netfilter")
	steps, _, err := d.planner.Start([]Bridge{yes(a)})
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Plan{Steps: steps}
	if text := strings.Join(p.Commands(), "\n"); !strings.Contains(text, "modprobe br_netfilter\nsysctl -qw /net/bridge/bridge-nf-call-iptables=0\n") {
		t.Errorf("commands:\n%s", text)
	}
	var failed *plan.Failed
	if err := d.do(steps); !errors.As(err, &failed) || failed.Step != "load br_netfilter" || len(failed.Left) > 0 {
		t.Errorf("a module that cannot be loaded: %v %+v", err, failed)
	} else {
		t.Log(err)
	}
	nstest.Script(t, "umount /proc/sys/net/bridge")
	d.same("nothing was loaded", before)
}

func isLoaded(t *testing.T, module string) bool {
	t.Helper()
	is, err := loaded(module)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// TestSwitched switches iptables to the other back end while a bridge is up.
func TestSwitched(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		other := map[string]string{"nft": "legacy", "legacy": "nft"}[backend]
		a, b := d.bridge(0), d.bridge(1)
		nstest.Script(t, "iptables-"+other+" -t mangle -A INPUT -s 192.0.2.1 -j DROP")
		before := d.saved()
		_, notes := d.start(yes(a))
		if !says(notes, "iptables-"+other+" has rules too") {
			t.Errorf("notes: %q", notes)
		}
		nstest.IPTables(t, other)
		d.says("switched", a, "iptables is now the one of "+other+", but the rules are in that of "+backend)
		words := ": there are rules for xenbr0 in iptables-" + backend + ", and iptables is now the one of " + other
		d.refused("the same bridge", a, "xenbr0"+words)
		d.refused("another", yes(b), "xenbr1"+words)
		d.stop(a)
		nstest.IPTables(t, backend)
		d.same("stop", before)
	})
}
