package udev

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// start and stop are the moves of a NIC, and back.
func start(to string, others ...string) manager.Move {
	nic := &host.Link{Index: 2, Name: "eth0"}
	m := manager.Move{From: nic, NIC: nic, NetDev: "eth0", Port: "peth0", Before: "veth0", To: manager.Interface{Name: to, Index: 9}}
	for _, o := range others {
		m.New = append(m.New, manager.Interface{Name: o})
	}
	return m
}

func stop() manager.Move {
	return manager.Move{
		From: &host.Link{Index: 9, Name: "eth0"}, NIC: &host.Link{Index: 2, Name: "peth0"}, NetDev: "eth0", Port: "peth0", Before: "veth0",
		To: manager.Interface{Name: "eth0", Index: 2},
	}
}

const (
	link  = "/run/systemd/network/0-xbr-script-peth0.link"
	rules = "/run/udev/rules.d/99-xbr-script-peth0.rules"
)

// TestAround plans for hosts as they are.
func TestAround(t *testing.T) {
	was := "[Match]\nOriginalName=peth0 xenbr0\n\n[Link]\n"
	for name, c := range map[string]struct {
		move  manager.Move
		files map[string]string
		want  string // the names in the guards before and after
	}{
		"a pair":                      {start("eth0", "peth0", "vif0.0", "xenbr0"), map[string]string{"/run/udev/control": ""}, "do eth0 peth0 veth0 vif0.0 xenbr0, peth0 veth0 vif0.0 xenbr0"},
		"the bridge has its name":     {start("eth0", "peth0"), map[string]string{"/run/udev/control": ""}, "do eth0 peth0 veth0, peth0 veth0"},
		"the bridge has another name": {start("xenbr0", "peth0"), map[string]string{"/run/udev/io.systemd.Udev": ""}, "do eth0 peth0 veth0 xenbr0, peth0 veth0 xenbr0"},
		"udev does not run":           {start("xenbr0", "peth0"), map[string]string{"/run/udev/data": ""}, ""},
		"a name that is a joy":        {start("xen*", "peth0"), map[string]string{"/run/udev/control": ""}, ""},
		"stop":                        {stop(), map[string]string{link: was, rules: "x"}, "do eth0 peth0 xenbr0, "},
		"stop, and half of it":        {stop(), map[string]string{rules: "x"}, "do eth0, "},
		"stop, and nothing":           {stop(), map[string]string{"/run/udev/control": ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range c.files {
				write(t, root+path, text)
			}
			before, after, err := Manager{Root: root}.Around([]manager.Move{c.move})
			if err != nil {
				t.Fatal(err)
			}
			if got := names(before, after); got != c.want {
				t.Errorf("planned %q, want %q", got, c.want)
			}
		})
	}
}

// names are those that the steps make guards for. Undone, each leads to the guard before it.
func names(before, after []plan.Step) string {
	if len(before) == 0 {
		return ""
	}
	first, last := before[0].Do[0].(*Guard), after[0].Do[0].(*Guard)
	if !reflect.DeepEqual(after[0].Undo[0], before[0].Do[0]) {
		return "undone it is another"
	}
	return "do " + strings.Join(first.Names, " ") + ", " + strings.Join(last.Names, " ")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGuard carries the operation out, and what is printed for it.
func TestGuard(t *testing.T) {
	guard, none := &Guard{"peth0", []string{"peth0", "xenbr0"}}, &Guard{Port: "peth0"}
	for _, how := range []struct {
		name string
		do   func(*testing.T, *Guard)
	}{
		{"carried out", func(t *testing.T, g *Guard) {
			if err := g.Do(t.Context(), false); err != nil {
				t.Error(err)
			}
		}},
		{"printed", func(t *testing.T, g *Guard) {
			commands := g.Commands()
			last := len(commands) - 1
			if commands[0] != "udevadm settle --timeout=5" {
				t.Errorf("begins with %s", commands[0])
			}
			if commands[last] != "udevadm control --reload --timeout=10" {
				t.Errorf("ends with %s", commands[last])
			}
			nstest.Script(t, strings.Join(commands[1:last], "\n"))
		}},
	} {
		t.Run(how.name, func(t *testing.T) {
			nstest.New(t)
			for range 2 {
				how.do(t, guard)
			}
			content := func(path string) string {
				text, _ := os.ReadFile(path)
				return string(text)
			}
			if got := content(link); !strings.Contains(got, "\nOriginalName=peth0 xenbr0\n") {
				t.Errorf("%s: %s", link, got)
			}
			if got := content(rules); got != `SUBSYSTEM=="net", KERNEL=="peth0|xenbr0", NAME="$kernel"`+"\n"+`SUBSYSTEM=="net", KERNEL=="peth0", ENV{NM_UNMANAGED}="1"`+"\n" {
				t.Errorf("%s: %s", rules, got)
			}
			for range 2 {
				how.do(t, none)
			}
			if content(link)+content(rules) != "" {
				t.Error("the files are still there")
			}
		})
	}
	if err := (&Guard{Port: "../x"}).Do(t.Context(), false); err == nil {
		t.Error("a name that is a path was accepted")
	}
}

// TestUdev asks udev itself what it would do to the interfaces, by a .link file and by
// a rule that know the NIC by its MAC address.
func TestUdev(t *testing.T) {
	udevadm, err := exec.LookPath("udevadm")
	if err != nil {
		t.Skip("udev is not installed")
	}
	nstest.New(t)
	nstest.Script(t, "ip link add xenbr0 address 02:00:00:00:00:01 type bridge\nip link add port type veth\nip link set port name peth0 address 02:00:00:00:00:01")
	write(t, "/run/systemd/network/10-netplan-eth0.link", "[Match]\nMACAddress=02:00:00:00:00:01\n[Link]\nName=eth0\nMACAddress=02:00:00:00:00:99\n")
	would := func(name string) string {
		out, _ := exec.Command(udevadm, "test", "--action=add", "/sys/class/net/"+name).CombinedOutput() //nolint:gosec // it is for a test
		return string(out)
	}
	for _, rule := range []string{"", `SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="02:00:00:00:00:01", NAME="eth0"`} {
		write(t, "/run/udev/rules.d/70-persistent-net.rules", rule+"\n")
		for _, name := range []string{"peth0", "xenbr0"} {
			if out := would(name); !strings.Contains(out, "NAME 'eth0'") {
				t.Fatalf("without a guard %s keeps its name:\n%s", name, out)
			}
			_, _ = nstest.Try(t, "ip", "link", "set", "eth0", "name", name, "address", "02:00:00:00:00:01")
			guard := &Guard{"peth0", []string{"peth0", "xenbr0"}}
			if err := guard.Do(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			out := would(name)
			if is := nstest.Run(t, "ip", "-br", "link", "show", name); !strings.Contains(is, "02:00:00:00:00:01") {
				t.Errorf("%s has become %s", name, is)
			}
			if last := out[strings.LastIndex(out, " NAME '"):]; !strings.HasPrefix(last, fmt.Sprintf(" NAME '%s'", name)) || strings.Contains(out, "10-netplan-eth0.link is applied") {
				t.Errorf("%s would be changed:\n%s", name, out)
			}
			if err := (&Guard{Port: "peth0"}).Do(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
	}
}
