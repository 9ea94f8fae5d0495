package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/operate"
	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

var update = flag.Bool("update", false, "write anew what is planned for hosts in files")

// hostsDir has hosts, HOST.json, as --save-host writes them, and what the
// program says for them, HOST.CALL.sh, which begins with the call.
// TestMakeHosts of package bridge makes the hosts.
const hostsDir = "../../testdata/hosts"

const callPrefix = "# $ "

// TestHosts plans for hosts in files, and compares the whole script, or what is
// said instead. Who runs it, and on which machine, does not matter.
func TestHosts(t *testing.T) {
	hosts, err := filepath.Glob(hostsDir + "/*.json")
	if err != nil || len(hosts) < 25 {
		t.Fatalf("%d hosts, %v", len(hosts), err)
	}
	for _, host := range hosts {
		base := strings.TrimSuffix(host, ".json")
		calls, err := filepath.Glob(base + ".*.sh")
		if err != nil || len(calls) == 0 {
			t.Errorf("%s: nothing is planned for it", host)
		}
		for _, call := range calls {
			t.Run(strings.TrimSuffix(filepath.Base(call), ".sh"), func(t *testing.T) {
				t.Parallel()
				planFor(t, host, call)
			})
		}
	}
}

// TestHostsBlind does the same where nothing of the machine can be read,
// neither settings nor interfaces nor programs: plans depend on the file alone.
func TestHostsBlind(t *testing.T) {
	dir, err := filepath.Abs(hostsDir)
	if err != nil {
		t.Fatal(err)
	}
	nstest.New(t)
	nstest.Script(t, "for d in /usr/sbin /sys /proc/sys; do mount -t tmpfs none $d; done")
	calls, err := filepath.Glob(dir + "/*.sh")
	if err != nil || len(calls) == 0 {
		t.Fatal(len(calls), err)
	}
	for _, call := range calls {
		host, _, _ := strings.Cut(filepath.Base(call), ".")
		planFor(t, filepath.Join(dir, host+".json"), call)
	}
}

// TestHints has no hint that takes a NIC out of its bridge, or its addresses away: the
// user may be logged in over it.
func TestHints(t *testing.T) {
	hints := regexp.MustCompile(`(?m)^.*hint: .*$`)
	const off = "use another vifnum=, or remove it: ip link del dev " // see harmless
	for _, glob := range []string{hostsDir + "/*.sh", "../../testdata/script/*.txt"} {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) < 25 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range hints.FindAllString(string(text), -1) {
				if cutting.MatchString(strings.ReplaceAll(line, off, "")) {
					t.Errorf("%s: %s", file, line)
				}
			}
		}
	}
}

// planFor compares what the program says for one host with what the file says.
func planFor(t *testing.T, host, file string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(want), "\n")
	line, ok := strings.CutPrefix(first, callPrefix+"xbr-script ")
	if !ok {
		t.Fatalf("%s does not begin with a call", file)
	}
	got := first + "\n" + said(t, line, host)
	if got == string(want) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s (-update writes it anew):\n%s", file, difference(string(want), got))
}

// said is everything that the program says for a host: the script, and the rest
// as comments.
func said(t *testing.T, line, host string) string {
	t.Helper()
	args := append(strings.Fields(line), "--host="+host)
	if !strings.HasPrefix(line, "status") {
		args = append(args, "--dry-run")
	}
	var stdout, stderr bytes.Buffer
	status, err := callWith(t, args, &stdout, &stderr)
	if err != nil {
		stderr.WriteString(refusal.Text(err))
		status = exitStatus(err)
	}
	if status != done {
		fmt.Fprintf(&stderr, "exit status %d\n", status)
	}
	text := stdout.String()
	// A hint that repeats the call has these as well.
	said := strings.ReplaceAll(stderr.String(), " --host="+host+" --dry-run", "")
	for l := range strings.Lines(said) {
		text += "# ! " + l
	}
	return text
}

// callWith runs the program once in this process, without files or environment.
func callWith(t *testing.T, args []string, stdout, stderr *bytes.Buffer) (int, error) {
	t.Helper()
	req, err := config.Parse(args, config.Source{ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
	if err != nil {
		return 0, err
	}
	c := &operate.Call{Request: req, Args: args, Note: func(text string) { say(stderr, "xbr-script: "+text) }}
	result, err := c.Run(t.Context())
	if err != nil {
		return 0, err
	}
	return show(stdout, req, result)
}

// difference shows where two texts begin to differ, with some lines after that.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	at := 0
	for at < len(w) && at < len(g) && w[at] == g[at] {
		at++
	}
	const some = 5
	part := func(lines []string) string {
		return strings.Join(lines[min(at, len(lines)):min(at+some, len(lines))], "\n")
	}
	return fmt.Sprintf("from line %d on it is\n%s\nand was\n%s", at+1, part(g), part(w))
}

// TestDamagedHosts damages the kernel's messages in hosts in files: what is
// planned for them does not matter, but planning must end.
func TestDamagedHosts(t *testing.T) {
	const seed = 5
	times := 2
	if testing.Short() {
		times = 1
	}
	hosts, err := filepath.Glob(hostsDir + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for i, host := range hosts {
		text, err := os.ReadFile(host)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		for range times {
			file := filepath.Join(t.TempDir(), "host.json")
			if err := os.WriteFile(file, damage(r, text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{"start vifnum=0 netdev=eth0", "start vifnum=0 netdev=eth0 dom0=bridge", "stop", "status"} {
				said(t, line, file)
			}
		}
	}
}

// base64Text matches the kernel's own messages in a host in a file.
var base64Text = regexp.MustCompile(`"[0-9A-Za-z+/]{16,}`)

// damage changes some characters of some messages.
func damage(r *rand.Rand, text []byte) []byte {
	damaged := bytes.Clone(text)
	places := base64Text.FindAllIndex(text, -1)
	for range 1 + r.IntN(10) {
		p := places[r.IntN(len(places))]
		damaged[p[0]+1+r.IntN(p[1]-p[0]-1)] = "ABCDEFGHIJKLMNOPabcdef0123456789+/"[r.IntN(34)]
	}
	return damaged
}

// TestMends lets a start do what status names as what mends the host: it is not refused,
// and has something to do.
func TestMends(t *testing.T) {
	t.Parallel()
	mend := regexp.MustCompile(`(?m)^  mend      xbr-script (.*)$`)
	files, err := filepath.Glob(hostsDir + "/*.status.sh")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		host, _, _ := strings.Cut(filepath.Base(file), ".")
		for _, words := range mend.FindAllStringSubmatch(string(text), -1) {
			found++
			script := said(t, words[1], filepath.Join(hostsDir, host+".json"))
			if strings.Contains(script, "# ! ") || strings.Contains(script, "# nothing to do") {
				t.Errorf("%s: xbr-script %s:\n%s", file, words[1], script)
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d commands that mend", found)
	}
}
