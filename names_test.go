package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"xbr-script/internal/testing/nstest"
)

// hostile are interface names that the kernel accepts: commands, options,
// escape sequences, bytes that are not UTF-8.
var hostile = []string{
	"$(id>pwned)", "`id>pwned`", ";id>pwned;", "|id>pwned", "\"$(id>pwned)", "'`id>pwned`'", "#id>pwned", "&id>pwned&",
	"-x", "--help", "é", "漢字", "fifteen-bytes-x", `\c`, "*", "~root", "a=b", "!", "<x>", "con#1",
	"\x1b[31m", "\x9b31m", "\xff", "a\xc3", "\x1b]0;x\a", "\x01\x7f", "\u202eb", "..x",
}

// someHostile are these names, or in a short run some of them.
func someHostile() []string {
	if testing.Short() {
		return []string{"$(id>pwned)", "'`id>pwned`'", "-x", "漢字", "\x1b[31m", "\xff"}
	}
	return hostile
}

// someShapes are both shapes, or in a short run one.
func someShapes() []string {
	shapes := []string{"veth", "bridge"}
	if testing.Short() {
		return shapes[:1]
	}
	return shapes
}

// quietly fails the test if text contains anything but printable characters.
func quietly(t *testing.T, what, text string) {
	t.Helper()
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) || r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%s: %q", what, text)
			return
		}
	}
}

// harmless fails the test if a shell has run what a name contains.
func harmless(t *testing.T, what string) {
	t.Helper()
	if _, err := os.Stat("pwned"); err == nil {
		t.Errorf("%s: a command in a name was run", what)
		_ = os.Remove("pwned")
	}
}

// say runs the program, which has to end with one of these statuses, and
// returns what it printed, which must be fit for a terminal.
func say(t *testing.T, line string, want ...int) string {
	t.Helper()
	status, out := run(t, line)
	if len(want) == 0 {
		want = []int{0}
	}
	if status != want[0] && (len(want) < 2 || status != want[1]) {
		t.Fatalf("%s: exit status %d\n%s", line, status, out)
	}
	quietly(t, line, out)
	harmless(t, line)
	return out
}

// runScript lets a shell run a script that the program has printed.
func runScript(t *testing.T, script string) {
	t.Helper()
	out, err := exec.Command("sh", "-e", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script)
	}
	harmless(t, script)
}

// ip runs ip(8), so that no shell has to quote its words.
func ip(t *testing.T, args ...string) {
	t.Helper()
	nstest.Run(t, "ip", args...)
}

// TestHostilePorts has guests' ports with such names.
func TestHostilePorts(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, shape := range []string{"veth", "bridge"} {
		line := " netdev=eth0 bridge=xenbr0 check=no dom0=" + shape
		t.Run(shape, func(t *testing.T) {
			nstest.New(t)
			nstest.Script(t, dom0)
			nstest.Rest(t)
			down := readNetwork(t)
			say(t, "start"+line)
			for i, name := range someHostile() {
				n := fmt.Sprint(i)
				ip(t, "link", "add", "h"+n, "type", "veth", "peer", "name", "hp"+n)
				nstest.Script(t, "for h in h"+n+" hp"+n+"; do sysctl -qw net/ipv6/conf/$h/disable_ipv6=1; done")
				ip(t, "link", "set", "h"+n, "master", "xenbr0")
				ip(t, "link", "set", "dev", "h"+n, "name", name)
				ip(t, "link", "set", "dev", name, "up")
				ip(t, "link", "set", "dev", name, "alias", "\x1b[2J $(id>pwned)\n"+name)
			}
			nstest.Rest(t)
			if out := say(t, "status"+line); !strings.Contains(out, "漢字") || !strings.Contains(out, `\u001b[31m`) || !strings.Contains(out, `\xff`) {
				t.Errorf("status: %s", out)
			}
			var parsed any
			if err := json.Unmarshal([]byte(say(t, "status --json"+line)), &parsed); err != nil {
				t.Error(err)
			}
			ports := func() int { return strings.Count(nstest.Run(t, "ip", "-o", "link", "show", "master", "xenbr0"), "\n") }
			had := ports()
			say(t, "stop"+line)
			say(t, "start"+line)
			if now := ports(); now != had {
				t.Errorf("of %d ports %d came back", had, now)
			}
			runScript(t, say(t, "-n stop"+line))
			if out := nstest.Run(t, "ip", "-o", "link", "show", "type", "veth"); strings.Contains(out, " master ") {
				t.Errorf("ports are left: %s", out)
			}
			for i := range someHostile() {
				ip(t, "link", "del", fmt.Sprintf("hp%d", i))
			}
			if d, _ := differs(t, down); d != "" {
				t.Error(d)
			}
			_ = os.RemoveAll("/run/xbr-script")
		})
	}
}

// TestHostileDefault has the default route over an interface with such a name.
func TestHostileDefault(t *testing.T) {
	nstest.New(t)
	t.Chdir(t.TempDir()) // after New: the thread has a working directory of its own by then, and only that is set back
	nstest.Script(t, dom0)
	nstest.Rest(t)
	was := "eth0"
	works := 0
	for _, name := range someHostile() {
		ip(t, "link", "set", "dev", was, "name", name)
		was = name
		nstest.Rest(t)
		before := readNetwork(t)
		for _, shape := range someShapes() {
			line := " check=no dom0=" + shape
			say(t, "status"+line, 3, 1)
			script := say(t, "-n start"+line, 0, 1)
			status, out := run(t, "start"+line)
			quietly(t, name, out)
			if status == 0 {
				works++
				after := readNetwork(t)
				say(t, "status", 0)
				say(t, "-v stop")
				runScript(t, script)
				if d, _ := differs(t, after); d != "" {
					t.Errorf("%q, by the script: %s", name, d)
				}
				say(t, "stop"+line)
			} else if status != 1 || !strings.Contains(out, "cannot use the name") && !strings.Contains(out, "at most 15 bytes") {
				t.Errorf("%q: status %d, %s", name, status, out)
			}
			if d, _ := differs(t, before); d != "" {
				t.Errorf("%q: %s", name, d)
			}
			harmless(t, name)
		}
	}
	t.Logf("%d of %d names × %d shapes work", works, len(someHostile()), len(someShapes()))
	if works == 0 {
		t.Error("none works, not even é")
	}
}

// TestHostileTexts has an alias and alternative names that are not text. They
// survive start, stop, and a way back through the journal.
func TestHostileTexts(t *testing.T) {
	nstest.New(t)
	t.Chdir(t.TempDir()) // after New: the thread has a working directory of its own by then, and only that is set back
	nstest.Script(t, dom0)
	ip(t, "link", "set", "dev", "eth0", "alias", "a\x1b[31m\n$(id>pwned) \xff'\"")
	for _, name := range []string{"alt\xff\x1b[1m", "$(id>pwned)", "é'\"", "a\x9b"} {
		ip(t, "link", "property", "add", "dev", "eth0", "altname", name)
	}
	nstest.Rest(t)
	before := readNetwork(t)
	for _, shape := range someShapes() {
		line := " netdev=eth0 check=no dom0=" + shape
		say(t, "start"+line)
		nstest.Rest(t)
		up := readNetwork(t)
		say(t, "status")
		say(t, "-v stop")
		if d, _ := differs(t, before); d != "" {
			t.Errorf("%s: stop: %s", shape, d)
		}
		say(t, "start confirm=600"+line)
		say(t, "-n recover")
		say(t, "-v recover")
		if d, _ := differs(t, before); d != "" {
			t.Errorf("%s: recover: %s", shape, d)
		}
		runScript(t, say(t, "-n start"+line))
		if d, _ := differs(t, up); d != "" {
			t.Errorf("%s: by the script: %s", shape, d)
		}
		runScript(t, say(t, "-n stop"+line))
		if d, _ := differs(t, before); d != "" {
			t.Errorf("%s: stop by the script: %s", shape, d)
		}
	}
}

// TestHostileComments has rules with such comments, among others' rules and in
// one of our chains.
func TestHostileComments(t *testing.T) {
	t.Chdir(t.TempDir())
	backends := nstest.IPTablesBackends
	if testing.Short() {
		backends = backends[:1]
	}
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			nstest.New(t)
			nstest.IPTables(t, backend)
			nstest.Script(t, dom0)
			comments := []string{"$(id>pwned)", "`id>pwned`", `it's "quoted"`, "a\nCOMMIT\n*raw\n-A PREROUTING -j DROP", "\x1b[31m", `\`, "\xff", "!"}
			const line = " netdev=eth0 check=no antispoof=yes"
			say(t, "start"+line)
			say(t, "stop"+line)
			for _, c := range comments {
				nstest.Run(t, "iptables", "-A", "FORWARD", "-s", "192.0.2.1", "-m", "comment", "--comment", c, "-j", "DROP")
			}
			nstest.Rest(t)
			before := readNetwork(t)
			say(t, "start"+line)
			nstest.Rest(t)
			up := readNetwork(t)
			for _, c := range comments {
				nstest.Run(t, "iptables", "-A", "XBR-xenbr0", "-s", "192.0.2.1", "-m", "comment", "--comment", c, "-j", "DROP")
			}
			say(t, "status", 4)
			runScript(t, say(t, "-n start"+line))
			if d, _ := differs(t, up); d != "" {
				t.Errorf("mended by the script: %s", d)
			}
			for _, c := range comments {
				nstest.Run(t, "iptables", "-A", "XBR-xenbr0", "-s", "192.0.2.1", "-m", "comment", "--comment", c, "-j", "DROP")
			}
			say(t, "-v start"+line)
			if d, _ := differs(t, up); d != "" {
				t.Errorf("mended: %s", d)
			}
			say(t, "stop"+line)
			if d, _ := differs(t, before); d != "" {
				t.Errorf("stop: %s", d)
			}
		})
	}
}
