// Package bound keeps units of systemd that are bound to the device of a NIC's name
// (BindsTo=sys-subsystem-net-devices-eth0.device), or that systemd ends because nothing else
// needs them. When the NIC gets another name systemd ends them, and what such a unit does
// then is done to whatever has the name by that time: an admin's unit with addresses, for
// one, takes them off dom0's interface. So until the NIC has its name again there are files
// that do not bind them.
package bound

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/manager/ifupdown"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

const (
	// control is the folder below /run whose files come before all others, those in
	// /etc among them, and also before a drop-in of the same name (systemd.unit(5)).
	control = "/run/systemd/system.control"
	// transient is where the files of units are that were made without one.
	transient = "/run/systemd/transient/"
	// own is a drop-in of ours, which comes last.
	own = "zz-xbr-script.conf"
	// needed is what it says.
	needed = "[Unit]\nStopWhenUnneeded=no\n"
	// askLimit is how long systemd may take to say what is bound.
	askLimit = 20 * time.Second
)

// Manager is systemd, as far as it ends units.
type Manager struct {
	Root string // where the host's files are; "" is /
	// Listing keeps what systemd has said for several calls; nil: it is asked each time.
	Listing *Listing
}

// Listing is what ends with the names of interfaces, read when it is first asked for.
type Listing struct{ found map[string][]systemd.Bound }

// Unit is what becomes of a unit that ends with the name of an interface.
type Unit struct {
	Name   string
	Device string // the interface
	Kept   bool   // by these steps
	Lost   bool   // systemd forgets it when it ends
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{(&Units{}).Kind(): func() plan.Op { return &Units{} }}
}

// Keeper implements the managers' interface: it configures nothing by itself.
func (Manager) Keeper(context.Context, manager.Move) (*manager.Keeper, error) { return nil, nil }

// Sources implements the managers' interface: what is bound only systemd itself tells.
func (Manager) Sources() manager.Sources { return manager.Sources{} }

// Around gives the steps that keep the units of the NICs that move, and bind them again once
// the NIC has its name again.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	for _, move := range moves {
		b, a, failed := m.around(move)
		before, after, err = append(before, b...), append(after, a...), errors.Join(err, failed)
	}
	return before, after, err
}

func (m Manager) around(move manager.Move) (before, after []plan.Step, err error) {
	if m.Root != "" {
		return nil, nil, nil
	}
	units, err := m.find(move.NetDev)
	if err != nil {
		return nil, nil, err
	}
	there, err := ours(move.NetDev)
	if err != nil {
		return nil, nil, err
	}
	var files []File
	for _, u := range units {
		more, err := unbound(move, u)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, more...)
	}
	if len(files) > 0 {
		u := &Units{Dev: move.NetDev, Files: files}
		before = []plan.Step{{Title: "keep " + strings.Join(u.names(), ", ") + " when " + move.NetDev + " gets another name", Do: []plan.Op{u}, Undo: []plan.Op{u.gone()}}}
	}
	for _, f := range there {
		if !slices.ContainsFunc(files, func(g File) bool { return g.Path == f.Path }) {
			files = append(files, f)
		}
	}
	if len(files) == 0 || move.NIC != nil && move.To.Index != move.NIC.Index {
		return before, nil, nil
	}
	u := &Units{Dev: move.NetDev, Files: files}
	after = []plan.Step{{Title: "bind " + strings.Join(u.names(), ", ") + " to the device " + move.NetDev + " again", Do: []plan.Op{u.gone()}, Undo: []plan.Op{u}}}
	return before, after, nil
}

// Find says what becomes of the units that end with the names which a move takes away.
func (m Manager) Find(move manager.Move) (found []Unit, err error) {
	if m.Root != "" || move.From == nil {
		return nil, nil
	}
	units, err := m.find(move.From.Name)
	for _, u := range units {
		files, failed := unbound(move, u)
		err = errors.Join(err, failed)
		found = append(found, Unit{u.Name, move.From.Name, len(files) > 0 && move.From.Name == move.NetDev, isTransient(u)})
	}
	return found, err
}

// find is find of the package, once for each name.
func (m Manager) find(dev string) (units []systemd.Bound, err error) {
	if m.Listing == nil {
		return find(dev)
	}
	if units, known := m.Listing.found[dev]; known {
		return units, nil
	}
	if units, err = find(dev); err == nil {
		if m.Listing.found == nil {
			m.Listing.found = map[string][]systemd.Bound{}
		}
		m.Listing.found[dev] = units
	}
	return units, err
}

// find are the units that end with the name of an interface, but for those that ifupdown's
// steps keep.
func find(dev string) (units []systemd.Bound, err error) {
	const private = "/run/systemd/private"
	if _, err := os.Stat(private); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // there is no systemd
	}
	err = systemd.Look(context.Background(), askLimit, func(ctx context.Context, conn systemd.Conn) error {
		units, err = conn.BoundTo(ctx, dev)
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, unix.ECONNREFUSED):
		return nil, nil // it does not run
	case os.Geteuid() != 0:
		return nil, &manager.Hidden{Path: private, Manager: "systemd"}
	default:
		return nil, refusal.Wrap(err, "nothing was changed; to see whether systemd answers: systemctl status", "cannot ask systemd which units end with the name %s", dev)
	}
	ifups := systemd.Instances(dev, "ifup")
	return slices.DeleteFunc(units, func(u systemd.Bound) bool { return slices.Contains(ifups, u.Name) }), nil
}

// unbound are the files by which a unit is kept. None: there is no file that binds it, or one
// that cannot be put aside.
func unbound(move manager.Move, u systemd.Bound) (files []File, err error) {
	if isTransient(u) || u.Fragment == "" {
		return nil, nil
	}
	dir := filepath.Join(control, u.Name+".d")
	if u.Unneeded {
		return []File{{filepath.Join(dir, own), header(move, u.Fragment) + needed}}, nil
	}
	for _, of := range append([]string{u.Fragment}, u.DropIns...) {
		data, err := os.ReadFile(of)
		if errors.Is(err, fs.ErrPermission) {
			return nil, &manager.Hidden{Path: of, Manager: "systemd"}
		}
		if err != nil {
			return nil, err
		}
		text := ifupdown.Unbind(string(data), systemd.IsNICDevice)
		if text == string(data) {
			continue
		}
		path := filepath.Join(dir, filepath.Base(of))
		if of == u.Fragment {
			path = filepath.Join(control, u.Name)
		}
		if path == of {
			return nil, nil // somebody else has put it there
		}
		files = append(files, File{path, header(move, of) + text})
	}
	return files, nil
}

// header is the first line of a file of ours.
func header(move manager.Move, of string) string {
	return "# Of " + of + ", not bound to a device, as long as " + move.NetDev + " is the port " + move.Port + " of a bridge" + mark + "\n"
}

const mark = " (xbr-script)"

// isTransient says whether a unit was made without a file, as by systemd-run.
func isTransient(u systemd.Bound) bool { return strings.HasPrefix(u.Fragment, transient) }

// ours are the files that are there because of a NIC.
func ours(dev string) (files []File, err error) {
	for _, pattern := range []string{control + "/*.*", control + "/*.d/*.conf"} {
		paths, _ := filepath.Glob(pattern) // its form is right
		for _, path := range paths {
			data, failed := os.ReadFile(path)
			if errors.Is(failed, unix.EISDIR) || errors.Is(failed, fs.ErrNotExist) {
				continue
			}
			first, _, _ := strings.Cut(string(data), "\n")
			if failed == nil && strings.HasSuffix(first, mark) && strings.Contains(first, ", as long as "+dev+" is the port ") {
				files = append(files, File{path, string(data)})
			}
			err = errors.Join(err, failed)
		}
	}
	return files, err
}
