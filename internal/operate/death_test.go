package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// errDeath is the end of a process.
var errDeath = errors.New("killed")

// next are the commands that may follow a call that was killed: each deals with
// what it has left, or reports it.
var next = []string{"start", "stop", "status", "recover"}

// quiet is a host with two NICs and nobody on their links.
const quiet = `
	sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
	ip link add eth0 address 00:16:3e:00:00:01 type veth peer name lan0
	ip link add eth1 address 00:16:3e:00:00:02 type veth peer name lan1
	sysctl -qw net/ipv6/conf/lan0/disable_ipv6=1 net/ipv6/conf/lan1/disable_ipv6=1
	ip link set lan0 up
	ip link set lan1 up
	ip link set eth0 up
	ip link set eth1 up
	ip addr add 192.168.0.2/24 dev eth0
	ip addr add 2001:db8::2/64 dev eth0
	ip route add default via 192.168.0.1
	ip -6 route add default via 2001:db8::1`

// wholeCall is what the wrapper of a seed asks for: bridges, rules and
// forwarding.
const wholeCall = " vifnum=0 netdev=eth0 antispoof=yes --next dom0=bridge netdev=eth1 antispoof=yes ip_forward=1 check=no"

// TestNextCall lets calls die at each step, before and after it took effect,
// and then makes the next call: start, stop, status and recover in turn. That
// says what it has found, and everything is as before. In a short run, calls
// die at each step only once.
func TestNextCall(t *testing.T) {
	newHost(t, quiet)
	d := &deaths{T: t}
	d.everyStep("start")
	must(t, "start"+wholeCall)
	d.everyStep("stop")
	must(t, "stop")
	t.Logf("%d cases", d.cases)
}

type deaths struct {
	*testing.T
	cases int
}

// everyStep lets calls of a command die at every step.
func (d *deaths) everyStep(command string) {
	state, rules := nstest.Rest(d), nstest.Rules(d)
	total := 1 // until the first call tells
	for step := 0; step < total; step++ {
		for i, after := range []bool{false, true} {
			if testing.Short() && (step%2 != 0 || i != step/2%2) {
				continue
			}
			title := fmt.Sprintf("%s, step %d, after %t", command, step, after)
			total = d.die(command+wholeCall, step, after)
			d.next(title, next[d.cases%len(next)])
			if diff := nstest.Settled(d, state, nstest.Whole); diff != "" {
				d.Fatalf("%s: the network is not as before:\n%s", title, diff)
			}
			if now := nstest.Rules(d); now != rules {
				d.Fatalf("%s: before:\n%s\nnow:\n%s", title, rules, now)
			}
			d.cases++
		}
	}
}

// die makes a call that dies, and returns how many steps its plan has.
func (d *deaths) die(line string, step int, after bool) (total int) {
	defer func() {
		if p := recover(); p != any(errDeath) {
			panic(p) // also nil: it should have died
		}
	}()
	doCall(context.Background(), d.T, line, func(c *Call) {
		c.hook = func(i int, a bool) error {
			if i != step || a != after {
				return nil
			}
			u, err := c.runner().Unfinished()
			if err != nil {
				d.Fatal(err)
			}
			total = len(u.Steps)
			panic(errDeath)
		}
	})
	return 0
}

// next makes the next call.
func (d *deaths) next(title, command string) {
	before := doCall(context.Background(), d.T, "status --json", nil)
	if before.err != nil || !strings.HasPrefix(before.Report.Unfinished, "xbr-script st") {
		d.Errorf("%s: status says %+v, %v", title, before.Report, before.err)
	}
	line := command
	if command == "start" || command == "stop" {
		line += " bridge=null" // it should do nothing but put things back
	}
	r := doCall(context.Background(), d.T, line, nil)
	if command == "status" {
		if r.err != nil || !strings.HasPrefix(r.Report.Unfinished, "xbr-script st") {
			d.Errorf("%s: status says %+v, %v", title, r.Report, r.err)
		}
		r = doCall(context.Background(), d.T, "recover", nil)
	}
	if r.err != nil || !strings.HasPrefix(r.stderr, `xbr-script: taking back "xbr-script st`) {
		d.Errorf("%s: %s: %v, %q", title, command, r.err, r.stderr)
	}
}
