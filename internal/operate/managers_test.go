package operate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/networkd"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestHeirs asks which interfaces systemd-networkd has to follow to, at start
// and at stop, and which new ones it must learn about: none for a NIC that it
// does not configure.
func TestHeirs(t *testing.T) {
	newHost(t, lan)
	const dir = "/run/systemd/netif/links"
	nstest.Script(t, "mkdir -p "+dir)
	// configures says that networkd has a file for this interface only.
	configures := func(name string) {
		nstest.Script(t, "rm -f "+dir+"/*")
		if name == "" {
			return
		}
		index := strings.TrimSpace(nstest.Run(t, "cat", "/sys/class/net/"+name+"/ifindex"))
		text := "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/eth0.network\n"
		if err := os.WriteFile(filepath.Join(dir, index), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	heirs := func(words string) string {
		req, err := config.Parse(strings.Fields(words), config.Source{})
		if err != nil {
			t.Fatal(err)
		}
		c := &Call{Request: req}
		if c.conn, err = rtnl.Dial(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.conn.Close() }()
		v, err := c.snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := v.plan()
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Steps) == 0 || len(p.Steps[0].Undo) == 0 {
			return ""
		}
		resume, ok := p.Steps[0].Undo[len(p.Steps[0].Undo)-1].(*networkd.Resume)
		if !ok {
			return ""
		}
		var texts []string
		for _, h := range resume.Heirs { // from what was moved, back to where it came from
			moves := v.moves()
			m := moves[slices.IndexFunc(moves, func(m manager.Move) bool { return m.To.Name == h.From })]
			names := []string{}
			for _, o := range m.New {
				names = append(names, o.Name)
				if o.Index == 0 {
					t.Errorf("%s: of %s it is not known which interface that will be", words, o.Name)
				}
			}
			if h.Index != m.From.Index || h.Dev != m.From.Name || m.To.Index == 0 || m.To.Index == h.Index {
				t.Errorf("%s: from %s (%d) to %+v, back to %+v", words, m.From.Name, m.From.Index, m.To, h)
			}
			texts = append(texts, fmt.Sprint(h.From, names))
		}
		return strings.Join(texts, " ")
	}
	expect := func(words, want string) {
		t.Helper()
		if got := heirs(words); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
	both := "start netdev=eth0 --next netdev=eth1 vifnum=1"
	expect(both, "")
	configures("eth1")
	expect("start netdev=eth0", "")
	expect(both, "eth1[peth1 vif0.1 xenbr1]")
	configures("eth0")
	expect(both, "eth0[peth0 vif0.0 xenbr0]")
	expect("start netdev=eth0 dom0=bridge bridge=xenbr0", "xenbr0[peth0]")
	expect("start netdev=eth0 bridge=eth0", "eth0[peth0]")
	expect("stop netdev=eth0", "")

	configures("") // there is no systemd here to ask
	must(t, both)
	configures("peth0")
	expect(both, "")
	configures("eth0")
	expect("stop", "eth0[]")
	configures("peth0") // it has not heard of the rename
	expect("stop", "eth0[]")
	configures("")
	expect("stop", "")
	must(t, "stop")
}

// TestWarned: whoever starts a bridge is told what its managers will not do any more.
func TestWarned(t *testing.T) {
	newHost(t, lan)
	nstest.Script(t, "mkdir -p /run/network\necho eth0 >/run/network/ifstate.eth0")
	for line, warned := range map[string]bool{
		"start netdev=eth0 -n": false, "start netdev=eth0 dom0=bridge -n": false, "start netdev=eth0 dom0=bridge bridge=xenbr0 -n": true,
	} {
		r := doCall(t.Context(), t, line, nil)
		if r.err != nil {
			t.Fatalf("%s: %v", line, r.err)
		}
		if text := strings.Join(r.Lines, "\n"); strings.Contains(text, "ifupdown goes by the name eth0") != warned {
			t.Errorf("%s: %s", line, text)
		}
	}
}
