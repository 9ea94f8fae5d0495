package operate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xbr-script/internal/rawjson"
)

// TestPrograms puts the programs of a host in a file into a folder: nothing outside of
// it is written or read.
func TestPrograms(t *testing.T) {
	outside := t.TempDir()
	for name, c := range map[string]struct {
		p   hostPrograms
		err string // a part of it
	}{
		"none":               {hostPrograms{Version: 1}, ""},
		"files":              {hostPrograms{Version: 1, Files: map[string]rawjson.String{"/run/network/ifstate": "eth0=eth0\n", "/proc/7/comm": "dhclient\n"}, Links: map[string]string{"/proc/7/exe": "/sbin/dhclient"}}, ""},
		"a form to come":     {hostPrograms{Version: 3}, "programs: it has the form 3, and this version knows 2"},
		"outside":            {hostPrograms{Version: 1, Files: map[string]rawjson.String{"/../x": ""}}, "programs: /../x: "},
		"not from the root":  {hostPrograms{Version: 1, Files: map[string]rawjson.String{"../x": ""}}, "programs: ../x: "},
		"a link to read by":  {hostPrograms{Version: 1, Links: map[string]string{"/run/network": outside}}, "programs: /run/network cannot be a link"},
		"a link to a folder": {hostPrograms{Version: 1, Files: map[string]rawjson.String{"/proc/7/exe/x": ""}, Links: map[string]string{"/proc/7/exe": outside}}, "programs: /proc/7/exe: "},
		"twice":              {hostPrograms{Version: 1, Files: map[string]rawjson.String{"/proc/7/comm": "", "/proc/7/ns/net": ""}}, "programs: /proc/7/ns/net: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := c.p.place(dir)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("%v, want %q", err, c.err)
			}
			if err != nil {
				return
			}
			for path, text := range c.p.Files {
				if got, err := os.ReadFile(dir + path); err != nil || string(got) != string(text) {
					t.Errorf("%s: %q, %v", path, got, err)
				}
			}
			if got, _ := os.Readlink(dir + "/proc/7/ns/net"); got != ownNS && c.p.Files != nil {
				t.Errorf("the namespace of the process: %q", got)
			}
		})
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("written outside: %v", left)
	}
}

// TestProgramsGone leaves nothing of them behind, also when the call fails.
func TestProgramsGone(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	host, err := filepath.Abs("../../testdata/hosts/debian12.json")
	if err != nil {
		t.Fatal(err)
	}
	for line, fails := range map[string]bool{"start netdev=eth0 -n": false, "start netdev=eth0 dom0=bridge bridge=xenbr0 -n": true, "status": false} {
		if r := doCall(t.Context(), t, line+" --host="+host, nil); (r.err != nil) != fails {
			t.Errorf("%s: %v", line, r.err)
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("%s: left: %v, %v", line, left, err)
		}
	}
}
