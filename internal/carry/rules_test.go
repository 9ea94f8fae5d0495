package carry

import (
	"net"
	"strings"
	"testing"

	"xbr-script/internal/holders"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/testing/formtest"
)

func example() *Rules {
	return &Rules{
		Of: [2]int{2, 7}, By: []int{2, 7},
		Kept:  []nfrule.Kept{{Family: 1, Table: "filter", Handle: 5, Set: "wired"}},
		Names: ipcmd.Names{2: "eth0", 7: "eth0"},
	}
}

// TestForms holds the form of the operation in a journal.
func TestForms(t *testing.T) {
	formtest.Ops(t, Kinds(), example(), &Untracked{On: true, Bridge: "xenbr0", MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}})
}

// TestCommands says what no command does.
func TestCommands(t *testing.T) {
	r := example()
	both := strings.Join(r.Commands(), "\n")
	r.By = []int{7}
	for _, c := range []struct{ got, want string }{
		{both, "# no command does this: the rules of nftables with the index of eth0 (iif, oif) mean 2 and 7"},
		{strings.Join(r.Commands(), "\n"), "# no command does this: the rules of nftables with the index of eth0 (iif, oif) mean 7"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestPlan plans nothing where there are no rules.
func TestPlan(t *testing.T) {
	m := holders.Move{Start: true, From: holders.Interface{Name: "eth0", Index: 2}, To: holders.Interface{Name: "eth0", Index: 7}}
	for _, d := range []*holders.Data{{}, {Ruleset: &nfrule.Ruleset{}}} {
		if p := Plan(d, []holders.Move{m}); len(p.First)+len(p.Host) > 0 {
			t.Errorf("%+v", p)
		}
	}
}
