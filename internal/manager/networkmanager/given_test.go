package networkmanager

import (
	"strings"
	"testing"

	"xbr-script/internal/manager/foreign"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// quick does not wait for what may yet be taken off.
func quick(t *testing.T) {
	quiet := foreign.Quiet
	t.Cleanup(func() { foreign.Quiet = quiet })
	foreign.Quiet = 0
}

// TestGiven gives an interface back what NetworkManager has taken off, and only that
// which nobody learns of anew.
func TestGiven(t *testing.T) {
	quick(t)
	b := newBus(t, "eth0")
	nstest.Script(t, `ip link set eth0 up
		ip link set eth0 address 02:00:00:00:00:01
		ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900
		ip addr add 192.0.2.77/24 dev eth0 label eth0:a
		ip addr add 198.51.100.1/24 dev eth0
		ip addr add 203.0.113.1/24 dev eth0
		ip -6 addr add 2001:db8::5/64 dev eth0 nodad
		ip -6 addr add 2001:db8:1::5/64 dev eth0 nodad valid_lft 900 preferred_lft 800 noprefixroute
		ip route add 10.7.0.0/16 via 192.0.2.254
		ip route add default via 192.0.2.254 proto dhcp
		ip route add 10.8.0.0/16 via 192.0.2.254 proto static metric 100
		ip route add 10.9.0.0/16 via 192.0.2.254 proto static
		ip route add 10.9.1.0/24 via 192.0.2.254 proto static metric 50
		ip route add 10.9.2.0/24 via 192.0.2.254 proto static metric 50
		ip route add 10.9.2.0/24 via 192.0.2.254 proto static metric 60
		ip route add 10.10.0.0/16 dev eth0 table 77
		ip route add local 198.51.100.99 dev eth0 proto 66
		ip rule add from 198.51.100.7 lookup 77 pref 5000
		ip -6 route add 2001:db8:7::/48 via 2001:db8::1
		ip -6 route add 2001:db8:9::/48 via fe80::1 dev eth0 metric 100
		ip -6 route add default via 2001:db8::1 proto ra`)
	show := func() string {
		return nstest.Script(t, "ip -o addr show eth0\nip route show table all\nip -6 route\nip rule")
	}
	g, err := lookAt(b.devices[0])
	if err != nil {
		t.Fatal(err)
	}
	before := show()
	if err := g.Return(t.Context()); err != nil || show() != before {
		t.Errorf("nothing was lost: %v, was\n%s\nis\n%s", err, before, show())
	}
	nstest.Script(t, `ip addr flush dev eth0
		ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900
		ip addr add 203.0.113.1/24 dev eth0 metric 101
		ip route add 10.8.0.0/16 via 192.0.2.254 proto static metric 101
		ip route add 10.9.1.0/24 via 192.0.2.254 proto static metric 101
		ip route add 10.9.1.0/24 via 192.0.2.253 proto static metric 50
		ip route add 10.9.2.0/24 via 192.0.2.254 proto static metric 60
		ip -6 route del 2001:db8:9::/48
		ip -6 route add 2001:db8:9::/48 via fe80::1 dev eth0 metric 100 proto static
		ip rule del pref 5000`)
	if err := g.Return(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := show()
	for _, want := range []string{
		"192.0.2.1/24", "192.0.2.77/24", "eth0:a", "198.51.100.1/24", "2001:db8::5/64", "2001:db8:1::5/64", "10.7.0.0/16 via 192.0.2.254", "198.51.100.0/24 dev eth0",
		"10.8.0.0/16 via 192.0.2.254 dev eth0 proto static metric 101", "10.9.0.0/16 via 192.0.2.254 dev eth0 proto static",
		"10.9.2.0/24 via 192.0.2.254 dev eth0 proto static metric 50", "2001:db8:9::/48 via fe80::1 dev eth0 proto static metric 100",
		"10.10.0.0/16 dev eth0 table 77", "local 198.51.100.99 dev eth0",
		"2001:db8:7::/48 via 2001:db8::1", "2001:db8::/64 dev eth0",
	} {
		if !strings.Contains(after, want) {
			t.Errorf("without %s:\n%s", want, after)
		}
	}
	for _, other := range []string{
		"default via 192.0.2.254", "from 198.51.100.7", // others learn of the one, and the other is not of the interface
		"10.8.0.0/16 via 192.0.2.254 dev eth0 proto static metric 100", "10.9.1.0/24 via 192.0.2.254 dev eth0 proto static metric 50",
		"203.0.113.0/24 dev eth0 proto kernel scope link src 203.0.113.1 linkdown", // without a metric
	} {
		if strings.Contains(after, other) {
			t.Errorf("with %s:\n%s", other, after)
		}
	}
}

// TestGivenNot looks at no interface whose index is not known.
func TestGivenNot(t *testing.T) {
	g, err := lookAt(0)
	if err != nil || g != nil || len(g.Addresses()) > 0 || g.Return(t.Context()) != nil {
		t.Errorf("%v, %v", g, err)
	}
}

// TestTakenOff gives back what others have added when NetworkManager begins with an
// interface, or with a bridge.
func TestTakenOff(t *testing.T) {
	for _, bridge := range []bool{false, true} {
		quick(t)
		b, takeBridge, _ := bridged(t)
		var take plan.Op = takeBridge
		if !bridge {
			take = &Take{"xenbr0", takeBridge.Index, "peth0", "0123"}
		}
		nstest.Script(t, `ip addr add 192.0.2.77/24 dev xenbr0
			ip route add 10.9.0.0/16 via 192.0.2.254 proto static
			ip route add local 198.51.100.99 dev xenbr0 proto 66`)
		before := nstest.Script(t, "ip -4 addr show xenbr0\nip -4 route show table all")
		b.mu.Lock()
		b.strips = true
		b.mu.Unlock()
		if err := take.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if after := nstest.Script(t, "ip -4 addr show xenbr0\nip -4 route show table all"); after != before {
			t.Errorf("a bridge: %t, was\n%s\nis\n%s", bridge, before, after)
		}
		if effect := b.logged(); !strings.Contains(effect, "xenbr0 has 0123") && !strings.Contains(effect, "reapplied") {
			t.Errorf("a bridge: %t, it did not begin: %s", bridge, effect)
		}
	}
}
