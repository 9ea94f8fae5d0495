package dhcpcd

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/testing/dbustest"
)

// TestOutside holds that from within a service, which may do little, systemd runs dhcpcd,
// as a unit that does not take it along when it ends.
func TestOutside(t *testing.T) {
	w := newWorld(t, "/run/dhcpcd/eth0.pid", "-q", "eth0")
	first := w.pid()
	t.Setenv("INVOCATION_ID", "0123")
	r := &Run{PIDFile: w.file, Path: w.program(), Args: w.args("-a", "eth0")}
	if err := r.Do(t.Context(), false); err != nil || w.pid() == first || w.runs() != "-a eth0" {
		t.Errorf("without systemd: %v; it runs with %q", err, w.runs())
	}
	first = w.pid()
	var mu sync.Mutex
	state, unit := "running", map[string]any{}
	var peer *dbustest.Peer
	peer = dbustest.Listen(t, "/run/systemd/private", func(msg *dbus.Message) []any {
		mu.Lock()
		defer mu.Unlock()
		switch msg.Headers[dbus.FieldMember].Value() {
		case "Get":
			return []any{dbus.MakeVariant(state)}
		case "StartTransientUnit":
			for _, p := range msg.Body[2].([][]any) {
				unit[p[0].(string)] = p[1].(dbus.Variant).Value()
			}
			words := unit["ExecStart"].([][]any)[0][1].([]string)
			p, err := os.StartProcess(words[0], words, &os.ProcAttr{Env: []string{}})
			if err != nil {
				t.Error(err)
				return []any{dbustest.Error("org.freedesktop.DBus.Error.Failed")}
			}
			_ = p.Release()
			const path = dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
			peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", uint32(1), path, msg.Body[0], "done")
			return []any{path}
		}
		return nil
	})
	r.Args = w.args("-b", "eth0")
	if err := r.Do(t.Context(), false); err != nil || w.pid() == first || w.runs() != "-b eth0" {
		t.Errorf("%v; it runs with %q", err, w.runs())
	}
	mu.Lock()
	if unit["KillMode"] != "process" || unit["Type"] != "exec" {
		t.Error(unit)
	}
	r.Args = w.args("-h", "$name")
	r.Cgroup = "/gone"
	if command := fmt.Sprint(r.asUnit()[2].Value.Value()); strings.Contains(command, "/bin/sh") || !strings.Contains(command, w.program()+" -h $$name ") {
		t.Error("not in a control group that is gone: ", command)
	}
	// While the machine is being switched off it is ended, and nothing is run.
	state = "stopping"
	unit = map[string]any{}
	mu.Unlock()
	if err := r.Do(t.Context(), false); err != nil || w.pid() != 0 || len(unit) > 0 {
		t.Errorf("%v; it runs with %q", err, w.runs())
	}
}
