package nfrule

import (
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// load gives nft a ruleset.
func load(text string) error {
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(text)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// The two interfaces.
const (
	nic  = 70
	dom0 = 72
)

// swap changes the rules as the kernel has them now, and returns how many messages that
// took.
func swap(t *testing.T, kept []Kept, by ...int) int {
	t.Helper()
	msgs := readAll(t).Change(Swap{Of: [2]int{nic, dom0}, By: by}, kept)
	if len(msgs) == 0 {
		return 0
	}
	c, err := nfnetlink.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	before := ruleset(t)
	if err := c.Try(msgs...); err != nil {
		t.Fatalf("to %v: %v", by, err)
	}
	if now := ruleset(t); now != before {
		t.Fatalf("to try changes something:\n%s\nnow\n%s", before, now)
	}
	msgs = readAll(t).Change(Swap{Of: [2]int{nic, dom0}, By: by}, kept)
	if err := c.Commit(msgs...); err != nil {
		t.Fatalf("to %v: %v", by, err)
	}
	return len(msgs)
}

func readAll(t *testing.T) *Ruleset {
	t.Helper()
	c, err := rtnl.DialNetfilter()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	r, err := Read(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ruleset is all of it, as nft tells it: without how soon elements go, and with elements in
// their order.
func ruleset(t *testing.T) string {
	t.Helper()
	return sorted(regexp.MustCompile(` expires \w+`).ReplaceAllString(nstest.Run(t, "nft", "list", "ruleset"), ""))
}

// sorted has the elements of each set in an order of their own.
func sorted(text string) string {
	return regexp.MustCompile(`\{ [^{}]* \}`).ReplaceAllStringFunc(text, func(set string) string {
		elems := strings.Split(strings.Trim(set, "{} "), ",")
		for i := range elems {
			elems[i] = strings.TrimSpace(elems[i])
		}
		slices.Sort(elems)
		return "{ " + strings.Join(elems, ", ") + " }"
	})
}

// changed are rules, and how they mean both interfaces.
var changed = []struct{ rule, both string }{
	{`iif "eth0" tcp dport 22 accept`, `iif { "eth0", "dom0" } tcp dport 22 accept`},
	{`oif "eth0" counter packets 7 bytes 9 accept comment "kept"`, `oif { "eth0", "dom0" } counter packets 7 bytes 9 accept comment "kept"`},
	{`iif != "eth0" drop`, `iif != { "eth0", "dom0" } drop`},
	{`iif "eth0" oif "eth0" drop`, `iif { "eth0", "dom0" } oif { "eth0", "dom0" } drop`},
	{`iif { "lo", "eth0" } accept`, `iif { "lo", "eth0", "dom0" } accept`},
	{`iif != { "lo", "eth0" } tcp dport { 22, 80, 1000-2000 } accept`, `iif != { "lo", "eth0", "dom0" } tcp dport { 22, 80, 1000-2000 } accept`},
	{`iif vmap { "lo" : accept, "eth0" : jump x }`, `iif vmap { "lo" : accept, "eth0" : jump x, "dom0" : jump x }`},
	{`iif . tcp dport vmap { "eth0" . 80 : accept, "lo" . 81 : drop }`, `iif . tcp dport vmap { "eth0" . 80 : accept, "lo" . 81 : drop, "dom0" . 80 : accept }`},
	{`ip saddr . iif . tcp dport { 192.0.2.0/24 . "eth0" . 1-100 } accept`, `ip saddr . iif . tcp dport { 192.0.2.0/24 . "eth0" . 1-100, 192.0.2.0/24 . "dom0" . 1-100 } accept`},
	{`iif . oif { "eth0" . "eth0" } accept`, `iif . oif { "eth0" . "eth0", "eth0" . "dom0", "dom0" . "eth0", "dom0" . "dom0" } accept`},
	{`ip6 saddr . iif { 2001:db8::1 . "eth0" } accept`, ``},
	{`iif @named accept`, ``},
	{`iif . tcp dport vmap @verdicts`, ``},
	{`iif . ip saddr @timed drop`, ``},
	{`ip saddr . iif @ranges ip saddr . oif @ranges drop`, ``},
	{`meta mark set iif map { "eth0" : 0x7, "lo" : 0x8 }`, `meta mark set iif map { "eth0" : 0x00000007, "lo" : 0x00000008, "dom0" : 0x00000007 }`},
	{`iif "eth0" meta mark set tcp dport map { 22 : 0x1, 80 : 0x2 }`, ``},
	{`counter name iif map { "eth0" : "named" }`, ``},
	{`iif "eth0" counter name "named" quota name "much"`, ``},
	{`fib saddr . iif oif "eth0" accept`, ``},
	{`iif "eth0" limit rate 10/second burst 5 packets accept`, ``},
	{`iif "eth0" quota over 1000 bytes used 10 bytes drop`, ``},
	{`iif "eth0" ct state established,related accept`, ``},
	{`iif "eth0" ct count over 20 drop`, ``},
	{`iif "eth0" ct state new add @seen { ip saddr timeout 1m }`, ``},
	{`iif "eth0" add @rates { ip saddr limit rate 10/minute } accept`, ``},
	{`iif "eth0" add @counts { ip saddr ct count over 3 } drop`, ``},
	{`iif "eth0" add @knocks { iif . ip saddr } iif . ip saddr @knocks accept`, ``},
	{`iif "eth0" log prefix "in: " level debug reject with icmpx admin-prohibited`, ``},
	{`iif "eth0" tcp flags & (syn | ack) == syn tcp option maxseg size set 1400`, ``},
	{`oif "eth0" reset tcp option sack-perm`, ``},
	{`iif "eth0" tcp option maxseg size 1-500 drop`, ``},
	{`iif "eth0" meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53 queue to 1`, ``},
	{`iif "eth0" numgen inc mod 4 vmap { 0 : accept, 1-3 : drop }`, ``},
	{`iif "eth0" ether saddr 02:00:00:00:00:01 ip dscp set cs1 notrack`, ``},
	{`iif "eth0" socket transparent 1 jhash ip saddr mod 4 2 accept`, ``},
	{`iif "eth0" rt classid 7 meta skuid 0 ct mark set ct mark | 0x1`, ``},
	{`iif "eth0" meta iif "eth0" tcp dport { 22, 80 } goto x`, ``},
	{`iif "eth0" osf name "Linux" osf ttl skip version "Linux:3.0" accept`, ``},
	{`iif "eth0" meta l4proto tcp synproxy mss 1460 wscale 7 timestamp sack-perm`, ``},
	{`iif "eth0" meta secpath exists ipsec in reqid 1 accept`, ``},
}

// known are the numbers of those that this kernel knows.
func known(t *testing.T) (numbers []int) {
	t.Helper()
	for i, c := range changed {
		if err := load(text(fmt.Sprintf("chain c { type filter hook input priority 0\n %s\n }", c.rule))); err != nil {
			if !strings.Contains(err.Error(), "No such file or directory") && !strings.Contains(err.Error(), "not supported") {
				t.Errorf("%s: %v", c.rule, err)
			}
			t.Logf("this kernel does not know %s", c.rule)
			continue
		}
		numbers = append(numbers, i)
	}
	return numbers
}

// text is a table with those chains, in place of all others.
func text(chains string) string {
	return `flush ruleset
	table inet a {
		set named { type iface_index; elements = { "eth0" comment "wire", "lo" }; }
		map verdicts { type iface_index . inet_service : verdict; elements = { "eth0" . 22 : accept, "lo" . 22 : drop }; }
		set timed { type iface_index . ipv4_addr; flags timeout; elements = { "eth0" . 192.0.2.1 timeout 1d, "lo" . 192.0.2.1 timeout 2d }; }
		set ranges { type ipv4_addr . iface_index; flags interval; elements = { 192.0.2.0/24 . "eth0" }; }
		set seen { type ipv4_addr; size 9; flags dynamic,timeout; timeout 1m; }
		set rates { type ipv4_addr; size 99; flags dynamic; }
		set counts { type ipv4_addr; size 99; flags dynamic; }
		set knocks { type iface_index . ipv4_addr; size 99; flags dynamic; }
		counter named { packets 3 bytes 4; }
		quota much { 10 mbytes used 1 kbytes; }
		chain x { counter packets 5 bytes 6; }
		` + chains + "\n}"
}

// TestChange turns rules of each kind from one interface to the other and back, by way of
// both: all of them come out as nft would have written them for the other one, and where
// they were.
func TestChange(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, interfaces)
	var chains strings.Builder
	rules := known(t)
	for _, i := range rules {
		fmt.Fprintf(&chains, "chain c%d {\n type filter hook input priority 0\n iif lo accept\n %s\n", i, changed[i].rule)
		chains.WriteString("ip6 saddr 4600:0:0:0:4600::1 ip6 daddr { 4600::4600:0:1, ::1 } accept comment \"this is not an index\"\n}\n")
	}
	if err := load(text(chains.String())); err != nil {
		t.Fatal(err)
	}
	if err := readAll(t).Try(nic); err != nil {
		t.Fatal(err)
	}
	before := ruleset(t)
	expect := func(when, want string) {
		t.Helper()
		if now := ruleset(t); now != want {
			t.Errorf("%s:\n%s\nis not\n%s", when, now, want)
		}
	}
	swap(t, nil, nic, dom0)
	both := ruleset(t)
	for _, i := range rules {
		if c := changed[i]; c.both != "" && !strings.Contains(both, sorted(c.both)+"\n") {
			t.Errorf("%s is not there in\n%s", sorted(c.both), both)
		}
	}
	if n := swap(t, nil, nic, dom0); n != 0 {
		t.Errorf("to mean both again takes %d messages", n)
	}
	swap(t, nil, nic)
	expect("back from both", before)
	swap(t, nil, nic, dom0)
	swap(t, nil, dom0)
	expect("for the other interface", sorted(strings.ReplaceAll(before, `"eth0"`, `"dom0"`)))
	if n := swap(t, nil, dom0); n != 0 {
		t.Errorf("to mean it again takes %d messages", n)
	}
	swap(t, nil, nic) // not by way of both
	expect("and back", before)
}

const interfaces = `
	ip link add eth0 index 70 type veth peer name lan0 index 71
	ip link add dom0 index 72 type veth peer name lan1 index 73`

// TestFixed has rules that cannot be changed, and says why; the others are.
func TestFixed(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, interfaces)
	for rule, why := range map[string]string{
		`iif "eth0" jump { accept; }`:                             "it has a chain of its own",
		`iif "lo" jump { iif "eth0" accept; }`:                    "its chain belongs to another rule",
		`iif "eth0" meter m size 9 { ip saddr limit rate 9/day }`: "it fills a set of its own",
		`iif @still accept`:                                       "its set is constant",
		`iif "eth0" oif "dom0" accept`:                            errBoth.Error(),
		`iif vmap { "eth0" : accept, "dom0" : drop }`:             errBoth.Error(),
		`iif { "eth0", "dom0" } accept`:                           "",
		`iif @both accept`:                                        "",
		`iif "eth0" accept`:                                       "",
		`iif "eth0" ip saddr 192.0.2.1 iif @named accept`:         "",
		`iif "lo" ip saddr . ip daddr @addresses accept`:          "",
		`iif "eth0" ip saddr . ip daddr @addresses counter`:       "",
	} {
		err := load(fmt.Sprintf(`flush ruleset
		table ip a {
			set named { type iface_index; elements = { "eth0" }; }
			set both { type iface_index; elements = { "eth0", "dom0" }; }
			set still { type iface_index; flags constant; elements = { "eth0" }; }
			set addresses { type ipv4_addr . ipv4_addr; elements = { 70.0.0.0 . 70.0.0.0 }; }
			chain c {
				type filter hook input priority 0
				%s
			}
			chain d { oif "eth0" drop; }
		}`, rule))
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		before, r := ruleset(t), readAll(t)
		kept := r.Kept(nic, dom0, nil)
		var said []string
		fixed, some := r.Fixed(Swap{Of: [2]int{nic, dom0}, By: []int{nic, dom0}}, kept)
		if !some {
			t.Errorf("%s: there is nothing to change", rule)
		}
		for _, err := range fixed {
			if err != nil {
				said = append(said, err.Error())
			}
		}
		if strings.Join(said, "; ") != why {
			t.Errorf("%s: %q, want %q", rule, said, why)
		}
		swap(t, kept, nic, dom0)
		now := ruleset(t)
		if as := strings.Contains(strings.ReplaceAll(now, "\n\t\t\t", " "), sorted(rule)); why != "" && !as && !strings.Contains(rule, "jump") {
			t.Errorf("%s: it was changed, to\n%s", rule, now)
		}
		if !strings.Contains(now, `oif { "dom0", "eth0" } drop`) {
			t.Errorf("%s: now\n%s", rule, now)
		}
		swap(t, kept, dom0)
		swap(t, kept, nic)
		if now := ruleset(t); now != before {
			t.Errorf("before\n%s\nnow\n%s", before, now)
		}
	}
}

// TestLoose turns sets of indexes that no rule uses, wherever in their keys the index is, and
// leaves alone what only looks like them.
func TestLoose(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, interfaces)
	if err := load(`table inet a {
		set plain { type iface_index; elements = { "eth0", "lo" }; }
		set wide { type ipv6_addr . iface_index . inet_service; elements = { 2001:db8::1 . "eth0" . 22 }; }
		set first { type iface_index . ether_addr . iface_index; elements = { "eth0" . 02:00:00:00:00:01 . "lo" }; }
		set ranges { type ifname . iface_index . inet_service; flags interval; elements = { "eth0" . "eth0" . 1-22 }; }
		set of { typeof ip saddr . meta oif; elements = { 192.0.2.1 . "eth0" }; }
		map verdicts { type iface_index : verdict; elements = { "eth0" : accept }; }
		set still { type iface_index; flags constant; elements = { "eth0" }; }
		set filled { type iface_index; flags dynamic; elements = { "eth0" }; }
		set spans { type iface_index; flags interval; elements = { "eth0" }; }
		set other { type mark . ifname; elements = { 70 . "eth0" }; }
		set lo { type iface_index; elements = { "lo" }; }
	}
	table bridge b {
		set wire { type iface_index; elements = { "eth0" }; }
	}`); err != nil {
		t.Fatal(err)
	}
	before, r := ruleset(t), readAll(t)
	fixed := map[string]string{}
	for _, id := range r.Loose(nic) {
		fixed[id.Name] = fmt.Sprint(r.FixedSet(id, Swap{Of: [2]int{nic, dom0}, By: []int{nic, dom0}}, nil))
	}
	const no = "<nil>"
	want := map[string]string{"plain": no, "wide": no, "first": no, "ranges": no, "of": no, "verdicts": no,
		"still": "its set is constant", "spans": "its set has ranges of indexes"}
	if !maps.Equal(fixed, want) {
		t.Errorf("%v, want %v", fixed, want)
	}
	if !r.Means(nic) || r.Means(dom0) {
		t.Errorf("it means the NIC: %v, dom0's interface: %v", r.Means(nic), r.Means(dom0))
	}
	swap(t, nil, nic, dom0)
	if now := ruleset(t); !strings.Contains(now, sorted(`{ "lo", "eth0", "dom0" }`)) ||
		!strings.Contains(now, sorted(`{ 2001:db8::1 . "eth0" . 22, 2001:db8::1 . "dom0" . 22 }`)) ||
		!strings.Contains(now, sorted(`{ "eth0" . "eth0" . 1-22, "eth0" . "dom0" . 1-22 }`)) {
		t.Errorf("for both:\n%s", now)
	}
	swap(t, nil, dom0)
	if now := ruleset(t); !strings.Contains(now, sorted(`{ "dom0" . 02:00:00:00:00:01 . "lo" }`)) || !strings.Contains(now, `{ 192.0.2.1 . "dom0" }`) ||
		!strings.Contains(now, `{ "dom0" : accept }`) || strings.Count(now, `{ "eth0" }`) != 4 {
		t.Errorf("for the other interface:\n%s", now)
	}
	swap(t, nil, nic)
	if now := ruleset(t); now != before {
		t.Errorf("before\n%s\nnow\n%s", before, now)
	}
}

// TestRefused has the kernel refuse one rule of several, which is left alone.
func TestRefused(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, interfaces)
	if err := load(text(`chain c {
		iif "eth0" tcp dport 1 accept
		iif "eth0" tcp dport 2 drop
		iif "eth0" tcp dport 3 accept
	}`)); err != nil {
		t.Fatal(err)
	}
	r := readAll(t)
	r.Rules[1].userdata = make([]byte, 300) // more than there may be (NFT_USERDATA_MAXLEN)
	if err := r.Try(nic); err != nil {
		t.Fatal(err)
	}
	w := Swap{Of: [2]int{nic, dom0}, By: []int{dom0}}
	fixed, _ := r.Fixed(w, nil)
	for i, err := range fixed {
		if (err != nil) != (i == 1) {
			t.Errorf("rule %d: %v", i, err)
		}
	}
	if kept := r.Kept(nic, dom0, nil); len(kept) != 1 || kept[0].Handle != r.Rules[1].Handle {
		t.Errorf("kept: %v", kept)
	}
}
