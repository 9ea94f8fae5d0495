package ifupdown

import (
	"os"
	"path/filepath"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
)

// TestKeeper reads what ifupdown has brought up as eth0.
func TestKeeper(t *testing.T) {
	root := t.TempDir()
	dir := root + "/run/network"
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as on a host
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ is, want string }{
		"up":                {"eth0\n", "ifupdown, iface eth0"},
		"up, by a mapping":  {"home\n", "ifupdown, iface home"},
		"down":              {"\n", ""},
		"down, and no line": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "ifstate.eth0"), []byte(c.is), 0o600); err != nil {
				t.Fatal(err)
			}
			// Whatever dom0's interface is called.
			m := manager.AtRest(manager.Move{NetDev: "eth0", From: &host.Link{Index: 9, Name: "xenbr0"}})
			keeper, err := (Manager{Root: root}).Keeper(t.Context(), m)
			got := ""
			if keeper != nil {
				got = keeper.String()
			}
			if err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
	if k, err := (Manager{Root: root}).Keeper(t.Context(), manager.Move{NetDev: "eth1"}); k != nil || err != nil {
		t.Errorf("never brought up: %v, %v", k, err)
	}
}
