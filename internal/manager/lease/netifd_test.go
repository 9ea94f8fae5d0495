package lease

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xbr-script/internal/manager"
)

// netifdConfig is OpenWrt's for a router.
const netifdConfig = `config device
	option name 'br-lan'
	option type 'bridge'
	list ports 'eth0:t'

config interface 'wan'
	option device "eth1"
	option username 'eth2'

config interface 'guests'
	option ifname eth3.5
`

// TestNetifd refuses the NICs that netifd is told of, and no others.
func TestNetifd(t *testing.T) {
	for dev, want := range map[string]bool{"eth0": true, "eth1": true, "eth2": false, "eth3": true, "eth": false, "eth3.5": true} {
		if got := named(netifdConfig, dev); got != want {
			t.Errorf("%s: %v", dev, got)
		}
		root := fakeHost(t, []process{{netifd, "/sbin/netifd", ""}}, netifdFile)
		if err := os.WriteFile(filepath.Join(root, netifdFile), []byte(netifdConfig), 0o600); err != nil {
			t.Fatal(err)
		}
		move := leaving(dev)
		move.From.Name, move.NetDev = dev, dev
		_, _, err := Manager{Root: root}.Around([]manager.Move{move})
		if (err != nil) != want || err != nil && !strings.HasSuffix(err.Error(), ": netifd looks after "+dev+", and does not follow to another interface") {
			t.Errorf("%s: %v", dev, err)
		}
	}
	if told := toldOfNetifd(netifdFile, netifdConfig); strings.Contains(told, "username") || named(told, "eth2") || !named(told, "eth1") {
		t.Errorf("a file tells: %s", told)
	}
}
