package antispoof

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/nstest"
	"xbr-script/internal/plan"
)

// backends are the two kinds of iptables. Both stay side by side as
// iptables-nft and iptables-legacy.
var backends = []string{"nft", "legacy"}

const runDir = "/run/xbr-script"

// dom0 is a namespace with a bridge as start leaves it, and what is needed to
// change it.
type dom0 struct {
	*testing.T
	backend string
	planner *Planner
	runner  *plan.Runner
}

// newDom0 makes the namespace.
func newDom0(t *testing.T, backend string) *dom0 {
	t.Helper()
	nstest.New(t)
	d := &dom0{T: t, backend: backend}
	d.planner = &Planner{Dir: runDir, Scripts: "/run/scripts", programs: []string{"iptables-" + backend, "ip6tables-" + backend}}
	d.runner = &plan.Runner{Dir: runDir, Kinds: Kinds(), Command: "test"}
	nstest.Script(t, "mkdir -p "+runDir)
	if backend == "legacy" {
		// Its tables stay once they were used.
		for _, p := range d.planner.programs {
			nstest.Run(t, p, "-S")
			nstest.Run(t, p, "-t", "raw", "-S")
		}
	}
	// As on a host without br_netfilter.
	nstest.Script(t, "for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 >$f; done")
	return d
}

// bridge makes a bridge with its NIC and dom0's port.
func (d *dom0) bridge(n int) Bridge {
	d.Helper()
	mac := net.HardwareAddr{0, 0x16, 0x3e, 0, 0, byte(n)}
	nstest.Script(d, fmt.Sprintf(`
		ip link add xenbr%[1]d address fe:ff:ff:ff:ff:ff type bridge
		ip link add peth%[1]d type veth peer name lan%[1]d
		ip link add eth%[1]d address %[2]s type veth peer name vif0.%[1]d
		ip link set peth%[1]d address fe:ff:ff:ff:ff:ff
		ip link set vif0.%[1]d address fe:ff:ff:ff:ff:ff
		for p in peth%[1]d vif0.%[1]d; do ip link set $p master xenbr%[1]d; done
		for p in xenbr%[1]d peth%[1]d vif0.%[1]d; do ip link set $p arp off multicast off; done
		for p in xenbr%[1]d peth%[1]d lan%[1]d eth%[1]d vif0.%[1]d; do ip link set $p up; done
		bridge fdb replace %[2]s dev vif0.%[1]d master static`, n, mac))
	return Bridge{
		Name: fmt.Sprintf("xenbr%d", n), NIC: fmt.Sprintf("peth%d", n), Port: fmt.Sprintf("vif0.%d", n), MAC: mac,
		Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(n), 0, 1}), netip.MustParseAddr(fmt.Sprintf("fd00:%d::1", n))},
	}
}

func yes(b Bridge) Bridge { w := true; b.Want = &w; return b }
func no(b Bridge) Bridge  { w := false; b.Want = &w; return b }

// do carries the steps out.
func (d *dom0) do(steps []plan.Step) error {
	d.Helper()
	return d.runner.Run(context.Background(), &plan.Plan{Steps: steps})
}

func (d *dom0) start(bridges ...Bridge) (steps []plan.Step, notes []string) {
	d.Helper()
	steps, notes, err := d.planner.Start(bridges)
	if err == nil {
		err = d.do(steps)
	}
	if err != nil {
		d.Fatal("start: ", err)
	}
	return steps, notes
}

func (d *dom0) stop(bridges ...Bridge) []plan.Step {
	d.Helper()
	steps, _, err := d.planner.Stop(bridges)
	if err == nil {
		err = d.do(steps)
	}
	if err != nil {
		d.Fatal("stop: ", err)
	}
	return steps
}

// noise is what iptables-save prints that is no state: the time and counters.
var noise = regexp.MustCompile(`(?m)^#.*\n|\[[0-9]+:[0-9]+\]`)

// saved is both families' rules and what else antispoof changes.
func (d *dom0) saved() string {
	d.Helper()
	var out strings.Builder
	for _, name := range d.planner.programs {
		out.WriteString("== " + name + "\n" + nstest.Run(d, name+"-save"))
	}
	out.WriteString("== kernel\n")
	out.WriteString(nstest.Run(d, "sh", "-c", "grep . /proc/sys/net/bridge/bridge-nf-call-* /sys/class/net/*/bridge/nf_call_*; bridge fdb show | grep static; true"))
	return noise.ReplaceAllString(out.String(), "")
}

func (d *dom0) same(what, want string) {
	d.Helper()
	if got := d.saved(); got != want {
		d.Errorf("%s: the rules differ\n%s", what, lineDiff(want, got))
	}
}

// each runs a test with either back end, in namespaces of their own.
func each(t *testing.T, test func(t *testing.T, backend string)) {
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			test(t, backend)
		})
	}
}

// lineDiff is the lines that only one of two texts has, in order.
func lineDiff(a, b string) string {
	var out strings.Builder
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for len(as) > 0 && len(bs) > 0 {
		switch i := slices.Index(bs, as[0]); {
		case as[0] == bs[0]:
			as, bs = as[1:], bs[1:]
		case i < 0:
			out.WriteString("- " + as[0] + "\n")
			as = as[1:]
		default:
			out.WriteString("+ " + strings.Join(bs[:i], "\n+ ") + "\n")
			bs = bs[i:]
		}
	}
	for _, l := range as {
		out.WriteString("- " + l + "\n")
	}
	for _, l := range bs {
		out.WriteString("+ " + l + "\n")
	}
	return out.String()
}
