package holders

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"xbr-script/internal/host"
)

// Console is a target of netconsole: where the kernel sends its log to.
type Console struct {
	Index  int // of the interface that it is sent by
	Target string
}

// readConsoles reads the targets that are switched on.
func readConsoles(r *reader) error {
	const dir = "/sys/kernel/config/netconsole"
	targets, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, t := range targets {
		enabled, _ := os.ReadFile(filepath.Join(dir, t.Name(), "enabled")) // what is not a target has none
		name, _ := os.ReadFile(filepath.Join(dir, t.Name(), "dev_name"))
		if strings.TrimSpace(string(enabled)) == "1" {
			r.Consoles = append(r.Consoles, Console{r.indexOf(strings.TrimSpace(string(name))), t.Name()})
		}
	}
	if err == nil {
		r.NoConsole, err = host.KernelAtLeast(6, 12)
	}
	return err
}

// findConsoles: a target ends when its interface becomes a port (netconsole_netdev_event:
// NETDEV_JOIN), or goes. A port cannot be one's interface, and from Linux 6.12 on neither
// can a veth (IFF_DISABLE_NETPOLL), nor a bridge that has one as a port
// (br_netpoll_setup).
func findConsoles(d *Data, m Move) (all []Holder) {
	for _, c := range d.Consoles {
		if c.Index != m.From.Index {
			continue
		}
		then := "set it up anew on " + m.To.Name + " afterwards"
		if m.Start && !m.OnBridge && d.NoConsole {
			then = "this kernel has none by a port of dom0's own: give dom0=bridge, and set it up anew afterwards"
		}
		all = append(all, Holder{Kind: "netconsole", What: "target " + c.Target, Outcome: Breaks, Then: then})
	}
	return all
}
