package holders

import (
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TestBearer has messages as the kernel sends them for tipc bearer list (Linux 6.12).
func TestBearer(t *testing.T) {
	message := func(name string) []byte {
		nested := nl.NewRtAttr(1, append([]byte(name), 0)).Serialize()
		return append([]byte{4, 1, 0, 0}, nl.NewRtAttr(1|unix.NLA_F_NESTED, nested).Serialize()...)
	}
	for _, tc := range []struct{ bearer, media, name string }{
		{"eth:eth0", "eth", "eth0"},
		{"ib:ibp3s0", "ib", "ibp3s0"},
		{"udp:lan", "", ""},
		{"", "", ""},
	} {
		if media, name := bearer(message(tc.bearer)); media != tc.media || name != tc.name {
			t.Errorf("%q is on %q by %q, want %q by %q", tc.bearer, name, media, tc.name, tc.media)
		}
	}
	for n := range message("eth:eth0") {
		bearer(message("eth:eth0")[:n]) // torn
	}
}
