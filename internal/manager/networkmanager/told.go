package networkmanager

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"xbr-script/internal/keyfile"
	"xbr-script/internal/manager"
)

// Program is what the kernel calls its process.
const Program = "NetworkManager"

// Left says whether NetworkManager has told of interfaces since the machine was booted.
func Left(root string) bool {
	_, err := os.Stat(root + devicesDir)
	return err == nil
}

// told are the keys of a temporary profile that matter here. Others may be secrets.
var told = []string{"uuid", "interface-name", "external", key}

// Sources implements the managers' interface.
func (Manager) Sources() manager.Sources {
	return manager.Sources{
		Files: []string{devicesDir + "/*", profilesDir + "/*.nmconnection"},
		Links: []string{"/run/systemd/units/invocation:" + Unit}, Processes: []string{Program},
		Told: func(path, text string) string {
			if filepath.Dir(path) != profilesDir {
				return text
			}
			var b strings.Builder
			for line := range strings.Lines(text) {
				name, _, _ := strings.Cut(line, "=")
				if strings.HasPrefix(line, "[") || slices.Contains(told, strings.TrimSpace(name)) {
					b.WriteString(line)
				}
			}
			return b.String()
		},
	}
}

// Told is what a file that stands for this host has to tell, as NetworkManager cannot be
// asked there: what the profiles of its devices are called, and which of their files tell
// of another interface, that had the same index.
func (m Manager) Told(ctx context.Context) (titles map[string]string, stale []string, err error) {
	files, err := os.ReadDir(m.Root + devicesDir)
	if err != nil {
		return nil, nil, nil //nolint:nilerr // there is no NetworkManager
	}
	titles = map[string]string{}
	for _, file := range files {
		path := filepath.Join(devicesDir, file.Name())
		d, err := keyfile.Read(m.Root + path)
		if err != nil {
			return nil, nil, err
		}
		index, err := strconv.Atoi(file.Name())
		uuid := d["connection-uuid"]
		if err != nil || d["managed"] != "true" || uuid == "" {
			continue
		}
		if !manager.StandsForHost(m.Root) && !active(index, uuid) {
			stale = append(stale, path)
			continue
		}
		if title := m.title(ctx, uuid); title != uuid {
			titles[uuid] = title
		}
	}
	return titles, stale, nil
}
