package xtables

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfrule"
	"xbr-script/internal/testing/nstest"
)

func TestMain(m *testing.M) { os.Exit(m.Run()) }

// TestRead has iptables-legacy make tables, and reads what is in them.
func TestRead(t *testing.T) {
	for program, family := range map[string]uint8{"iptables-legacy": unix.NFPROTO_IPV4, "ip6tables-legacy": unix.NFPROTO_IPV6} {
		t.Run(program, func(t *testing.T) {
			nstest.New(t)
			nstest.Script(t, strings.ReplaceAll(`
			IPT -P FORWARD DROP
			IPT -N own
			IPT -N last
			IPT -A INPUT -i eth0 -p tcp --dport 22 -j ACCEPT
			IPT -A INPUT ! -i eth+ -o lo -j DROP || IPT -A INPUT ! -i eth+ -j DROP
			IPT -A FORWARD -m physdev --physdev-is-bridged -j own
			IPT -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
			IPT -A FORWARD -m comment --comment all -g last
			IPT -A own -j RETURN
			IPT -A own -s ::1/128 -j DROP || IPT -A own -s 192.0.2.1 -j DROP
			IPT -A last -j LOG
			IPT -A last -j REJECT
			IPT -t nat -A POSTROUTING -o eth1 -j MASQUERADE
			IPT -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 1
			IPT -t raw -A PREROUTING -m rpfilter --invert -j DROP
			IPT -t raw -A PREROUTING -m rpfilter --loose --accept-local --invert -j DROP`, "IPT", program))
			for table, want := range map[string]string{
				"filter": `
INPUT 1: [eth0] accept; [eth*] drop
FORWARD 2 drops: physdev jump own; states accept; always goto last
OUTPUT 3:
last -1: always continue; always drop; always return
own -1: always return; drop; always return`,
				"nat": `
PREROUTING 0: publishes continue
INPUT 1:
OUTPUT 3:
POSTROUTING 4: [eth1] masquerades continue`,
				"raw": `
PREROUTING 0: reverse drop; drop
OUTPUT 3:`,
			} {
				chains, err := Read(family, table)
				if err != nil {
					t.Error(err)
				}
				var got strings.Builder
				for _, c := range chains {
					fmt.Fprintf(&got, "\n%s %d%s:%s", c.Name, c.Hook, map[bool]string{true: " drops"}[c.Drops], rules(c.Rules))
				}
				if got.String() != want {
					t.Errorf("%s:%s\nwant:%s", table, got.String(), want)
				}
			}
			if chains, err := Read(family, "nosuch"); err == nil {
				t.Errorf("a table that is not there: %v", chains)
			}
		})
	}
}

func rules(all []Rule) string {
	var texts []string
	for _, r := range all {
		text := ""
		if r.Names != nil {
			text += fmt.Sprintf(" %v", r.Names)
		}
		for _, is := range []struct {
			it   bool
			name string
		}{{r.Masquerades, "masquerades"}, {r.Publishes, "publishes"}, {r.PhysDev, "physdev"}, {r.States, "states"}, {r.Reverse, "reverse"}, {r.Always, "always"}} {
			if is.it {
				text += " " + is.name
			}
		}
		verdict := map[int32]string{nfrule.Drop: "drop", nfrule.Accept: "accept", unix.NFT_RETURN: "return", unix.NFT_JUMP: "jump ", unix.NFT_GOTO: "goto ", unix.NFT_CONTINUE: "continue"}[r.Verdict]
		texts = append(texts, text+" "+verdict+r.Chain)
	}
	return strings.Join(texts, ";")
}

// TestEntries reads what no kernel would tell.
func TestEntries(t *testing.T) {
	l := layouts[unix.NFPROTO_IPV4]
	for _, b := range [][]byte{make([]byte, 8), make([]byte, 200)} {
		if all, err := l.entries(b); err == nil {
			t.Errorf("%d bytes: %v", len(b), all)
		}
	}
}
