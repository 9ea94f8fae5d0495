package networkmanager

import (
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// TestGiven gives an interface back what NetworkManager has taken off, and only that
// which nobody learns of anew.
func TestGiven(t *testing.T) {
	b := newBus(t, "eth0")
	nstest.Script(t, `ip link set eth0 up
		ip link set eth0 address 02:00:00:00:00:01
		ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900
		ip addr add 192.0.2.77/24 dev eth0 label eth0:a
		ip addr add 198.51.100.1/24 dev eth0
		ip -6 addr add 2001:db8::5/64 dev eth0 nodad
		ip -6 addr add 2001:db8:1::5/64 dev eth0 nodad valid_lft 900 preferred_lft 800 noprefixroute
		ip route add 10.7.0.0/16 via 192.0.2.254
		ip route add default via 192.0.2.254 proto dhcp
		ip route add 10.8.0.0/16 via 192.0.2.254 proto static
		ip -6 route add 2001:db8:7::/48 via 2001:db8::1
		ip -6 route add default via 2001:db8::1 proto ra`)
	show := func() string {
		return nstest.Script(t, "ip -o addr show eth0\nip route\nip -6 route")
	}
	g, err := lookAt(b.devices[0])
	if err != nil {
		t.Fatal(err)
	}
	before := show()
	if err := g.put(); err != nil || show() != before {
		t.Errorf("nothing was lost: %v, was\n%s\nis\n%s", err, before, show())
	}
	nstest.Script(t, `ip addr flush dev eth0
		ip addr add 192.0.2.1/24 dev eth0 valid_lft 900 preferred_lft 900`)
	if err := g.put(); err != nil {
		t.Fatal(err)
	}
	after := show()
	for _, want := range []string{
		"192.0.2.1/24", "192.0.2.77/24", "eth0:a", "198.51.100.1/24", "2001:db8::5/64", "2001:db8:1::5/64", "10.7.0.0/16 via 192.0.2.254", "198.51.100.0/24 dev eth0",
		"2001:db8:7::/48 via 2001:db8::1", "2001:db8::/64 dev eth0",
	} {
		if !strings.Contains(after, want) {
			t.Errorf("without %s:\n%s", want, after)
		}
	}
	if strings.Contains(after, "default via 192.0.2.254") || strings.Contains(after, "10.8.0.0") {
		t.Errorf("with routes that others learn:\n%s", after)
	}
}
