package operate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/holders"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestCheckMany tells how long check takes, and how much longer a dry run does, on a
// host with 100,000 routes, 4,000 rules of nftables and 2,000 sockets.
func TestCheckMany(t *testing.T) {
	routes, rules, sockets := 100_000, 4000, 2000
	if testing.Short() {
		routes, rules, sockets = 1000, 400, 200
	}
	newHost(t, lan)
	var batch, table strings.Builder
	for i := range routes {
		fmt.Fprintf(&batch, "route add 10.%d.%d.0/24 via 192.168.0.1 metric %d\n", i>>8&0xff, i&0xff, i>>16)
	}
	table.WriteString("table inet many {\nset s { type iface_index . inet_service; elements = { \"eth0\" . 22 } ; }\nchain c {\n")
	for i := range rules / 4 {
		fmt.Fprintf(&table, "iif \"eth0\" tcp dport %d accept\n", i+1)
		fmt.Fprintf(&table, "iifname \"eth0\" ip saddr 10.0.0.0/8 udp dport %d accept\n", i+1)
		fmt.Fprintf(&table, "ip saddr 10.0.%d.%d counter accept\n", i>>8, i&0xff)
		fmt.Fprintf(&table, "iif . tcp dport @s ip daddr 10.0.%d.%d drop\n", i>>8, i&0xff)
	}
	table.WriteString("}\n}\n")
	nstest.Run(t, "ip", "-batch", file(t, batch.String()))
	nstest.Run(t, "nft", "-f", file(t, table.String()))
	for i := range sockets {
		fd := must2(t)(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
		t.Cleanup(func() { _ = unix.Close(fd) })
		if i%20 == 0 {
			must0(t, unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"))
		}
		must0(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 20000 + i}))
	}
	member4(t) // so that each socket is asked whether it is one
	var r outcome
	t.Logf("check: %s", took(func() { r = doCall(t.Context(), t, "check netdev=eth0", nil) }))
	want := [][2]string{ // sockets are in any order
		{"multicast group: 239.1.2.3 of "},
		{"UDP socket bound to it: 0.0.0.0:20", fmt.Sprintf(" and %d more of ", sockets/20-3)},
		{fmt.Sprintf("nftables: %d rules by the index of eth0 (iif, oif) in table inet many, chain c", rules/2)},
		{fmt.Sprintf("nftables: %d rules by the name eth0 in table inet many, chain c", rules/4)},
	}
	if r.err != nil || len(r.Check.Holders) != len(want) {
		t.Fatalf("%v, %+v", r.err, r.Check)
	}
	for _, text := range want {
		said := func(h holders.Holder) bool {
			return strings.HasPrefix(h.String(), text[0]) && strings.Contains(h.String(), text[1])
		}
		if !slices.ContainsFunc(r.Check.Holders, said) {
			t.Errorf("nobody says %s, but %v", text, r.Check.Holders)
		}
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	must0(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// TestCheckNothing tells how long it takes to look for holders where there are none.
func TestCheckNothing(t *testing.T) {
	newHost(t, lan)
	v, err := look(t, "check netdev=eth0")
	must0(t, err)
	for range 3 {
		v.holding = nil // read when it was planned
		t.Logf("looking for holders: %s", took(func() { _, unknown := v.holders(); err = errors.Join(unknown...) }))
		must0(t, err)
	}
}

// look takes the snapshot for a call.
func look(t *testing.T, line string) (*view, error) {
	t.Helper()
	req, err := config.Parse(strings.Fields(line), config.Source{})
	must0(t, err)
	c := &Call{Request: req}
	c.conn, err = rtnl.Dial()
	must0(t, err)
	t.Cleanup(func() { _ = c.conn.Close() })
	v, err := c.snapshot(t.Context())
	if err == nil {
		_, _, err = v.plan()
	}
	return v, err
}

// took is how long something takes, by the clock and by the processor.
func took(f func()) string {
	cpu := func() time.Duration {
		var u unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // it cannot fail
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begin, used := time.Now(), cpu()
	f()
	return fmt.Sprintf("%v, of which the processor worked %v", time.Since(begin), cpu()-used)
}
