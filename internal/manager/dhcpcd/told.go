package dhcpcd

import (
	"errors"
	"path/filepath"
	"strings"

	"xbr-script/internal/manager"
)

// pidFiles are where dhcpcd has the numbers of its processes. Versions before 9 have no
// folder for their files.
var pidFiles = []string{"/run/dhcpcd/*.pid", "/run/dhcpcd-*.pid", "/run/dhcpcd/pid", "/run/dhcpcd.pid"}

// Sources implements the managers' interface.
func (Manager) Sources() manager.Sources {
	return manager.Sources{Files: append([]string{configFile}, pidFiles...), Told: toldOf, There: []string{leases + "*.lease*"}, Processes: append([]string{"dhcpcd"}, supervisors...)}
}

// Told is what a file that stands for this host has to tell of a dhcpcd at work, and
// nobody could read there: by what command line it was run, and what service it is.
type Told struct {
	Args []string // nil: it cannot be told
	Unit string
	// Config is its configuration if that is elsewhere than usual, and Text what others may
	// know of that.
	Config, Text string
}

// Told is what there is to tell of each, by the number of its process.
func (m Manager) Told() (map[int]Told, error) {
	all := map[int]Told{}
	for _, pattern := range pidFiles {
		files, err := filepath.Glob(m.Root + pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			c, failed := m.client(strings.TrimPrefix(file, m.Root))
			if err = errors.Join(err, failed); c == nil {
				continue
			}
			told := Told{Unit: c.unit}
			if args, unknown := c.commandLine(); unknown == nil {
				told.Args = args
				if s := scopeOf(args[1:]); s.config != configFile {
					text, failed := manager.Content(m.Root + s.config)
					told.Config, told.Text, err = s.config, toldOf(configFile, text), failed
				}
			}
			all[c.pid] = told
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
