package cli

import (
	"os"
	"slices"
	"strings"

	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// refuseDhcpcd refuses to move the addresses of an interface that dhcpcd looks
// after. It takes a card's renaming for its departure, and ended when it began
// with the new interface of that name (9.4.1).
func (c *call) refuseDhcpcd() error {
	if !host.OfMachine() {
		return nil
	}
	for _, w := range c.moving() {
		if w.dev == nil {
			continue
		}
		from, to := " "+w.dev.Name, " "+w.then
		if !dhcpcdRuns(w.dev.Name) {
			from, to = "", "" // one for all interfaces
			if !c.leased(w.dev) || !dhcpcdRuns("") {
				continue
			}
		}
		return refusal.New(`have "persistent" in /etc/dhcpcd.conf, so that the address stays, then give:`+
			"\n  dhcpcd -x"+from+"; "+c.words+"; dhcpcd"+to,
			"cannot %s %s: dhcpcd looks after %s, and would let its lease run out", c.req.Command, w.Bridge, w.dev.Name)
	}
	return nil
}

// dhcpcdRuns tells whether there is a dhcpcd for that interface alone, or if it
// is empty one for all. Versions before 9 have no folder for their files.
func dhcpcdRuns(dev string) bool {
	names := []string{"dhcpcd/pid", "dhcpcd.pid"}
	if dev != "" {
		names = nil
		for _, family := range []string{"", "-4", "-6"} {
			names = append(names, "dhcpcd/"+dev+family+".pid", "dhcpcd-"+dev+family+".pid")
		}
	}
	return slices.ContainsFunc(names, func(name string) bool {
		pid, err := os.ReadFile("/run/" + name) //nolint:gosec // of this folder
		if err != nil {
			return false
		}
		comm, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/comm") //nolint:gosec // not there: it has ended
		return strings.TrimSpace(string(comm)) == "dhcpcd"
	})
}

// leased tells whether the interface has an IPv4 address for a time.
func (c *call) leased(l *host.Link) bool {
	return slices.ContainsFunc(c.host.State(l.Index).Addrs4, rtnl.Msg.Leased)
}
