package bridge_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

var errLater = errors.New("later")

// TestLateLabels adds two addresses to dom0's interface before every step, from
// the first one on at which a kernel without live rename can still notice them:
// one has its interface's name as label, the other another label. They keep
// these on whatever interface dom0 has at the end, also where the last step
// fails.
func TestLateLabels(t *testing.T) {
	host := network{name: "late", script: quick + cable("eth0", "lan0", "00:16:3e:00:00:01") + "ip addr add 192.0.2.2/24 dev eth0\n", specs: []bridge.Spec{specOf(0, "eth0")}}
	apart := host.shaped(true)
	apart.name += " of another name"
	apart.specs = []bridge.Spec{{Bridge: "xenbr0", NetDev: "eth0", PDev: "peth0", VDev: "bxenbr0", Shape: bridge.OnBridge}}
	for _, n := range []network{host, host.shaped(true), apart} {
		for _, live := range []bool{true, false} {
			for _, start := range []bool{true, false} {
				for _, fails := range []bool{false, true} {
					t.Run(fmt.Sprint(n.name, " ", renaming(live), " ", verb(start), " fails: ", fails), func(t *testing.T) {
						t.Parallel()
						l := newLab(t, n, live)
						if !start {
							l.mustRun(true)
						}
						l.late(start, fails)
					})
				}
			}
		}
	}
}

// late carries the plan out, and looks for what was added meanwhile.
func (l *lab) late(start, fails bool) {
	l.t.Helper()
	pl := l.plan(start)
	first := 0
	for i, s := range pl.Steps {
		if strings.HasPrefix(s.Title, "switch ") && strings.Contains(s.Title, " off, which ") {
			first = i + 1
		}
	}
	names := []string{l.specs[0].NetDev, l.specs[0].Bridge} // names of dom0's interface, before or after
	if !l.onBridge() {
		names = names[:1]
	}
	added := 0
	r := l.runner()
	r.Hook = func(step int, after bool) error {
		if after && fails && step == len(pl.Steps)-1 {
			return errLater
		}
		if after || step < first {
			return nil
		}
		for _, name := range names {
			plain := fmt.Sprintf("10.9.%d.1/32", step)
			if exec.Command("ip", "addr", "add", plain, "dev", name).Run() == nil {
				nstest.Run(l.t, "ip", "addr", "add", fmt.Sprintf("10.9.%d.2/32", step), "dev", name, "label", name+":late")
				added++
				break
			}
		}
		return nil
	}
	if err := r.Run(l.t.Context(), pl); fails != errors.Is(err, errLater) || !fails && err != nil {
		l.t.Fatal(err)
	}
	name := names[0]
	if start != fails {
		name = names[len(names)-1]
	}
	found := 0
	for line := range strings.Lines(nstest.Run(l.t, "ip", "-o", "-4", "addr", "show", "dev", name)) {
		before, _, _ := strings.Cut(line, `\`)
		words := strings.Fields(before)
		addr, label, want := words[3], words[len(words)-1], name
		if strings.HasPrefix(addr, "10.9.") {
			found++
		}
		if strings.HasSuffix(addr, ".2/32") {
			want += ":late"
		}
		if label != want {
			l.t.Errorf("%s has the label %s, want %s", addr, label, want)
		}
	}
	if found != 2*added || added == 0 {
		l.t.Errorf("%d addresses are there of %d", found, 2*added)
	}
}
