package bridge_test

import (
	"cmp"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/bridge/divert"
	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/nstest"
)

var trace = flag.Bool("trace", false, "log the commands that the plans carry out")

// network is a host, and the bridges that are to be built on it.
type network struct {
	name   string
	script string // makes the host, one shell command a line
	specs  []bridge.Spec
	// adverts are what routers at the cables' ends announce once the host is
	// made.
	adverts []nstest.Advert
	// guests, if set, makes guests and settings on the network when it is up;
	// the network is then stopped again. more makes further settings each time
	// that it is up. $br is the first bridge.
	guests, more string
	functions    bool // eth0 counts as a NIC that can have virtual functions
}

// specOf is one bridge, whose parts have the names of Xen's scripts.
func specOf(vifnum int, netdev string) bridge.Spec {
	n := strconv.Itoa(vifnum)
	return bridge.Spec{VifNum: vifnum, Bridge: "xenbr" + n, NetDev: netdev, PDev: bridge.SecondName(netdev), VDev: "veth" + n, VIF: "vif0." + n}
}

// shaped is the network in one shape: dom0's interfaces stand beside the
// bridges, or are the bridges, which then have the NICs' names.
func (n network) shaped(onBridge bool) network {
	if !onBridge {
		return n
	}
	n.name += ", dom0=bridge"
	n.specs = slices.Clone(n.specs)
	for i, w := range n.specs {
		n.specs[i] = bridge.Spec{VifNum: w.VifNum, Bridge: w.NetDev, NetDev: w.NetDev, PDev: w.PDev, VDev: bridge.SpareName(w.NetDev), Shape: bridge.OnBridge}
	}
	return n
}

// onBridge says whether the bridges are dom0's interfaces.
func (n network) onBridge() bool { return n.specs[0].Shape == bridge.OnBridge }

// shapes is each network in both shapes.
func shapes(networks ...network) (all []network) {
	for _, n := range networks {
		all = append(all, n.shaped(false), n.shaped(true))
	}
	return all
}

// lab is a network in a namespace of its own.
type lab struct {
	network
	t    *testing.T
	live bool // LiveRename of the snapshots that plans are made from
	conn *rtnl.Conn
	dir  string
}

// newLab makes the host in a new namespace, for the calling goroutine.
func newLab(t *testing.T, n network, live bool) *lab {
	t.Helper()
	l := emptyLab(t, n, live)
	l.build()
	return l
}

// build makes the host.
func (l *lab) build() {
	l.t.Helper()
	nstest.Script(l.t, l.script)
	nstest.Rest(l.t)
	if len(l.adverts) > 0 {
		l.advertise(l.adverts...)
		nstest.Rest(l.t)
	}
	if l.guests == "" {
		return
	}
	l.mustRun(true)
	l.inBridge(l.guests)
	l.mustRun(false)
	nstest.Rest(l.t)
}

// inBridge runs a script about the first bridge.
func (l *lab) inBridge(script string) {
	l.t.Helper()
	nstest.Rest(l.t)
	nstest.Script(l.t, strings.ReplaceAll(script, "$br", l.specs[0].Bridge))
}

// emptyLab is a lab on whose host nothing was made yet.
func emptyLab(t *testing.T, n network, live bool) *lab {
	t.Helper()
	nstest.New(t)
	conn, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &lab{n, t, live, conn, t.TempDir()}
}

// advertise lets routers at the end of the first cable announce this.
func (l *lab) advertise(adverts ...nstest.Advert) {
	l.t.Helper()
	for _, a := range adverts {
		nstest.Advertise(l.t, "lan0", a)
	}
}

func (l *lab) runner() *plan.Runner {
	r := &plan.Runner{Dir: l.dir, Kinds: plan.Merge(netop.Kinds(l.conn), sysctl.Kinds(), divert.Kinds(), bridge.Kinds(l.conn)), Command: l.name}
	if *trace {
		r.Trace = func(line string) { l.t.Log("+ " + line) }
	}
	return r
}

// plan makes the plan for the host as it is now.
func (l *lab) plan(start bool) *plan.Plan {
	l.t.Helper()
	pl, _ := l.planned(start)
	return pl
}

// planned is plan, with the notes about the first bridge.
func (l *lab) planned(start bool) (*plan.Plan, string) {
	l.t.Helper()
	h, err := host.Read(l.conn)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.planFor(h, start)
}

// planFor is planned for that host.
func (l *lab) planFor(h *host.Host, start bool) (*plan.Plan, string) {
	l.t.Helper()
	h.LiveRename = l.live
	if nic := cmp.Or(h.Name("peth0"), h.Name("eth0")); l.functions {
		nic.Functions = true
	}
	p := &bridge.Planner{Conn: l.conn, Host: h, Store: bridge.Store{Dir: l.dir}, Waits: true}
	makePlan, join := p.Stop, plan.Down
	if start {
		makePlan, join = p.Start, plan.Up
	}
	part, err := makePlan(l.specs)
	if err != nil {
		l.t.Fatal("no plan: ", err)
	}
	return join(part), part.Lines[0]
}

// run plans start or stop and carries it out.
func (l *lab) run(start bool) error {
	l.t.Helper()
	return l.runner().Run(context.Background(), l.plan(start))
}

// mustRun is run that has to succeed.
func (l *lab) mustRun(start bool) {
	l.t.Helper()
	if err := l.run(start); err != nil {
		l.t.Fatalf("%s: %v", verb(start), err)
	}
}

// journals are the files of an unfinished change.
func (l *lab) journals() []string {
	files, _ := filepath.Glob(filepath.Join(l.dir, "journal*")) // only a bad pattern fails
	return files
}

func verb(start bool) string {
	if start {
		return "start"
	}
	return "stop"
}

func renaming(live bool) string {
	if live {
		return "live"
	}
	return "down"
}

func TestMain(m *testing.M) {
	os.Exit(m.Run())
}
