package cloudinit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
)

// aHost is a folder with these files, by their paths.
func aHost(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil { //nolint:gosec // as on a host
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// starting moves dom0's addresses to a bridge, or to a port of its own.
func starting(onBridge bool) manager.Move {
	nic := &host.Link{Index: 2, Name: "eth0"}
	return manager.Move{From: nic, NIC: nic, To: manager.Interface{Name: "eth0", Index: 5}, NetDev: "eth0", Port: "peth0", OnBridge: onBridge}
}

// stopping moves them back.
func stopping() manager.Move {
	m := starting(true)
	m.From = &host.Link{Index: 5, Name: "eth0"}
	m.To = manager.Interface{Name: "eth0", Index: 2}
	return m
}

// said are the titles of steps, and what they print.
func said(steps []plan.Step) string {
	var lines []string
	for _, s := range steps {
		lines = append(lines, s.Title+":")
		for _, op := range s.Do {
			lines = append(lines, op.Commands()...)
		}
	}
	return strings.Join(lines, "\n")
}

const line = "network: {config: disabled} # as long as eth0 is a port (xbr-script)\n"

// TestAround has cloud-init leave the network alone where it is installed and would find the
// port, and as long as there is one.
func TestAround(t *testing.T) {
	const (
		leave = "have cloud-init leave the network alone:\nmkdir -p /run/cloud-init\necho 'network: {config: disabled} # as long as eth0 is a port (xbr-script)' >>/run/cloud-init/cloud.cfg"
		again = "have cloud-init look after the network as before:\n" + `sed -i -E '/# as long as eth0 is a port \(xbr-script\)$/d' /run/cloud-init/cloud.cfg`
	)
	etc := map[string]string{installed: ""}
	for name, c := range map[string]struct {
		move          manager.Move
		files         map[string]string
		before, after string
	}{
		"no cloud-init":           {move: starting(true)},
		"a start":                 {starting(true), etc, leave, ""},
		"a port of dom0's own":    {starting(false), etc, "", ""},
		"a stop":                  {stopping(), map[string]string{installed: "", runtime: "datasource_list: [ None ]\n" + line}, "", again},
		"a stop, without a line":  {stopping(), map[string]string{installed: "", runtime: "network: {config: disabled}\n"}, "", ""},
		"a stop, another's line":  {stopping(), map[string]string{runtime: strings.Replace(line, "eth0", "eth1", 1)}, "", ""},
		"a stop, since then gone": {stopping(), map[string]string{runtime: line}, "", again},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, err := Manager{Root: aHost(t, c.files)}.Around([]manager.Move{c.move})
			if err != nil || said(before) != c.before || said(after) != c.after {
				t.Errorf("%v, before: %s, after: %s", err, said(before), said(after))
			}
		})
	}
}

// TestWarnings says where that is not enough.
func TestWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		move  manager.Move
		files map[string]string
		want  bool
	}{
		"its own":              {starting(true), map[string]string{installed: ""}, false},
		"of the initramfs":     {starting(true), map[string]string{installed: "", "/run/net-eth0.conf": ""}, true},
		"no cloud-init":        {starting(true), map[string]string{"/run/net-eth0.conf": ""}, false},
		"a port of dom0's own": {starting(false), map[string]string{installed: "", "/run/net-eth0.conf": ""}, false},
		"a stop":               {stopping(), map[string]string{installed: "", "/run/net-eth0.conf": ""}, false},
	} {
		texts, err := Manager{Root: aHost(t, c.files)}.Warnings([]manager.Move{c.move})
		if err != nil || (len(texts) == 1) != c.want || c.want && !strings.Contains(texts[0], "may switch peth0 off") {
			t.Errorf("%s: %v, %v", name, err, texts)
		}
	}
}

const own = "datasource_list: [ NoCloud, None ]\n"

// TestLeave writes the line and takes it out; what else is in the file stays as it is.
func TestLeave(t *testing.T) {
	other := strings.Replace(line, "eth0", "eth1", 1)
	for _, c := range []struct{ was, with, without string }{
		{own, own + line, own},
		{"", line, ""},
		{strings.TrimSuffix(own, "\n"), own + line, own},
		{own + other, own + other + line, own + other},
		{line + other, other + line, other},
	} {
		path := aHost(t, map[string]string{runtime: c.was}) + runtime
		l := &Leave{Dev: "eth0"}
		for _, step := range []struct {
			op   *Leave
			want string
		}{{l, c.with}, {l, c.with}, {l.gone(), c.without}, {l.gone(), c.without}} {
			if err := step.op.write(path); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if string(got) != step.want || (err == nil) != (step.want != "") {
				t.Errorf("%q, gone: %v: %q, %v", c.was, step.op.Gone, got, err)
			}
		}
	}
	path := t.TempDir() + runtime
	for _, op := range []*Leave{{Dev: "eth0"}, {Dev: "eth0", Gone: true}} {
		if err := op.write(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("its folder was not there before: %v", err)
	}
	if err := (&Leave{Dev: "a b"}).write(t.TempDir() + "/f"); err == nil {
		t.Error("a name that cannot be told was")
	}
}

// TestCommands has what is printed do the same.
func TestCommands(t *testing.T) {
	path := aHost(t, map[string]string{runtime: own}) + runtime
	l := &Leave{Dev: "eth0"}
	for _, step := range []struct {
		op   *Leave
		want string
	}{{l, own + line}, {l.gone(), own}} {
		text := strings.ReplaceAll(strings.Join(step.op.Commands(), "\n"), filepath.Dir(runtime), filepath.Dir(path))
		if out, err := exec.Command("sh", "-ec", text).CombinedOutput(); err != nil { //nolint:gosec // what is printed
			t.Fatal(err, string(out))
		}
		if got, err := os.ReadFile(path); string(got) != step.want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// TestTold keeps what is nobody's business out of a file that stands for a host.
func TestTold(t *testing.T) {
	if got := told(runtime, "secret: x\n"+line); got != line {
		t.Errorf("%q", got)
	}
}
