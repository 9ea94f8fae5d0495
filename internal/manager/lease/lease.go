// Package lease knows the DHCP clients that are managers of nothing else, and refuses to
// move an address that expires if it is not known who renews it. dhclient and udhcpc go
// by the interface's name, and so go on with dom0's interface (seen with 4.4.3 and
// 1.35), but for a socket of the former; the kernel itself renews what it has from routers.
package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// Manager is whoever renews leases and is no other manager.
type Manager struct {
	Call string // the command line, quoted
	// Kept says whether another manager goes on with the addresses of a move.
	Kept  func(manager.Move) (bool, error)
	Links []string // the names of all interfaces
	Root  string   // where the host's files are; "" is /
	// Listing keeps the clients for several calls; nil: they are read each time.
	Listing *Listing
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{(&Rebind{}).Kind(): func() plan.Op { return &Rebind{} }}
}

// Sources implements the managers' interface.
func (Manager) Sources() manager.Sources {
	s := manager.Sources{Files: []string{connmanFile, netifdFile}, Told: toldOfNetifd, Processes: append([]string{"busybox"}, known...)}
	for _, o := range othersFor(&host.Link{Name: "*"}) {
		if !slices.Contains(s.Files, o.files) {
			s.There = append(s.There, o.files)
		}
	}
	return s
}

// Around gives the steps around a change by which DHCP clients go on, and refuses the
// moves after which an address would expire.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	for _, move := range moves {
		if move.From == nil {
			continue
		}
		first, last, refused := m.follow(move)
		before, after, err = append(before, first...), append(after, last...), errors.Join(err, refused)
	}
	return before, after, err
}

func (m Manager) follow(move manager.Move) (before, after []plan.Step, err error) {
	if err := m.refuseOthers(move); err != nil {
		return nil, nil, err
	}
	clients, err := m.clients("dhclient", "udhcpc", "udhcpc6")
	if err != nil {
		return nil, nil, err
	}
	v4, v6 := false, false
	for _, c := range clients {
		if !c.isFor(move.From.Name, m.Links) {
			continue
		}
		if move.To.Name != move.From.Name {
			return nil, nil, refusal.New(otherName(move, c), "cannot %s: %s (pid %d) renews a lease by the name %s, which no interface has then",
				move.Undertaking, c.program, c.pid, move.From.Name)
		}
		v4, v6 = v4 || !c.v6, v6 || c.v6
		if c.v6 && c.program == "dhclient" {
			after = append(after, c.rebound(move))
		}
		hears, err := m.hears(c, move)
		if err != nil {
			return nil, nil, err
		}
		if hears {
			before = append(before, c.handedOver(move))
		}
	}
	return before, after, m.ask(move, v4, v6)
}

// rebound is the step by which the client's sockets are those of the other interface.
func (c *client) rebound(m manager.Move) plan.Step {
	return plan.Step{
		Title: fmt.Sprintf("bind the socket of %s (pid %d) to %s", c.program, c.pid, m.To.Name),
		Do:    []plan.Op{&Rebind{Program: c.program, PID: c.pid, From: m.From.Index, To: m.To.Index, Dev: m.To.Name}},
		Undo:  []plan.Op{&Rebind{Program: c.program, PID: c.pid, From: m.To.Index, To: m.From.Index, Dev: m.From.Name}},
	}
}

// starts says whether the addresses leave the NIC; else they come back to it.
func starts(m manager.Move) bool { return m.From == m.NIC }

// otherName says what to do about a client that goes by a name that goes away.
func otherName(m manager.Move, c client) string {
	if starts(m) {
		return "leave out bridge=" + m.To.Name + ": then the bridge is called " + m.From.Name + ", and " + c.program + " goes on"
	}
	return fmt.Sprintf("end it by kill -KILL %d, which leaves the address, and run it for %s after the change", c.pid, m.To.Name)
}

// ask refuses a move if nobody is known who renews one of its addresses. v4 and v6 say
// that there is a DHCP client.
func (m Manager) ask(move manager.Move, v4, v6 bool) error {
	for _, a := range move.Expiring {
		if move.AnyLease || a.Family() == unix.AF_INET && v4 || a.Family() == unix.AF_INET6 && v6 {
			continue
		}
		kept, err := m.Kept(move)
		if err != nil || kept {
			return err
		}
		return refusal.New("if nobody has to renew it, or somebody does who will find it on "+move.To.Name+", give: "+m.Call+" lease=any",
			"cannot %s: it is not known who renews %s of %s, which expires in %d s", move.Undertaking, text(a), move.From.Name, left(a))
	}
	return nil
}

// left is for how many seconds an address is still valid.
func left(a rtnl.Msg) uint32 {
	return binary.NativeEndian.Uint32(a.Get(unix.IFA_CACHEINFO)[4:])
}

func text(a rtnl.Msg) string {
	addr, _ := netip.AddrFromSlice(a.Local())
	return fmt.Sprintf("%s/%d", addr, a.Body[1])
}

// ByKernel says whether the kernel renews an IPv6 address by what routers say. Kernels
// before 5.18 do not tell whether they made an address: tells says that this one does.
// On those, ra says whether the interface makes addresses by what routers say.
func ByKernel(a rtnl.Msg, tells, ra bool) bool {
	const fromRouter, prefix = 2, 64 // IFAPROT_KERNEL_RA
	proto := a.Get(ifaProto)
	switch {
	case a.Family() != unix.AF_INET6:
		return false
	case a.IsTemporary(), host.WasTemporary(a):
		return true
	case tells:
		// Programs that do the router's part themselves (dhcpcd, NetworkManager) have the
		// kernel make temporary addresses for theirs, but no routes.
		makes := a.MakesTemporary() && a.AddrFlags()&unix.IFA_F_NOPREFIXROUTE == 0
		return makes || len(proto) == 1 && proto[0] == fromRouter
	}
	return ra && a.Body[1] == prefix
}

const ifaProto = 11 // IFA_PROTO (linux/if_addr.h)

// Tells says whether the kernel tells who made an address.
func Tells(a rtnl.Msg) bool { return a.Get(ifaProto) != nil }

// other is a manager that cannot follow.
type other struct{ program, name, files, hint string }

// othersFor are those that might look after an interface, and the files by which they tell.
func othersFor(l *host.Link) []other {
	return []other{
		{"connmand", "connman", "/var/lib/connman/ethernet_" + strings.ReplaceAll(l.MAC.String(), ":", "") + "_*",
			"let ifupdown, systemd-networkd or NetworkManager configure it, in place of connman, and reboot"},
		{"wickedd", "wicked", "/run/wicked/leaseinfo." + l.Name + ".*",
			"let NetworkManager configure it, in place of wicked, and reboot"},
		{netifd, netifd, netifdFile,
			"let netifd make the bridge, by a device with the type bridge and the port " + l.Name + " in " + netifdFile + "; guests can use that as it is"},
	}
}

// other is the one that looks after an interface; nil if none does.
func (m Manager) other(l *host.Link) (*other, error) {
	for _, o := range othersFor(l) {
		running, err := m.runs(o.program, l.Name)
		if err != nil {
			return nil, err
		}
		files, err := filepath.Glob(m.Root + o.files)
		if err != nil {
			return nil, err
		}
		if running && len(files) > 0 {
			return &o, nil
		}
	}
	return nil, nil
}

// runs says whether such a manager runs. connman keeps the files of an interface that it is
// to leave alone now.
func (m Manager) runs(program, dev string) (bool, error) {
	switch program {
	case "connmand":
		return m.connman(dev)
	case netifd:
		return m.netifd(dev)
	}
	running, err := m.clients(program)
	return len(running) > 0, err
}

// refuseOthers refuses an interface that somebody looks after who cannot follow.
func (m Manager) refuseOthers(move manager.Move) error {
	if !starts(move) {
		return nil // they come back to the interface that it knows
	}
	o, err := m.other(move.From)
	if err != nil {
		return err
	}
	if o == nil {
		return m.refuseConnman(move)
	}
	return refusal.New(o.hint, "cannot %s: %s looks after %s, and does not follow to another interface", move.Undertaking, o.name, move.From.Name)
}
