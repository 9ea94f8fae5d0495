package antispoof

import (
	"regexp"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// foreign are rules that others may have made beforehand.
var foreign = []struct{ name, commands string }{
	{"nothing", ""},
	{"Docker", `
		iptables -P FORWARD DROP
		iptables -N DOCKER
		iptables -N DOCKER-USER
		iptables -A DOCKER-USER -j RETURN
		iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
		iptables -A FORWARD -j DOCKER-USER
		iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A FORWARD -o docker0 -j DOCKER
		iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE`},
	{"a firewall that rejects all", `
		iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A INPUT -p tcp -m tcp --dport 22 -m comment --comment "ssh, \"for\" admins" -j ACCEPT
		iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited
		iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited
		ip6tables -A INPUT -j REJECT
		ip6tables -A FORWARD -j REJECT
		ip6tables -t raw -A PREROUTING -m rpfilter --invert -j DROP`},
	{"policies", `
		iptables -P FORWARD DROP
		iptables -P INPUT DROP
		ip6tables -P FORWARD DROP
		ip6tables -t raw -P OUTPUT DROP`},
}

// TestOthersRules starts, changes and stops: whatever others have made stays as
// it is, and after the last stop everything is as before.
func TestOthersRules(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		for _, f := range foreign {
			for _, script := range []struct{ name, text string }{{"new vif-bridge", newScript}, {"old vif-bridge", oldScript}} {
				if script.text == oldScript && testing.Short() && f.commands != "" && f.name != "Docker" {
					continue
				}
				t.Run(f.name+", "+script.name, func(t *testing.T) {
					d := newDom0(t, backend)
					d.scripts(script.text)
					op := "-I"
					if script.text == oldScript {
						op = "-A"
					}
					d.life(f.commands, op)
				})
			}
		}
	})
}

// TestCounters has others' rules that have counted packets: they go on counting
// from there. (ip6tables-nft 1.8.9 cannot be given a count.)
func TestCounters(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a, b := d.bridge(0), d.bridge(1)
		nstest.Script(t, `
			iptables -A FORWARD -c 7 700 -s 192.0.2.1 -j DROP
			iptables -t raw -A PREROUTING -c 9 900 -s 192.0.2.1 -j DROP`)
		for _, change := range []func(){
			func() { d.start(yes(a), yes(b)) },
			func() { d.stop(a, b) },
		} {
			change()
			saved := nstest.Run(t, "sh", "-c", "iptables-save -c; ip6tables-save -c")
			for _, counted := range []string{"[7:700] -A FORWARD", "[9:900] -A PREROUTING"} {
				if !strings.Contains(saved, counted) {
					t.Errorf("%s is no longer there:\n%s", counted, saved)
				}
			}
		}
	})
}

func (d *dom0) life(foreign, op string) {
	d.Helper()
	a, b := d.bridge(0), d.bridge(1)
	nstest.Script(d, foreign)
	before := d.saved()
	d.start(yes(a))
	d.theirs("started", before)
	nstest.Script(d, vifRules(op, "vif1.0", ip("10.0.0.11")))
	d.settled("a guest came", a)
	guests := d.others()
	d.start(yes(a), yes(b))
	d.theirs("a second bridge", guests)
	nstest.Script(d, vifRules(op, "vif2.0"))
	d.settled("a second guest came", a, b)
	guests = d.others()
	on := d.saved()
	d.stop(b)
	d.start(yes(b))
	d.theirs("the second bridge restarted with guests up", guests)
	d.settled("and is as it should be", a, b)
	d.stop(a, b)
	d.theirs("both stopped with guests up", guests)
	d.start(yes(a), yes(b))
	d.theirs("and started", guests)
	d.settled("and settled", a, b)
	d.same("all again", on)
	for _, rules := range []string{vifRules(op, "vif1.0", ip("10.0.0.11")), vifRules(op, "vif2.0")} {
		nstest.Script(d, strings.ReplaceAll(rules, op+" FORWARD", "-D FORWARD"))
	}
	d.stop(a, b)
	if foreign != "" {
		d.same("all gone", before)
	} else if diff := lineDiff(withoutEmpty(before), withoutEmpty(d.saved())); diff != "" {
		// When both were stopped, a table stays in which only guests' rules had
		// been.
		d.Errorf("all gone: the rules differ\n%s", diff)
	}
}

var emptyTable = regexp.MustCompile(`(?m)^\*.*\n(:[A-Z]+ ACCEPT \n)*COMMIT\n`)

func withoutEmpty(saved string) string { return emptyTable.ReplaceAllString(saved, "") }

// settled fails if a start would still do something.
func (d *dom0) settled(what string, bridges ...Bridge) {
	d.Helper()
	steps, _, err := d.planner.Start(bridges)
	if err != nil || len(steps) > 0 {
		p := plan.Plan{Steps: steps}
		d.Errorf("%s: start would do something: %v\n%s", what, err, strings.Join(p.Commands(), "\n"))
	}
	for _, b := range bridges {
		if st, err := d.planner.Status(b); err != nil || !st.On || !st.InForce {
			d.Errorf("%s: status of %s: %+v %v", what, b.Name, st, err)
		}
	}
}

// others is everybody else's rules and policies.
func (d *dom0) others() string {
	d.Helper()
	rules, _, _ := strings.Cut(d.saved(), "== kernel")
	var out strings.Builder
	for line := range strings.Lines(rules) {
		if !strings.Contains(line, "XBR") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// theirs compares others' rules, chains and policies. An empty table that ours
// have made does not count, nor does the policy of FORWARD, which an old
// vif-bridge needs.
func (d *dom0) theirs(what, want string) {
	d.Helper()
	want, _, _ = strings.Cut(want, "== kernel")
	var rules []string
	for _, text := range []string{want, d.others()} {
		var kept strings.Builder
		for line := range strings.Lines(text) {
			chain := strings.HasPrefix(line, ":") && !strings.HasPrefix(line, ":FORWARD ") && !strings.HasSuffix(line, " ACCEPT \n")
			if chain || strings.HasPrefix(line, "-A ") {
				kept.WriteString(line)
			}
		}
		rules = append(rules, kept.String())
	}
	if rules[0] != rules[1] {
		d.Errorf("%s: the rules of others changed\n%s", what, lineDiff(rules[0], rules[1]))
	}
}
