package main

import (
	"embed"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// An upgrade replaces the binary while the network is up: what the former
// version has left in /run is all that the new one knows. With XBR_TEST_FORMER,
// the path of a former binary, these tests start with that and stop with this
// one (make test-upgrade); without it, records that it has left replace our
// own.

// recordsDir is where records are.
const recordsDir = "/run/xbr-script"

// upgrade is a network that one version starts and another stops.
type upgrade struct {
	name   string
	script string // what exists before start, besides dom0
	start  string // the words
	kept   bool   // testdata/upgrade/NAME has the former version's records of it
}

// upgrades are of both shapes. Those with kept records use nothing that another
// kernel may lack.
var upgrades = []upgrade{
	{"veth", aBridge, " vifnum=0 netdev=eth0 antispoof=yes ip_forward=1 check=no", true},
	{"bridge", "", " netdev=eth0 dom0=bridge antispoof=yes guests=allow ip_forward=1 check=no", true},
	{"pair", "ip link add veth0 address 00:16:3e:00:00:09 type veth peer name vif0.0 address 00:16:3e:00:00:0a",
		" vifnum=0 netdev=eth0 antispoof=yes check=no --next netdev=eth1 check=no", false},
	{"found", aBridge + "\nip link set xenbr0 up alias \"the admin's\"", " netdev=eth0 bridge=xenbr0 dom0=bridge check=no", false},
}

// aBridge is the admin's own bridge, which stop has to leave as it was.
const aBridge = "ip link add xenbr0 index 200 address 00:16:3e:00:00:08 type bridge stp_state 1 forward_delay 400"

// make makes the host, and returns the network before start.
func (u upgrade) make(t *testing.T) network {
	t.Helper()
	nstest.New(t)
	nstest.IPTables(t, nstest.IPTablesBackends[0])
	nstest.Script(t, "sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_redirects=1\n"+dom0+"\n"+u.script)
	nstest.Rest(t)
	mustRun(t, "start"+u.start) // so that the kernel loads what it loads on demand
	mustRun(t, "stop")
	nstest.Rest(t)
	return readNetwork(t)
}

// same fails if the network is another.
func same(t *testing.T, what string, is network) {
	t.Helper()
	if d, _ := differs(t, is); d != "" {
		t.Fatalf("%s:\n%s", what, d)
	}
}

// keptFiles are testdata/upgrade, which a thread in a mount namespace of its
// own may not find in the file system.
//
//go:embed testdata/upgrade
var keptFiles embed.FS

// keptRecords are those that the former version has left of a network.
func keptRecords(t *testing.T, network string) map[string]string {
	t.Helper()
	dir, err := fs.Sub(keptFiles, path.Join("testdata", "upgrade", network))
	if err != nil {
		t.Fatal(err)
	}
	return records(t, dir)
}

// records are the files of a directory, by name.
func records(t *testing.T, dir fs.FS) map[string]string {
	t.Helper()
	names, err := fs.Glob(dir, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		if name == "last.json" {
			continue // it tells of the last change, whichever it was
		}
		data, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(data)
	}
	return all
}

func putRecords(t *testing.T, dir string, all map[string]string) {
	t.Helper()
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// upgraded checks a network that the former version seems to have started: to
// start it again does nothing, and stop leaves the host as it was.
func (u upgrade) upgraded(t *testing.T, down network) {
	t.Helper()
	nstest.Rest(t)
	up, before := readNetwork(t), records(t, os.DirFS(recordsDir))
	mustRun(t, "status")
	mustRun(t, "start"+u.start)
	same(t, "started again", up)
	for name, text := range records(t, os.DirFS(recordsDir)) {
		if before[name] != text {
			t.Errorf("%s has been written:\n%s\nwas\n%s", name, text, before[name])
		}
	}
	mustRun(t, "stop")
	same(t, "stopped", down)
	if left := records(t, os.DirFS(recordsDir)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestUpgradeRecords replaces the records of start by those of the former
// version.
func TestUpgradeRecords(t *testing.T) {
	for _, u := range upgrades {
		if !u.kept {
			continue
		}
		t.Run(u.name, func(t *testing.T) {
			t.Parallel()
			former := keptRecords(t, u.name)
			down := u.make(t)
			mustRun(t, "start"+u.start)
			if ours := records(t, os.DirFS(recordsDir)); len(ours) != len(former) || len(ours) < 4 {
				t.Fatalf("there are %d records, and were %d", len(ours), len(former))
			}
			putRecords(t, recordsDir, former)
			u.upgraded(t, down)
		})
	}
}

// TestUpgrade starts with the former version, and goes on with this one.
func TestUpgrade(t *testing.T) {
	binary := os.Getenv("XBR_TEST_FORMER")
	if binary == "" {
		t.Skip("XBR_TEST_FORMER names no binary of another version: make test-upgrade")
	}
	for _, u := range upgrades {
		t.Run(u.name, func(t *testing.T) {
			kept, err := filepath.Abs(filepath.Join("testdata", "upgrade", u.name))
			if err != nil {
				t.Fatal(err)
			}
			f := &former{t, u, binary, u.make(t)}
			f.must("start" + u.start)
			if *update && u.kept {
				putRecords(t, kept, records(t, os.DirFS(recordsDir)))
			}
			u.upgraded(t, f.down)
			f.guests()
			f.unconfirmed()
			f.killed()
			f.back()
		})
	}
}

// former is the former version of the program on a host.
type former struct {
	*testing.T
	upgrade
	binary string
	down   network
}

// run runs it.
func (f *former) run(line string) (int, string) {
	f.Helper()
	cmd := exec.Command(f.binary, strings.Fields(line)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		f.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func (f *former) must(line string) {
	f.Helper()
	if status, out := f.run(line); status != 0 {
		f.Fatalf("the former %s: exit status %d\n%s", line, status, out)
	}
}

// guests lets it stop a network with a guest, which this version starts again.
func (f *former) guests() {
	f.Helper()
	f.must("start" + f.start)
	f.guest()
	f.must("stop")
	mustRun(f.T, "start"+f.start)
	f.noGuest()
	mustRun(f.T, "stop")
	same(f.T, "stopped without the guest", f.down)
}

// guest adds the guest.
func (f *former) guest() {
	f.Helper()
	nstest.Script(f.T, `
		ip link add vif1.0 address 00:16:3e:00:01:01 type veth peer name guest0
		ip link set guest0 up
		ip link set vif1.0 master $(basename $(readlink /sys/class/net/peth0/master)) up
		bridge link set dev vif1.0 isolated on cost 77`)
}

// noGuest checks that the guest's port has come back as it was, and removes it.
func (f *former) noGuest() {
	f.Helper()
	if is := nstest.Script(f.T, "bridge -d link show dev vif1.0"); !strings.Contains(is, "isolated on") || !strings.Contains(is, "cost 77") {
		f.Errorf("the guest's port is now %q", is)
	}
	nstest.Script(f.T, "ip link del vif1.0")
}

// unconfirmed lets it wait for a confirm, or recover, of this version.
func (f *former) unconfirmed() {
	f.Helper()
	f.must("start confirm=600" + f.start)
	mustRun(f.T, "recover")
	same(f.T, "recovered", f.down)
	f.must("start confirm=600" + f.start)
	mustRun(f.T, "confirm")
	mustRun(f.T, "stop")
	same(f.T, "confirmed, and stopped", f.down)
}

// killed kills it at random moments; this version takes the rest back.
func (f *former) killed() {
	f.Helper()
	begin := time.Now()
	f.must("start" + f.start)
	takes := time.Since(begin)
	mustRun(f.T, "stop")
	back := 0
	for range 12 {
		cmd := exec.Command(f.binary, strings.Fields("start"+f.start)...)
		if err := cmd.Start(); err != nil {
			f.Fatal(err)
		}
		time.Sleep(rand.N(takes))
		_ = cmd.Process.Signal(unix.SIGKILL)
		_ = cmd.Wait()
		if _, err := os.Stat(recordsDir + "/journal"); err == nil {
			back++
		}
		mustRun(f.T, "recover")
		mustRun(f.T, "stop"+f.names())
		same(f.T, "recovered after it was killed", f.down)
	}
	f.Logf("of 12 that were killed %d had begun", back)
}

// names are the words that name the networks, for a stop of some that may be
// down.
func (f *former) names() string {
	var words []string
	for _, w := range strings.Fields(f.start) {
		if strings.HasPrefix(w, "netdev=") || strings.HasPrefix(w, "bridge=") || w == "--next" {
			words = append(words, w)
		}
	}
	return " " + strings.Join(words, " ")
}

// back starts with this version and goes on with the former one: it refuses
// what it does not know, and changes nothing. After this version's stop it can
// go on.
func (f *former) back() {
	f.Helper()
	mustRun(f.T, "start"+f.start)
	nstest.Rest(f.T)
	up, before := readNetwork(f.T), records(f.T, os.DirFS(recordsDir))
	for _, line := range []string{"stop", "start" + f.start} {
		status, out := f.run(line)
		if status != 1 || !strings.Contains(out, "xbr-script: cannot read the record ") {
			f.Errorf("the former %s of what is newer: exit status %d\n%s", line, status, out)
		}
		same(f.T, "refused", up)
	}
	for name, text := range before {
		if records(f.T, os.DirFS(recordsDir))[name] != text {
			f.Errorf("%s has changed", name)
		}
	}
	f.guest()
	mustRun(f.T, "stop")
	f.must("start" + f.start) // it knows this version's form of kept guests
	f.noGuest()
	f.must("stop")
	same(f.T, "stopped", f.down)
}
