package bridge_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// host6 is a host that has IPv6 from a router's advertisements.
var host6 = network{name: "host6", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + `
sysctl -qw net/ipv6/conf/eth0/accept_ra_rt_info_max_plen=64
ip addr add 192.0.2.2/24 brd + dev eth0
`, specs: []bridge.Spec{specOf(0, "eth0")}}

const hour = 3600 * time.Second

// everyWay runs a test on the network in both shapes, with and without live
// rename; in a short run each of these only once.
func everyWay(t *testing.T, n network, test func(*lab)) {
	t.Helper()
	for _, n := range shapes(n) {
		for _, live := range []bool{true, false} {
			if testing.Short() && live == n.onBridge() {
				continue
			}
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				test(newLab(t, n, live))
			})
		}
	}
}

// turn is what routers say next, and what is there once the kernel has taken
// it.
type turn struct {
	says        []nstest.Advert
	has, hasNot []string // in the output of ip -6 addr, ip -6 route and the settings
}

// turns are what may become of something that a router has announced.
var turns = []turn{
	{
		says: []nstest.Advert{
			{Router: "fe80::1", Lifetime: 1800 * time.Second, HopLimit: 61, MTU: 1470, Reachable: 21 * time.Second, Retransmit: 600 * time.Millisecond,
				Prefixes:    []nstest.AdvertPrefix{{Prefix: "2001:db8:1::/64", Valid: hour, Preferred: hour}, {Prefix: "2001:db8:9::/64", Valid: hour, Preferred: hour, NoAuto: true}},
				Information: []nstest.AdvertRoute{{Prefix: "2001:db8:8000::/48", Lifetime: hour}}},
			{Router: "fe80::2", Lifetime: 1800 * time.Second, Preference: 3},
		},
		has: []string{"2001:db8:1:0:216:3eff:fe00:1/64", "2001:db8:9::/64 dev eth0", "2001:db8:8000::/48 via fe80::1", "default via fe80::1 dev eth0",
			"via fe80::2 dev eth0", "hop_limit 61", "mtu 1470", "base_reachable_time_ms 21000", "retrans_time_ms 600", "pref low"},
	},
	{ // lifetimes, preference, link parameters; the digits are those of the first second already
		says: []nstest.Advert{
			{Router: "fe80::1", Lifetime: 890 * time.Second, Preference: 1, HopLimit: 62, MTU: 1460, Reachable: 22 * time.Second, Retransmit: 500 * time.Millisecond,
				Prefixes:    []nstest.AdvertPrefix{{Prefix: "2001:db8:1::/64", Valid: 7190 * time.Second, Preferred: hour}},
				Information: []nstest.AdvertRoute{{Prefix: "2001:db8:8000::/48", Lifetime: 7190 * time.Second, Preference: 3}}},
		},
		has: []string{"valid_lft 71", "preferred_lft 3", "2001:db8:8000::/48 via fe80::1 dev eth0 METRIC expires 71", "expires 8",
			"hop_limit 62", "mtu 1460", "base_reachable_time_ms 22000", "retrans_time_ms 500", "pref high"},
		hasNot: []string{"nexthop"},
	},
	{ // renumbering: a new prefix and route, others are withdrawn, one router leaves
		says: []nstest.Advert{
			{Router: "fe80::1", Lifetime: 1800 * time.Second,
				Prefixes: []nstest.AdvertPrefix{{Prefix: "2001:db8:1::/64"}, {Prefix: "2001:db8:9::/64", NoAuto: true},
					{Prefix: "2001:db8:2::/64", Valid: hour, Preferred: hour}},
				Information: []nstest.AdvertRoute{{Prefix: "2001:db8:8000::/48"}, {Prefix: "2001:db8:9000::/48", Lifetime: hour}}},
			{Router: "fe80::2"},
		},
		has:    []string{"2001:db8:2:0:216:3eff:fe00:1/64", "2001:db8:9000::/48 via fe80::1", "deprecated dynamic", "default via fe80::1 dev eth0"},
		hasNot: []string{"2001:db8:9::/64", "2001:db8:8000::/48", "via fe80::2 "},
	},
	{ // the last router leaves
		says:   []nstest.Advert{{Router: "fe80::1", Prefixes: []nstest.AdvertPrefix{{Prefix: "2001:db8:3::/64", Valid: hour, Preferred: hour}}}},
		has:    []string{"2001:db8:3:0:216:3eff:fe00:1/64"},
		hasNot: []string{"default via"},
	},
}

// TestAdvertisements lets routers change everything that they can, after start
// and after stop: at each of these moments, whatever they had announced before.
func TestAdvertisements(t *testing.T) {
	t.Parallel()
	everyWay(t, host6, func(l *lab) {
		for up := range turns { // how many turns happen before start
			for i := range up {
				l.take(turns[i])
			}
			l.mustRun(true)
			for _, next := range turns[up:] {
				l.take(next)
			}
			l.mustRun(false)
			for _, next := range turns {
				l.take(next)
			}
		}
	})
}

// take lets the routers speak, and checks the result.
func (l *lab) take(next turn) {
	l.t.Helper()
	var err error
	for range 10 { // a link that was just switched on may lose the first
		l.advertise(next.says...)
		for start := time.Now(); time.Since(start) < time.Second; time.Sleep(20 * time.Millisecond) {
			if err = next.check(l.learnt()); err == nil {
				return
			}
		}
	}
	l.t.Fatalf("%v\n%s", err, l.learnt())
}

func (n turn) check(learnt string) error {
	var errs []error
	for _, text := range n.has {
		if !strings.Contains(learnt, text) {
			errs = append(errs, fmt.Errorf("no %q", text))
		}
	}
	for _, text := range n.hasNot {
		if strings.Contains(learnt, text) {
			errs = append(errs, fmt.Errorf("still %q", text))
		}
	}
	return errors.Join(errs...)
}

// learnt is what dom0's interface has from routers.
func (l *lab) learnt() string {
	l.t.Helper()
	out := nstest.Run(l.t, "sh", "-ec", `ip -6 addr show dev eth0; ip -6 route show | sed 's/metric 1024/METRIC/; s/METRIC expires/METRIC expires/; s/proto [a-z]* //'
cd /proc/sys/net/ipv6; for f in conf/eth0/hop_limit conf/eth0/mtu neigh/eth0/base_reachable_time_ms neigh/eth0/retrans_time_ms; do echo ${f##*/} $(cat $f); done`)
	return out
}

// radvd is a host at whose cable's end a real router advertises.
var radvd = network{name: "radvd", script: `sysctl -qw net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.forwarding=0
netns lan
ip netns exec lan sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
ip -n lan link add lan0 type veth peer name eth0 address 00:16:3e:00:00:01 netns $$
ip -n lan addr add 2001:db8:1::1/64 dev lan0
ip -n lan link set lo up
ip -n lan link set lan0 up
ip link set eth0 up
ip addr add 192.0.2.2/24 brd + dev eth0
`, specs: []bridge.Spec{specOf(0, "eth0")}}

// radvdConf makes radvd speak every few seconds, with lifetimes that end soon.
func radvdConf(prefixes ...string) string {
	text := "interface lan0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 20; AdvCurHopLimit 61; AdvLinkMTU 1400;\n"
	for _, p := range prefixes {
		text += "prefix " + p + " { AdvValidLifetime 20; AdvPreferredLifetime 15; };\n"
	}
	return text + "};\n"
}

// intervals is three times radvd's longest interval.
const intervals = 12 * time.Second

// TestRadvd lets a real router advertise while start and stop come and go: what
// it announces stays alive, and a new prefix is accepted.
func TestRadvd(t *testing.T) {
	t.Parallel()
	everyWay(t, radvd, func(l *lab) {
		conf := filepath.Join(l.t.TempDir(), "radvd.conf")
		say := func(prefixes ...string) {
			must(0, os.WriteFile(conf, []byte(radvdConf(prefixes...)), 0o600))
			nstest.Script(l.t, "if [ -e /run/radvd.pid ]; then kill -HUP $(cat /run/radvd.pid); fi")
		}
		say("2001:db8:1::/64")
		nstest.Background(l.t, "ip", "netns", "exec", "lan", "radvd", "-n", "-C", conf, "-p", "/run/radvd.pid", "-m", "none")
		l.announced("2001:db8:1:")
		for i, start := range []bool{true, false} {
			l.mustRun(start)
			time.Sleep(intervals)
			l.announced("2001:db8:1:")
			next := fmt.Sprintf("2001:db8:%d:", 2+i)
			say("2001:db8:1::/64", next+":/64")
			l.announced("2001:db8:1:", next)
			if out, err := nstest.Try(l.t, "ping", "-nqc1", "-W5", "2001:db8:1::1"); err != nil {
				l.t.Errorf("%s: %v\n%s", verb(start), err, out)
			}
		}
	})
}

// announced waits for a default route, and for addresses of these prefixes
// whose lifetimes were renewed recently.
func (l *lab) announced(prefixes ...string) {
	l.t.Helper()
	const fresh = 14 // of 20 seconds: more than is left after three intervals
	var lines string
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		lines = nstest.Run(l.t, "sh", "-ec", "ip -6 -o addr show dev eth0 scope global -tentative; ip -6 route show default dev eth0")
		found := strings.Contains(lines, "default via fe80:")
		for _, p := range prefixes {
			ok := false
			for line := range strings.Lines(lines) {
				var valid int
				_, after, _ := strings.Cut(line, "valid_lft ")
				_, err := fmt.Sscanf(after, "%dsec", &valid)
				ok = ok || strings.Contains(line, p) && err == nil && valid >= fresh
			}
			found = found && ok
		}
		if found {
			return
		}
	}
	l.t.Fatalf("no fresh addresses of %q, or no default route:\n%s", prefixes, lines)
}

// TestToken moves a token there and back, also where the kernel would refuse to
// set it.
func TestToken(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"set":             "ip token set ::53 dev eth0",
		"on a router":     "ip token set ::53 dev eth0\nsysctl -qw net/ipv6/conf/eth0/forwarding=1 net/ipv6/conf/eth0/accept_ra=2",
		"refused by now":  "ip token set ::53 dev eth0\nsysctl -qw net/ipv6/conf/eth0/accept_ra=0",
		"not asked for":   "ip token set ::53 dev eth0\nsysctl -qw net/ipv6/conf/eth0/router_solicitations=0",
		"while it is off": "ip token set ::53 dev eth0\nip link set eth0 down",
		"none":            "ip token set :: dev eth0",
	} {
		n := host6
		n.name = name
		n.script = strings.Replace(n.script, "net.ipv6.conf.default.router_solicitations=0", "", 1) + script + "\n"
		if name == "while it is off" {
			n.script = strings.Replace(n.script, "ip addr add 192.0.2.2/24 brd + dev eth0\n", "", 1)
		}
		everyWay(t, n, func(l *lab) {
			token := func() string { return nstest.Run(l.t, "ip", "token", "get", "dev", "eth0") }
			before := nstest.ReadState(l.t)
			had := token()
			for range 2 {
				l.mustRun(true)
				if now := token(); now != had {
					l.t.Errorf("after start: %s, had been %s", now, had)
				}
				if left := nstest.Run(l.t, "ip", "token", "list"); strings.Contains(left, "::53 dev peth0") {
					l.t.Errorf("the port has one: %s", left)
				}
				l.mustRun(false)
				if now := token(); now != had {
					l.t.Errorf("after stop: %s, had been %s", now, had)
				}
			}
			if d := nstest.Settled(l.t, before, nstest.Whole); d != "" {
				l.t.Errorf("not as before:\n%s", d)
			}
		})
	}
}

// TestForwarding has start and stop write the setting on a host with routes that
// routers announced to another NIC.
func TestForwarding(t *testing.T) {
	t.Parallel()
	n := host6
	n.script += cable("eth1", "lan1", "00:16:3e:00:00:02") +
		"sysctl -qw net/ipv6/conf/eth0/forwarding=1 net/ipv6/conf/eth0/accept_ra=2\n"
	everyWay(t, n, func(l *lab) {
		nstest.Advertise(l.t, "lan1", nstest.Advert{Router: "fe80::3", Lifetime: hour})
		nstest.Advertise(l.t, "lan0", nstest.Advert{Router: "fe80::1", Lifetime: hour})
		before := nstest.Rest(l.t)
		for _, start := range []bool{true, false} {
			l.mustRun(start)
			routes := nstest.Run(l.t, "ip", "-6", "route")
			if !strings.Contains(routes, "via fe80::3 dev eth1") || !strings.Contains(routes, "via fe80::1 dev eth0") {
				l.t.Errorf("after %s:\n%s", verb(start), routes)
			}
			if v := nstest.Run(l.t, "cat", "/proc/sys/net/ipv6/conf/eth1/accept_ra"); v != "1\n" {
				l.t.Errorf("after %s: accept_ra=%s", verb(start), v)
			}
		}
		if d := nstest.Settled(l.t, before, nstest.Whole); d != "" {
			l.t.Errorf("not as before:\n%s", d)
		}
		for _, v := range []string{"0", "1"} { // somebody changes it while the network is up
			l.mustRun(true)
			nstest.Run(l.t, "sysctl", "-qw", "net/ipv6/conf/eth0/forwarding="+v)
			l.mustRun(false)
			groups := strings.Fields(nstest.Run(l.t, "ip", "-6", "maddr", "show", "dev", "eth0"))
			if all := slices.Contains(groups, "ff02::2"); all != (v == "1") {
				l.t.Errorf("forwarding=%s: it is in the group of all routers: %v", v, all)
			}
		}
	})
}

// TestAdvertisedMeanwhile lets a router speak before each step of start and
// stop: nothing that it says may be lost, or keep the next advertisement from
// being accepted.
func TestAdvertisedMeanwhile(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 4
	}
	everyWay(t, host6, func(l *lab) {
		l.take(turns[0])
		for _, start := range []bool{true, false} {
			for at, more := 0, true; more; at += stride {
				if !start {
					l.mustRun(true)
				}
				pl := l.plan(start)
				more = at+stride < len(pl.Steps)
				r := l.runner()
				r.Hook = func(step int, after bool) error {
					if step == at && !after {
						l.advertise(turns[1].says...)
						l.advertise(turns[0].says...)
						time.Sleep(10 * time.Millisecond)
					}
					return nil
				}
				if err := r.Run(l.t.Context(), pl); err != nil {
					l.t.Fatalf("%s, step %d: %v", verb(start), at, err)
				}
				if out := nstest.Run(l.t, "ip", "-6", "route"); strings.Contains(out, "nexthop") {
					l.t.Fatalf("%s, step %d: routers have become paths:\n%s", verb(start), at, out)
				}
				l.take(turns[1])
				l.take(turns[0])
				if start {
					l.mustRun(false)
				}
			}
		}
	})
}

// often is what TestAdvertisedOften's router says.
func often() nstest.Advert {
	a := nstest.Advert{Lifetime: hour}
	for i := range 8 {
		a.Prefixes = append(a.Prefixes, nstest.AdvertPrefix{Prefix: fmt.Sprintf("2001:db8:%d::/64", i), Valid: hour, Preferred: hour})
	}
	return a
}

// TestAdvertisedOften has a router that speaks all the time, as one does that
// is asked when a NIC comes up, on a host that checks whether its addresses are
// unique. An address that the kernel has just made from an advertisement cannot
// be used yet; but after start, after stop, and after either was taken back at
// its last step, dom0 has at once everything that it had.
func TestAdvertisedOften(t *testing.T) {
	t.Parallel()
	n := host6
	n.script += careful
	n.adverts = []nstest.Advert{often()}
	everyWay(t, n, func(l *lab) {
		defer nstest.AdvertiseOften(l.t, "lan0", often())()
		for range 3 {
			for _, start := range []bool{true, false} {
				l.failAtEnd(start)
				l.usable()
				l.mustRun(start)
				l.usable()
			}
		}
	})
}

// failAtEnd makes the last step fail, so that everything is taken back.
func (l *lab) failAtEnd(start bool) {
	l.t.Helper()
	pl := l.plan(start)
	fault := errors.New("injected")
	r := l.runner()
	r.Hook = func(step int, after bool) error {
		if step == len(pl.Steps)-1 && !after {
			return fault
		}
		return nil
	}
	if err := r.Run(l.t.Context(), pl); !errors.Is(err, fault) || len(l.journals()) > 0 {
		l.t.Fatalf("%s, taken back: %v, journals %q", verb(start), err, l.journals())
	}
}

// usable fails if dom0's interface has an address that cannot be used yet,
// lacks one, or has one with other flags than before.
func (l *lab) usable() {
	l.t.Helper()
	addrs := nstest.Run(l.t, "ip", "-6", "addr", "show", "dev", "eth0", "-tentative")
	if n := strings.Count(addrs, "216:3eff:fe00:1/64"); n != 1+len(often().Prefixes) {
		l.t.Fatalf("%d addresses that can be used:\n%s", n, nstest.Run(l.t, "ip", "-6", "addr"))
	}
	if strings.Contains(addrs, "nodad") || strings.Contains(addrs, "noprefixroute") {
		l.t.Fatalf("addresses have the flags that they had on the way:\n%s", addrs)
	}
}
