package networkmanager

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"xbr-script/internal/manager"
)

// TestToldNoSecrets keeps secrets out of a file that stands for a host.
func TestToldNoSecrets(t *testing.T) {
	told := Manager{}.Sources().Told
	text := "[connection]\nid=wifi\nuuid=0000\ninterface-name=wlan0\n\n[wifi-security]\npsk=secret\nuuid-like=secret\n\n[.nmmeta]\nexternal=true\n\n[user]\nxbr-script.original={\"version\":1}\n"
	want := "[connection]\nuuid=0000\ninterface-name=wlan0\n[wifi-security]\n[.nmmeta]\nexternal=true\n[user]\nxbr-script.original={\"version\":1}\n"
	if got := told(profilesDir+"/wifi.nmconnection", text); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := told(devicesDir+"/2", text); got != text {
		t.Errorf("of a device: %q", got)
	}
}

// TestTold says what profiles are called, of those that devices have.
func TestTold(t *testing.T) {
	root := t.TempDir()
	if titles, stale, err := (Manager{Root: root}).Told(t.Context()); len(titles)+len(stale) > 0 || err != nil || Left(root) {
		t.Errorf("without NetworkManager: %v, %v, %v", titles, stale, err)
	}
	for _, dir := range []string{devicesDir, manager.OwnersDir} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"2": "managed=true\nconnection-uuid=0000\n", "3": "managed=false\n", "4": "managed=true\nconnection-uuid=0001\n"} {
		if err := os.WriteFile(filepath.Join(root+devicesDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := Manager{Root: root, Titles: map[string]string{"0000": "Wired connection 1", "0007": "another"}}
	titles, _, err := m.Told(t.Context())
	if want := map[string]string{"0000": "Wired connection 1"}; !maps.Equal(titles, want) || err != nil || !Left(root) {
		t.Errorf("%v, %v, want %v", titles, err, want)
	}
}
