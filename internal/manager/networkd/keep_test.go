package networkd

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// leased has it have a lease for an interface, or not.
func (s states) leased(name string, is bool) {
	s.Helper()
	text := "# This is private data. Do not parse.\nADDRESS=192.0.2.2\n"
	if !is {
		text = ""
	}
	nstest.Script(s.T, "mkdir -p "+leasesDir)
	if err := os.WriteFile(leasesDir+"/"+strconv.Itoa(s.index(name)), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// TestKept has an address that was leased stay while systemd-networkd begins anew, where
// it can be made to treat it as ever afterwards, which is done when there is a lease.
func TestKept(t *testing.T) {
	limit := leaseLimit
	leaseLimit = 3 * pause
	t.Cleanup(func() { leaseLimit = limit })
	const drop = netplans + ".d/zz-xbr-script-eth0.conf"
	all := []string{"FreezeUnit", "ThawUnit", "sockets", "RestartUnit"}
	for name, c := range map[string]struct {
		version     string
		add         string // in a drop-in of somebody's
		had, has    bool   // a lease before, and afterwards
		kept, calls []string
		left        []string // of those drop-ins
		state       string   // of the whole system, if it does not run
	}{
		"leased":             {"257.13-1~deb13u1", "", true, true, []string{drop}, append(slices.Clone(all), "ReloadUnit"), nil, ""},
		"no server answers":  {"258", "", true, false, []string{drop}, all, []string{drop}, ""},
		"systemd 252":        {"252.39-1~deb12u1", "", true, true, []string{drop}, all, nil, ""},
		"no answer, 256":     {"256.7-3", "", true, false, []string{drop}, all, nil, ""},
		"systemd 247":        {"247.3-7+deb11u6", "", true, true, []string{drop}, all, nil, ""},
		"systemd 246":        {"246.6-1", "", true, true, nil, all, nil, ""},
		"switching off":      {"257", "", true, false, nil, nil, nil, "stopping"},
		"static":             {"257", "", false, false, nil, all, nil, ""},
		"the file says what": {"257", "[Network]\nKeepConfiguration=static\n", true, true, nil, all, nil, ""},
	} {
		for _, back := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", back"}[back], func(t *testing.T) {
				s := newStates(t)
				f := newFakeSystemd(t)
				f.set(func() { f.version, f.state = c.version, cmp.Or(c.state, "running") })
				from := "peth0"
				if back {
					from = "eth0"
				}
				s.configured(from)
				if c.add != "" {
					nstest.Script(t, "mkdir -p "+netplans+".d")
					if err := os.WriteFile(netplans+".d/own.conf", []byte(c.add), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				s.leased(from, c.had)
				s.leased("eth0", c.has && !back || c.had && back)
				p := s.around(f, back)
				p.Steps[1].Do[0].(*network).lax = c.state != "" // it is not held then
				if back {                                       // by then the NIC has the name
					nstest.Script(t, "ip link set eth0 down\nip link set eth0 name gone0\nip link set peth0 name eth0")
				}
				s.leased("eth0", c.has)
				s.say("eth0", "configured", netplans, false)
				r := s.runner(f)
				if err := r.Run(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				calls := f.calls()
				f.set(func() {
					if !slices.Equal(f.kept, c.kept) || !slices.Equal(calls, c.calls) {
						t.Errorf("with %q: %q; to be %q: %q", f.kept, calls, c.kept, c.calls)
					}
				})
				if left := nstest.Run(t, "sh", "-c", "ls "+runConfig+"/*.d/zz-* 2>/dev/null || true"); (left != "") != (c.left != nil) {
					t.Errorf("left: %s", left)
				}
			})
		}
	}
}

// TestKeptFails makes each step go wrong in each way, with a lease.
func TestKeptFails(t *testing.T) {
	limit := leaseLimit
	leaseLimit = pause
	t.Cleanup(func() { leaseLimit = limit })
	s := newStates(t)
	f := newFakeSystemd(t)
	s.configured("peth0")
	s.leased("peth0", true)
	s.leased("eth0", true)
	s.say("eth0", "configured", netplans, false)
	m := &faults.Matrix{T: t, Runner: s.runner(f)}
	files := s.files()
	m.Same = func(what string) bool {
		now := s.files()
		ok := !f.isFrozen() && !f.isInactive() && now == files
		if !ok {
			t.Errorf("%s: frozen: %t, after %q; files:\n%s", what, f.isFrozen(), f.calls(), now)
		}
		return ok
	}
	m.Try("change", func() *plan.Plan { return s.around(f, false) })
	t.Log(m)
}

// TestKeptBeside has an address that was leased for another NIC stay, too, which
// systemd-networkd begins anew with as well: no server may answer there.
func TestKeptBeside(t *testing.T) {
	limit := leaseLimit
	leaseLimit = 3 * pause
	t.Cleanup(func() { leaseLimit = limit })
	const own, drop = runConfig + "/20-eth1.network", netplans + ".d/zz-xbr-script-eth0.conf"
	const beside = own + ".d/zz-xbr-script-eth1.conf"
	for _, c := range []struct {
		name, version, text string
		had, has            bool // a lease on eth1 before, and afterwards
		there               bool // that drop-in before, of a former call
		kept, left          []string
		reloads             bool
	}{
		{"both", "257", "", true, true, false, []string{drop, beside}, nil, true},
		{"no server answers there", "257", "", true, false, false, []string{drop, beside}, []string{beside}, true},
		{"nor has one before", "257", "", false, true, true, []string{drop, beside}, nil, true},
		{"static", "257", "", false, false, false, []string{drop}, nil, true},
		{"it says what to keep", "257", "[Network]\nKeepConfiguration=yes\n", true, true, false, []string{drop}, nil, true},
		{"systemd 254", "254.26", "", true, true, false, []string{drop, beside}, nil, false},
		{"systemd 254, no answer", "254.26", "", true, false, false, []string{drop, beside}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStates(t)
			f := newFakeSystemd(t)
			f.set(func() { f.version = c.version })
			s.configured("peth0")
			nstest.Script(t, "ip link add eth1 type bridge\nip addr add 198.51.100.2/24 dev eth1 valid_lft 300 preferred_lft 300")
			created := func() uint32 {
				conn, err := rtnl.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				h, err := holds(conn, unix.AF_INET, s.index("eth1"))
				if err != nil || len(h.addrs) != 1 || valid(&h.addrs[0]) > 300 {
					t.Fatalf("%v, %v", h.addrs, err)
				}
				return h.addrs[0].Created()
			}
			at := created()
			if err := os.WriteFile(own, []byte("[Match]\nName=eth1\n"+c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.there {
				if err := (Lease{Path: beside}).file(keepText).Do(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
			s.say("eth1", "configured", own, false)
			s.leased("eth1", c.had)
			s.leased("peth0", true)
			s.leased("eth0", true)
			s.say("eth0", "configured", netplans, false)
			p := s.around(f, false)
			s.leased("eth1", c.has)
			r := s.runner(f)
			if err := r.Run(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			reloads := slices.Contains(f.calls(), "ReloadUnit")
			left, _ := filepath.Glob(runConfig + "/*.d/zz-*")
			f.set(func() {
				if !slices.Equal(f.kept, c.kept) || !slices.Equal(left, c.left) || reloads != c.reloads {
					t.Errorf("with %q: left %q, read anew: %t; to be %q, %q, %t", f.kept, left, reloads, c.kept, c.left, c.reloads)
				}
			})
			if now := created(); now != at {
				t.Errorf("added at %d, and at %d", at, now)
			}
		})
	}
}
