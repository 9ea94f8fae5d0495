package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"xbr-script/internal/nstest"
)

// errInjected is the failure that the tests make.
var errInjected = errors.New("injected")

// fault is a way for one step to go wrong.
type fault struct {
	name  string
	after bool // after the step took effect, or before
	kill  bool // the process dies there
}

var faults = []fault{
	{"error before", false, false},
	{"error after", true, false},
	{"killed before", false, true},
	{"killed after", true, true},
}

// next are the commands that may come after a call that was killed: each sees
// to what it has left, or tells of it.
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

// whole is what the seed's wrapper asks for: bridges, rules and forwarding.
const whole = " vifnum=0 netdev=eth0 antispoof=yes --next vifnum=1 netdev=eth1 antispoof=yes ip_forward=1 check=no"

// TestWholePlan makes each step of whole calls fail in each way: those of the
// bridges, of the rules and of forwarding, and any that will be added. (The
// test of that name in package bridge has richer hosts, and kernels without
// live rename.) Shortened, each step fails in one way.
func TestWholePlan(t *testing.T) {
	newHost(t, quiet)
	m := &matrix{T: t}
	steps := m.everyStep("start")
	must(t, "start"+whole)
	steps += m.everyStep("stop")
	must(t, "stop")
	t.Logf("%d cases: %d steps, %d faults", m.cases, steps, len(faults))
}

type matrix struct {
	*testing.T
	cases int
}

// everything is all that a call may change.
func everything(t *testing.T) (nstest.State, string) {
	t.Helper()
	return nstest.ReadState(t), nstest.Script(t, `
		iptables-save | grep -v '^#' | sed 's/ \[[0-9]*:[0-9]*\]$//'
		ip6tables-save | grep -v '^#' | sed 's/ \[[0-9]*:[0-9]*\]$//'
		sysctl net.bridge net.ipv4.ip_forward
		sysctl -a -r 'accept_redirects|^net.ipv4.conf.*forwarding' 2>/dev/null`)
}

// everyStep tries all faults at all steps of a command, and returns how many
// steps there are.
func (m *matrix) everyStep(command string) int {
	line := command + whole
	nstest.Rest(m)
	state, rest := everything(m.T)
	total := 0
	for step := 0; step <= max(0, total-1); step++ {
		for i, f := range faults {
			if testing.Short() && i != step%len(faults) {
				continue // each step once
			}
			title := fmt.Sprintf("%s, step %d, %s", command, step, f.name)
			m.cases++
			r, n := m.inflict(line, step, f)
			total = max(total, n)
			if f.kill {
				m.afterDeath(title, next[m.cases%len(next)])
			} else if r.status != failed || !strings.Contains(r.stderr, ": injected\nhint: everything was put back as it was\n") {
				m.Errorf("%s: exit status %d, %q", title, r.status, r.stderr)
			}
			if d := nstest.Settled(m, state, nstest.Whole); d != "" {
				m.Fatalf("%s: the network is not as before:\n%s", title, d)
			}
			if _, now := everything(m.T); now != rest {
				m.Fatalf("%s: before:\n%s\nnow:\n%s", title, rest, now)
			}
		}
	}
	return total
}

// inflict makes the call with that fault, and says how many steps its plan has.
func (m *matrix) inflict(line string, step int, f fault) (r result, total int) {
	defer func() {
		if p := recover(); p != nil && p != any(errInjected) {
			panic(p)
		}
	}()
	r = doCall(context.Background(), m.T, line, func(c *call) {
		c.hook = func(i int, after bool) error {
			if u, err := c.runner().Unfinished(); err == nil && u != nil {
				total = len(u.Steps)
			}
			switch {
			case i != step || after != f.after:
				return nil
			case f.kill:
				panic(errInjected)
			}
			return errInjected
		}
	})
	return r, total
}

// afterDeath makes the next call after one that was killed. Whatever it is,
// it says what it has found, and then everything is as before.
func (m *matrix) afterDeath(title, command string) {
	before := doCall(context.Background(), m.T, "status --json", nil)
	if before.status != notAsked || !strings.Contains(before.stdout, `"unfinished": "xbr-script st`) {
		m.Errorf("%s: status says %d, %s", title, before.status, before.stdout)
	}
	line := command
	if command == "start" || command == "stop" {
		line += " bridge=null" // nothing but to put things back
	}
	r := doCall(context.Background(), m.T, line, nil)
	if command == "status" {
		if r.status != notAsked || !strings.HasPrefix(r.stdout, "unfinished  xbr-script st") {
			m.Errorf("%s: status: exit status %d, %q", title, r.status, r.stdout)
		}
		r = doCall(context.Background(), m.T, "recover", nil)
	}
	if r.status != done || !strings.HasPrefix(r.stderr, `xbr-script: taking back "xbr-script st`) {
		m.Errorf("%s: %s: exit status %d, %q", title, command, r.status, r.stderr)
	}
}
