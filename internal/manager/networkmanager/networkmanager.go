// Package networkmanager makes NetworkManager follow dom0's addresses to another
// interface. It looks after interfaces by their index: it would give its addresses back
// to a NIC that is called peth0 now and is a port, and let the lease of dom0's eth0 run
// out (seen with 1.42). So it lets the NIC go before the change, which keeps addresses
// and routes, and takes the other interface after it: by the profile that the NIC had,
// or a bridge by a copy of it, as a NIC's profile does not fit a bridge.
package networkmanager

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"xbr-script/internal/host"
	"xbr-script/internal/keyfile"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// Unit is what systemd calls it.
const Unit = "NetworkManager.service"

// runDir is where NetworkManager has a file for each interface, by its index, and the
// temporary profiles.
const (
	runDir      = "/run/NetworkManager"
	devicesDir  = runDir + "/devices"
	profilesDir = runDir + "/system-connections"
)

// Manager is NetworkManager.
type Manager struct {
	Up   func(unit string) (bool, error) // says whether a unit of systemd is up
	Root string                          // where the host's files are; "" is /
	// Titles has what profiles are called, by their UUIDs; nil: NetworkManager is asked.
	Titles map[string]string
}

// Profile is the UUID of the profile by which it configures an interface; empty
// if it does not.
func (m Manager) Profile(index int) (string, error) {
	uuid, _, err := m.profile(index)
	return uuid, err
}

// Configures says whether it runs and configures an interface.
func (m Manager) Configures(index int) (bool, error) {
	if runs, err := m.Up(Unit); err != nil || !runs {
		return false, err
	}
	uuid, err := m.Profile(index)
	return uuid != "", err
}

// profile is Profile, and what the profile is a copy of, if it is one for a bridge.
func (m Manager) profile(index int) (uuid string, of *Original, err error) {
	d, err := m.entry(index)
	if err != nil || d["managed"] != "true" {
		return "", nil, err
	}
	uuid = d["connection-uuid"]
	values, err := m.temporary(func(v map[string]string) bool { return v["uuid"] == uuid })
	if err != nil || values["external"] == "true" {
		return "", nil, err // it only describes what was found there
	}
	if !manager.StandsForHost(m.Root) && !active(index, uuid) {
		return "", nil, nil
	}
	of, err = originalOf(values)
	return uuid, of, err
}

// left is what the copy for a bridge was made of that it does not go by, as it may have
// been told to leave the bridge alone meanwhile; nil if there is none.
func (m Manager) left(bridge string) (*Original, error) {
	values, err := m.temporary(func(v map[string]string) bool { return v[key] != "" && v["interface-name"] == bridge })
	if err != nil {
		return nil, err
	}
	return originalOf(values)
}

// temporary has the values of the first temporary profile that is the right one; none if
// there is no such.
func (m Manager) temporary(is func(map[string]string) bool) (map[string]string, error) {
	dir := m.Root + profilesDir
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".nmconnection" {
			continue
		}
		values, err := keyfile.Read(filepath.Join(dir, file.Name()))
		if err != nil || is(values) {
			return values, err
		}
	}
	return nil, nil
}

// entry is what it says of an interface.
func (m Manager) entry(index int) (map[string]string, error) {
	return keyfile.Read(filepath.Join(m.Root+devicesDir, strconv.Itoa(index)))
}

// metrics are those that other interfaces' routes have.
func (m Manager) metrics(not int) (taken map[uint32]bool, err error) {
	taken = map[uint32]bool{}
	files, err := filepath.Glob(m.Root + devicesDir + "/*")
	for _, file := range files {
		index, failed := strconv.Atoi(filepath.Base(file))
		if failed != nil || index == not {
			continue
		}
		if dev, failed := nameOf("", index); failed == nil && dev == "" {
			continue // the file of one that is gone
		}
		d, failed := keyfile.Read(file)
		taken[metricOf(d)] = true
		err = errors.Join(err, failed)
	}
	return taken, err
}

// Around gives the steps around a change for the NICs that NetworkManager configures,
// and for those that it might.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	if runs, err := m.Up(Unit); err != nil || !runs {
		return nil, nil, err
	}
	for _, move := range moves {
		if move.From == nil || move.NIC == nil {
			continue
		}
		first, last, failed := m.around(move)
		before, after, err = append(before, first...), append(after, last...), errors.Join(err, failed)
	}
	return before, after, err
}

func (m Manager) around(move manager.Move) (before, after []plan.Step, err error) {
	profile, of, err := m.profile(move.From.Index)
	if err != nil {
		return nil, nil, err
	}
	if profile == "" && move.From == move.Bridge {
		if of, err = m.left(move.From.Name); err != nil {
			return nil, nil, err
		}
	}
	if err := m.refuse(move, profile, of); err != nil {
		return nil, nil, err
	}
	switch {
	case of != nil:
		profile = of.Profile
		if move.Bare && m.takes(profile) {
			profile = "" // what the bridge has not got need not be waited for on the NIC
		}
		before, after = fromBridge(move, *of, profile)
	case profile != "" && move.OnBridge:
		var original *Original
		if original, err = m.original(move, profile); err == nil {
			before, after = toBridge(move, *original, profile)
		}
	case profile != "":
		before, after = follow(move, profile)
	case !move.OnBridge && move.From != move.Bridge && m.willing(move.From.Index):
		before, after = follow(move, "")
	case move.From == move.NIC:
		if before, after, err = m.late(move); err != nil || before != nil {
			return before, after, err
		}
		// A name that its configuration excludes is not enough, because names change.
		var d map[string]string
		if d, err = m.entry(move.NIC.Index); err == nil && d["managed"] != "false" {
			before = []plan.Step{leave(move.NIC)}
		}
	}
	return before, after, err
}

// late gives the steps for a bridge whose NIC NetworkManager has yet to configure; none if
// it has no profile for that.
func (m Manager) late(move manager.Move) (before, after []plan.Step, err error) {
	ch, err := m.choice(move)
	if err != nil || ch == nil || ch.Profile == "" {
		return nil, nil, err
	}
	if ch.Token, err = token(move); err != nil {
		return nil, nil, err
	}
	before, after = toBridge(move, ch.Original, "")
	return before, after, nil
}

// refuse refuses bridges that NetworkManager configures by a profile that is not ours:
// that does not fit a NIC, and there is none for the NIC.
func (m Manager) refuse(move manager.Move, profile string, of *Original) error {
	is := move.Bridge
	switch {
	case is == nil || is == move.NIC || is == move.From && of != nil: // a NIC may give the bridge its name
		return nil
	case is != move.From:
		var err error
		if profile, err = m.Profile(is.Index); err != nil {
			return err
		}
	}
	if profile == "" {
		return nil
	}
	return refusal.New("nmcli device set "+shell.Quote(is.Name)+" managed no lets it go and keeps its addresses, but a lease is not renewed then",
		"cannot %s: NetworkManager configures %s, and cannot go on with it", move.Undertaking, is.Name)
}

// follow gives the steps around a change after which another interface has the
// addresses, and with them the profile.
func follow(m manager.Move, profile string) (before, after []plan.Step) {
	return around(m, plan.Step{
		Do:   []plan.Op{&Take{m.To.Name, m.To.Index, m.Port, profile}},
		Undo: []plan.Op{&Release{m.To.Name, m.To.Index}},
	}, plan.Step{
		Do:   []plan.Op{&Take{m.From.Name, m.From.Index, m.Port, profile}},
		Undo: []plan.Op{&Release{m.From.Name, m.From.Index}},
	})
}

// toBridge gives the steps around a change after which the bridge has the addresses,
// and a copy of the NIC's profile. If it is taken back, the NIC has that profile again, or
// with "" the one that NetworkManager chooses when it can.
func toBridge(m manager.Move, of Original, profile string) (before, after []plan.Step) {
	return around(m, bridgeOf(m.To.Name, m.To.Index, m, of, profile == ""), nic(m, profile))
}

// fromBridge gives the steps around a change after which the NIC has the addresses and
// its profile again, or with "" the one that NetworkManager chooses when it can.
func fromBridge(m manager.Move, of Original, profile string) (before, after []plan.Step) {
	return around(m, nic(m, profile), bridgeOf(m.From.Name, m.From.Index, m, of, false))
}

// bridgeOf takes the bridge of that name.
func bridgeOf(name string, index int, m manager.Move, of Original, late bool) plan.Step {
	return plan.Step{
		Do:   []plan.Op{&TakeBridge{name, index, m.Port, m.NIC.Index, of, late}},
		Undo: []plan.Op{&ReleaseBridge{name, index, m.Port, m.NIC.Index}},
	}
}

// nic takes the NIC of a bridge.
func nic(m manager.Move, profile string) plan.Step {
	return plan.Step{
		Do:   []plan.Op{&Take{m.NetDev, m.NIC.Index, m.Port, profile}},
		Undo: []plan.Op{&Release{m.NetDev, m.NIC.Index}},
	}
}

// around gives the steps around a change from how the steps look that take the
// interface it goes to and the one it goes from.
func around(m manager.Move, to, from plan.Step) (before, after []plan.Step) {
	to.Title = "have NetworkManager take " + m.To.Name
	return []plan.Step{from.Reverse("have NetworkManager let " + m.From.Name + " go")}, []plan.Step{to}
}

// leave is the step by which NetworkManager leaves alone an interface that it does not
// configure, also under its next name. That needs no undoing.
func leave(l *host.Link) plan.Step {
	return plan.Step{Title: "have NetworkManager leave " + l.Name + " alone", Do: []plan.Op{&Release{l.Name, l.Index}}}
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{
		(&Release{}).Kind():       func() plan.Op { return &Release{} },
		(&Take{}).Kind():          func() plan.Op { return &Take{} },
		(&ReleaseBridge{}).Kind(): func() plan.Op { return &ReleaseBridge{} },
		(&TakeBridge{}).Kind():    func() plan.Op { return &TakeBridge{} },
	}
}
