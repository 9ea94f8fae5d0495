package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
)

// runFiles is where programs keep the files with their process ids.
const runFiles = "/run"

// refuseDhcpcd refuses to move the addresses of an interface that dhcpcd looks
// after. It takes a card's renaming for its departure, and ended when it began
// with the new interface of that name (9.4.1).
func (c *call) refuseDhcpcd(dir string) error {
	for _, w := range c.wants {
		dev, _ := w.Interfaces(c.host)
		if dev == nil || c.stays(w) || !host.OfMachine() {
			continue
		}
		from, to := " "+dev.Name, " "+w.NetDev
		if c.req.Command == config.Start {
			to = " " + w.Dom0()
		}
		if !dhcpcdRuns(dir, dev.Name) {
			from, to = "", "" // one for all interfaces
			if !c.leased(dev) || !dhcpcdRuns(dir, "") {
				continue
			}
		}
		return refusal.New(`have "persistent" in /etc/dhcpcd.conf, so that the address stays, then give:`+
			"\n  dhcpcd -x"+from+"; "+c.words+"; dhcpcd"+to,
			"cannot %s %s: dhcpcd looks after %s, and would let its lease run out", c.req.Command, w.Bridge, dev.Name)
	}
	return nil
}

// dhcpcdRuns tells whether there is a dhcpcd for that interface alone, or if it
// is empty one for all. Versions before 9 have no folder for their files.
func dhcpcdRuns(dir, dev string) bool {
	names := []string{"dhcpcd/pid", "dhcpcd.pid"}
	if dev != "" {
		names = nil
		for _, family := range []string{"", "-4", "-6"} {
			names = append(names, "dhcpcd/"+dev+family+".pid", "dhcpcd-"+dev+family+".pid")
		}
	}
	return slices.ContainsFunc(names, func(name string) bool {
		pid, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // of this folder
		if err != nil {
			return false
		}
		comm, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/comm") //nolint:gosec // not there: it has ended
		return strings.TrimSpace(string(comm)) == "dhcpcd"
	})
}

// leased tells whether the interface has an IPv4 address for a time.
func (c *call) leased(l *host.Link) bool {
	for _, m := range c.host.State(l.Index).Addrs4 {
		if ci := m.Get(unix.IFA_CACHEINFO); len(ci) >= 8 && !bytes.Equal(ci[4:8], []byte{0xff, 0xff, 0xff, 0xff}) { // ifa_valid
			return true
		}
	}
	return false
}
