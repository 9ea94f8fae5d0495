package operate

import (
	"context"
	"errors"
	"slices"

	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/manager/bound"
	"xbr-script/internal/manager/cloudinit"
	"xbr-script/internal/manager/dhcpcd"
	"xbr-script/internal/manager/ifupdown"
	"xbr-script/internal/manager/lease"
	"xbr-script/internal/manager/networkd"
	"xbr-script/internal/manager/networkmanager"
	"xbr-script/internal/manager/udev"
	"xbr-script/internal/plan"
)

// managing is what a manager does: it configures NICs, and has to go on with what a
// plan moves.
type managing interface {
	// Around gives the steps before and after those of the moves, or the reasons for
	// which it refuses them, all at once.
	Around(moves []manager.Move) (before, after []plan.Step, err error)
	// Keeper says that it configures the interface that has dom0's addresses before a
	// move, or on a network that stays as it is; nil if it does not.
	Keeper(ctx context.Context, m manager.Move) (*manager.Keeper, error)
	// Kinds are the operations of its steps.
	Kinds() plan.Kinds
	// Sources is what all that is made from.
	Sources() manager.Sources
}

// warning is a manager that knows what will not go on as before, though nothing is lost.
type warning interface {
	Warnings(moves []manager.Move) ([]string, error)
}

// managers are all of them. The steps of each surround those of the ones before it.
func (c *Call) managers() []managing {
	return []managing{
		cloudinit.Manager{Root: c.root},
		udev.Manager{Root: c.root},
		ifupdown.Manager{Up: c.up, Units: ifupdown.Units, Root: c.root},
		bound.Manager{Root: c.root, Listing: c.bound},
		c.dhcpcd(),
		c.networkManager(),
		networkd.Manager{Limit: c.checkLimit(), Root: c.root, Up: c.up},
	}
}

func (c *Call) networkManager() networkmanager.Manager {
	m := networkmanager.Manager{Up: c.networkManagerUp, Root: c.root}
	if c.laid != nil {
		m.Titles = c.laid.Titles
	}
	return m
}

// networkManagerUp says whether NetworkManager runs, whoever has started it: it is at work
// under OpenRC, runit and sysvinit, too.
func (c *Call) networkManagerUp(unit string) (bool, error) {
	is, err := c.up(unit)
	if err != nil || is || !networkmanager.Left(c.root) {
		return is, err
	}
	return lease.Runs(c.root, networkmanager.Program)
}

// dhcpcd is one manager that may run in any network namespace.
func (c *Call) dhcpcd() dhcpcd.Manager {
	m := dhcpcd.Manager{Root: c.root, UnitOf: dhcpcd.UnitOf}
	if c.root != "" {
		m.UnitOf = func(pid int, _ string) (string, error) { return c.laid.Services[pid], nil }
	}
	return m
}

// keepers are those that configure dom0's interface of a network, for a move or, with
// manager.AtRest, as it is. nil: it cannot be known of a host in a file; empty: nobody
// is known.
func (v *view) keepers(ctx context.Context, m manager.Move) (found []manager.Keeper, err error) {
	if !v.knowing() {
		return nil, nil
	}
	managers, err := v.here()
	if err != nil {
		return nil, err
	}
	found = []manager.Keeper{}
	for _, a := range managers {
		k, failed := a.Keeper(ctx, m)
		if err = errors.Join(err, failed); k != nil {
			found = append(found, *k)
		}
	}
	return found, err
}

// noteKeepers says, of a call that says all that it does, who configures what it moves.
func (v *view) noteKeepers(ctx context.Context) {
	if v.Trace == nil {
		return
	}
	for _, w := range v.moving() {
		keepers, _ := v.keepers(ctx, v.move(w)) // the plan has been made in spite of an error
		for _, k := range keepers {
			v.Note(w.NetDev + " is configured by " + k.String())
		}
	}
}

// here are those that may be at work in this network namespace.
func (v *view) here() ([]managing, error) {
	machine := v.root != ""
	if !machine {
		var err error
		if machine, err = host.OfMachine(); err != nil {
			return nil, err
		}
	}
	if machine {
		return append([]managing{v.clients(true)}, v.managers()...), nil
	}
	return []managing{v.clients(false), v.dhcpcd()}, nil
}

// around asks all managers for their steps around a plan, and reports all their
// refusals at once.
func (v *view) around() (before, after []plan.Step, err error) {
	if !v.knowing() {
		return nil, nil, nil // a file may not tell who looks after its host
	}
	moves := v.moves()
	if len(moves) == 0 {
		return nil, nil, nil
	}
	managers, err := v.here()
	if err != nil {
		return nil, nil, err
	}
	for _, m := range managers {
		b, a, refused := m.Around(moves)
		if hidden, ok := errors.AsType[*manager.Hidden](refused); ok && v.Request.DryRun {
			v.lacks, refused = append(v.lacks, hidden.Lack()), nil
		}
		before, after, err = append(b, before...), append(after, a...), errors.Join(err, refused, v.heed(m, moves))
	}
	return before, after, err
}

// heed keeps what a manager warns of.
func (v *view) heed(m managing, moves []manager.Move) error {
	w, ok := m.(warning)
	if !ok {
		return nil
	}
	texts, err := w.Warnings(moves)
	v.cautions = append(v.cautions, texts...)
	return err
}

// moving are the wanted bridges that are not yet as they are to be.
func (v *view) moving() []bridge.Spec {
	start := v.Request.Command == config.Start
	return slices.DeleteFunc(slices.Clone(v.specs), func(w bridge.Spec) bool { return w.Up(v.host) == start })
}

// moves are those of the bridges that are moving.
func (v *view) moves() []manager.Move {
	var all []manager.Move
	for _, w := range v.moving() {
		all = append(all, v.move(w))
	}
	return all
}

func (v *view) move(w bridge.Spec) manager.Move {
	m := manager.Move{
		Undertaking: string(v.Request.Command) + " " + w.Bridge,
		NetDev:      w.NetDev, Port: w.PDev, Before: w.VDev, Bridge: v.host.Name(w.Bridge), OnBridge: v.then(w) == w.Bridge,
	}
	m.From, m.NIC = w.Interfaces(v.host)
	m.Expiring, m.Bare = v.expiring(m.From), m.From != nil && bare(v.host, m.From)
	m.AnyLease = v.anyLease(w)
	m.To.Name = v.then(w)
	if v.Request.Command != config.Start {
		if m.NIC != nil {
			m.To.Index = m.NIC.Index
		}
		return m
	}
	m.To.Index = v.network.Index(m.To.Name)
	for _, name := range []string{w.PDev, w.VIF, w.Bridge} {
		if name != "" && name != m.To.Name && v.host.Name(name) == nil {
			m.New = append(m.New, manager.Interface{Name: name, Index: v.network.Index(name)})
		}
	}
	return m
}

// then is the name of dom0's interface after this call.
func (v *view) then(w bridge.Spec) string {
	if v.Request.Command == config.Start {
		return w.Dom0()
	}
	return w.NetDev
}
