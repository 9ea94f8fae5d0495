package bridge_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

// ruled has gateways of every kind, and is given rules for routing.
var ruled = network{name: "ruled", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + cable("eth1", "lan1", "00:16:3e:00:00:02") + `
ip addr add 10.0.0.2/24 brd + dev eth0
ip addr add 10.6.0.2/24 dev eth1
ip addr add 2001:db8::2/64 dev eth0
ip addr add 2001:db8:6::2/64 dev eth1
ip route add default via 10.0.0.1
ip route add 10.14.0.0/16 dev eth0
ip route append 10.14.0.0/16 via 10.0.0.7
ip route append 10.14.0.0/16 via 10.6.0.7
ip route add 10.12.0.0/16 nexthop via 10.0.0.8 weight 2 nexthop via 10.6.0.8 weight 5
ip route add 10.50.0.0/24 dev eth0
ip route add 10.51.0.0/16 via 10.50.0.1
ip route del 10.50.0.0/24 dev eth0
ip route add default via 10.0.0.6 table 100
ip route add 10.0.0.0/24 dev eth0 table 101
ip route add default via 10.0.0.1 table 101
ip route add unreachable default table 102
ip nexthop add id 5 via 10.0.0.5 dev eth0
ip route add 10.20.0.0/16 nhid 5
ip -6 route add default via 2001:db8::1
ip -6 route add 2001:db8:11::/48 nexthop via 2001:db8::8 dev eth0 nexthop via 2001:db8:6::8 dev eth1
ip -6 route add 2001:db8:13::/48 via 2001:db8:6::13 dev eth1 src 2001:db8::2
ip -6 route add default via 2001:db8::6 table 100
ip -6 route add unreachable default table 102
ip nexthop add id 6 via 2001:db8::5 dev eth0
ip -6 route add 2001:db8:20::/48 nhid 6
ip link set eth0 group 7
` + careful, specs: []bridge.Spec{specOf(0, "eth0")}}

// ruleSets are rules for routing, of every kind; those that keep the gateways of routes
// from the kernel, and those that do not. FAMILY is -4 and -6.
var ruleSets = map[string]string{
	"what does not come by it":        "not iif eth0 prohibit",
	"nor by it":                       "not iif eth0 blackhole",
	"nor unreachable":                 "not oif eth1 unreachable",
	"what leaves by it":               "oif eth0 prohibit",
	"what comes by it":                "iif eth0 prohibit",
	"what the host sends":             "iif lo unreachable",
	"root":                            "uidrange 0-999 prohibit",
	"users":                           "uidrange 1000-60000 prohibit",
	"a mark":                          "fwmark 7 prohibit",
	"no mark":                         "fwmark 0/0xff blackhole",
	"not a mark":                      "not fwmark 7 lookup 102",
	"as wg-quick does":                "not fwmark 51820 table 100 priority 90\nlookup main suppress_prefixlength 0 priority 80",
	"no prefix":                       "not fwmark 51820 table 102 priority 90\nlookup main suppress_prefixlength 128 priority 80",
	"a group of interfaces":           "lookup main suppress_ifgroup 7\nlookup 102",
	"a table that rejects":            "lookup 102",
	"a table with a default route":    "lookup 100",
	"a protocol":                      "ipproto tcp dport 22 prohibit",
	"not a protocol":                  "not ipproto tcp prohibit",
	"not a port":                      "not sport 22 prohibit",
	"a tunnel":                        "tun_id 5 prohibit",
	"not a tunnel":                    "not tun_id 5 prohibit",
	"a VRF's":                         "l3mdev",
	"realms":                          "lookup 102 realms 3/4",
	"a jump":                          "goto 200 priority 90\nprohibit priority 150\nnop priority 200",
	"a jump over main":                "goto 32767 priority 90\nprohibit priority 150",
	"a class of traffic":              "tos 0x10 prohibit",
	"not a class of traffic":          "not tos 0x10 prohibit",
	"everything":                      "prohibit",
	"all at once":                     "not iif eth0 prohibit\nlookup 102\nnot fwmark 51820 table 100",
	"the usual ones, moved":           "lookup local priority 10\nlookup main priority 20\nprohibit priority 30",
	"from the host's address":         "from FROM prohibit",
	"from another":                    "not from FROM prohibit",
	"to a gateway":                    "to GATEWAY prohibit",
	"to others than that gateway":     "not to GATEWAY prohibit",
	"before all others, but harmless": "iif eth1 prohibit priority 0",
}

// harmless are those that keep no gateway from the kernel: nothing is done about them.
var harmless = []string{"what comes by it", "users", "a mark", "a protocol", "a tunnel", "a VRF's", "a class of traffic", "from the host's address", "the usual ones, moved", "before all others, but harmless"}

// TestRules starts and stops a network with each of these rules: every route is in its
// place afterwards, and so it is when a change is taken back.
func TestRules(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(ruleSets))
	if testing.Short() {
		names = []string{"all at once", "a jump over main", "everything", "what leaves by it"}
	}
	for i, name := range names {
		for j, n := range shapes(ruled) {
			live := (i+j)%2 == 0
			if testing.Short() && i/2 == j {
				continue // each shape in each way once
			}
			t.Run(name+", "+n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				testRules(newLab(t, n, live), ruleSets[name], slices.Contains(harmless, name))
			})
		}
	}
}

func testRules(l *lab, rules string, harmless bool) {
	for _, family := range []struct{ option, from, gateway string }{{"-4", "10.0.0.2", "10.0.0.1"}, {"-6", "2001:db8::2", "2001:db8::1"}} {
		for rule := range strings.Lines(strings.NewReplacer("FROM", family.from, "GATEWAY", family.gateway).Replace(rules)) {
			nstest.Script(l.t, "ip "+family.option+" rule add "+rule)
		}
	}
	before := nstest.Rest(l.t)
	routes := func() (lines []string) {
		for line := range strings.Lines(nstest.Run(l.t, "ip", "-4", "route", "show", "table", "all") + nstest.Run(l.t, "ip", "-6", "route", "show", "table", "all")) {
			if line = strings.TrimSpace(line); !strings.Contains(line, " dev peth0 ") && !strings.HasPrefix(line, "multicast ") && !strings.HasPrefix(line, "anycast ") {
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		return lines
	}
	was := routes()
	pl := l.plan(true)
	if harmless == strings.Contains(commandsOf(pl), "ip rule add") {
		l.t.Errorf("the plan is\n%s", commandsOf(pl))
	}
	pl.Add(plan.Step{Title: "fail", Do: []plan.Op{failing{}}})
	if err := l.runner().Run(context.Background(), pl); err == nil || !strings.Contains(err.Error(), errFailing.Error()) {
		l.t.Errorf("a step that fails: %v", err)
	}
	if diff := nstest.Settled(l.t, before, nstest.Whole); diff != "" {
		l.t.Errorf("taken back, it differs:\n%s", diff)
	}
	l.mustRun(true)
	if is := routes(); !slices.Equal(is, was) {
		l.t.Errorf("there are the routes\n%s\nand there were\n%s", strings.Join(is, "\n"), strings.Join(was, "\n"))
	}
	l.mustRun(false)
	if diff := nstest.Settled(l.t, before, nstest.Whole); diff != "" {
		l.t.Errorf("after stop it differs:\n%s", diff)
	}
}

// TestRuleBeforeAll is refused where no rule can come before one that keeps gateways from
// the kernel. Once the hint is followed, it goes through.
func TestRuleBeforeAll(t *testing.T) {
	t.Parallel()
	l := newLab(t, ruled, true)
	nstest.Script(t, "ip rule add not iif eth0 prohibit priority 0")
	h, err := host.Read(l.conn)
	if err != nil {
		t.Fatal(err)
	}
	refused := func() error {
		_, err := (&bridge.Planner{Conn: l.conn, Host: h, Store: bridge.Store{Dir: l.dir}}).Start(l.specs)
		return err
	}
	const why = "cannot move the routes of eth0: an ip rule with the priority 0 keeps the kernel from finding their gateways"
	_, commands, ok := strings.Cut(refusal.Advice(refused()), "priority than 0: ")
	if err := refused(); err == nil || err.Error() != why || !ok {
		t.Fatalf("it is refused with %v", err)
	}
	nstest.Run(t, "sh", "-c", commands)
	l.mustRun(true)
	nstest.Script(t, "ip rule add pref 0 not iif eth0 prohibit")
	if h, err = host.Read(l.conn); err != nil {
		t.Fatal(err)
	}
	if _, err := (&bridge.Planner{Conn: l.conn, Host: h, Store: bridge.Store{Dir: l.dir}}).Stop(l.specs); err == nil || err.Error() != why {
		t.Errorf("stop is refused with %v", err)
	}
	nstest.Script(t, "ip rule del pref 0 not iif eth0 prohibit")
	l.mustRun(false)
}

// commandsOf are the commands of a plan.
func commandsOf(p *plan.Plan) string {
	var lines []string
	for _, step := range p.Steps {
		for _, op := range step.Do {
			lines = append(lines, op.Commands()...)
		}
	}
	return strings.Join(lines, "\n")
}

// failing is an operation that fails.
type failing struct{}

var errFailing = errors.New("it is made to fail")

func (failing) Kind() string                   { return "failing" }
func (failing) Commands() []string             { return nil }
func (failing) Do(context.Context, bool) error { return errFailing }
