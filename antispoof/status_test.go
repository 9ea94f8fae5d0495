package antispoof

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

var errInjected = errors.New("injected")

// TestDamage breaks what start has made, one thing at a time: status says so,
// and start mends it, so that everything is as before.
func TestDamage(t *testing.T) {
	cases := []struct {
		name, commands string
		says           string // part of what status says
	}{
		{"a firewall restart took the jump", "iptables -D FORWARD -i xenbr0 -j XBR-xenbr0", "nothing leads from FORWARD of filter to XBR-xenbr0"},
		{"and that of INPUT", "ip6tables -D INPUT -i xenbr0 -j XBR-xenbr0", "nothing leads from INPUT of filter to XBR-xenbr0"},
		{"and that of PREROUTING", "iptables -t raw -F PREROUTING", "nothing leads from PREROUTING of raw to XBR-xenbr0"},
		{"all of filter was flushed", "iptables -F\niptables -X", "the chain XBR-xenbr0 of filter is missing"},
		{"all of raw was flushed", "ip6tables -t raw -F\nip6tables -t raw -X", "the chain XBR-xenbr0 of raw is missing"},
		{"a rule is missing", "iptables -D XBR-xenbr0 -j DROP", "lacks: -j DROP"},
		{"a rule was added", "iptables -I XBR-xenbr0 -j ACCEPT", "has a foreign rule: -j ACCEPT"},
		{"an address is not looked after", "iptables -t raw -D XBR-xenbr0 -s 10.0.0.0/24 -m addrtype --src-type LOCAL -j DROP", "lacks: -s 10.0.0.0/24 -m addrtype --src-type LOCAL -j DROP"},
		{"another order", "iptables -D XBR-xenbr0 -j DROP\niptables -I XBR-xenbr0 -j DROP", "in another order"},
		{"the jump twice", "iptables -I FORWARD -i xenbr0 -j XBR-xenbr0", "more than once"},
		{"bridge filtering is off", "echo 0 >/sys/class/net/xenbr0/bridge/nf_call_iptables", "iptables does not see the packets that cross xenbr0: nf_call_iptables is off"},
		{"for IPv6", "echo 0 >/sys/class/net/xenbr0/bridge/nf_call_ip6tables", "nf_call_ip6tables is off"},
		{"the entry for dom0 is not sticky", "bridge fdb replace 00:16:3e:00:00:00 dev vif0.0 master static", "go to whoever claims that address"},
	}
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		if st, err := d.planner.Status(a); err != nil || st.On || st.InForce {
			t.Errorf("status before the first start: %+v %v", st, err)
		}
		before := d.saved()
		d.start(yes(a))
		on := d.saved()
		for _, c := range cases {
			nstest.Script(t, c.commands)
			d.says(c.name, a, c.says)
			broken := d.saved()
			steps, _, err := d.planner.Start([]Bridge{a})
			if err != nil {
				t.Fatal(err)
			}
			d.runner.Hook = func(step int, after bool) error {
				if step == len(steps)-1 && after {
					return errInjected
				}
				return nil
			}
			if err := d.do(steps); err == nil {
				t.Errorf("%s: nothing was mended", c.name)
			}
			d.runner.Hook = nil
			d.same(c.name+", failing to mend it", broken)
			if _, notes := d.start(a); !says(notes, "antispoof mended: ") || !says(notes, c.says) {
				t.Errorf("%s: start says %q", c.name, notes)
			}
			d.same(c.name+", mended", on)
			d.settled(c.name, a)
		}
		d.stop(a)
		d.same("stop", before)
	})
}

// says fails unless status reports this among what is wrong.
func (d *dom0) says(name string, b Bridge, want string) {
	d.Helper()
	st, err := d.planner.Status(b)
	if err != nil || !st.On || st.InForce || !strings.Contains(strings.Join(st.Wrong, "\n"), want) {
		d.Errorf("%s: status is %+v %v\nwant: %s", name, st, err, want)
	}
}

// TestBefore puts rules in front of ours that decide about every packet: status
// says so, and start moves ours before them.
func TestBefore(t *testing.T) {
	cases := []struct{ name, commands, undo, says string }{
		{"catch-all", "iptables -I FORWARD -j ACCEPT", "iptables -D FORWARD -j ACCEPT", "another rule decides before it: -j ACCEPT"},
		{"bridged", "iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT", "iptables -D FORWARD -m physdev --physdev-is-bridged -j ACCEPT", "--physdev-is-bridged -j ACCEPT"},
		{"reject", "iptables -I INPUT -j REJECT", "iptables -D INPUT -j REJECT", "another rule decides before it: -j REJECT"},
		{"by wildcard", "ip6tables -I INPUT -i xen+ -j ACCEPT", "ip6tables -D INPUT -i xen+ -j ACCEPT", "-i xen+ -j ACCEPT"},
		{"all but", "iptables -I FORWARD ! -i eth7 -j ACCEPT", "iptables -D FORWARD ! -i eth7 -j ACCEPT", "! -i eth7 -j ACCEPT"},
		{"untracked", "iptables -I FORWARD -m conntrack --ctstate ESTABLISHED,UNTRACKED -j ACCEPT", "iptables -D FORWARD -m conntrack --ctstate ESTABLISHED,UNTRACKED -j ACCEPT", "UNTRACKED -j ACCEPT"},
		{"all but invalid", "ip6tables -I FORWARD -m conntrack ! --ctstate INVALID -j ACCEPT", "ip6tables -D FORWARD -m conntrack ! --ctstate INVALID -j ACCEPT", "! --ctstate INVALID -j ACCEPT"},
		{"in a chain", "iptables -N FW\niptables -A FW -s 10.9.0.0/16 -j RETURN\niptables -A FW -m comment --comment 'all of it' -j DROP\niptables -I FORWARD -j FW",
			"iptables -D FORWARD -j FW\niptables -F FW\niptables -X FW", "-j FW"},
	}
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		before := d.saved()
		for _, c := range cases {
			d.start(yes(a))
			nstest.Script(t, c.commands)
			d.says(c.name, a, c.says)
			d.start(a)
			d.settled(c.name, a)
			nstest.Script(t, c.undo)
			d.settled(c.name+", gone", a)
			d.stop(a)
		}
		d.same("stop", withTables(before, d.saved()))
	})
}

// withTables allows for tables that others' rules were the first to use.
func withTables(before, after string) string {
	if withoutEmpty(before) == withoutEmpty(after) {
		return after
	}
	return before
}

// TestHarmless puts rules in front of ours that leave some packets to them:
// nothing is wrong with that.
func TestHarmless(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		d.start(yes(a))
		nstest.Script(t, `
			iptables -I FORWARD -s 192.0.2.0/24 -j ACCEPT
			iptables -I FORWARD -i docker0 -j ACCEPT
			iptables -I FORWARD ! -i xenbr0 -j ACCEPT
			iptables -I FORWARD -j LOG
			iptables -I FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
			iptables -I FORWARD -m physdev ! --physdev-is-bridged -j ACCEPT
			iptables -I INPUT -m physdev --physdev-is-bridged -j ACCEPT
			iptables -N FW
			iptables -A FW -j RETURN
			iptables -A FW -j DROP
			iptables -I FORWARD -j FW`)
		d.settled("others' rules", a)
	})
}

// TestGuestsBehind has a guest's rules behind ours, where they have no effect.
func TestGuestsBehind(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		d.scripts(newScript)
		a := d.bridge(0)
		d.start(yes(a))
		nstest.Script(t, vifRules("-I", "vif1.0")+
			"iptables -A FORWARD -m physdev --physdev-is-bridged --physdev-in web0 -s 10.0.0.7 -j ACCEPT")
		d.says("behind", a, "a guest's rule after it has no effect: -s 10.0.0.7/32 ")
		d.start(a)
		d.settled("start brought ours behind it", a)
	})
}

// TestPolicy has an old vif-bridge on a host whose FORWARD lets everything
// pass: it has to go on doing so for everything but guests.
func TestPolicy(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		d.scripts(oldScript)
		a, b := d.bridge(0), d.bridge(1)
		nstest.Script(t, "iptables -A FORWARD -s 192.0.2.1 -j DROP")
		before := d.saved()
		d.start(yes(a))
		if got := nstest.Run(t, "iptables", "-S", "FORWARD"); got != `-P FORWARD DROP
-A FORWARD -i xenbr0 -j XBR-xenbr0
-A FORWARD -s 192.0.2.1/32 -j DROP
-A FORWARD -j XBR_LAST
` {
			t.Errorf("FORWARD is\n%s", got)
		}
		one := d.saved()
		nstest.Script(t, "iptables -P FORWARD ACCEPT")
		d.says("policy", a, "the policy of FORWARD is ACCEPT instead of DROP")
		d.start(a)
		d.same("policy mended", one)
		nstest.Script(t, vifRules("-A", "vif1.0")+"iptables -A FORWARD -s 192.0.2.2 -j DROP")
		d.says("a rule behind the last", a, "rules after it are never reached: -s 192.0.2.2/32 -j DROP")
		d.start(a)
		d.settled("start brought ours behind it", a)
		d.start(yes(a), yes(b))
		d.settled("two bridges", a, b)
		d.start(no(a))
		d.settled("one bridge", b)
		// Xen has been upgraded.
		d.scripts(newScript)
		d.start(b)
		d.settled("a new vif-bridge", b)
		nstest.Script(t, "iptables -D FORWARD -s 192.0.2.2 -j DROP\niptables -D FORWARD -m physdev --physdev-in vif1.0 -j ACCEPT")
		d.stop(b)
		d.same("stop", before)
	})
}

// TestRouted has a bridge with an IP address, through which guests reach dom0
// and the rest of the world: that goes on.
func TestRouted(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		nstest.Script(t, "ip addr add 10.5.0.1/24 dev xenbr0")
		_, notes := d.start(yes(a))
		if !says(notes, "has IP addresses itself") {
			t.Errorf("notes: %q", notes)
		}
		d.settled("started", a)
		saved := nstest.Run(t, "iptables", "-S")
		if strings.Contains(saved, "-A INPUT") || !strings.Contains(saved, "-A XBR-xenbr0 -m physdev --physdev-is-bridged -j DROP") {
			t.Errorf("rules: %s", saved)
		}
		nstest.Script(t, "ip addr del 10.5.0.1/24 dev xenbr0")
		d.says("the address is gone", a, "nothing leads from INPUT")
		d.start(a)
		d.settled("mended", a)
	})
}

// TestAddresses changes dom0's addresses: start follows.
func TestAddresses(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		a := d.bridge(0)
		d.start(yes(a))
		more := a
		more.Addrs = slices.Concat(more.Addrs, []netip.Prefix{prefix("10.0.0.2/24")})
		d.settled("another address of the same network", more)
		more.Addrs = slices.Concat(more.Addrs, []netip.Prefix{prefix("10.7.0.2/16"), prefix("192.0.2.1/0")})
		d.says("other addresses", more, "lacks: -s 10.7.0.0/16 -m addrtype --src-type LOCAL -j DROP; -s 192.0.2.1/32 ")
		steps, _, err := d.planner.Start([]Bridge{more})
		if err != nil {
			t.Fatal(err)
		}
		p := plan.Plan{Steps: steps}
		if text := strings.Join(p.Commands(), "\n"); !strings.Contains(text, "| iptables-restore --noflush") || strings.Contains(text, "iptables -F") {
			t.Errorf("a chain in use is not changed at once:\n%s", text)
		}
		if err := d.do(steps); err != nil {
			t.Fatal(err)
		}
		d.settled("started", more)
	})
}
