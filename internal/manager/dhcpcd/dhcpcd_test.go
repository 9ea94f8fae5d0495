package dhcpcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// files are a host's files with their content. The process 77 is a dhcpcd, the
// process 78 is not, and there is no process 79.
type files map[string]string

func (f files) root(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	all := files{"proc/77/comm": "dhcpcd\n", "proc/78/comm": "sh\n"}
	for name, text := range f {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as on a host
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func move(nic string, leased bool) manager.Move {
	m := manager.Move{
		Undertaking: "start xenbr0", From: &host.Link{Index: 2, Name: nic}, To: manager.Interface{Name: nic},
		NetDev: nic, Port: "p" + nic,
	}
	if leased {
		m.Expiring = []rtnl.Msg{{Type: unix.RTM_NEWADDR, Body: []byte{unix.AF_INET, 24, 0, 0, 2, 0, 0, 0}}}
	}
	return m
}

// TestAround looks for a dhcpcd that looks after eth0, in each place where one keeps
// the number of its process.
func TestAround(t *testing.T) {
	const own, all = "dhcpcd -x eth0; xbr-script start; dhcpcd eth0", "dhcpcd -x; xbr-script start; dhcpcd"
	for name, c := range map[string]struct {
		files  files
		leased bool
		hint   string // the commands; "" if it is not refused
	}{
		"none":                              {files{}, true, ""},
		"of version 9":                      {files{"run/dhcpcd/eth0.pid": "77\n"}, false, own},
		"of version 9, IPv4 alone":          {files{"run/dhcpcd/eth0-4.pid": "77\n"}, false, own},
		"of version 9, IPv6 alone":          {files{"run/dhcpcd/eth0-6.pid": "77\n"}, false, own},
		"of version 8":                      {files{"run/dhcpcd-eth0.pid": "77"}, false, own},
		"of version 8, IPv4 alone":          {files{"run/dhcpcd-eth0-4.pid": "77"}, false, own},
		"of another interface":              {files{"run/dhcpcd/eth1.pid": "77\n", "run/dhcpcd-eth0.1.pid": "77"}, true, ""},
		"it has ended":                      {files{"run/dhcpcd/eth0.pid": "79\n"}, true, ""},
		"it has ended, another has its PID": {files{"run/dhcpcd/eth0.pid": "78\n"}, true, ""},
		"one has ended, one has not":        {files{"run/dhcpcd/eth0.pid": "79\n", "run/dhcpcd/eth0-6.pid": "77\n"}, false, own},
		"no number":                         {files{"run/dhcpcd/eth0.pid": "\n"}, true, ""},
		"a path":                            {files{"run/dhcpcd/eth0.pid": "77/../77\n"}, true, ""},
		"for all, with a lease":             {files{"run/dhcpcd/pid": "77\n"}, true, all},
		"for all of version 8":              {files{"run/dhcpcd.pid": "77\n"}, true, all},
		"for all, but this has no lease":    {files{"run/dhcpcd/pid": "77\n"}, false, ""},
		"for all, and one for this":         {files{"run/dhcpcd/pid": "77\n", "run/dhcpcd/eth0.pid": "77\n"}, true, own},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Call: "xbr-script start", Root: c.files.root(t)}
			before, after, err := m.Around([]manager.Move{move("eth0", c.leased)})
			if len(before)+len(after) > 0 {
				t.Errorf("steps: %v, %v", before, after)
			}
			switch {
			case c.hint == "" && err != nil:
				t.Error(err)
			case c.hint == "":
			case err == nil || err.Error() != "cannot start xenbr0: dhcpcd looks after eth0, and would let its lease run out" ||
				!strings.HasSuffix(refusal.Text(err), "\n  "+c.hint+"\n"):
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAll refuses each move that it has to, and no other.
func TestAll(t *testing.T) {
	m := Manager{Call: "xbr-script start", Root: files{"run/dhcpcd/eth0.pid": "77", "run/dhcpcd/eth2.pid": "77"}.root(t)}
	gone := move("eth2", false)
	gone.From = nil
	_, _, err := m.Around([]manager.Move{move("eth0", false), move("eth1", false), move("eth2", false), gone})
	text := refusal.Text(err)
	if strings.Count(text, "xbr-script: cannot") != 2 || !strings.Contains(text, "after eth0,") || !strings.Contains(text, "after eth2,") {
		t.Error(text)
	}
}

// TestUnknown does not take a file that cannot be read for one that is not there.
func TestUnknown(t *testing.T) {
	for _, name := range []string{"run/dhcpcd/eth0.pid/x", "run/dhcpcd/eth0-6.pid/x"} {
		m := Manager{Root: files{name: ""}.root(t)}
		if _, _, err := m.Around([]manager.Move{move("eth0", false)}); err == nil || !strings.Contains(err.Error(), "is a directory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
