// Package cloudinit keeps cloud-init from a NIC that is a port. When it is run while a
// bridge has dom0's addresses (cloud-init init --local, by hand), it looks for the NIC by its
// MAC address. It does not look at bridges, so it finds the port, which has another name than
// it should, switches it off, and cannot rename it, because the bridge has that name
// (cloudinit/net/__init__.py: get_interfaces, _rename_interfaces). Beside a port of dom0's own
// it finds dom0's interface, which has its name.
package cloudinit

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
)

const (
	// installed is there where cloud-init is.
	installed = "/etc/cloud/cloud.cfg"
	// runtime is what cloud-init reads besides, after all of /etc (read_runtime_config).
	// What it has found at boot is in there. The next boot begins it anew.
	runtime = "/run/cloud-init/cloud.cfg"
)

// fromInitrd are the files by which the initramfs tells of the network. What these say counts
// more to cloud-init than its configuration (DataSource.network_config_sources).
var fromInitrd = []string{"/run/net-*.conf", "/run/net6-*.conf"}

// plain are the names of interfaces that can be told of in a comment.
var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.@-]+$`) })

// Manager is cloud-init.
type Manager struct {
	Root string // where the host's files are; "" is /
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{(&Leave{}).Kind(): func() plan.Op { return &Leave{} }}
}

// Keeper implements the managers' interface: cloud-init writes the files of whoever
// configures an interface, and that is the one who is named.
func (Manager) Keeper(context.Context, manager.Move) (*manager.Keeper, error) { return nil, nil }

// Sources implements the managers' interface.
func (Manager) Sources() manager.Sources {
	return manager.Sources{Files: []string{runtime}, There: append([]string{installed}, fromInitrd...), Told: told}
}

// told is what a file that stands for a host may tell of its configuration: there may be secrets
// in it.
func told(path, text string) string {
	if path != runtime {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasSuffix(strings.TrimSpace(line), mark) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Around gives the steps around a change: cloud-init leaves the network alone before the NIC
// gets its name as a port, and as long as it has that.
func (m Manager) Around(moves []manager.Move) (before, after []plan.Step, err error) {
	for _, move := range moves {
		if !plain().MatchString(move.NetDev) {
			continue
		}
		leave := &Leave{Dev: move.NetDev}
		is, err := m.concerns(move)
		if err != nil {
			return nil, nil, err
		}
		if is {
			before = append(before, plan.Step{Title: "have cloud-init leave the network alone", Do: []plan.Op{leave}, Undo: []plan.Op{leave.gone()}})
		}
		if move.Moves() {
			continue
		}
		text, err := manager.Content(m.Root + runtime)
		if err != nil {
			return nil, nil, err
		}
		if leave.in(text) {
			after = append(after, plan.Step{Title: "have cloud-init look after the network as before", Do: []plan.Op{leave.gone()}, Undo: []plan.Op{leave}})
		}
	}
	return before, after, nil
}

// concerns says whether there is a cloud-init that would find the NIC as the port of a bridge
// that has dom0's addresses.
func (m Manager) concerns(move manager.Move) (bool, error) {
	if !move.Moves() || !move.OnBridge {
		return false, nil
	}
	return m.anyOf(installed)
}

// anyOf says whether one of these files is there.
func (m Manager) anyOf(patterns ...string) (bool, error) {
	for _, pattern := range patterns {
		if found, err := filepath.Glob(m.Root + pattern); err != nil || len(found) > 0 {
			return len(found) > 0, err
		}
	}
	return false, nil
}

// Warnings say where the configuration does not keep cloud-init from the port.
func (m Manager) Warnings(moves []manager.Move) (texts []string, err error) {
	for _, move := range moves {
		is, err := m.concerns(move)
		if err != nil {
			return nil, err
		}
		if !is {
			continue
		}
		initrd, err := m.anyOf(fromInitrd...)
		if err != nil {
			return nil, err
		}
		if initrd {
			texts = append(texts, "cloud-init init by hand may switch "+move.Port+" off, since the initramfs has told it of the network: stop comes before it; without dom0=bridge it does no harm")
		}
	}
	return texts, nil
}
