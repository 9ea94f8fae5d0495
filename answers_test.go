package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"xbr-script/internal/testing/nstest"
)

// TestAnswers has every command answer with --json, where it succeeds and where it fails:
// each answer fits the schema, has the outcome that it should, and the exit status of the
// call.
func TestAnswers(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("docs/xbr-script.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	nstest.New(t)
	nstest.Script(t, dom0)
	nstest.Rest(t)
	for _, c := range []struct {
		args, outcome string // "": the answer is no outcome
		changed       bool
		status        int
	}{
		{"status", "", false, 3},
		{"check netdev=eth0", "", false, 0},
		{"check netdev=nosuch", "", false, 1},
		{"sart", "refused", false, 2},
		{"status bridge=a/b", "refused", false, 2},
		{"start netdev=nosuch", "refused", false, 1},
		{"confirm", "refused", false, 1},
		{"recover", "nothing to do", false, 0},
		{"start --dry-run", "would be done", true, 0},
		{"start check=no", "done", true, 0},
		{"start", "nothing to do", false, 0},
		{"start --dry-run", "nothing to do", false, 0},
		{"status -v", "", false, 0},
		{"status --draw", "", false, 0},
		{"check stop", "", false, 0},
		{"start antispoof=strict", "done", true, 0},
		{"admit port=vif7.0 mac=00:16:3e:00:00:07 ip=192.168.0.7", "done", true, 0},
		{"admit port=vif7.0 mac=00:16:3e:00:00:07 ip=192.168.0.7", "nothing to do", false, 0},
		{"status", "", false, 0},
		{"report", "", false, 0},
		{"report --hide", "", false, 0},
		{"start --hide", "refused", false, 2},
		{"dismiss port=vif7.0", "done", true, 0},
		{"stop confirm=600 check=no", "waits to be confirmed", true, 0},
		{"start", "refused", false, 1},
		{"status", "", false, 3},
		{"confirm", "done", true, 0},
		{"start confirm=600 check=no", "waits to be confirmed", true, 0},
		{"recover --dry-run", "would be done", true, 0},
		{"recover", "done", true, 0},
		{"status", "", false, 3},
	} {
		cmd := exec.Command(self(t), append(strings.Fields(c.args), "--json")...)
		cmd.Args[0] = "xbr-script"
		out, _ := cmd.Output()
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(out)))
		if err == nil {
			err = schema.Validate(v)
		}
		var o struct {
			Outcome string `json:"outcome"`
			Changed bool   `json:"changed"`
			Exit    int    `json:"exit_status"`
		}
		_ = json.Unmarshal(out, &o)
		status := cmd.ProcessState.ExitCode()
		if err != nil || status != c.status || o.Outcome != c.outcome || o.Changed != c.changed || o.Outcome != "" && o.Exit != status {
			t.Errorf("%s: exit status %d, %v\n%s", c.args, status, err, out)
		}
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
