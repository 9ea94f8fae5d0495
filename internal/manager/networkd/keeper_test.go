package networkd

import (
	"testing"

	"xbr-script/internal/manager"
)

// TestKeeper says by which file it configures dom0's interface, and what that takes or
// has taken.
func TestKeeper(t *testing.T) {
	veth := start("eth0", "peth0", "vif0.0", "xenbr0")
	up := manager.AtRest(stop("eth0"))
	dropIn := file{path: runConfig + "/10-netplan-eth0.network.d/xbr-script-eth0.conf"}
	others := file{path: runConfig + "/10-netplan-eth0.network.d/50-mtu.conf"}
	aCopy := runConfig + "/0-xbr-script-eth0.network"
	for name, c := range map[string]struct {
		move  manager.Move
		was   Link
		files []file
		want  string
	}{
		"not by it":                    {veth, Link{State: "unmanaged", File: netplans}, nil, ""},
		"not known to it":              {veth, Link{}, nil, ""},
		"a file that is gone":          {veth, Link{File: netplans}, nil, "systemd-networkd, 10-netplan-eth0.network"},
		"start, by MAC":                {veth, Link{File: netplans}, []file{{path: netplans, text: byMAC}}, "systemd-networkd, 10-netplan-eth0.network, by a drop-in"},
		"start, by name":               {veth, Link{File: own}, []file{{path: own, text: byName}}, "systemd-networkd, 50-wan.network"},
		"start, by name, with a lease": {veth, Link{File: own, iaid4: "7"}, []file{{path: own, text: byName}}, "systemd-networkd, 50-wan.network, by a drop-in"},
		"start, the bridge":            {start("xenbr0", "peth0"), Link{File: own}, []file{{path: own, text: byName}}, "systemd-networkd, 50-wan.network, by a copy"},
		"no start yet":                 {manager.AtRest(veth), Link{File: netplans}, []file{{path: netplans, text: byMAC}}, "systemd-networkd, 10-netplan-eth0.network"},
		"up, by a copy":                {up, Link{File: aCopy}, []file{{path: aCopy, text: "# Of " + netplans + ", " + why0 + "[Match]\n"}}, "systemd-networkd, 10-netplan-eth0.network, by a copy"},
		"up, a copy only root reads":   {up, Link{File: aCopy}, []file{{path: aCopy, hidden: true}}, "systemd-networkd, 0-xbr-script-eth0.network, by a copy"},
		"up, by a drop-in":             {up, Link{File: netplans}, []file{{path: netplans, dropins: []file{others, dropIn}}}, "systemd-networkd, 10-netplan-eth0.network, by a drop-in"},
		"up, as it is":                 {up, Link{File: netplans}, []file{{path: netplans, dropins: []file{others}}}, "systemd-networkd, 10-netplan-eth0.network"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &known{links: map[int]Link{c.move.From.Index: c.was}, files: c.files}
			got := ""
			if keeper := k.keeper(c.move); keeper != nil {
				got = keeper.String()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
