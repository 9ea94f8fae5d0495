package bridge_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// private is a host with temporary addresses, whose neighbour answers.
func private(value string) network {
	n := host6
	n.name += " use_tempaddr=" + value
	n.script = strings.ReplaceAll(n.script, "sysctl -qw net/ipv6/conf/lan0/disable_ipv6=1\n", "") +
		"sysctl -qw net/ipv6/conf/eth0/use_tempaddr=" + value + " net/ipv6/conf/lan0/accept_ra=0\n" +
		"sysctl -qw net/ipv6/conf/default/use_tempaddr=" + value + "\n"
	n.adverts = []nstest.Advert{twoPrefixes}
	return n
}

var twoPrefixes = nstest.Advert{Lifetime: hour, Prefixes: []nstest.AdvertPrefix{
	{Prefix: "2001:db8:1::/64", Valid: hour, Preferred: hour}, {Prefix: "2001:db8:2::/64", Valid: hour, Preferred: hour},
}}

// TestTemporary starts and stops several times: the setting stays; for each
// prefix there is a temporary address, from which new connections are made as
// before; a session on an old one keeps it; and they do not pile up.
func TestTemporary(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"1", "2"} {
		everyWay(t, private(value), func(l *lab) {
			before := l.temporary(value)
			used := dialFrom(l.t, before[0]) // a session that lasts
			for round := range 5 {
				for _, start := range []bool{true, false} {
					l.mustRun(start)
					what := fmt.Sprintf("round %d, %s", round, verb(start))
					now := l.temporary(value)
					l.advertise(twoPrefixes)
					nstest.Rest(l.t)
					if again := l.temporary(value); len(again) != 2 || len(now) != 2 {
						l.t.Fatalf("%s: temporary addresses %q, after an advertisement %q", what, now, again)
					}
					all := nstest.Run(l.t, "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global")
					if !strings.Contains(all, used) {
						l.t.Fatalf("%s: %s, which is used, is gone:\n%s", what, used, all)
					}
					// Two lasting ones, two temporary ones, the two that those
					// followed, and the used one.
					if n := strings.Count(all, "\n"); n > 7 {
						l.t.Fatalf("%s: %d addresses:\n%s", what, n, all)
					}
				}
			}
		})
	}
}

// temporary are the kernel's temporary addresses, which are checked, as is the
// setting.
func (l *lab) temporary(value string) (addrs []string) {
	l.t.Helper()
	if v, _ := os.ReadFile("/proc/sys/net/ipv6/conf/eth0/use_tempaddr"); strings.TrimSpace(string(v)) != value {
		l.t.Fatalf("use_tempaddr=%s", v)
	}
	for line := range strings.Lines(nstest.Run(l.t, "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global", "temporary")) {
		addr, _, _ := strings.Cut(strings.Fields(line)[3], "/")
		addrs = append(addrs, addr)
	}
	return addrs
}

// dialFrom opens a socket that is bound to an address for as long as the test
// runs, and returns the address.
func dialFrom(t *testing.T, addr string) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet6{Addr: [16]byte(net.ParseIP(addr).To16())}); err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestSource checks from which address new connections are made right after a
// change.
func TestSource(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"1": false, "2": true} {
		everyWay(t, private(value), func(l *lab) {
			for _, start := range []bool{true, false} {
				l.mustRun(start)
				for begin := time.Now(); time.Since(begin) < 3*time.Second; time.Sleep(500 * time.Millisecond) {
					out := nstest.Run(l.t, "ip", "-6", "route", "get", "2001:db8:1::1")
					if lasting := strings.Contains(out, "src 2001:db8:1:0:216:3eff:fe00:1 "); lasting == want {
						l.t.Fatalf("%s: %s", verb(start), out)
					}
				}
			}
		})
	}
}
