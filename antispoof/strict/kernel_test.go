package strict

import (
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

func TestMain(m *testing.M) {
	os.Exit(m.Run())
}

// example is a table with everything in it.
func example() *State {
	prefix := netip.MustParsePrefix
	return &State{
		Bridge: "xenbr0", NIC: "peth0", Port: "vif0.0", MAC: "00:16:3e:00:00:00", Shut: []string{"c9"}, Elsewhere: []string{"vif7.1"},
		Taken: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Guests: []Guest{
			{Port: "vif1.0", MAC: "00:16:3e:00:00:11", Addresses: []netip.Prefix{prefix("10.0.0.11/32"), prefix("10.1.0.0/24"), prefix("fd00::11/128"), prefix("fd01::/64")}},
			{Port: "vif2.0", MAC: "00:16:3e:00:00:12"},
			{Port: "8ball!", MAC: "00:16:3e:00:00:13", Addresses: []netip.Prefix{prefix("10.0.0.13/32")}, Router: true, RA: true, DHCP: true},
		},
	}
}

func do(t *testing.T, op plan.Op) {
	t.Helper()
	if err := op.Do(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

// same finds a table as it should be.
func same(t *testing.T, what string, s *State) {
	t.Helper()
	table, err := readTable(tableName(s.Bridge))
	if err != nil {
		t.Fatal(err)
	}
	if d := s.differences(table, nil); !d.none() {
		t.Errorf("%s: %q, %+v", what, d.texts(), d)
	}
}

// TestTable makes a table, finds it as it was meant, changes it in every way in which
// others can, and has it mended; and lets nft make the same one.
func TestTable(t *testing.T) {
	nstest.New(t)
	s := example()
	do(t, &table{Bridge: "xenbr0", To: s})
	same(t, "new", s)
	do(t, &table{Bridge: "xenbr0", To: s}) // again
	for _, harm := range []string{
		"delete table bridge xbr-xenbr0",
		"flush chain bridge xbr-xenbr0 guest",
		"insert rule bridge xbr-xenbr0 prerouting accept",
		"add chain bridge xbr-xenbr0 more",
		"add set bridge xbr-xenbr0 more { type ipv4_addr; }",
		`delete element bridge xbr-xenbr0 ports { "vif1.0" }`,
		`add element bridge xbr-xenbr0 ports { "vif9.0" : accept }`,
		`delete element bridge xbr-xenbr0 networks4 { "vif1.0" . 10.1.0.0/24 }`,
		`delete element bridge xbr-xenbr0 taken4 { 0x0800 . 10.0.0.1 }`,
		`delete element bridge xbr-xenbr0 dropped-arp { "vif1.0" }`,
		"add counter bridge xbr-xenbr0 more",
		"flush table bridge xbr-xenbr0",
		"add table bridge xbr-xenbr0 { flags dormant; }",
		"insert rule bridge xbr-xenbr0 guest counter",
		"add rule bridge xbr-xenbr0 drop-mac counter",
		`add element bridge xbr-xenbr0 networks4 { "vif9.0" . 10.9.0.0-10.9.0.77 }`,
		`add element bridge xbr-xenbr0 nd-addresses { "vif9.0" . fd00::11 }`,
		`delete element bridge xbr-xenbr0 ports { "vif1.0" }; add element bridge xbr-xenbr0 ports { "vif1.0" : accept }`,
		`add chain bridge xbr-xenbr0 one; add chain bridge xbr-xenbr0 two; add rule bridge xbr-xenbr0 one jump two; insert rule bridge xbr-xenbr0 prerouting jump one; add map bridge xbr-xenbr0 goes { type ifname : verdict; }; add element bridge xbr-xenbr0 goes { "x" : goto two }; insert rule bridge xbr-xenbr0 guest iifname vmap @goes`,
		"add chain bridge xbr-xenbr0 base { type filter hook forward priority 0; policy drop; }; add rule bridge xbr-xenbr0 base drop",
		"add quota bridge xbr-xenbr0 some { 1 mbytes; }",
		"flush chain bridge xbr-xenbr0 prerouting; flush chain bridge xbr-xenbr0 by-port",
		"flush chain bridge xbr-xenbr0 prerouting; flush chain bridge xbr-xenbr0 input; flush chain bridge xbr-xenbr0 by-port; flush map bridge xbr-xenbr0 ports; delete map bridge xbr-xenbr0 ports; delete chain bridge xbr-xenbr0 shut",
	} {
		nstest.Run(t, "nft", harm)
		now, err := readTable("xbr-xenbr0")
		if err != nil || s.differences(now, s).none() {
			t.Errorf("%s: nothing is different; %v", harm, err)
		}
		do(t, &table{Bridge: "xenbr0", To: s, From: s})
		same(t, harm, s)
	}
	listed := nstest.Run(t, "nft", "list", "table", "bridge", "xbr-xenbr0")
	script(t, (&table{Bridge: "xenbr0"}).Commands())
	script(t, (&table{Bridge: "xenbr0", To: s}).Commands())
	asByNft(t, s, strings.Count(listed, "\n\t\t"))
	do(t, &table{Bridge: "xenbr0"})
	do(t, &table{Bridge: "xenbr0"}) // again
	if left := nstest.Run(t, "nft", "list", "ruleset"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// asByNft finds the table that nft made. It writes some rules in another way (it looks
// at the type of a frame once more), but has the same chains, and the same in all sets.
func asByNft(t *testing.T, s *State, lines int) {
	t.Helper()
	now, err := readTable("xbr-xenbr0")
	if err != nil {
		t.Fatal(err)
	}
	d := s.differences(now, nil)
	if len(d.add)+len(d.extra)+len(d.counters)+len(d.old) > 0 {
		t.Errorf("nft has other elements: %+v", d)
	}
	for _, c := range chains(s) {
		if have := len(now.Rules[c.name]); have != len(c.rules) {
			t.Errorf("nft has %d rules in %s, not %d", have, c.name, len(c.rules))
		}
	}
	if lines < 100 {
		t.Errorf("nft lists only %d lines", lines)
	}
}

func script(t *testing.T, lines []string) {
	t.Helper()
	cmd := exec.Command("sh", "-e")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, strings.Join(lines, "\n"))
	}
}

// TestElements has guests come, change and go: rules stay as they are, counters keep
// what they have counted, and the commands do the same.
func TestElements(t *testing.T) {
	nstest.New(t)
	s := example()
	do(t, &table{Bridge: "xenbr0", To: s})
	handles := func() string {
		return nstest.Run(t, "sh", "-c", "nft -a list table bridge xbr-xenbr0 | grep '# handle' | grep -v counter")
	}
	rules := handles()
	before := s
	for _, change := range []func(*State){
		func(s *State) { s.Guests = s.Guests[:2] },
		func(s *State) { s.Guests = with(s.Guests, Guest{Port: "vif3.0", MAC: "00:16:3e:00:00:33"}) },
		func(s *State) { s.Guests[0].Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.12/32")} },
		func(s *State) { s.Guests[1].DHCP, s.Guests[1].MAC = true, "00:16:3e:00:00:44" },
		func(s *State) { s.Taken, s.Shut = s.Taken[1:], nil },
		func(s *State) { s.Guests = nil },
	} {
		now := *before
		now.Guests, now.Taken = slices.Clone(before.Guests), slices.Clone(before.Taken)
		change(&now)
		script(t, (&table{Bridge: "xenbr0", To: &now, From: before}).Commands())
		same(t, "by nft", &now)
		do(t, &table{Bridge: "xenbr0", To: before, From: &now})
		same(t, "back", before)
		do(t, &table{Bridge: "xenbr0", To: &now, From: before})
		same(t, "there", &now)
		before = &now
	}
	if now := handles(); now != rules {
		t.Errorf("rules are others now:\n%s", now)
	}
}
