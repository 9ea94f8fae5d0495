package operate

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// matrixHost has a LAN that a container and a firewall share.
const matrixHost = `
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
ip link add eth0 address 00:16:3e:00:00:01 type veth peer name lan0
ip link set lan0 addrgenmode none up
ip link set eth0 up
ip addr add 192.168.0.2/24 dev eth0
ip addr add 2001:db8::2/64 dev eth0
ip route add default via 192.168.0.1
sysctl -qw net.ipv4.conf.lan0.forwarding=1
for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 >$f; done
mkdir -p /run/xbr-script /etc/xen && mount -t tmpfs tmpfs /etc/xen
iptables -N DOCKER
iptables -A FORWARD -o docker0 -j DOCKER
iptables -A FORWARD -j REJECT
ip6tables -P FORWARD DROP
`

// TestEveryStepFails makes each step of a whole start and stop with antispoof
// and ip_forward go wrong in each way: afterwards network, rules and forwarding
// are as if nothing had been tried. Package bridge has a matrix for its own
// steps; here they are tried without -short only.
func TestEveryStepFails(t *testing.T) {
	t.Parallel()
	kinds := []int{0, 1, 2, 3}
	if testing.Short() {
		kinds = [][]int{{0, 3}, {1, 2}}[rand.N(2)] // each back end, and each shape
	}
	for _, i := range kinds {
		backend, name := nstest.IPTablesBackends[i/2], []string{"xenbr0", "eth0"}[i%2] // the latter is dom0's interface
		t.Run(backend+" "+name, func(t *testing.T) {
			t.Parallel()
			nstest.New(t)
			nstest.IPTables(t, backend)
			nstest.Script(t, matrixHost)
			if backend == "legacy" { // its tables stay once they were used
				nstest.Script(t, "iptables -t raw -S\nip6tables -t raw -S")
			}
			nstest.Rest(t)
			w := &whole{T: t}
			start := []string{"start", "bridge=" + name, "netdev=eth0", "antispoof=yes", "ip_forward=1"}
			w.everyStep(start...)
			if err := w.call(start...).runner().Run(t.Context(), w.plan); err != nil {
				t.Fatal(err)
			}
			w.everyStep("start", "antispoof=no", "ip_forward=0")
			w.everyStep("stop")
			t.Log(&w.matrix)
		})
	}
}

// TestSeries makes steps of whole calls go wrong, and then steps of taking that
// back; and steps of taking back a change that waited to be confirmed, as
// recover and the timer do.
func TestSeries(t *testing.T) {
	t.Parallel()
	nth := faults.OneIn(5003, 120)
	var cases atomic.Int64
	t.Run("whole", func(t *testing.T) {
		for i, name := range []string{"xenbr0", "eth0"} { // the latter is dom0's interface
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				nstest.New(t)
				nstest.IPTables(t, nstest.IPTablesBackends[i%len(nstest.IPTablesBackends)])
				nstest.Script(t, matrixHost+"iptables -t raw -S\nip6tables -t raw -S")
				nstest.Rest(t)
				w := &whole{T: t}
				start := []string{"start", "bridge=" + name, "netdev=eth0", "antispoof=yes", "ip_forward=1"}
				w.series(nth, start...)
				if err := w.call(start...).runner().Run(t.Context(), w.plan); err != nil {
					t.Fatal(err)
				}
				w.series(nth, "stop")
				cases.Add(int64(w.matrix.Cases))
			})
		}
	})
	t.Logf("%d series", cases.Load())
}

func (w *whole) series(nth int, args ...string) {
	w.Helper()
	w.renumber = true
	w.prepare(args...)
	makePlan := func() *plan.Plan { return w.planOf(args...) }
	w.matrix.Series(strings.Join(args, " "), makePlan, nth, 0)
	w.matrix.SeriesBack(strings.Join(args, " "), makePlan, nth, nth/2)
}

// whole is a host on which whole calls are tried.
type whole struct {
	*testing.T
	matrix   faults.Matrix
	plan     *plan.Plan      // of the last call
	titles   map[string]bool // of the steps of package bridge
	renumber bool            // ports may have joined the bridge again in another order
}

// planOf is the plan that the program makes for a command line.
func (w *whole) planOf(args ...string) *plan.Plan {
	w.Helper()
	w.call(args...)
	return w.plan
}

// newCall parses a command line.
func (w *whole) newCall(args ...string) *Call {
	w.Helper()
	req, err := config.Parse(args, config.Source{})
	if err != nil {
		w.Fatal(err)
	}
	c := &Call{Request: req, Args: args, Note: func(string) {}}
	if c.conn, err = rtnl.Dial(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = c.conn.Close() })
	return c
}

// call is newCall with the host read and the plan made.
func (w *whole) call(args ...string) *Call {
	w.Helper()
	c := w.newCall(args...)
	v, p, _, err := c.readAndPlan(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	w.plan = p
	alone := networks{v}.Stop
	if c.Request.Command == config.Start {
		alone = networks{v}.Start
	}
	part, err := alone()
	if err != nil {
		w.Fatal(err)
	}
	w.titles = map[string]bool{}
	for _, s := range plan.Up(part).Steps {
		w.titles[s.Title] = true
	}
	return c
}

// prepare notes the present state, to which the cases of the matrix must
// return.
func (w *whole) prepare(args ...string) {
	w.Helper()
	state, rules := nstest.Rest(w), w.rules()
	w.matrix.T = w
	w.matrix.Runner = *w.call(args...).runner()
	w.matrix.Skip = func(s plan.Step) bool { return testing.Short() && w.titles[s.Title] }
	w.matrix.Same = func(what string) bool {
		w.Helper()
		left := w.rules()
		if left != rules {
			w.Errorf("%s: the rules and files are\n%swere\n%s", what, left, rules)
		}
		pick := nstest.Whole
		if w.renumber {
			pick = nstest.Unnumbered
		}
		now, d := nstest.Settle(w, state, pick)
		if d != "" {
			w.Errorf("%s: the network is not as before:\n%s", what, d)
		}
		state = now // the kernel tells lifetimes in whole seconds
		return left == rules && d == ""
	}
}

func (w *whole) everyStep(args ...string) {
	w.Helper()
	w.prepare(args...)
	steps := w.matrix.Steps
	w.matrix.Try(strings.Join(args, " "), func() *plan.Plan { return w.planOf(args...) })
	if w.matrix.Steps-steps < 2 {
		w.Errorf("%q has %d steps that are not bridge's", args, w.matrix.Steps-steps)
	}
}

// rules are those of iptables, the flags that show it packets, the forwarding
// table, and the files that calls leave.
func (w *whole) rules() string {
	w.Helper()
	return nstest.Rules(w) + nstest.Run(w, "sh", "-c",
		"grep . /proc/sys/net/bridge/bridge-nf-call-* /sys/class/net/*/bridge/nf_call_*; bridge fdb show | grep static; grep -r . "+runDir+" | sort; true")
}
