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
	"xbr-script/internal/host"
)

// defaultScripts is where Xen has its scripts.
const defaultScripts = "/etc/xen/scripts"

var (
	handleIptable = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*(function\s+)?handle_iptable\s*(\(\))?\s*\{?\s*$`)
	})
	appendsRule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^[^#\n]*(\b(c|op)=["']?-A|iptables\S*\s+(-w\s+)?["']?-A["']?\s+FORWARD)`)
	})
)

// readScripts finds out, from the scripts in that directory, what the installed
// vif-bridge does about guests' rules. Its function handle_iptable, in vif-common.sh
// or, before Xen 3.0.3, in vif-bridge itself, calls frob_iptable, which calls
// iptables.
func readScripts(dir string) (SeenScripts, error) {
	for _, name := range []string{"vif-common.sh", "vif-bridge"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
			continue
		}
		if err != nil {
			return SeenScripts{}, err
		}
		if at := handleIptable().FindIndex(data); at != nil {
			return SeenScripts{path, disabled(string(data[at[1]:])), appendsRule().Match(data)}, nil
		}
	}
	return SeenScripts{}, nil
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

// styleOf is how guests' rules are added. If no script says so, the existing rules
// do: old ones lack --physdev-is-bridged.
func (v SeenScripts) styleOf(forward *chain) style {
	switch {
	case v.Appends:
		return appended
	case v.Path != "":
		return insert
	}
	for _, r := range forward.rules {
		if guest.IsPort(r.value("--physdev-in")) && r.value("-j") == "ACCEPT" && !slices.Contains(r.tokens, "--physdev-is-bridged") {
			return appended
		}
	}
	return insert
}

// guestPorts are a bridge's ports that belong to guests; none if there is no bridge.
func guestPorts(h *host.Host, b Bridge) (ports []string) {
	l := h.Name(b.Name)
	if l == nil {
		return nil
	}
	for _, p := range h.Ports(l.Index) {
		if !slices.Contains(b.own(), p.Name) {
			ports = append(ports, p.Name)
		}
	}
	slices.Sort(ports)
	return ports
}

// dark are the guests' ports from which no rule of FORWARD accepts anything.
func dark(h *host.Host, b Bridge, forward *chain) []string {
	return slices.DeleteFunc(guestPorts(h, b), func(port string) bool {
		return slices.ContainsFunc(forward.rules, func(r rule) bool {
			return r.value("--physdev-in") == port && r.value("-j") == "ACCEPT"
		})
	})
}
