package antispoof

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"xbr-script/internal/guest"
)

// defaultScripts is where Xen has its scripts.
const defaultScripts = "/etc/xen/scripts"

// vifScript is what the installed vif-bridge does about guests' rules. Its
// function handle_iptable, in vif-common.sh or, before Xen 3.0.3, in
// vif-bridge itself, calls frob_iptable, which calls iptables.
type vifScript struct {
	path     string // the file with the function; "" if there is none
	disabled bool   // it returns at once: Debian's, bug #894013
	appends  bool   // iptables -A
}

var (
	handleIptable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*(function\s+)?handle_iptable\s*(\(\))?\s*\{?\s*$`)
	})
	appendsRule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^[^#\n]*(\b(c|op)=["']?-A|iptables\S*\s+(-w\s+)?["']?-A["']?\s+FORWARD)`)
	})
)

// readScripts looks at the scripts in that directory.
func readScripts(dir string) (vifScript, error) {
	for _, name := range []string{"vif-common.sh", "vif-bridge"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
			continue
		}
		if err != nil {
			return vifScript{}, err
		}
		if at := handleIptable().FindIndex(data); at != nil {
			return vifScript{path, disabled(string(data[at[1]:])), appendsRule().Match(data)}, nil
		}
	}
	return vifScript{}, nil
}

// disabled says whether the first command of a function's body returns.
func disabled(body string) bool {
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if line == "" || line == "{" || strings.HasPrefix(line, "#") {
			continue
		}
		return line == "return" || strings.HasPrefix(line, "return ")
	}
	return false
}

// styleOf is how guests' rules come. Where no script tells, those that are
// there do: the old ones do not say --physdev-is-bridged.
func (v vifScript) styleOf(forward *chain) style {
	switch {
	case v.appends:
		return appended
	case v.path != "":
		return insert
	}
	for _, r := range forward.rules {
		if guest.IsPort(r.value("--physdev-in")) && r.value("-j") == "ACCEPT" && !slices.Contains(r.tokens, "--physdev-is-bridged") {
			return appended
		}
	}
	return insert
}

// guestPorts are the ports of a bridge that are guests'; none if there is no
// bridge.
func guestPorts(b Bridge) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(sysfs, b.Name, "brif"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ports []string
	for _, e := range entries {
		if name := e.Name(); !slices.Contains(b.own(), name) {
			ports = append(ports, name)
		}
	}
	return ports, nil
}

// dark are the guests' ports that no rule of FORWARD lets send.
func dark(b Bridge, forward *chain) ([]string, error) {
	ports, err := guestPorts(b)
	return slices.DeleteFunc(ports, func(port string) bool {
		return slices.ContainsFunc(forward.rules, func(r rule) bool {
			return r.value("--physdev-in") == port && r.value("-j") == "ACCEPT"
		})
	}), err
}
