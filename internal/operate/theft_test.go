package operate

import (
	"strings"
	"sync/atomic"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// hostRules are the rules that matrixHost has of its own.
const hostRules = `
for i in iptables ip6tables; do for t in filter raw; do $i -t $t -F; $i -t $t -X; done; done
iptables -N DOCKER
iptables -A FORWARD -o docker0 -j DOCKER
iptables -A FORWARD -j REJECT
ip6tables -P FORWARD DROP
iptables -t raw -S
ip6tables -t raw -S
`

// TestRulesStolen lets somebody flush the rules before each step of a whole
// start and stop with antispoof, and of taking them back: the network is whole,
// and if start ends well the rules are in force. It tries one case in several,
// see faults.OneIn.
func TestRulesStolen(t *testing.T) {
	nth := faults.OneIn(119, 5)
	thefts := []struct{ name, script string }{
		{"all of nftables", "nft flush ruleset"},
		{"the rules of iptables", "iptables -F; ip6tables -F; iptables -t raw -F; ip6tables -t raw -F"},
		{"iptables' chains", "for i in iptables ip6tables; do for t in filter raw; do $i -t $t -F; $i -t $t -X; done; done"},
	}
	var cases atomic.Int64
	t.Run("whole", func(t *testing.T) {
		for i, name := range []string{"xenbr0", "eth0"} { // the latter is dom0's interface
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				nstest.New(t)
				nstest.IPTables(t, nstest.IPTablesBackends[i])
				nstest.Script(t, matrixHost+hostRules)
				nstest.Rest(t)
				w := &whole{T: t}
				var list []faults.Theft
				for _, th := range thefts {
					list = append(list, faults.Theft{Name: th.name, Take: func() bool {
						nstest.Run(t, "sh", "-c", "{ "+th.script+"; } 2>/dev/null || true")
						return true
					}})
				}
				start := []string{"start", "bridge=" + name, "netdev=eth0", "antispoof=yes", "ip_forward=1"}
				w.steal(name, list, nth, start...)
				if err := w.call(start...).runner().Run(t.Context(), w.plan); err != nil {
					t.Fatal(err)
				}
				w.steal(name, list, nth, "stop")
				cases.Add(int64(w.matrix.Cases))
			})
		}
	})
	t.Logf("%d cases", cases.Load())
}

// steal lets the matrix look at the network only, as others' rules are gone.
func (w *whole) steal(bridge string, list []faults.Theft, nth int, args ...string) {
	w.Helper()
	w.prepare(args...)
	state := nstest.ReadState(w)
	stopping := args[0] == "stop"
	back := []string{"start", "bridge=" + bridge, "netdev=eth0", "antispoof=yes", "ip_forward=1"}
	same := func(what string) bool {
		now, d := nstest.Settle(w, state, nstest.Whole)
		if d != "" {
			w.Errorf("%s: the network is not as before:\n%s", what, d)
		}
		state = now
		return d == ""
	}
	w.matrix.Same = func(what string) bool {
		ok := same(what)
		if rules := nstest.Rules(w); !stopping && strings.Contains(rules, "XBR-") {
			w.Errorf("%s: rules are left:\n%s", what, rules)
			ok = false
		}
		if stopping { // its rules may be gone for good, so stop and begin again
			w.again("stop")
			nstest.Script(w, hostRules)
			w.again(back...)
			state = nstest.ReadState(w)
		} else {
			nstest.Script(w, hostRules)
		}
		return ok
	}
	w.matrix.Done = func(what string) bool {
		if !stopping {
			if r := doCall(w.Context(), w.T, "status", nil); r.ok() != nil {
				w.Errorf("%s: started, and status says %v", what, r.ok())
			}
			w.again("stop")
			nstest.Script(w, hostRules)
			return same(what)
		}
		nstest.Script(w, hostRules)
		w.again(back...)
		return same(what)
	}
	w.matrix.Steal(strings.Join(args, " "), func() *plan.Plan { return w.planOf(args...) }, list, nth, 0)
}

// again makes a call that has to succeed.
func (w *whole) again(args ...string) {
	w.Helper()
	if err := w.call(args...).runner().Run(w.Context(), w.plan); err != nil {
		w.Fatalf("%q: %v", args, err)
	}
}
