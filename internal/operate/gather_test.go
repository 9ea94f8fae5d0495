package operate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xbr-script/internal/config"
)

// TestGathered lays the programs of each host in a file into a folder, reads them there as
// --save-host does, and plans from what that has written: the same as from the file.
func TestGathered(t *testing.T) {
	t.Parallel()
	hosts, err := filepath.Glob("../../testdata/hosts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, name := range hosts {
		s, err := readHostFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.programs == nil {
			continue
		}
		tried++
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "host.json")
			regather(t, s, file)
			text, err := os.ReadFile(strings.TrimSuffix(name, ".json") + ".start.sh")
			if err != nil {
				t.Fatal(err)
			}
			_, words, _ := strings.Cut(string(text), "netdev=")
			nic, _, _ := strings.Cut(words, "\n")
			for _, line := range []string{"start netdev=" + nic, "start dom0=bridge netdev=" + nic, "start dom0=bridge bridge=xenbr0 netdev=" + nic, "status"} {
				if line != "status" {
					line += " -n"
				}
				want, got := doCall(t.Context(), t, line+" --host="+name, nil), doCall(t.Context(), t, line+" --host="+file, nil)
				if want, got := answerOf(t, want, name), answerOf(t, got, file); got != want {
					t.Errorf("%s: it was\n%s\nand with what was read again\n%s", line, want, got)
				}
			}
		})
	}
	if tried < 7 {
		t.Errorf("only %d hosts have programs", tried)
	}
}

// regather writes a host into a file, with its programs as they are read.
func regather(t *testing.T, s *seen, file string) {
	t.Helper()
	c := &Call{Request: &config.Request{Host: file}, Note: func(text string) { t.Error(text) }}
	if err := c.lay(s.programs); err != nil {
		t.Fatal(err)
	}
	defer c.forget()
	again := *s
	var err error
	if again.programs, err = c.gather(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again.programs.Version != programsVersion {
		t.Errorf("form %d", again.programs.Version)
	}
	if err := again.write(file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// answerOf is what a call has said, without the file and the time.
func answerOf(t *testing.T, o outcome, file string) string {
	t.Helper()
	if o.Result == nil {
		return strings.ReplaceAll(o.stderr, file, "FILE")
	}
	text, err := json.Marshal([]any{o.Lines, o.Notes, o.Forecast, o.Report})
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text)+o.stderr, file, "FILE")
}
