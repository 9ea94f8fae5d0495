package dhcpcd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/rtnl"
)

// files are a host's files with their content. The process 77 is a dhcpcd, as is 76,
// which has ended, and 75 in another network namespace; 78 is none, and there is no 79.
type files map[string]string

func (f files) root(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	all := files{
		"proc/77/comm": "dhcpcd\n", "proc/77/cmdline": "/sbin/dhcpcd\x00-b\x00eth0\x00", "proc/77/stat": "77 (dhcpcd) S 1",
		"proc/77/cgroup": "1:name=systemd:/x\n0::/system.slice/ifup@eth0.service\n",
		"proc/76/comm":   "dhcpcd\n", "proc/76/stat": "76 (dhcpcd) Z 1", "proc/75/comm": "dhcpcd\n", "proc/78/comm": "sh\n",
	}
	for name, text := range f {
		all[name] = text
	}
	for name, text := range all {
		write := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(write), 0o755); err != nil { //nolint:gosec // as on a host
			t.Fatal(err)
		}
		if err := os.WriteFile(write, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for at, to := range map[string]string{
		"thread-self/ns/net": "net:[1]", "77/ns/net": "net:[1]", "76/ns/net": "net:[1]", "75/ns/net": "net:[2]", "78/ns/net": "net:[1]",
		"77/exe": "/usr/sbin/dhcpcd (deleted)",
	} {
		at = dir + "/proc/" + at
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil { //nolint:gosec // as on a host
			t.Fatal(err)
		}
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lease is an address that expires.
var lease = []rtnl.Msg{{Type: unix.RTM_NEWADDR, Body: []byte{unix.AF_INET, 24, 0, 0, 2, 0, 0, 0}}}

var lease6 = []rtnl.Msg{{Type: unix.RTM_NEWADDR, Body: []byte{unix.AF_INET6, 64, 0, 0, 2, 0, 0, 0}}}

// TestFinds looks for a dhcpcd that looks after eth0, in each place where one keeps
// the number of its process.
func TestFinds(t *testing.T) {
	for name, c := range map[string]struct {
		files files
		found string // the files of those that are found
	}{
		"none":                              {files{}, ""},
		"of version 9":                      {files{"run/dhcpcd/eth0.pid": "77\n"}, "/run/dhcpcd/eth0.pid"},
		"of version 9, IPv4 alone":          {files{"run/dhcpcd/eth0-4.pid": "77\n"}, "/run/dhcpcd/eth0-4.pid"},
		"of version 9, IPv6 alone":          {files{"run/dhcpcd/eth0-6.pid": "77\n"}, "/run/dhcpcd/eth0-6.pid"},
		"of version 8":                      {files{"run/dhcpcd-eth0.pid": "77"}, "/run/dhcpcd-eth0.pid"},
		"of version 8, IPv4 alone":          {files{"run/dhcpcd-eth0-4.pid": "77"}, "/run/dhcpcd-eth0-4.pid"},
		"of another interface":              {files{"run/dhcpcd/eth1.pid": "77\n", "run/dhcpcd-eth0.1.pid": "77"}, ""},
		"it has ended":                      {files{"run/dhcpcd/eth0.pid": "79\n"}, ""},
		"it has ended, and nobody cares":    {files{"run/dhcpcd/eth0.pid": "76\n"}, ""},
		"it has ended, another has its PID": {files{"run/dhcpcd/eth0.pid": "78\n"}, ""},
		"elsewhere":                         {files{"run/dhcpcd/eth0.pid": "75\n"}, ""},
		"one has ended, one has not":        {files{"run/dhcpcd/eth0.pid": "79\n", "run/dhcpcd/eth0-6.pid": "77\n"}, "/run/dhcpcd/eth0-6.pid"},
		"no number":                         {files{"run/dhcpcd/eth0.pid": "\n"}, ""},
		"a path":                            {files{"run/dhcpcd/eth0.pid": "77/../77\n"}, ""},
		"for all":                           {files{"run/dhcpcd/pid": "77\n"}, "/run/dhcpcd/pid"},
		"for all of version 8":              {files{"run/dhcpcd.pid": "77\n"}, "/run/dhcpcd.pid"},
		"for all, and one for this":         {files{"run/dhcpcd/pid": "77\n", "run/dhcpcd/eth0.pid": "77\n"}, "/run/dhcpcd/pid /run/dhcpcd/eth0.pid"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Root: c.files.root(t), UnitOf: func(int, string) (string, error) { return "x.service", nil }}
			before, after, err := m.Around([]manager.Move{move(false)})
			if err != nil || len(before) != len(after) {
				t.Fatal(err)
			}
			var found []string
			for i, s := range before {
				end, ok := s.Do[0].(*End)
				// They are run in the order in which they are run by the way back.
				if !ok || *end != *after[len(after)-1-i].Undo[0].(*End) || end.Unit != "x.service" {
					t.Errorf("%+v", s)
				}
				found = append(found, end.PIDFile)
				run := s.Undo[0].(*Run)
				if run.Path != "/usr/sbin/dhcpcd" || !slices.Equal(run.Args, []string{"/usr/sbin/dhcpcd", "-b", "eth0"}) || run.Cgroup != "/system.slice/ifup@eth0.service" || run.Denies {
					t.Errorf("%+v", run)
				}
			}
			if strings.Join(found, " ") != c.found {
				t.Errorf("found: %q", found)
			}
			if keeps, err := m.Keeps(move(false)); err != nil || keeps != (c.found != "") {
				t.Errorf("keeps: %t, %v", keeps, err)
			}
		})
	}
}

// TestRefuses refuses what dhcpcd would not go on with, and nothing else.
func TestRefuses(t *testing.T) {
	const one, all = "run/dhcpcd/eth0.pid", "run/dhcpcd/pid"
	otherName := func(m *manager.Move) { m.To.Name, m.OnBridge = "xenbr0", true }
	bridge := func(m *manager.Move) { m.OnBridge = true }
	leased := func(change func(*manager.Move)) func(*manager.Move) {
		return func(m *manager.Move) { m.Expiring = lease; change(m) }
	}
	for name, c := range map[string]struct {
		file    string
		change  func(*manager.Move)
		refused string
		words   string
		conf    string
	}{
		"one":                                 {one, func(*manager.Move) {}, "", "", ""},
		"one, the bridge":                     {one, bridge, "", "", ""},
		"one, a bridge of another name":       {one, otherName, "dhcpcd looks after eth0 by that name, which no interface has then", "", ""},
		"all":                                 {all, leased(func(*manager.Move) {}), "", "", ""},
		"all, the bridge":                     {all, leased(bridge), "dhcpcd looks after all interfaces, but for bridges", "", ""},
		"all, the bridge, no lease":           {all, bridge, "", "", ""},
		"all, the bridge, no address yet":     {all, func(m *manager.Move) { m.Bare, m.OnBridge = true, true }, "dhcpcd looks after all interfaces, but for bridges", "", ""},
		"all, a bridge of another name":       {all, leased(otherName), "dhcpcd looks after eth0 by that name, which no interface has then", "", ""},
		"none":                                {"run/x", otherName, "", "", ""},
		"one, and the interface is not there": {one, func(m *manager.Move) { m.From = nil }, "", "", ""},
		"all, the bridge, IPv6 from routers":  {all, func(m *manager.Move) { m.Expiring, m.OnBridge = lease6, true }, "dhcpcd looks after all interfaces, but for bridges", "", ""},
		"all, the bridge, which has a block":  {all, leased(bridge), "", "", "interface eth1\ninterface eth0\nstatic ip_address=192.0.2.1/24"},
		"all, the bridge, which is allowed":   {all, leased(bridge), "", "", "allowinterfaces eth*"},
		"all, the bridge, which is named":     {all, leased(bridge), "", "eth1\x00eth0\x00", ""},
		"all but this, the bridge":            {all, leased(bridge), "", "-Z\x00eth0\x00", ""},
		"others, a bridge of another name":    {all, leased(otherName), "", "-bq\x00eth1\x00eth2\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := move(false)
			c.change(&m)
			root := files{c.file: "77", "proc/77/cmdline": "dhcpcd\x00" + c.words, "etc/dhcpcd.conf": c.conf}.root(t)
			before, _, err := Manager{Root: root}.Around([]manager.Move{m})
			if (err == nil) != (c.refused == "") || err != nil && err.Error() != "cannot start xenbr0: "+c.refused {
				t.Error(err)
			}
			if err != nil && len(before) > 0 {
				t.Errorf("steps: %v", before)
			}
		})
	}
}

// TestSupervised refuses one that somebody would start again at once.
func TestSupervised(t *testing.T) {
	for parent, want := range map[string]string{"init": "", "sh": "", "runsv": "runsv", "supervise-daemo": "supervise-daemo"} {
		_, _, err := Manager{Root: files{"run/dhcpcd/eth0.pid": "77", "proc/77/stat": "77 (dhcpcd) S 70 1", "proc/70/comm": parent + "\n"}.root(t)}.Around([]manager.Move{move(false)})
		if (err == nil) != (want == "") || err != nil && err.Error() != "cannot start xenbr0: "+want+" would start dhcpcd (pid 77) again amid the change" {
			t.Errorf("%s: %v", parent, err)
		}
	}
}

// TestLeases finds a lease of an interface in dhcpcd's folder.
func TestLeases(t *testing.T) {
	root := files{"var/lib/dhcpcd/eth0.lease": "x", "var/lib/dhcpcd/eth1-home.lease6": "x"}.root(t)
	other := move(false)
	other.From = &host.Link{Index: 3, Name: "eth1"}
	if !expires(move(false), root) || expires(other, root) {
		t.Error("eth0 has one, and eth1 has none")
	}
}

// TestDenied joins and takes back the arguments of several NICs.
func TestDenied(t *testing.T) {
	first, second := move(false), move(false)
	second.Port, second.New = "peth1", []manager.Interface{{Name: "peth1"}, {Name: "vif0.1"}}
	second.Bridge = &host.Link{Name: "there"}
	const one, other = "--denyinterfaces=xbr-script@peth0,peth0,vif0.0,xenbr0,vif*", "--denyinterfaces=xbr-script@peth1,peth1,there,vif0.1,vif*"
	args := []string{"dhcpcd", "-b", "-Z", "eth9"}
	both := withDenied(args, []manager.Move{first, second})
	if want := []string{"dhcpcd", other, one, "-b", "-Z", "eth9"}; !slices.Equal(both, want) {
		t.Errorf("%q", both)
	}
	if again := withDenied(withDenied(args, []manager.Move{first}), []manager.Move{first, second}); !slices.Equal(again, both) {
		t.Errorf("twice: %q", again)
	}
	first.New, second.New = nil, nil
	if is := withDenied(both, []manager.Move{first}); !slices.Equal(is, []string{"dhcpcd", other, "-b", "-Z", "eth9"}) {
		t.Errorf("without the first: %q", is)
	}
	if is := withDenied(both, []manager.Move{first, second}); !slices.Equal(is, args) {
		t.Errorf("without both: %q", is)
	}
}

// TestUnknown does not take a file that cannot be read for one that is not there.
func TestUnknown(t *testing.T) {
	for _, name := range []string{"run/dhcpcd/eth0.pid/x", "run/dhcpcd/eth0-6.pid/x"} {
		m := Manager{Root: files{name: ""}.root(t)}
		if _, _, err := m.Around([]manager.Move{move(false)}); err == nil || !strings.Contains(err.Error(), "is a directory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
