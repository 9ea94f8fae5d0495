package antispoof

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/nstest"
)

const runDir = "/run/xbr-script"

// dom0 is a namespace with a bridge as start leaves it, and what changes its
// rules.
type dom0 struct {
	*testing.T
	backend string
	planner planner
	runner  *plan.Runner
}

// newDom0 makes the namespace, in which iptables has this back end.
func newDom0(t *testing.T, backend string) *dom0 {
	t.Helper()
	nstest.New(t)
	nstest.IPTables(t, backend)
	nstest.Script(t, "mkdir -p /run/scripts "+runDir)
	if backend == "legacy" {
		// The tables of iptables stay once they were used.
		nstest.Script(t, `
			for t in filter raw; do iptables -t $t -S; ip6tables -t $t -S; done`)
	}
	return &dom0{
		T: t, backend: backend,
		planner: newPlanner(t, runDir),
		runner:  &plan.Runner{Dir: runDir, Kinds: plan.Merge(sysctl.Kinds(), Kinds()), Command: "test"},
	}
}

// planner reads the host, and plans for it.
type planner struct {
	dir  string
	conn *rtnl.Conn
}

func newPlanner(t *testing.T, dir string) planner {
	t.Helper()
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return planner{dir, c}
}

func (p planner) read() (Reader, *Planner, error) {
	h, err := host.ReadLinks(p.conn)
	if err != nil {
		return Reader{}, nil, err
	}
	records, err := plan.ReadRecords(p.dir)
	return Reader{Records: records, Host: h, Scripts: "/run/scripts"}, &Planner{Records: records, Host: h}, err
}

func (p planner) Start(bridges []Bridge) ([]plan.Step, []string, error) {
	r, now, err := p.read()
	if err != nil {
		return nil, nil, err
	}
	now.Seen = r.ForStart(context.Background(), bridges)
	return now.Start(bridges)
}

func (p planner) Stop(bridges []Bridge) ([]plan.Step, []string, error) {
	r, now, err := p.read()
	if err != nil {
		return nil, nil, err
	}
	now.Seen = r.ForStop(context.Background(), bridges)
	return now.Stop(bridges)
}

func (p planner) Status(b Bridge) (Status, error) {
	r, now, err := p.read()
	if err != nil {
		return Status{}, err
	}
	now.Seen = r.ForStatus(context.Background(), []Bridge{b})
	return now.Status(b)
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
		Addrs: []netip.Prefix{prefix(fmt.Sprintf("10.%d.0.1/24", n)), prefix(fmt.Sprintf("fd00:%d::1/64", n))},
	}
}

// dom0Bridge makes a bridge that is dom0's interface, with its NIC.
func (d *dom0) dom0Bridge(n int) Bridge {
	d.Helper()
	b := Bridge{
		Name: fmt.Sprintf("xenbr%d", n), NIC: fmt.Sprintf("peth%d", n), MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, byte(n)},
		Addrs: []netip.Prefix{prefix(fmt.Sprintf("10.%d.0.1/24", n)), prefix(fmt.Sprintf("fd00:%d::1/64", n))},
	}
	nstest.Script(d, fmt.Sprintf(`
		ip link add %[1]s address %[3]s type bridge
		ip link add %[2]s address %[3]s type veth peer name lan%[4]d
		ip link set %[2]s master %[1]s arp off multicast off
		for p in %[1]s %[2]s lan%[4]d; do ip link set $p up; done`, b.Name, b.NIC, b.MAC, n))
	return b
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func yes(b Bridge) Bridge { b.Want = config.AntiSpoofYes; return b }
func no(b Bridge) Bridge  { b.Want = config.AntiSpoofNo; return b }

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

// saved is both families' rules, and whatever else antispoof changes.
func (d *dom0) saved() string {
	d.Helper()
	return nstest.Rules(d) + "== kernel\n" +
		nstest.Run(d, "sh", "-c", "grep . /proc/sys/net/bridge/bridge-nf-call-* /sys/class/net/*/bridge/nf_call_*; bridge fdb show | grep static; true")
}

func (d *dom0) same(what, want string) {
	d.Helper()
	if got := d.saved(); got != want {
		d.Errorf("%s: the rules differ\n%s", what, lineDiff(want, got))
	}
}

// each runs a test with each back end, in namespaces of their own.
func each(t *testing.T, test func(t *testing.T, backend string)) {
	t.Parallel()
	for _, backend := range nstest.IPTablesBackends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			test(t, backend)
		})
	}
}

// says looks for words in notes.
func says(notes []string, words string) bool {
	return slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, words) })
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

// scripts installs a vif-common.sh.
func (d *dom0) scripts(text string) {
	d.Helper()
	if err := os.WriteFile("/run/scripts/vif-common.sh", []byte(text), 0o644); err != nil {
		d.Fatal(err)
	}
}

// Scripts of Xen, as far as the program reads them.
const (
	oldScript = `
frob_iptable()
{
  if [ "$command" == "online" ]
  then
    local c="-A"
  else
    local c="-D"
  fi
  iptables "$c" FORWARD -m physdev --physdev-in "$vif" "$@" -j ACCEPT
}

function handle_iptable()
{
  if ! iptables -L -n >&/dev/null
  then
    return
  fi
}
`
	newScript = `
frob_iptable()
{
  if [ "$command" == "online" -o "$command" == "add" ]
  then
    local c="-I"
  else
    local c="-D"
  fi
  iptables_w "$c" FORWARD -m physdev --physdev-is-bridged --physdev-in "$dev" "$@" -j ACCEPT
}

handle_iptable()
{
  # Check for a working iptables installation.
  if ! iptables_w -L -n >&/dev/null
  then
    return
  fi
}
`
)
