// Package ifupdown keeps an interface that Debian's ifupdown has brought up by
// allow-hotplug, as Debian's installer writes it. Its unit ifup@.service is bound to
// the device of that name (BindsTo=sys-subsystem-net-devices-eth0.device): when the NIC
// gets another name systemd ends the unit, and that runs ifdown, which removes addresses
// and routes from whatever has the name then. For the time in which the name is not the
// NIC's, the unit is given a file that does not bind it.
package ifupdown

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/systemd"
)

// Units are the folders in which systemd looks for the files of units, the first of
// them first (systemd.unit(5)), as far as people and packages put files there.
var Units = []string{"/etc/systemd/system", runUnits, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// Manager is ifupdown.
type Manager struct {
	Up    func(unit string) (bool, error) // says whether a unit of systemd is up
	Units []string                        // folders with the files of units
	Root  string                          // where the host's files are; "" is /
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{(&Unit{}).Kind(): func() plan.Op { return &Unit{} }}
}

// Sources implements the managers' interface.
func (m Manager) Sources() manager.Sources {
	s := manager.Sources{
		Files: []string{"/run/network/ifstate*", "/run/ifstate", "/var/tmp/network/ifstatenew"},
		There: []string{"/run/network/ifstatelock"},
		Links: []string{"/run/systemd/units/invocation:ifup@*"},
	}
	for _, dir := range m.Units {
		s.Files = append(s.Files, dir+"/ifup@*.service")
	}
	return s
}

// Around gives the steps that keep the units of the NICs that move from being ended, and
// take that back once the NIC has its name again.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	for _, move := range moves {
		for _, name := range systemd.Instances(move.NetDev, "ifup") {
			b, a, refused := m.around(move, name)
			before, after, err = append(before, b...), append(after, a...), errors.Join(err, refused)
		}
	}
	return before, after, err
}

func (m Manager) around(move manager.Move, name string) (before, after []plan.Step, err error) {
	text, err := ours(m.Root, name)
	if err != nil {
		return nil, nil, err
	}
	if text == "" {
		up, err := m.Up(name)
		if err != nil || !up {
			return nil, nil, err
		}
		if text, err = m.unbound(move, name); err != nil || text == "" {
			return nil, nil, err
		}
		before = []plan.Step{{Title: "keep " + name + " when " + move.NetDev + " gets another name", Do: []plan.Op{made(name, move, text)}, Undo: []plan.Op{gone(name, move)}}}
	}
	if move.NIC != nil && move.To.Index != move.NIC.Index {
		return before, nil, nil
	}
	after = []plan.Step{{Title: "bind " + name + " to the device " + move.NetDev + " again", Do: []plan.Op{gone(name, move)}, Undo: []plan.Op{made(name, move, text)}}}
	return before, after, nil
}

// unbound is the file of a unit without what binds it to a device. Empty: nothing does.
func (m Manager) unbound(move manager.Move, name string) (string, error) {
	path, text, err := m.find(name)
	if err != nil {
		return "", err
	}
	without := Unbind(text, isDevice)
	switch {
	case path == "":
		return "", refusal.New("systemctl cat "+name, "cannot rename %s: systemd would run ifdown %[1]s then, as the unit %s ends with the NIC's name, and its file is in none of %s",
			move.NetDev, name, strings.Join(m.Units, ", "))
	case without == text:
		return "", nil
	case filepath.Base(path) == name:
		return "", refusal.New(`take "BindsTo=" out of `+path+", then give: systemctl daemon-reload",
			"cannot rename %s: systemd would run ifdown %[1]s then, as %s ends the unit with the NIC's name", move.NetDev, path)
	}
	return "# Of " + path + ", not bound to a device, as long as " + move.NetDev + " is the port " + move.Port + " of a bridge (" + mark + ")\n" + without, nil
}

// find is the file of a unit: of this very name, or else of its template.
func (m Manager) find(name string) (path, text string, err error) {
	for _, base := range []string{name, "ifup@.service"} {
		for _, dir := range m.Units {
			path := filepath.Join(dir, base)
			text, err := os.ReadFile(m.Root + path)
			if err == nil {
				return path, string(text), nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", "", err
			}
		}
	}
	return "", "", nil
}

// binding is a setting, with the lines that continue it.
var binding = regexp.MustCompile(`(?m)^[ \t]*BindsTo[ \t]*=(?:.*\\\n)*.*\n?`)

func isDevice(unit string) bool { return strings.HasSuffix(unit, device) }

// Unbind is a unit's file without those of the devices that it is bound to. A unit that is
// bound to others stays so.
func Unbind(text string, those func(unit string) bool) string {
	return binding.ReplaceAllStringFunc(text, func(setting string) string {
		_, value, _ := strings.Cut(strings.ReplaceAll(setting, "\\\n", " "), "=")
		words := strings.Fields(value)
		rest := slices.DeleteFunc(slices.Clone(words), those)
		switch {
		case len(rest) == len(words):
			return setting
		case len(rest) == 0:
			return ""
		}
		return "BindsTo=" + strings.Join(rest, " ") + "\n"
	})
}
