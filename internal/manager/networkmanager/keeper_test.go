package networkmanager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
)

// files are those that NetworkManager has in /run, with their content.
type files map[string]string

func (f files) root(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		path := filepath.Join(dir, runDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as on a host
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func up(string) (bool, error) { return true, nil }

// TestKeeper reads by which profile it configures an interface, where there is no bus
// to ask what the profile is called.
func TestKeeper(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	eth0 := manager.AtRest(manager.Move{From: &host.Link{Index: 2, Name: "eth0"}})
	for name, c := range map[string]struct {
		files files
		move  manager.Move
		want  string
	}{
		"it does":         {files{"devices/2": "[device]\nmanaged=true\nconnection-uuid=0123\n"}, eth0, "NetworkManager, profile 0123"},
		"it does not":     {files{"devices/2": "[device]\nmanaged=false\nconnection-uuid=0123\n"}, eth0, ""},
		"another":         {files{"devices/3": "[device]\nmanaged=true\nconnection-uuid=0123\n"}, eth0, ""},
		"no profile":      {files{"devices/2": "[device]\nmanaged=true\n"}, eth0, ""},
		"no interface":    {files{"devices/2": "[device]\nmanaged=true\nconnection-uuid=0123\n"}, manager.AtRest(manager.Move{}), ""},
		"what it found":   {files{"devices/2": "[device]\nmanaged=true\nconnection-uuid=0123\n", "system-connections/eth0.nmconnection": "[connection]\nuuid=0123\n[.nmmeta]\nexternal=true\n"}, eth0, ""},
		"a temporary one": {files{"devices/2": "[device]\nmanaged=true\nconnection-uuid=0123\n", "system-connections/eth0.nmconnection": "[connection]\nuuid=0123\n"}, eth0, "NetworkManager, profile 0123"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Up: up, Root: c.files.root(t)}
			keeper, err := m.Keeper(t.Context(), c.move)
			got := ""
			if keeper != nil {
				got = keeper.String()
			}
			if err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// TestKeeperRuns asks only one that runs.
func TestKeeperRuns(t *testing.T) {
	root := files{"devices/2": "[device]\nmanaged=true\nconnection-uuid=0123\n"}.root(t)
	move := manager.AtRest(manager.Move{From: &host.Link{Index: 2, Name: "eth0"}})
	down := Manager{Root: root, Up: func(string) (bool, error) { return false, nil }}
	if k, err := down.Keeper(t.Context(), move); k != nil || err != nil {
		t.Errorf("%v, %v", k, err)
	}
	failed := errors.New("cannot be read")
	unknown := Manager{Root: root, Up: func(string) (bool, error) { return false, failed }}
	if k, err := unknown.Keeper(t.Context(), move); k != nil || !errors.Is(err, failed) {
		t.Errorf("%v, %v", k, err)
	}
}

// TestKeeperTitle asks what the profile is called.
func TestKeeperTitle(t *testing.T) {
	newBus(t, "eth0")
	if got := titleOf(t.Context(), "0123"); got != "title of 0123" {
		t.Errorf("%q", got)
	}
	if got := titleOf(t.Context(), "4567"); got != "4567" {
		t.Errorf("of a profile that it does not have: %q", got)
	}
}

// TestKeeperStale reads a file that was another interface's with the same index.
func TestKeeperStale(t *testing.T) {
	b := newBus(t, "eth0")
	m := Manager{Up: up, Root: files{fmt.Sprint("devices/", b.devices[0]): "[device]\nmanaged=true\nconnection-uuid=0123\n"}.root(t)}
	if got, err := m.Profile(b.devices[0]); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	b.mu.Lock()
	b.active[b.devices[0]] = "0123"
	b.mu.Unlock()
	if got, err := m.Profile(b.devices[0]); got != "0123" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestWarnings tells what netplan would do, where it has made a profile, and the bridge
// itself has dom0's addresses.
func TestWarnings(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	nic := &host.Link{Index: 2, Name: "eth0"}
	onBridge := manager.Move{From: nic, NIC: nic, NetDev: "eth0", Port: "peth0", To: manager.Interface{Name: "xenbr0", Index: 7}, OnBridge: true}
	beside, back := onBridge, onBridge
	beside.OnBridge = false
	back.From = &host.Link{Index: 7, Name: "xenbr0"}
	const its, netplans = "devices/2", "system-connections/netplan-eth0.nmconnection"
	managed := "[device]\nmanaged=true\nconnection-uuid=0123\n"
	for name, c := range map[string]struct {
		files files
		move  manager.Move
		want  int
	}{
		"a bridge":           {files{its: managed, netplans: ""}, onBridge, 1},
		"beside the bridge":  {files{its: managed, netplans: ""}, beside, 0},
		"the way back":       {files{its: managed, netplans: ""}, back, 0},
		"without netplan":    {files{its: managed}, onBridge, 0},
		"networkd's netplan": {files{netplans: ""}, onBridge, 0},
	} {
		t.Run(name, func(t *testing.T) {
			texts, err := Manager{Up: up, Root: c.files.root(t)}.Warnings([]manager.Move{c.move})
			if err != nil || len(texts) != c.want {
				t.Errorf("%q, %v, want %d", texts, err, c.want)
			}
		})
	}
}
