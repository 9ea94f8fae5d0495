package holders

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// TestRules has nft make rules that are about interfaces in each way that it knows,
// and finds which interfaces each is about.
func TestRules(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "ip link add eth0 index 70 type veth peer name lan0 index 71")
	for _, c := range []struct {
		rule    string
		indexes []int
		names   []string
	}{
		{`iif "eth0" accept`, []int{70}, nil},
		{`oif "eth0" accept`, []int{70}, nil},
		{`iif != "eth0" drop`, []int{70}, nil},
		{`meta iif "eth0" oif "lan0" accept`, []int{70, 71}, nil},
		{`iif { "eth0", "lo" } accept`, []int{1, 70}, nil},
		{`iif vmap { "eth0" : accept, "lan0" : drop }`, []int{70, 71}, nil},
		{`iif . tcp dport vmap { "eth0" . 80 : accept }`, []int{70}, nil},
		{`tcp dport . iif { 22 . "eth0" } accept`, []int{70}, nil},
		{`ip saddr . iif . tcp dport { 192.0.2.0/24 . "eth0" . 1-100 } accept`, []int{70}, nil},
		{`ip6 saddr . iif { 2001:db8::1 . "eth0" } accept`, []int{70}, nil},
		{`iif @named accept`, []int{70}, nil},
		{`iif . tcp dport @pairs accept`, []int{71}, nil},
		{`fib saddr . iif oif "eth0" accept`, []int{70}, nil},
		{`ip saddr 192.0.2.70 dup to 192.0.2.9 device "eth0"`, []int{70}, nil},
		{`iifname "eth0" accept`, nil, []string{"eth0"}},
		{`oifname "eth*" accept`, nil, []string{"eth*"}},
		{`iifname { "eth0", "lan0" } accept`, nil, []string{"eth0", "lan0"}},
		{`iifname { "eth*", "lan0" } accept`, nil, []string{"eth*", "lan0"}},
		{`iifname @wild accept`, nil, []string{"e*", "lan0", "vif*"}},
		{`ip saddr . iifname { 192.0.2.0/24 . "eth0" } accept`, nil, []string{"eth0"}},
		{`iifname . tcp dport { "eth0" . 22 } accept`, nil, []string{"eth0"}},
		{`iif "eth0" ip saddr { 10.0.0.70, 10.0.0.2 } accept`, []int{70}, nil},
		{`ip saddr { 0.0.0.70, 70.0.0.0 } accept`, nil, nil},
		{`tcp dport { 70, 71 } accept`, nil, nil},
		{`meta mark 70 accept`, nil, nil},
		{`iifgroup 70 accept`, nil, nil},
		{`iif "eth0" meta mark set 71 meta mark 70 accept`, []int{70}, nil},
	} {
		t.Run(c.rule, func(t *testing.T) {
			nstest.New(t) // another thread
			nstest.Script(t, "ip link add eth0 index 70 type veth peer name lan0 index 71")
			text := `table inet a {
				set named { type iface_index; elements = { "eth0" }; }
				set wild { type ifname; flags interval; elements = { "e*", "lan0", "vif*" }; }
				set pairs { type iface_index . inet_service; elements = { "lan0" . 22 }; }
				chain c {
					type filter hook prerouting priority 0
					` + c.rule + "\n}\n}\n"
			if strings.Contains(c.rule, "dup to") {
				text = strings.ReplaceAll(text, "table inet", "table ip")
			}
			nft := exec.Command("nft", "-f", "-")
			nft.Stdin = strings.NewReader(text)
			if out, err := nft.CombinedOutput(); err != nil {
				if strings.Contains(string(out), "No such file or directory") || strings.Contains(string(out), "not supported") {
					t.Skipf("this kernel has no such rules: %s", out)
				}
				t.Fatalf("%v: %s", err, out)
			}
			d := read(t)
			var indexes []int
			var names []string
			for _, r := range d.Rules {
				if r.Table != "a" || r.Chain != "c" || r.Handle == 0 {
					t.Errorf("%+v", r)
				}
				indexes, names = append(indexes, r.Indexes...), append(names, r.Names...)
			}
			slices.Sort(indexes)
			slices.Sort(names)
			if !slices.Equal(indexes, c.indexes) || !slices.Equal(names, c.names) {
				t.Errorf("%v %q, want %v %q", indexes, names, c.indexes, c.names)
			}
		})
	}
}

// read gathers what holds on to eth0, which becomes a port.
func read(t *testing.T) *Data {
	t.Helper()
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	h, err := host.Read(c)
	if err != nil {
		t.Fatal(err)
	}
	d := Read(c, h, []Move{{Start: true, From: Interface{"eth0", h.Name("eth0").Index}, To: Interface{Name: "eth0"}}})
	if len(d.Unknown) > 0 || h.Err() != nil {
		t.Fatal(fmt.Sprint(d.Unknown, h.Err()))
	}
	return d
}
