package ifname_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/ifname"
	"xbr-script/internal/testing/nstest"
)

// TestRenamed asks for an interface before and after it is renamed.
func TestRenamed(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, "ip link add eth0 index 77 type bridge")
	for _, name := range []string{"eth0", "xeth0"} {
		if is, err := ifname.Of(77); is != name || err != nil {
			t.Errorf("77 is called %q, %v, want %s", is, err, name)
		}
		if index, err := ifname.IndexOf(name); index != 77 || err != nil {
			t.Errorf("%s is %d, %v", name, index, err)
		}
		nstest.Script(t, "[ -e /sys/class/net/xeth0 ] || ip link set eth0 name xeth0")
	}
	for _, name := range []string{"eth0", strings.Repeat("x", 16), ""} {
		if index, err := ifname.IndexOf(name); index != 0 || err != nil {
			t.Errorf("%q is %d, %v", name, index, err)
		}
	}
	if is, err := ifname.Of(78); !errors.Is(err, unix.ENODEV) {
		t.Errorf("78 is called %q, %v", is, err)
	}
}
