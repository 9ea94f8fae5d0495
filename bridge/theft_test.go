package bridge_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// thefts are what others take away, by name: shell commands about the NIC,
// dom0's interface, its port and the bridge, under the names that they have at
// that moment.
var thefts = []struct{ name, script string }{
	{"the NIC's addresses", "ip addr flush dev $NIC"},
	{"the addresses of dom0's interface", "ip addr flush dev $DEV"},
	{"one address of the NIC", "ip addr del 10.0.0.2/24 dev $NIC"},
	{"one address of dom0's interface", "ip addr del 10.0.0.3/24 dev $DEV"},
	{"the NIC's IPv6 addresses", "ip -6 addr flush dev $NIC"},
	{"the IPv6 addresses of dom0's interface", "ip -6 addr flush dev $DEV"},
	{"the NIC's routes", "ip route flush dev $NIC; ip -6 route flush dev $NIC"},
	{"the routes of dom0's interface", "ip route flush dev $DEV; ip -6 route flush dev $DEV"},
	{"the routes of a table", "ip route flush table 100; ip route flush root 10.8.0.0/13"},
	{"all neighbours", "ip neigh flush nud all; for i in $NIC $DEV; do ip neigh del proxy 10.0.0.77 dev $i; done"},
	{"the entries for good", "ip neigh flush nud permanent"},
	{"the nexthops", "ip nexthop del id 5; ip nexthop del id 8"},
	{"the NIC from its bridge", "ip link set dev $NIC nomaster"},
	{"dom0's port from its bridge", "ip link set dev $PORT nomaster"},
	{"the NIC's being on", "ip link set dev $NIC down"},
	{"the being on of dom0's interface", "ip link set dev $DEV down"},
	{"the bridge's being on", "ip link set dev $BRIDGE down"},
	{"all nftables", "nft flush ruleset"},
	{"the entry for dom0", "bridge fdb del 00:16:3e:00:00:01 dev $PORT master static"},
	{"the NIC's address", "ip link set dev $NIC address 00:16:3e:00:99:99"},
	{"the address of dom0's interface", "ip link set dev $DEV address 00:16:3e:00:99:98"},
	{"the NIC's IPv6", "echo 1 >/proc/sys/net/ipv6/conf/$NIC/disable_ipv6"},
	{"the IPv6 of dom0's interface", "echo 1 >/proc/sys/net/ipv6/conf/$DEV/disable_ipv6"},
}

// TestTheft lets somebody take away one of these before each step of start and
// stop, and of taking them back, half of them on a kernel with live rename and
// half on one without. It tries one case in several, see faults.OneIn.
func TestTheft(t *testing.T) {
	t.Parallel()
	nth := faults.OneIn(402, 16)
	eachMatrix(t, []network{rich}, func(m *matrix, verb string, plan func() *plan.Plan) {
		m.pick = nstest.Unnumbered
		m.after = m.undisturbed()
		shift := nth / 2
		if m.live {
			shift = 0
		}
		m.Steal(verb, plan, m.thefts(), nth, shift)
	})
}

// undisturbed is the state that the plan leads to when nobody interferes.
func (m *matrix) undisturbed() nstest.State {
	m.t.Helper()
	m.mustRun(m.start)
	after := nstest.Rest(m.t)
	m.mustRun(!m.start)
	m.before = nstest.Rest(m.t)
	return after
}

// done checks that the plan has led to the undisturbed state, and goes back.
func (m *matrix) done(title string) bool {
	if _, ok := m.is(title+", carried out", m.after, unlearnt); !ok {
		return false
	}
	m.mustRun(!m.start)
	now, ok := m.is(title+", carried out, and back", m.before, unlearnt)
	m.before = now
	return ok
}

var (
	learnt    = regexp.MustCompile(` learnt$`)
	lifetimes = regexp.MustCompile(`[1-9][0-9]*sec`)
)

// unlearnt is a state without neighbours that come by themselves and may be
// flushed by anybody, and without lifetimes, which run on from case to case.
func unlearnt(s nstest.State) nstest.State {
	return nstest.Unnumbered(s).Filter(func(string) bool { return true }, func(name, line string) string {
		if name == "neigh" && learnt.MatchString(line) {
			return ""
		}
		return lifetimes.ReplaceAllString(line, "sec")
	})
}

// thefts are those that this host is tried with. The NIC keeps its index.
func (m *matrix) thefts() (list []faults.Theft) {
	nic := ""
	if index := nstest.Run(m.t, "cat", "/sys/class/net/eth0/ifindex"); m.start {
		nic = strings.TrimSpace(index)
	} else {
		nic = strings.TrimSpace(nstest.Run(m.t, "cat", "/sys/class/net/peth0/ifindex"))
	}
	for _, th := range thefts {
		list = append(list, faults.Theft{Name: th.name, Take: func() bool { return m.take(nic, th.script) }})
	}
	return list
}

// take runs the commands if all interfaces that they name exist.
func (m *matrix) take(nic, script string) bool {
	w := m.specs[0]
	names := map[string]string{"$BRIDGE": "", "$PORT": "", "$NIC": "", "$DEV": ""}
	dirs, _ := filepath.Glob("/sys/class/net/*") // only a bad pattern fails
	for _, dir := range dirs {
		name := filepath.Base(dir)
		index, _ := os.ReadFile(filepath.Join(dir, "ifindex"))
		_, err := os.Stat(filepath.Join(dir, "bridge"))
		switch isNIC := strings.TrimSpace(string(index)) == nic; {
		case isNIC:
			names["$NIC"] = name
		case name == w.VIF:
			names["$PORT"] = name
		case name == w.VDev || name == w.NetDev || name == w.Bridge:
			if err == nil {
				names["$BRIDGE"] = name
			}
			if name != w.Bridge || w.Bridge == w.NetDev {
				names["$DEV"] = name
			}
		}
	}
	for variable, name := range names {
		if strings.Contains(script, variable) && name == "" {
			return false
		}
		script = strings.ReplaceAll(script, variable, name)
	}
	_, err := nstest.Try(m.t, "sh", "-c", "exec 2>/dev/null\n"+script)
	return err == nil || strings.Contains(script, ";")
}
