package bridge_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/testing/nstest"
)

// long has two NICs whose names leave no room for a p, and one that just leaves it.
// The second address's label is one that the kernel makes of such a name.
var long = network{name: "long names", script: quick +
	cable("enx001122334455", "lan0", "00:11:22:33:44:55") + cable("enx001122334466", "lan1", "00:11:22:33:44:66") +
	cable("enp193s0f0np01", "lan2", "00:16:3e:00:00:03") + `
ip link property add dev enx001122334455 altname enp0s20f0u1
ip addr add 10.23.1.7/24 brd + dev enx001122334455
ip addr add 10.23.1.8/24 dev enx001122334455
ip addr add 10.24.1.8/24 dev enx001122334455 scope link
ip addr add 10.25.1.8/24 dev enx001122334466
ip route add default via 10.23.1.254
ip -6 addr add 2001:db8::2/64 dev enx001122334455
ip rule add iif enx001122334455 lookup 100
` + careful, specs: []bridge.Spec{specOf(0, "enx001122334455"), specOf(1, "enx001122334466"), specOf(2, "enp193s0f0np01")}}

// TestLongNames takes NICs with long names there and back, in both shapes, on kernels
// with and without live rename: when the last step fails, with the records and without
// them.
func TestLongNames(t *testing.T) {
	thereAndBack(t, long)
}

// unusual has a NIC with an MTU that is too small for IPv6, and one with an address that
// another host has as well, and with groups that the kernel has joined.
var unusual = network{name: "unusual", script: quick +
	cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth1", "lan1", "00:16:3e:00:00:02") + `
ip link set eth0 mtu 1000
ip addr add 10.23.1.7/24 brd + dev eth0
ip route add default via 10.23.1.254
ip addr add 10.24.1.7/24 brd + dev eth1
ip addr add 239.1.2.3/32 dev eth1 autojoin
ip -6 addr add ff05::1234/128 dev eth1 autojoin
sysctl -qw net/ipv6/conf/lan1/disable_ipv6=0
ip -6 addr add 2001:db8::5/64 dev lan1 nodad
` + careful + `ip -6 addr add 2001:db8::5/64 dev eth1
i=0; until ip -6 addr show dev eth1 dadfailed | grep -q 2001; do i=$((i+1)); [ $i -lt 100 ]; sleep 0.1; done
`, specs: []bridge.Spec{specOf(0, "eth0"), specOf(1, "eth1")}}

// TestUnusual takes unusual NICs there and back.
func TestUnusual(t *testing.T) {
	thereAndBack(t, unusual)
}

// TestLarger has somebody give dom0's interface an MTU with which there is IPv6: after stop
// the NIC has the address that belongs to its MAC address, and none of the port's.
func TestLarger(t *testing.T) {
	t.Parallel()
	small := network{name: "small", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + "ip link set eth0 mtu 1000\n", specs: []bridge.Spec{specOf(0, "eth0")}}
	everyWay(t, small, func(l *lab) {
		l.mustRun(true)
		nstest.Run(l.t, "ip", "link", "set", "eth0", "mtu", "1500")
		l.mustRun(false)
		nstest.Rest(l.t)
		out := nstest.Run(l.t, "ip", "-o", "-6", "addr", "show", "dev", "eth0")
		if strings.Count(out, "inet6") != 1 || !strings.Contains(out, "fe80::216:3eff:fe00:1/64") {
			l.t.Errorf("after stop:\n%s", out)
		}
	})
}

// known is everything but what the kernel has yet to find out about an address: whether
// another host has it as well takes it a second each time.
func known(s nstest.State) nstest.State {
	return s.Filter(func(string) bool { return true }, func(_, line string) string { return strings.ReplaceAll(line, " dadfailed", "") })
}

// thereAndBack starts and stops a network, as TestLongNames says.
func thereAndBack(t *testing.T, n network) {
	for _, n := range shapes(n) {
		for _, live := range []bool{true, false} {
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, n, live)
				before := nstest.ReadState(t)
				same := func(when string, want nstest.State) {
					t.Helper()
					if d := nstest.Settled(t, want, known); d != "" {
						t.Errorf("%s: not as before:\n%s", when, d)
					}
				}
				l.failsLast(true)
				same("start undone", before)
				l.mustRun(true)
				nstest.Rest(t)
				up := nstest.ReadState(t)
				l.failsLast(false)
				same("stop undone", up)
				l.mustRun(false)
				same("stop", before)

				l.mustRun(true)
				l.loseRecords()
				l.mustRun(false)
				same("stop without records", before)
			})
		}
	}
}

// failsLast lets the last step of start or stop fail.
func (l *lab) failsLast(start bool) {
	l.t.Helper()
	pl, r := l.plan(start), l.runner()
	r.Hook = func(step int, _ bool) error {
		if pl.Steps[step].Title == "find the network as planned" {
			return errors.New("injected")
		}
		return nil
	}
	if err := r.Run(l.t.Context(), pl); err == nil || !strings.Contains(err.Error(), "injected") {
		l.t.Errorf("%s: it ended with %v", verb(start), err)
	}
}

// loseRecords deletes the records, and finds the network by what is there.
func (l *lab) loseRecords() {
	l.t.Helper()
	files, _ := filepath.Glob(filepath.Join(l.dir, "bridge.*"))
	if len(files) != len(l.specs) {
		l.t.Fatalf("the records are %q", files)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			l.t.Fatal(err)
		}
	}
	h, err := host.Read(l.conn)
	if err != nil {
		l.t.Fatal(err)
	}
	standing := bridge.Standing(h, nil)
	for i, w := range standing {
		w.Why = nil
		if i >= len(l.specs) || w.PDev != l.specs[i].PDev || w.NetDev != l.specs[i].NetDev || w.Bridge != l.specs[i].Bridge || w.VDev != l.specs[i].VDev {
			l.t.Errorf("found %+v, want %+v", w, l.specs[i])
		}
	}
	if len(standing) != len(l.specs) {
		l.t.Fatalf("found are %d networks", len(standing))
	}
	if _, err := bridge.Resolve(config.Stop, []config.Bridge{{NetDev: l.specs[0].PDev}}, h, nil); err != nil {
		l.t.Error(err)
	}
	l.specs = standing
}
