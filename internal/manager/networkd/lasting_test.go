package networkd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// answer is what a DHCP server says when systemd-networkd begins.
type answer struct {
	addr     string // empty: nothing
	lifetime string
	gateway  string
	router   bool // one of IPv6 answers
}

// older has the fake do what systemd-networkd does before 257 with a leased address that it
// finds on eth0 (link_drop_foreign_config), and then with the answer of a server.
func (s states) older(f *fakeSystemd, answer answer) {
	s.Helper()
	net := fmt.Sprintf("--net=/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	index := s.index("eth0")
	sh := func(script string) {
		if text, err := exec.Command("nsenter", net, "sh", "-c", script).CombinedOutput(); err != nil {
			f.Errorf("%s: %v: %s", script, err, text)
		}
	}
	f.set(func() {
		f.version = "252.39-1~deb12u1"
		f.strips = func() {
			keeps := false
			for _, path := range f.kept {
				text, err := os.ReadFile(path)
				keeps = err == nil && strings.Contains(string(text), "\n[Network]\nKeepConfiguration=static\n")
			}
			if !keeps {
				sh("ip -4 addr flush dev eth0\nip -6 addr flush dev eth0 scope global")
			}
			sh("[ -z \"$(ip -4 route show table all dev eth0 proto dhcp)\" ] || ip -4 addr flush dev eth0\n" +
				"ip -4 addr flush dev eth0 dynamic\nip -4 route flush table all dev eth0 proto dhcp\n" +
				"ip -6 addr flush dev eth0 dynamic scope global\nip -6 route flush table all dev eth0 proto ra")
			text := ""
			if answer.addr != "" {
				text = "ADDRESS=" + answer.addr + "\n"
				sh(fmt.Sprintf("ip addr replace %[1]s/24 brd + dev eth0 valid_lft %[2]s preferred_lft %[2]s\n"+
					"ip route append %[3]s dev eth0 proto dhcp src %[1]s metric 1024\n"+
					"ip route append default via %[3]s dev eth0 proto dhcp src %[1]s metric 1024\n"+
					"ip route append default via %[3]s dev eth0 table 77 proto dhcp src %[1]s metric 5", answer.addr, answer.lifetime, answer.gateway))
			}
			if answer.router {
				sh("ip addr change 2001:db8::2/64 dev eth0 valid_lft 700 preferred_lft 600 noprefixroute\n" +
					"ip -6 route append 2001:db8::/64 dev eth0 proto ra metric 1024 expires 700 || true\n" +
					"ip -6 route append default via fe80::1 dev eth0 proto ra metric 1024 expires 700 || true")
			}
			if err := os.WriteFile(filepath.Join(leasesDir, strconv.Itoa(index)), []byte(text), 0o600); err != nil {
				f.Error(err)
			}
		}
	})
}

// host gives eth0 what systemd-networkd has leased for it.
func (s states) host() {
	s.Helper()
	nstest.Script(s.T, "ip link set eth0 up\nip link set vif0.0 up\nip addr flush dev eth0\n"+
		"ip addr add 192.0.2.2/24 brd + dev eth0 valid_lft 500 preferred_lft 400\n"+
		"ip addr add 198.51.100.9/32 dev eth0\n"+
		"ip route add 192.0.2.1 dev eth0 proto dhcp src 192.0.2.2 metric 1024\n"+
		"ip route add default via 192.0.2.1 dev eth0 proto dhcp src 192.0.2.2 metric 1024\n"+
		"ip route add default via 192.0.2.1 dev eth0 table 77 proto dhcp src 192.0.2.2 metric 5\n"+
		"ip addr add 2001:db8::2/64 dev eth0 valid_lft 500 preferred_lft 400 noprefixroute nodad\n"+
		"ip -6 route add 2001:db8::/64 dev eth0 proto ra metric 1024 expires 500\n"+
		"ip -6 route add default via fe80::1 dev eth0 proto ra metric 1024 expires 500\n"+
		"ip route add 203.0.113.0/24 via 192.0.2.1 dev eth0 proto static")
	s.leased("eth0", true)
}

// address is one of eth0's: its lifetime, when it was added; nil if it is not there.
func (s states) address(addr string) *rtnl.Msg {
	s.Helper()
	conn, err := rtnl.Dial()
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	family := byte(unix.AF_INET)
	if strings.Contains(addr, ":") {
		family = unix.AF_INET6
	}
	h, err := holds(conn, family, s.index("eth0"))
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(h.addrs, func(a rtnl.Msg) bool { return prefix(a).Addr().String() == addr })
	if i < 0 {
		return nil
	}
	return &h.addrs[i]
}

func valid(a *rtnl.Msg) uint32 {
	if a == nil {
		return 0
	}
	return rtnl.U32(a.Get(unix.IFA_CACHEINFO)[4:8])
}

// routes are all, one a line, in the order of the kernel's; of those that expire not when.
func (s states) routes() string {
	s.Helper()
	text := nstest.Run(s.T, "ip", "-4", "route", "show", "table", "all") + nstest.Run(s.T, "ip", "-6", "route", "show", "dev", "eth0")
	text = regexp.MustCompile(`expires \d+sec`).ReplaceAllString(text, "expires")
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.Contains(l, "table local") }), "\n")
}

// TestLasting has a leased address stay all the while that a systemd-networkd begins anew
// which removes what it finds and reads only what is new: whatever a server answers, it
// expires afterwards as it has to, and the routes are those of DHCP again.
func TestLasting(t *testing.T) {
	limit, routes := leaseLimit, routesLimit
	leaseLimit, routesLimit = 3*pause, 3*pause
	t.Cleanup(func() { leaseLimit, routesLimit = limit, routes })
	for name, c := range map[string]struct {
		answer     answer
		least, max uint32 // what is left of the address's lifetime
		routes     func(before string) string
	}{
		"the same lease": {answer{"192.0.2.2", "700", "192.0.2.1", true}, 690, 700, func(b string) string { return b }},
		"no answer":      {answer{}, 490, 500, func(b string) string { return b }},
		"another address": {answer{"192.0.2.3", "700", "192.0.2.1", true}, 490, 500, func(b string) string {
			return regexp.MustCompile(`proto dhcp (scope link )?src 192.0.2.2`).ReplaceAllString(b, "proto dhcp ${1}src 192.0.2.3")
		}},
		"for ever":       {answer{"192.0.2.2", "forever", "192.0.2.1", false}, rtnl.Infinity, rtnl.Infinity, func(b string) string { return b }},
		"another router": {answer{"192.0.2.2", "700", "192.0.2.7", true}, 690, 700, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t)
			f := newFakeSystemd(t)
			s.configured("peth0")
			s.leased("peth0", true)
			s.say("eth0", "configured", netplans, false)
			s.host()
			s.older(f, c.answer)
			before, created, created6 := s.routes(), s.address("192.0.2.2").Created(), s.address("2001:db8::2").Created()
			time.Sleep(20 * time.Millisecond) // or one that is added anew would count as the same
			r := s.runner(f)
			if err := r.Run(t.Context(), s.around(f, false)); err != nil {
				t.Fatal(err)
			}
			if calls := f.calls(); slices.Contains(calls, "ReloadUnit") {
				t.Errorf("%q", calls)
			}
			a := s.address("192.0.2.2")
			if a == nil || a.Created() != created {
				t.Errorf("it was away: %v", a)
			} else if v := valid(a); v < c.least || v > c.max {
				t.Errorf("it is valid for %d s", v)
			}
			a = s.address("2001:db8::2")
			least := uint32(490)
			if c.answer.router {
				least = 690
			}
			if v := valid(a); a == nil || a.Created() != created6 || v < least || v > least+10 {
				t.Errorf("that of IPv6 was away, or is valid for %d s", v)
			}
			now := s.routes()
			if c.routes != nil && now != c.routes(before) {
				t.Errorf("routes:\n%s\nbefore:\n%s", now, before)
			}
			if n := strings.Count(now, "via "+c.answer.gateway+" dev eth0 "); c.answer.gateway == "192.0.2.7" && (n != 2 || strings.Contains(now, "default via 192.0.2.1")) {
				t.Errorf("routes:\n%s", now)
			}
			if left, _ := filepath.Glob(runConfig + "/*.d/zz-*"); left != nil {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestLastingFails makes each step go wrong in each way: the address has stayed, and
// expires, and the routes are as they were.
func TestLastingFails(t *testing.T) {
	limit, routes := leaseLimit, routesLimit
	leaseLimit, routesLimit = pause, pause
	t.Cleanup(func() { leaseLimit, routesLimit = limit, routes })
	for _, answer := range []answer{{"192.0.2.2", "700", "192.0.2.1", true}, {}} {
		s := newStates(t)
		f := newFakeSystemd(t)
		s.configured("peth0")
		s.leased("peth0", true)
		s.say("eth0", "configured", netplans, false)
		s.host()
		s.older(f, answer)
		m := &faults.Matrix{T: t, Runner: s.runner(f), Every: faults.Ways(testing.Short(), 3)}
		files, before, created, created6 := s.files(), s.routes(), s.address("192.0.2.2").Created(), s.address("2001:db8::2").Created()
		m.Same = func(what string) bool {
			a, now := s.address("192.0.2.2"), s.routes()
			ok := a != nil && a.Created() == created && valid(a) <= 700 && now == before && s.files() == files
			a = s.address("2001:db8::2")
			ok = ok && a != nil && a.Created() == created6 && valid(a) <= 700
			if !ok {
				t.Errorf("%s: valid for %d s; routes:\n%s\nfiles:\n%s", what, valid(a), now, s.files())
			}
			return ok
		}
		m.Try("change", func() *plan.Plan { return s.around(f, false) })
		t.Log(m)
	}
}

// TestPlain6 leaves IPv6 as it is where it could not be changed back.
func TestPlain6(t *testing.T) {
	for script, want := range map[string]bool{
		"ip addr add 2001:db8::2/64 dev eth0 valid_lft 500 preferred_lft 400 nodad":                                                                                                                   true,
		"ip -6 route add default via fe80::1 dev eth0 proto ra":                                                                                                                                       true,
		"ip -6 route add default via fe80::1 dev eth0 proto ra\nip -6 route append default via fe80::2 dev eth0 proto ra":                                                                             false,
		"echo 2 >/proc/sys/net/ipv6/conf/eth0/use_tempaddr\nip addr add 2001:db8::2/64 dev eth0 valid_lft 500 preferred_lft 400 mngtmpaddr nodad\nip -6 addr show dev eth0 temporary | grep -q inet6": false,
	} {
		s := newStates(t)
		nstest.Script(t, "ip link set eth0 up\nip link set vif0.0 up\n"+script)
		conn, err := rtnl.Dial()
		if err != nil {
			t.Fatal(err)
		}
		h, err := holds(conn, unix.AF_INET6, s.index("eth0"))
		_ = conn.Close()
		if is := h.plain6(); err != nil || is != want {
			t.Errorf("%s: %t, %v", script, is, err)
		}
	}
}
