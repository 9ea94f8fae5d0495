// Package dhcpcd makes dhcpcd follow dom0's addresses to another interface. When a NIC
// is renamed, dhcpcd takes it as gone, takes the addresses off, and ends when it begins
// with the new interface of that name (9.4.1). So it is ended before the change and run
// again after it, by its own command line. It is killed: then it leaves addresses,
// routes and name servers as they are, whether its configuration has "persistent" or
// not, and the next one goes on with the lease (DHCPREQUEST, RFC 2131 section 3.2).
package dhcpcd

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
)

// Manager is dhcpcd.
type Manager struct {
	Root string // where the host's files are; "" is /
	// UnitOf gives the service of systemd whose main process this is; "" if none.
	UnitOf func(pid int, cgroup string) (string, error)
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{
		(&End{}).Kind(): func() plan.Op { return &End{} },
		(&Run{}).Kind(): func() plan.Op { return &Run{} },

		(&Supervise{}).Kind(): func() plan.Op { return &Supervise{} },
	}
}

// Around gives the steps that end each dhcpcd that looks after one of the interfaces
// before the change, and run it again after it.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	clients, err := m.clients(moves)
	if err != nil {
		return nil, nil, err
	}
	var refused error
	for _, c := range clients {
		if slices.Contains(supervisors, c.parent) && c.service == "" {
			refused = errors.Join(refused, refusal.New(letOnce(c.parent),
				"cannot %s: %s would start dhcpcd (pid %d) again amid the change", c.moves[0].Undertaking, c.parent, c.pid))
		}
		for _, move := range c.moves {
			refused = errors.Join(refused, c.refuse(move, m.Root))
		}
	}
	if refused != nil {
		return nil, nil, refused
	}
	for _, c := range clients {
		first, last, err := c.around()
		if err != nil {
			return nil, nil, err
		}
		// One for all interfaces takes over what another would be run for (by its
		// socket), so it is run last, by the way back, too, and ended first.
		before, after = append([]plan.Step{first}, before...), append(after, last)
	}
	return before, after, nil
}

// Keeps says whether a dhcpcd looks after the addresses of a move.
func (m Manager) Keeps(move manager.Move) (bool, error) {
	clients, err := m.clients([]manager.Move{move})
	for _, c := range clients {
		if is, err := c.isFor(move); is || err != nil {
			return is, err
		}
	}
	return false, err
}

// isFor says whether it looks after the interface that has the addresses.
func (c *client) isFor(move manager.Move) (bool, error) {
	if !c.all || move.From == nil {
		return !c.all, nil
	}
	s, err := c.scope()
	return s.has(move.From.Name, move.From.Kind == "bridge"), err
}

// refuse refuses what dhcpcd would not go on with: an interface of another name, for
// which it has another configuration and no lease, and a bridge that it leaves alone.
func (c *client) refuse(move manager.Move, root string) error {
	if is, err := c.isFor(move); !is || err != nil || move.From == nil || c.all && !expires(move, root) {
		return err
	}
	s, err := c.scope()
	if err != nil {
		return err
	}
	switch {
	case move.To.Name != move.From.Name && move.OnBridge:
		return refusal.New("leave out bridge="+move.To.Name+": then the bridge is called "+move.From.Name+", and dhcpcd goes on",
			"cannot %s: dhcpcd looks after %s by that name, which no interface has then", move.Undertaking, move.From.Name)
	case move.To.Name != move.From.Name:
		return refusal.New("end it, which must leave the address, and run it for "+move.To.Name+" after the change",
			"cannot %s: dhcpcd looks after %s by that name, which no interface has then", move.Undertaking, move.From.Name)
	case c.all && move.OnBridge && !s.has(move.To.Name, true):
		return refusal.New(`leave out dom0=bridge, or have it look after the bridge, too, `+lastLine(s.config, "interface "+move.To.Name),
			"cannot %s: dhcpcd looks after all interfaces, but for bridges", move.Undertaking)
	}
	return nil
}

// lastLine says how its configuration gets a last line. Nobody can write below /nix/store:
// NixOS makes the file of an option, whose text comes last in it.
func lastLine(config, line string) string {
	if strings.HasPrefix(config, "/nix/store/") {
		return `by NixOS's option networking.dhcpcd.extraConfig = "` + line + `"`
	}
	return "by a last line in " + config + `: "` + line + `"`
}

// leases is the folder with the leases that it has had.
const leases = "/var/lib/dhcpcd/"

// expires says whether a dhcpcd for several interfaces has given this one something that
// it has to renew, which static addresses of its configuration have not, or has given it
// nothing yet.
func expires(move manager.Move, root string) bool {
	files, _ := filepath.Glob(root + leases + move.From.Name + ".lease*")
	return move.Bare || len(move.Expiring) > 0 || len(files) > 0
}

// Warnings say what comes of it if somebody runs it anew meanwhile without the words that
// it gets, which a service of systemd has.
func (m Manager) Warnings(moves []manager.Move) (texts []string, err error) {
	clients, err := m.clients(moves)
	for _, c := range clients {
		if !c.all || c.unit != "" {
			continue
		}
		s, err := c.scope()
		if err != nil {
			return nil, err
		}
		for _, move := range moves {
			if move.Moves() && s.has(move.Port, false) {
				texts = append(texts, "dhcpcd looks after all interfaces: if it is run anew before stop, other than by xbr-script, it asks for leases on "+
					move.Port+", too; a first line in "+s.config+" keeps it from that: denyinterfaces "+move.Port+" vif*")
			}
		}
	}
	return texts, err
}

// around gives the steps around the change for one dhcpcd.
func (c *client) around() (first, last plan.Step, err error) {
	now, err := c.commandLine()
	if err != nil {
		return first, last, err
	}
	then, dir := now, c.service
	if c.all {
		then = withDenied(now, c.moves)
	}
	if dir == "" { // it is not supervised, or not now
		dir = serviceOf(now)
	}
	then = withService(then, dir)
	first = plan.Step{Title: "end " + c.title(), Do: c.end(c.service), Undo: c.run(now, c.service)}
	if dir != "" && slices.ContainsFunc(then, denies) {
		dir = "" // its supervisor would run it without that
	}
	last = plan.Step{Title: "run " + c.title() + " again", Do: c.run(then, dir), Undo: c.end(dir)}
	return first, last, nil
}

func (c *client) title() string {
	if c.all {
		return "dhcpcd"
	}
	return "dhcpcd for " + c.moves[0].From.Name
}

// end are the operations that end it, where it is that service of a supervisor.
func (c *client) end(dir string) []plan.Op {
	end := &End{PIDFile: c.pidFile, Unit: c.unit}
	if dir == "" {
		return []plan.Op{end}
	}
	return []plan.Op{&Supervise{Dir: dir, PIDFile: c.pidFile}, end}
}

// run are the operations that run it by a command line, or have its supervisor run it.
func (c *client) run(args []string, dir string) []plan.Op {
	if dir != "" {
		return []plan.Op{&Supervise{Dir: dir, PIDFile: c.pidFile, Up: true}}
	}
	return []plan.Op{&Run{PIDFile: c.pidFile, Unit: c.unit, Path: c.path, Args: args, Cgroup: c.cgroup, Denies: slices.ContainsFunc(args, denies)}}
}

// A dhcpcd for all interfaces would ask for leases on the NIC, the bridge and guests'
// ports as well. So it gets an argument more for each NIC in a bridge. It is known again
// by a name in it that no interface can have, because it is too long.
const deny = "--denyinterfaces="

func denies(arg string) bool { return strings.HasPrefix(arg, deny+"xbr-script@") }

func denied(port string) string { return deny + "xbr-script@" + port + "," }

// withDenied is a command line with the arguments for what is there after the moves.
func withDenied(args []string, moves []manager.Move) []string {
	args = slices.Clone(args)
	for _, m := range moves {
		args = slices.DeleteFunc(args, func(a string) bool { return strings.HasPrefix(a, denied(m.Port)) })
		if len(m.New) == 0 {
			continue // the NIC gets its addresses back
		}
		names := []string{m.Port}
		for _, n := range m.New {
			names = append(names, n.Name)
		}
		if m.Bridge != nil && !m.OnBridge {
			names = append(names, m.Bridge.Name)
		}
		slices.Sort(names)
		args = slices.Insert(args, 1, denied(m.Port)+strings.Join(slices.Compact(names), ",")+",vif*")
	}
	return args
}
