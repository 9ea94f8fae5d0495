package ifupdown

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// TestOtherKeepers reads what programs have brought up that do the same as ifupdown.
func TestOtherKeepers(t *testing.T) {
	// As Python 3.13 has written it for an ifupdown2 3.0.0.
	pickled := "\x80\x05\x95\xe5\x00\x00\x00\x00\x00\x00\x00\x8c\x0eifupdown.iface\x94\x8c\x05iface\x94\x93\x94)\x81\x94}\x94(\x8c\x0baddr_family" +
		"\x94]\x94\x8c\x04inet\x94a\x8c\x04auto\x94\x88\x8c\x04name\x94\x8c\x04eth0\x94\x8c\x0baddr_method\x94\x8c\x08loopback\x94ub."
	const state2 = "/var/tmp/network/ifstatenew"
	for name, c := range map[string]struct{ file, text, want string }{
		"ifupdown-ng":             {"/run/ifstate", "lo=lo 1 explicit\neth0=home 1 explicit\n", "ifupdown-ng, iface home"},
		"busybox":                 {"/run/ifstate", "lo=lo\neth0=eth0\n", "ifupdown, iface eth0"},
		"ifupdown-ng, of another": {"/run/ifstate", "lo=lo 1 explicit\n\neth0.5=eth0 1 explicit\n", ""},
		"ifupdown2":               {state2, pickled, "ifupdown2, iface eth0"},
		"ifupdown2, of another":   {state2, strings.ReplaceAll(pickled, "\x04eth0", "\x06eth0.5"), ""},
		"ifupdown2, nothing":      {state2, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Dir(root+c.file), 0o755); err != nil { //nolint:gosec // as on a host
				t.Fatal(err)
			}
			if err := os.WriteFile(root+c.file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			script(t, "mkdir -p "+root+"/run/network; : >"+root+"/run/network/ifstatelock")
			keeper := func() string {
				k, err := (Manager{Root: root}).Keeper(t.Context(), manager.Move{NetDev: "eth0"})
				if err != nil {
					t.Error(err)
				}
				if k == nil {
					return ""
				}
				return k.String()
			}
			if got := keeper(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if c.file != state2 {
				return
			}
			script(t, "rm "+root+"/run/network/ifstatelock")
			if got := keeper(); got != "" {
				t.Errorf("of before the reboot: %q", got)
			}
			script(t, ": >"+root+"/run/network/ifstatelock")
			// Everybody may put something there.
			for _, other := range []string{"chown 65534 ", "rm ", "mkfifo ", "rm "} {
				script(t, other+root+c.file)
				if got := keeper(); got != "" {
					t.Errorf("%s: %q", other, got)
				}
			}
			script(t, "ln -s /etc/passwd "+root+c.file)
			if got := keeper(); got != "" {
				t.Errorf("a link: %q", got)
			}
		})
	}
}

// TestWarnings tells of a bridge that has dom0's addresses under another name.
func TestWarnings(t *testing.T) {
	root := t.TempDir()
	script(t, "mkdir -p "+root+"/run/network; echo eth0 >"+root+"/run/network/ifstate.eth0; : >"+root+"/run/network/ifstate.eth1")
	at := func(dev, to string, back bool) manager.Move {
		m := move(dev, "p"+dev, back)
		if m.From, m.To.Name = m.NIC, to; back {
			m.From = &host.Link{Index: 7, Name: to}
		}
		return m
	}
	texts, err := (Manager{Root: root}).Warnings([]manager.Move{
		at("eth0", "eth0", false), at("eth0", "xenbr0", false), at("eth0", "xenbr0", true), at("eth1", "xenbr1", false), at("eth2", "xenbr2", false),
	})
	const want = "ifupdown goes by the name eth0, which no interface has before stop: until then ifup eth0 fails, and does not change xenbr0; " +
		"without bridge= the bridge is called eth0, and it goes on"
	if err != nil || len(texts) != 1 || texts[0] != want {
		t.Errorf("%q, %v", texts, err)
	}
}

func script(t *testing.T, text string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", text).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v, %s", text, err, out)
	}
}
