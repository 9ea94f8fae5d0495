package lease

import (
	"strings"
	"testing"

	"xbr-script/internal/manager"
)

// TestConnmanLeaves says which interfaces connman leaves alone.
func TestConnmanLeaves(t *testing.T) {
	for _, c := range []struct{ args, config, want string }{
		{"connmand", "", "virbr0"},
		{"connmand -n", "[General]\n# NetworkInterfaceBlacklist = eth\n", "virbr0"},
		{"connmand", "[General]\nNetworkInterfaceBlacklist = peth,vif\n", "peth0 vif1.0"},
		{"connmand -i eth1", "", "eth0 peth0 vif1.0 virbr0"},
		{"connmand --device=*eth*", "", "vif1.0 virbr0"},
		{"connmand -Ieth0 --nodevice vif*,peth0", "", "eth0 peth0 vif1.0 virbr0"},
		{"connmand -I", "", "virbr0"},
	} {
		client := client{program: "connmand", args: strings.Fields(c.args)}
		var got []string
		for _, dev := range []string{"eth0", "peth0", "vif1.0", "virbr0"} {
			if client.leaves(dev, c.config) {
				got = append(got, dev)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s, %q: %q, want %q", c.args, c.config, got, c.want)
		}
	}
}

// TestConnmanTakes refuses a start after which connman would look after the port.
func TestConnmanTakes(t *testing.T) {
	move := leaving("eth0")
	move.Port = "peth0"
	_, _, err := Manager{Root: fakeHost(t, []process{{"connmand", "connmand -I eth0", ""}})}.Around([]manager.Move{move})
	const want = "cannot start xenbr0: connman looks after each interface that it is not told to leave alone, and would after peth0, too"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
