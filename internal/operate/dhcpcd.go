package operate

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"
)

// refuseDhcpcd refuses to move the addresses of an interface that dhcpcd looks
// after. It takes a card's renaming for its departure, and ended when it began
// with the new interface of that name (9.4.1).
func (v *view) refuseDhcpcd() error {
	if is, err := host.OfMachine(); err != nil || !is {
		return err
	}
	for _, w := range v.moving() {
		if w.dev == nil {
			continue
		}
		from, to := " "+shell.Quote(w.dev.Name), " "+shell.Quote(w.then)
		runs, err := dhcpcdRuns(w.dev.Name)
		if err == nil && !runs && v.leased(w.dev) {
			from, to = "", "" // one for all interfaces
			runs, err = dhcpcdRuns("")
		}
		if err != nil {
			return err
		}
		if !runs {
			continue
		}
		return refusal.New(`have "persistent" in /etc/dhcpcd.conf, so that the address stays, then give:`+
			"\n  dhcpcd -x"+from+"; "+v.quoted()+"; dhcpcd"+to,
			"cannot %s %s: dhcpcd looks after %s, and would let its lease run out", v.Request.Command, w.Bridge, w.dev.Name)
	}
	return nil
}

// dhcpcdRuns tells whether there is a dhcpcd for that interface alone, or if it
// is empty one for all. Versions before 9 have no folder for their files.
func dhcpcdRuns(dev string) (bool, error) {
	names := []string{"dhcpcd/pid", "dhcpcd.pid"}
	if dev != "" {
		names = nil
		for _, family := range []string{"", "-4", "-6"} {
			names = append(names, "dhcpcd/"+dev+family+".pid", "dhcpcd-"+dev+family+".pid")
		}
	}
	for _, name := range names {
		pid, err := contentOf("/run/" + name)
		if err != nil {
			return false, err
		}
		if pid == "" || strings.Contains(pid, "/") {
			continue
		}
		comm, err := contentOf("/proc/" + pid + "/comm")
		if err != nil || comm == "dhcpcd" {
			return err == nil, err
		}
	}
	return false, nil
}

// contentOf is what a small file says; "" if it is not there, or of a process
// that has ended.
func contentOf(name string) (string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// leased tells whether the interface has an IPv4 address for a time.
func (v *view) leased(l *host.Link) bool {
	return slices.ContainsFunc(v.host.State(l.Index).Addrs4, rtnl.Msg.Leased)
}
