package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
	"xbr-script/internal/testing/xenstored"
	"xbr-script/internal/vif"
)

// hotplugCase is what Xen's tools call, one after another, and what xenstore says. Each
// call is a command and the port; an emulated device's port is INTERFACE.
type hotplugCase struct {
	name   string
	store  map[string]string // below backend/vif/1/0
	before string            // of a shell
	calls  []string
	short  bool // it is tried every day
	// told says that xenstore may have more with ours: vif-bridge ends without a word.
	told bool
}

var hotplugCases = []hotplugCase{
	{name: "plain", store: map[string]string{"bridge": "xenbr0"}, calls: []string{"online vif1.0", "offline vif1.0"}},
	{name: "addresses", short: true, store: map[string]string{"bridge": "xenbr0", "ip": "10.0.0.11 10.9.0.0/16"}, calls: []string{"online vif1.0", "offline vif1.0"}},
	{name: "name and MTU", store: map[string]string{"bridge": "xenbr0", "vifname": "web", "mtu": "1400"}, calls: []string{"online vif1.0", "offline vif1.0"}},
	{name: "the bridge's MTU", store: map[string]string{"bridge": "xenbr0"}, before: "ip link set xenbr0 mtu 1300; ip addr add 10.1.1.1/24 dev vif1.0; ip link set vif1.0 up", calls: []string{"online vif1.0"}},
	{name: "emulated", store: map[string]string{"bridge": "xenbr0", "ip": "10.0.0.11"}, calls: []string{"online vif1.0", "add vif1.0-emu", "offline vif1.0", "remove vif1.0-emu"}},
	{name: "emulated, with a name", short: true, store: map[string]string{"bridge": "xenbr0", "vifname": "web", "mtu": "1400"}, calls: []string{"online vif1.0", "add vif1.0-emu", "remove vif1.0-emu", "offline vif1.0"}},
	{name: "of the other kind", store: map[string]string{"bridge": "xenbr0"}, calls: []string{"add vif1.0 type_if=vif", "remove vif1.0 type_if=vif", "online vif1.0-emu", "offline vif1.0-emu"}},
	{name: "no bridge named", calls: []string{"online vif1.0", "offline vif1.0"}},
	{name: "in script=", calls: []string{"online vif1.0 bridge=xenbr0 ip=10.0.0.12"}},
	{name: "the bridge's new name", store: map[string]string{"bridge": "xenbr9"}, before: "ip link add eth9 type bridge", calls: []string{"online vif1.0", "offline vif1.0"}},
	{name: "no such bridge", short: true, store: map[string]string{"bridge": "xenbr7"}, calls: []string{"online vif1.0"}},
	{name: "no such port", store: map[string]string{"bridge": "xenbr0"}, calls: []string{"online vif9.0"}, told: true},
	{name: "the name is taken", store: map[string]string{"bridge": "xenbr0", "vifname": "web"}, before: "ip link add web address 00:16:3e:00:00:08 type bridge", calls: []string{"online vif1.0"}},
	{name: "no command", calls: []string{"up vif1.0"}},
}

// TestHotplug compares what vif-xbr does with what Xen's own vif-bridge does by the same
// calls: ports, their settings, rules, what xenstore has then, and the exit status.
func TestHotplug(t *testing.T) {
	if os.Geteuid() != 0 {
		nstest.New(t) // skips or fails
	}
	scripts := nstest.XenScripts(t)
	t.Run("the hook of antispoof=strict", func(t *testing.T) { hooked(t, scripts) })
	for _, rules := range []string{"rules", "as Debian has it"} {
		for _, c := range hotplugCases {
			if rules != "rules" && c.name != "addresses" || testing.Short() && !c.short {
				continue
			}
			t.Run(c.name+", "+rules, func(t *testing.T) {
				t.Parallel()
				var theirs, ours string
				t.Run("vif-bridge", func(t *testing.T) {
					theirs = newHotplug(t, scripts, rules == "rules").all(c, "/etc/xen/scripts/vif-bridge")
				})
				t.Run(vif.Script, func(t *testing.T) { ours = newHotplug(t, scripts, rules == "rules").all(c, vif.Script) })
				if c.told {
					ours = regexp.MustCompile(`(?m)^.*/hotplug-(error|status error)\n`).ReplaceAllString(ours, "")
				}
				// With vifname= vif-bridge takes the name for the numbers.
				theirs = strings.ReplaceAll(theirs, "/domain/web/device/vif/web/", "/domain/1/device/vif/0/")
				if theirs != ours {
					t.Errorf("vif-bridge:\n%s\n%s:\n%s", theirs, vif.Script, ours)
				}
			})
		}
	}
}

// hotplugs is a dom0 with a bridge, and two ports of a guest that are to join it.
type hotplugs struct {
	*testing.T
	store string // the folder of xenstore's files
}

func newHotplug(t *testing.T, scripts string, rules bool) *hotplugs {
	t.Helper()
	h := &hotplugs{t, t.TempDir()}
	nstest.New(t)
	nstest.IPTables(t, "nft")
	nstest.Script(t, nstest.OwnEtcXen+`
		mount -t tmpfs none /var/log
		mkdir -p /var/log/xen /run/bin
		cp -a `+scripts+`/. /etc/xen/scripts
		ip link add xenbr0 address 00:16:3e:00:00:01 type bridge
		ip link set xenbr0 up
		for p in vif1.0 vif1.0-emu; do ip link add $p address 00:16:3e:00:00:09 type veth peer name g$p; ip link set g$p up; done`)
	if rules {
		nstest.Script(t, "sed -i '/^  return 0$/d' /etc/xen/scripts/vif-common.sh")
	}
	for name, text := range map[string]string{
		"xenstore-read":  `f=$1; case $f in /*) ;; *) f=/local/domain/0/$f ;; esac; test -e "DIR$f" && cat "DIR$f"`,
		"xenstore-write": `while [ $# -gt 1 ]; do f=$1; case $f in /*) ;; *) f=/local/domain/0/$f ;; esac; mkdir -p "DIR${f%/*}"; printf %s "$2" >"DIR$f"; shift 2; done`,
		"logger":         "",
	} {
		if err := os.WriteFile("/run/bin/"+name, []byte("#!/bin/sh\n"+strings.ReplaceAll(text, "DIR", h.store)), 0o755); err != nil {
			t.Fatal(err)
		}
		nstest.Script(t, fmt.Sprintf("if test -e /usr/bin/%[1]s; then mount --bind /run/bin/%[1]s /usr/bin/%[1]s; fi", name))
	}
	xenstored.Start(t, h.store)
	return h
}

// all makes all calls, and returns how things are after each.
func (h *hotplugs) all(c hotplugCase, script string) string {
	h.Helper()
	for name, value := range c.store {
		h.tell("backend/vif/1/0/"+name, value)
	}
	if c.before != "" {
		nstest.Script(h, c.before)
	}
	var text strings.Builder
	for _, call := range c.calls {
		fmt.Fprintf(&text, "== %s: %v\n%s", call, h.call(script, call), h.state())
	}
	return text.String()
}

// tell writes into xenstore.
func (h *hotplugs) tell(path, value string) {
	h.Helper()
	file := h.store + "/local/domain/0/" + path
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value), 0o644)); err != nil {
		h.Fatal(err)
	}
}

// call calls a script as libxl does, and returns its exit status.
func (h *hotplugs) call(script, call string) int {
	h.Helper()
	words := strings.Fields(call)
	command, port, more := words[0], words[1], words[2:]
	kind := "type_if=vif"
	env := append(os.Environ(), "PATH="+os.Getenv("PATH")+":/run/bin", "script="+script, "XENBUS_TYPE=vif", "XENBUS_BASE_PATH=backend",
		"XENBUS_PATH=backend/vif/1/0", "vif="+strings.TrimSuffix(port, "-emu"), "INTERFACE="+port)
	if strings.HasSuffix(port, "-emu") {
		kind = "type_if=tap"
	}
	cmd := exec.Command(script)
	if script == vif.Script {
		self, err := os.Executable()
		if err != nil {
			h.Fatal(err)
		}
		cmd = &exec.Cmd{Path: self, Args: []string{script}}
	}
	args := []string{command, kind}
	for _, word := range more {
		switch name, _, _ := strings.Cut(word, "="); name {
		case "type_if":
			args = []string{command, word}
		default:
			args = append(args, word)
		}
	}
	cmd.Args, cmd.Env, cmd.Dir = append(cmd.Args, args...), env, "/"
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		h.Fatalf("%s: %v\n%s", call, err, out)
	}
	return 0
}

// state is everything that such a script changes. How it words an error does not matter.
func (h *hotplugs) state() string {
	h.Helper()
	return nstest.Script(h, `
		ip -o link show | sed 's/^[0-9]*: //; s/ state [A-Z]*//; s/,*LOWER_UP//; s/NO-CARRIER,//; s/,M-DOWN//' | grep -v '^g\|^lo' | sort
		ip -o -4 addr show | sed 's/^[0-9]*: //' | grep -v '^lo' || :
		for p in iptables ip6tables; do $p-save | grep '^-A' | sort -u; done || :
		cd `+h.store+` && find . -type f | sort | while read -r f; do case $f in *hotplug-error) echo "$f" ;; *) echo "$f $(cat "$f")" ;; esac; done`)
}

// stockHook is the hook of docs/antispoof.md by which Xen's own script has guests admitted.
const stockHook = `/etc/xen/scripts/vif-xbr "$command" type_if="$type_if"`

// hooked has Xen's own vif-bridge admit guests by the hook, before it tells the toolstack
// that the port is where it belongs, and fail where the guest cannot be admitted.
func hooked(t *testing.T, scripts string) {
	t.Parallel()
	if text, err := os.ReadFile("docs/antispoof.md"); err != nil || !strings.Contains(string(text), stockHook) {
		t.Errorf("docs/antispoof.md has another hook: %v", err)
	}
	h := newHotplug(t, scripts, false)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	nstest.Script(t, `
		mkdir -p /etc/xen/scripts/vif-post.d
		ln -sfn `+self+` /etc/xen/scripts/vif-xbr
		ip link add eth0 address 00:16:3e:00:00:02 type veth peer name lan
		ip link set lan up; ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0`)
	if err := os.WriteFile("/etc/xen/scripts/vif-post.d/xbr-script.hook", []byte(stockHook+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	start := &exec.Cmd{Path: self, Args: []string{"xbr-script", "start", "netdev=eth0", "bridge=xenbr0", "antispoof=strict"}}
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const bridge = "/etc/xen/scripts/vif-bridge"
	admitted := func(port string) bool {
		return strings.Contains(nstest.Script(t, "nft list map bridge xbr-xenbr0 ports"), `"`+port+`"`)
	}
	for name, value := range map[string]string{"bridge": "xenbr0", "mac": "00:16:3e:00:00:11", "ip": "10.0.0.11", "vifname": "web"} {
		h.tell("backend/vif/1/0/"+name, value)
	}
	for _, c := range []struct {
		call, ip, port string
		exit           int
		admitted       bool
	}{
		{"online vif1.0", "10.0.0.11", "web", 0, true},
		{"add vif1.0-emu", "10.0.0.11", "web-emu", 0, true},
		{"remove vif1.0-emu", "10.0.0.11", "web-emu", 0, false},
		{"offline vif1.0", "10.0.0.11", "web", 0, false},
		{"online vif1.0", "ten", "web", 1, false},
	} {
		h.tell("backend/vif/1/0/ip", c.ip)
		if exit := h.call(bridge, c.call); exit != c.exit || admitted(c.port) != c.admitted {
			t.Errorf("%s with ip=%s ended with %d; admitted: %t\n%s", c.call, c.ip, exit, !c.admitted, h.state())
		}
	}
	if now := h.state(); !strings.Contains(now, "hotplug-status error") {
		t.Errorf("the toolstack is not told:\n%s", now)
	}
}
