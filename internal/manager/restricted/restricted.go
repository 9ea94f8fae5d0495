// Package restricted has systemd filter anew what units may use some interfaces only
// (RestrictNetworkInterfaces=). The filter is a BPF program that compares with the indexes
// which the names have when it is made: when dom0's interface is another one such a unit
// would get nothing by it, or would use one that it may not use. systemd makes all filters
// anew when it reads its units anew (unit_deserialize_state, bpf_restrict_ifaces_install).
package restricted

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

const (
	// askLimit is how long systemd may take to say which units there are.
	askLimit = 20 * time.Second
	// reloadLimit is how long it may take to read all of them anew.
	reloadLimit = 90 * time.Second
)

// Manager is systemd, as far as it filters what units get.
type Manager struct {
	Root string // where the host's files are; "" is /
}

// Unit is a unit whose filter is about an interface of a move.
type Unit = systemd.Restricted

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{(&Anew{}).Kind(): func() plan.Op { return &Anew{} }}
}

// Keeper implements the managers' interface: it configures nothing.
func (Manager) Keeper(context.Context, manager.Move) (*manager.Keeper, error) { return nil, nil }

// Sources implements the managers' interface: of what is up only systemd itself tells.
func (Manager) Sources() manager.Sources { return manager.Sources{} }

// Around gives the steps by which filters are made anew when the network has moved, and when
// it is back if that is undone.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	var names []string
	found, err := m.Find(moves)
	for _, u := range found {
		names = append(names, u.Name)
	}
	if err != nil || len(names) == 0 {
		return nil, nil, err
	}
	title := "have systemd filter anew what " + strings.Join(names, ", ") + " may use"
	anew := []plan.Op{&Anew{names}}
	return []plan.Step{{Title: title, Undo: anew}}, []plan.Step{{Title: title, Do: anew}}, nil
}

// Find are the units with a filter that is about an interface which dom0's addresses leave
// or come to.
func (m Manager) Find(moves []manager.Move) (found []Unit, err error) {
	var names []string
	for _, move := range moves {
		if move.From != nil && move.To.Index != move.From.Index {
			names = append(names, move.From.Name, move.To.Name)
			names = append(names, move.From.AltNames...)
		}
	}
	const private = "/run/systemd/private"
	if _, err := os.Stat(private); m.Root != "" || len(names) == 0 || errors.Is(err, fs.ErrNotExist) || !systemd.Restricts() {
		return nil, nil
	}
	var all []Unit
	err = systemd.Look(context.Background(), askLimit, func(ctx context.Context, conn systemd.Conn) (err error) {
		all, err = conn.Restricted(ctx)
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, unix.ECONNREFUSED):
		return nil, nil // it does not run
	case os.Geteuid() != 0:
		return nil, &manager.Hidden{Path: private, Manager: "systemd"}
	default:
		return nil, refusal.Wrap(err, "nothing was changed; to see whether systemd answers: systemctl status", "cannot ask systemd which units may use some interfaces only")
	}
	return slices.DeleteFunc(all, func(u Unit) bool {
		return !slices.ContainsFunc(u.Interfaces, func(name string) bool { return slices.Contains(names, name) })
	}), nil
}

// Anew is the operation that has systemd filter anew.
type Anew struct {
	Units []string `json:"units"` // those for which it is done
}

var (
	_ plan.Prudent = (*Anew)(nil)
	_ plan.Patient = (*Anew)(nil)
)

// Kind is its name in the journal.
func (*Anew) Kind() string { return "filters of units" }

// Await is what it waits for.
func (a *Anew) Await() plan.Wait {
	return plan.Wait{For: "systemd to read " + strings.Join(a.Units, ", "), Limit: reloadLimit}
}

// Commands are those that do the same.
func (*Anew) Commands() []string { return []string{"systemctl daemon-reload"} }

// Ready says whether systemd can be asked.
func (a *Anew) Ready(ctx context.Context) error {
	err := systemd.Ask(ctx, reloadLimit, func(context.Context, systemd.Conn) error { return nil })
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; to see whether systemd answers: systemctl status", "cannot ask systemd to filter anew what %s may use", strings.Join(a.Units, ", "))
	}
	return nil
}

// Do carries it out. At the end of the machine's life nothing is read anew.
func (*Anew) Do(ctx context.Context, _ bool) error {
	return systemd.Ask(ctx, reloadLimit, func(ctx context.Context, conn systemd.Conn) error {
		stopping, err := conn.Stopping(ctx)
		if err != nil || stopping {
			return err
		}
		return conn.ReloadContext(ctx)
	})
}
