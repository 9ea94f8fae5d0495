package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// cutting are commands that can cut off somebody who is logged in over the interface
// that they are about.
var cutting = regexp.MustCompile(`\bnomaster\b|\bifdown\b|\baddr(ess)? (flush|del)|\blink (del|delete)\b|\blink set\b.* down\b|` +
	`\broute (del|flush)|\bbrctl (delif|delbr)|\bnmcli .*(disconnect|down|delete)|\bdhclient -r|\bdhcpcd -[kx]|\bend dhcpcd\b|\bnetplan apply|` +
	`\bsystemctl (stop|restart|disable) (systemd-networkd|NetworkManager|networking|network)\b|\bnft flush|tables .*-F\b|\bdel-(br|port)\b`)

// harmless are the texts in which such words are right, and why.
var harmless = map[string]string{
	"ifdown":                                  "a word that other tools have; what is named in its place is our stop",
	", or remove it: ip link del dev …":       "only of an interface that is off: see taken",
	`nmcli connection delete uuid "$profile"`: "of a bridge that NetworkManager was told to leave alone, in the lines before",
	"ip -4 route show table all dev … proto dhcp | while read -r r; do ip route append $r dev … proto kernel && ip route del $r dev … proto dhcp; done":                                          "the same route is there by then",
	"ip -4 route show table all dev … proto kernel | grep -e ' via ' -e '^[0-9.]* ' | while read -r r; do ip route append $r dev … proto dhcp || true; ip route del $r dev … proto kernel; done": "the same route is there by then",
	"netplan apply and netplan try would have NetworkManager give %s up, which loses its addresses then: stop comes before them; " +
		"without dom0=bridge they do no harm": "says what not to call",
}

// TestNothingCutsOff has no text in the program, whether it becomes a hint or something
// else that a user reads, with a command that can cut him off. Messages of the kernel
// that are printed as commands (internal/ipcmd) are steps of a plan and do not count.
func TestNothingCutsOff(t *testing.T) {
	used := map[string]bool{}
	texts := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "ipcmd" || d.Name() == "testing" || d.Name() == "tools" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && d.Name() != "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		for _, text := range textsIn(t, path) {
			texts++
			if used[text] = true; harmless[text] == "" && cutting.MatchString(strings.ReplaceAll(text, "would run ifdown", "")) { // says what is not done
				t.Errorf("%s: %q", path, text)
			}
		}
		return nil
	})
	if err != nil || texts < 2000 {
		t.Errorf("%d texts, %v", texts, err)
	}
	for text := range harmless {
		if !used[text] {
			t.Errorf("%q is not there any more", text)
		}
	}
}

// textsIn are the strings of a file; in one that is put together, … stands for what is
// not known here.
func textsIn(t *testing.T, path string) (texts []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		e, isExpr := n.(ast.Expr)
		if !isExpr {
			return true
		}
		text, whole := textOf(e)
		if whole {
			texts = append(texts, text)
		}
		return !whole
	})
	return texts
}

// textOf is a string, or several that are added up.
func textOf(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, okX := textOf(e.X)
		y, okY := textOf(e.Y)
		if !okX {
			x = "…"
		}
		if !okY {
			y = "…"
		}
		return x + y, okX || okY
	}
	return "", false
}

// TestCutting: the words are recognised.
func TestCutting(t *testing.T) {
	for text, want := range map[string]bool{
		"ip link set dev eth0 nomaster": true, "ifdown eth0": true, "ip addr flush dev eth0": true, "ip addr del 192.0.2.1 dev eth0": true,
		"ip link del dev br0": true, "ip link set dev eth0 down": true, "systemctl stop NetworkManager": true,
		"nmcli connection down eth0": true, "netplan apply": true, "brctl delif br0 eth0": true,
		"iptables -w 5 -F FORWARD": true, "nft flush ruleset": true,
		"ip link set dev eth0 up": false, "ip link set dev peth0 name eth0": false, "xbr-script stop netdev=eth0": false,
		"nmcli device set eth0 managed no": false, "systemctl status NetworkManager dbus": false,
		"guests can use vmbr0 as it is (bridge=vmbr0 in their configuration)": false,
	} {
		if got := cutting.MatchString(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
