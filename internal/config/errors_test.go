package config

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
	"xbr-script/internal/refusal"
)

var update = flag.Bool("update", false, "write the golden file anew")

// errorCases is input that is refused; the golden file has what is said.
var errorCases = []struct {
	args  []string
	files files // "f" is shown in the golden file
}{
	// Commands and options.
	{args: words("")},
	{args: words("netdev=eth0")},
	{args: words("start stop")},
	{args: words("stop --next status")},
	{args: words("check status")},
	{args: words("recover check")},
	{args: words("check start stop")},
	{args: words("check -n")},
	{args: words("check --host=f")},
	{args: words("check --save-host=f")},
	{args: words("start --host=f")},
	{args: words("recover -n --host=f")},
	{args: words("start --host --dry-run")},
	{args: words("start -n --host=")},
	{args: words("start -n --host=f --save-host=g")},
	{args: words("start --save-host=f")},
	{args: words("status --save-host=f")},
	{args: words("status --draw=png")},
	{args: words("status --draw=")},
	{args: words("check --draw")},
	{args: words("start --draw=svg")},
	{args: words("status --drow")},
	{args: words("sart")},
	{args: words("restart netdev=eth0")},
	{args: words("reload")},
	{args: words("START")},
	{args: words("start help")},
	{args: words("start netdev eth0")},
	{args: words("start eth0")},
	{args: words("start netdev= eth2")},
	{args: words("start antispoofing=yes")},
	{args: words("start nic=eth0")},
	{args: words("start dev=eth0")},
	{args: words("start iface=eth0")},
	{args: words("start br=xenbr0")},
	{args: words("start bridgename=xenbr0")},
	{args: words("start netdev= eth0")},
	{args: words("start -x")},
	{args: words("start -")},
	{args: words("start --")},
	{args: words("start -nx")},
	{args: words("start --netdev eth0")},
	{args: words("start --netdev=eth0")},
	{args: words("start \u2013\u2013dry-run")},
	{args: words("start netdev = eth0")},
	{args: words("start netdev=eth0 eth1")},
	{args: words("start --dryrun")},
	{args: words("start --bridge=xenbr0")},
	{args: words("status --dry-run")},
	{args: words("status -n")},

	// Keys.
	{args: words("start brigde=xenbr0")},
	{args: words("start Netdev=eth0")},
	{args: words("start ip-forward=1")},
	{args: words("start mtu=9000")},
	{args: words("start =eth0")},
	{args: words("start start=eth0")},
	{args: []string{"start", "brid\x1b[31mge=x"}},

	// Numbers and words.
	{args: words("start vifnum=one")},
	{args: words("start vifnum=-1")},
	{args: words("start vifnum=+1")},
	{args: words("start vifnum=1.0")},
	{args: words("start vifnum=0x1")},
	{args: words("start vifnum=٣")},
	{args: words("start vifnum=00")},
	{args: words("start vifnum=01")},
	{args: words("start vifnum=4096")},
	{args: words("start vifnum=99999999999999999999999999")},
	{args: words("start vifnum=x vifnum=1")},
	{args: words("start antispoof=Yes")},
	{args: words("start antispoof=true")},
	{args: words("start antispoof=on")},
	{args: words("start antispoof=1")},
	{args: words("start dom0=yes")},
	{args: words("start dom0=brigde")},
	{args: words("start ip_forward=yes")},
	{args: words("start ip_forward=2")},
	{args: words("start ip_forward=00")},
	{args: words("start wait=601")},
	{args: words("start wait=1s")},
	{args: words("start confirm=-1")},
	{args: words("start confirm=86401")},
	{args: words("start check=yes")},
	{args: words("start check=gateway.example")},
	{args: words("start check=fe80::1")},
	{args: words("start check=0.0.0.0")},
	{args: words("start check=fe80::1%eth0")},
	{args: words("start bridge=a wait=1 --next bridge=b wait=2")},
	{args: words("start config=f"), files: files{"f": "confirm=60\nvifnum=1"}},
	{args: words("start config=f"), files: files{"f": "wait=5 vifnum=1"}},
	{args: words("start config=f"), files: files{"f": "wait=5\nwait=6"}},
	{args: words("recover bridge=a")},
	{args: words("recover wait=1")},
	{args: words("confirm --next bridge=a")},
	{args: words("confirm --dry-run")},
	{args: words("recover start")},

	// Names.
	{args: words("start netdev=x;reboot")},
	{args: []string{"start", "netdev=$(reboot --force)"}},
	{args: words("start bridge=`id`")},
	{args: words("start netdev=$dev")},
	{args: words("start netdev='eth0'")},
	{args: words("start netdev=eth0#1")},
	{args: words("start netdev=eth*")},
	{args: words("start netdev=!eth0")},
	{args: []string{"start", `netdev=eth\0`}},
	{args: []string{"start", "netdev=eth 0"}},
	{args: []string{"start", "netdev=eth\u00a00"}},
	{args: []string{"start", "netdev=eth\u20030"}},
	{args: []string{"start", "netdev=eth\x000"}},
	{args: []string{"start", "netdev=eth\x1b[2J"}},
	{args: []string{"start", "netdev=eth\u202e0"}},
	{args: []string{"start", "netdev=eth\xff"}},
	{args: words("start netdev=voilà")},
	{args: words("start bridge=" + strings.Repeat("x", 128))},
	{args: words("start bridge=" + strings.Repeat("ö", 64))},
	{args: words("start bridge=" + strings.Repeat("x", 100000))},
	{args: words("start bridge=.")},
	{args: words("start bridge=..")},
	{args: words("start bridge=all")},
	{args: words("start netdev=default")},
	{args: words("start bridge=../x")},
	{args: words("start netdev=eth0:1")},
	{args: words("start bridge=br%d")},
	{args: words("start netdev=-eth0")},
	{args: words("start netdev=eth+")},
	{args: words("start netdev==eth0")},
	{args: words("start netdev=a,bridge=b")},
	{args: words("start netdev=\u201ceth0\u201d")},
	{args: words("start netdev=\"eth0\"")},

	// Several bridges.
	{args: words("start --next")},
	{args: words("start --next bridge=a")},
	{args: words("start bridge=a --next")},
	{args: words("start bridge=a --next --next bridge=b")},
	{args: words("start bridge=a --next ip_forward=1")},
	{args: words("start bridge=a --next bridge=")},
	{args: words("start bridge=a --next bridge=a netdev=eth1")},
	{args: words("start netdev=eth0 --next vifnum=1 --next netdev=eth0")},
	{args: words("start vifnum=1 bridge=a --next vifnum=1 bridge=b")},
	{args: words("start bridge=eth0 netdev=eth0 dom0=veth")},
	{args: words("start vifnum=1 --next bridge=eth0 netdev=eth0 dom0=veth")},
	{args: words("start bridge=eth1 netdev=eth0 --next vifnum=1 netdev=eth1")},
	{args: words("start bridge=a ip_forward=0 --next bridge=b ip_forward=1")},

	// All that is wrong is told at once, and nothing that only follows from it.
	{args: words("strat --quick vifnum=x netdv=eth0")},
	{args: words("vifnum=x --json")},
	{args: words("start --json --save-host=f bridge=a/b")},
	{args: words("confirm --json -n bridge=a vifnum=x")},
	{args: words("start bridge=a --next vifnum=x --next ip_forward=1 --next ip_forward=maybe")},
	{args: words("start vifnum=x config=f"), files: files{"f": "vifnum=1\nbrigde=a"}},
	{args: words("start vifnum=x"), files: files{defaultFile: "up"}},
	{args: words("start netdv=eth0 config=f"), files: files{"f": "vifnum=y netdev=eth*\nbridge=a wait=x config=g\n\nbridge=b; wait\nup and down\nbridge=\nip_forward=0 vifnum=2"}},
	{args: words("start bridge=a netdev=eth0 vifnum=1 wait=1 --next bridge=a netdev=eth0 vifnum=1 wait=2 --next bridge=a netdev=a wait=3")},
	{args: words("start config=f"), files: files{"f": "vifnum=1 netdev=eth0\nvifnum=1 netdev=x/y\nip_forward=0\nip_forward=1\nnetdev=eth0 vifnum=2"}},
	{args: words("start config=f"), files: files{"f": strings.Repeat("up\n", 30)}},

	// Files.
	{args: words("start config=f")},
	{args: []string{"start", "config=f\x1b[2J f"}},
	{args: words("start config=unreadable")},
	{args: words("start config=strange")},
	{args: words("start config=f netdev=eth0"), files: files{"f": "vifnum=1"}},
	{args: words("start config=f --next"), files: files{"f": "vifnum=1"}},
	{args: words("start bridge=a --next config=f"), files: files{"f": "vifnum=1"}},
	{args: words("start config=f ip_forward=1"), files: files{"f": "vifnum=1\nip_forward=0"}},
	{args: words("start config=f"), files: files{"f": ""}},
	{args: words("start config=f"), files: files{"f": "# bridge=a\n\n"}},
	{args: words("start config=f"), files: files{"f": "ip_forward=\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1\nbridge=\n"}},
	{args: words("start config=f"), files: files{"f": "# one\n\nbrigde=xenbr0\n"}},
	{args: words("start config=f"), files: files{"f": "confg=g\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=01\n"}},
	{args: words("start config=f"), files: files{"f": "antispoof=yess\n"}},
	{args: words("start config=f"), files: files{"f": "netdev=eth0; reboot\n"}},
	{args: words("start config=f"), files: files{"f": "netdev=\"eth0\"\n"}},
	{args: words("start config=f"), files: files{"f": "start netdev=eth0\n"}},
	{args: words("start config=f"), files: files{"f": "netdev=eth0 --next netdev=eth1\n"}},
	{args: words("start config=f"), files: files{"f": "netdev = eth0\n"}},
	{args: words("start config=f"), files: files{"f": "netdev=eth0# the first\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1\nconfig=g\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1 ip_forward=1\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1\x00\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1\rvifnum=02\r"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1\n\ufeffnetdev=eth1\n"}},
	{args: words("start config=f"), files: files{"f": "vifnum=1\n\nnetdev=eth1\nvifnum=1 netdev=eth2\n"}},
	{args: words("start config=f"), files: files{"f": "bridge=eth0 netdev=eth0 dom0=veth\n"}},
	{args: words("start config=f"), files: files{"f": "ip_forward=0\nvifnum=1\nip_forward=1\n"}},
	{args: words("start config=f"), files: files{"f": manyBridges(maxVifNum + 2)}},
	{args: words("start config=f"), files: files{"f": strings.Repeat("#", MaxFileSize+1)}},
	{args: words("start"), files: files{defaultFile: "bridge=a\nbrigde=b\n"}},
	{args: words("status ip_forward="), files: files{defaultFile: "up\n"}},
}

// words is the line as a shell would split it.
func words(line string) []string { return strings.Fields(line) }

// sourceWithFaults adds two files that the system refuses to read.
func sourceWithFaults(f files) Source {
	src := f.source()
	read := src.ReadFile
	src.ReadFile = func(name string) ([]byte, error) {
		switch name {
		case "unreadable":
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		case "strange":
			return nil, errors.New("the disk says \a")
		}
		return read(name)
	}
	return src
}

func TestErrors(t *testing.T) {
	var b strings.Builder
	for _, tt := range errorCases {
		req, err := Parse(tt.args, sourceWithFaults(tt.files))
		if err == nil {
			t.Errorf("%q: no error but %s", tt.args, show(*req))
			continue
		}
		checkError(t, err)
		writeCase(&b, tt.args, tt.files, err)
	}
	golden := filepath.Join("testdata", "errors.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	compareLines(t, b.String(), string(want))
}

// TestUnreadableDefaultFile: a default file may be missing, but not unreadable.
func TestUnreadableDefaultFile(t *testing.T) {
	src := sourceWithFaults(nil)
	src.DefaultFile = "unreadable"
	_, err := Parse([]string{"start"}, src)
	if err == nil || err.Error() != "cannot read unreadable: permission denied" {
		t.Errorf("got %v", err)
	}
}

// writeCase adds a call and its answer to the golden text.
func writeCase(b *strings.Builder, args []string, f files, err error) {
	line := "$ xbr-script"
	for _, a := range args {
		line += " " + shellWord(a)
	}
	b.WriteString(short(line) + "\n")
	for _, name := range []string{"f", defaultFile} {
		if content, ok := f[name]; ok {
			fmt.Fprintf(b, "  file %s: %s\n", name, short(fmt.Sprintf("%q", content)))
		}
	}
	b.WriteString(refusal.Text(err) + "\n")
}

// shellWord quotes a word for the golden file if necessary.
func shellWord(s string) string {
	if strings.ContainsAny(s, " \\\"") {
		return fmt.Sprintf("%q", s)
	}
	return plain(s)
}

// short cuts what is too long to read.
func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// compareLines names the first line that differs.
func compareLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("golden line %d (-update writes it anew):\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	if len(g) != len(w) {
		t.Fatalf("got %d golden lines, want %d (-update writes them anew)", len(g), len(w))
	}
}

// checkError checks what holds for every error of Parse.
func checkError(t *testing.T, err error) {
	t.Helper()
	all, ok := err.(interface{ Unwrap() []error })
	if !ok || len(all.Unwrap()) == 0 || len(all.Unwrap()) > mostTold+1 {
		t.Fatalf("an error of type %T: %v", err, err)
	}
	if refusal.ExitStatus(err) != refusal.BadUsage {
		t.Errorf("exit status %d", refusal.ExitStatus(err))
	}
	for _, err := range all.Unwrap() {
		checkOne(t, err)
	}
}

// checkOne checks what holds for each of those that it joins.
func checkOne(t *testing.T, err error) {
	t.Helper()
	usage, ok := err.(*refusal.Error) //nolint:errorlint // it is not to be wrapped
	if !ok {
		t.Fatalf("an error of type %T: %v", err, err)
	}
	if usage.ExitStatus() != refusal.BadUsage {
		t.Errorf("exit status %d", usage.ExitStatus())
	}
	if !strings.HasPrefix(usage.Msg, "cannot ") {
		t.Errorf("does not begin with cannot: %s", usage.Msg)
	}
	for _, text := range []string{usage.Msg, usage.Hint} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not for a terminal: %q", text)
		}
	}
	if len(usage.Hint) > 300 {
		t.Errorf("a hint of %d bytes", len(usage.Hint))
	}
}

// TestNamesOfKeysInHints: hints name a key that has been added to the table.
func TestNamesOfKeysInHints(t *testing.T) {
	_, err := Parse([]string{"start", "nosuchkey=1"}, files{}.source())
	usage, ok := errors.AsType[*refusal.Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	_, names, _ := strings.Cut(usage.Hint, "keys are ")
	for _, k := range keys {
		if !slices.Contains(strings.Split(names, ", "), k.name) {
			t.Errorf("%s is not in %q", k.name, usage.Hint)
		}
	}
}
