package operate

import "testing"

// TestHide hides addresses wherever they stand, and nothing else.
func TestHide(t *testing.T) {
	const text = `"192.168.0.2/24", 2001:db8::2/64, fe80::1%eth0; 192.168.0.2. The MAC 00:16:3E:00:00:01, 00:16:3e:00:00:01
0.0.0.0 ::1 fe:ff:ff:ff:ff:ff ff02::1 224.0.0.1 eth0.5 dead beef at 2026-01-02T03:04:05Z, 1.2.3+0123456789ab and face: ok`
	const want = `"IPv4-1/24", IPv6-1/64, IPv6-2%eth0; IPv4-1. The MAC MAC-1, MAC-1
0.0.0.0 ::1 fe:ff:ff:ff:ff:ff ff02::1 224.0.0.1 eth0.5 dead beef at 2026-01-02T03:04:05Z, 1.2.3+0123456789ab and face: ok`
	if got := string(hideAddresses([]byte(text))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSecret has no secret of the kernel in a report.
func TestSecret(t *testing.T) {
	const text = `{"net/ipv6/conf/eth0/stable_secret": "2001:db8::1", "stable_secret":"x", "stable": "y"}`
	const want = `{"net/ipv6/conf/eth0/stable_secret": "hidden", "stable_secret":"hidden", "stable": "y"}`
	if got := string(secret.ReplaceAll([]byte(text), []byte(`${1}"hidden"`))); got != want {
		t.Error(got)
	}
}
