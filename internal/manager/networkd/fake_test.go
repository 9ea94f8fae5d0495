package networkd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/dbustest"
)

// fakeSystemd is systemd as far as it is asked here, with systemd-networkd running.
type fakeSystemd struct {
	*testing.T
	peer     *dbustest.Peer
	mu       sync.Mutex
	state    string // of the whole system
	inactive bool   // systemd-networkd does not run
	frozen   bool
	began    time.Time           // it
	pid      uint32              // how often it has begun
	takes    int                 // the index of the interface that it configures when it begins; 0: it says nothing of any
	version  string              // systemd's
	stopped  bool                // it has been stopped by a signal
	again    bool                // systemd starts it by itself when it has been killed
	stored   bool                // the unit for its storage is up
	closedIt bool                // systemd holds no sockets for it
	fails    map[string][]string // what the next calls of a method fail with, by error names; "…" at the end: all that follow
	kept     []string            // the drop-ins that are there when it begins anew
	log      []string            // the methods that had an effect
	strips   func()              // what it takes off when it begins; nil: nothing
}

func newFakeSystemd(t *testing.T) *fakeSystemd {
	t.Helper()
	f := &fakeSystemd{T: t, state: "running", version: "257.13-1~deb13u1", stored: true, began: time.Unix(1000, 0), fails: map[string][]string{}}
	peer := dbustest.Listen(t, "/run/systemd/private", f.answer)
	f.set(func() { f.peer = peer })
	return f
}

func (f *fakeSystemd) answer(msg *dbus.Message) []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	member := msg.Headers[dbus.FieldMember].Value().(string)
	if err := f.failure(member); err != "" {
		return []any{dbustest.Error(err)}
	}
	if unit, ok := first(msg.Body).(string); ok && strings.HasSuffix(member, "Unit") && member != "StopUnit" && unit != "systemd-networkd.service" {
		f.Errorf("%s of %s", member, unit)
	}
	switch member {
	case "AddMatch", "ResetFailedUnit":
		return nil
	case "Get":
		return f.property(msg.Body[1].(string))
	case "FreezeUnit", "ThawUnit":
		if f.inactive {
			return []any{dbustest.Error("org.freedesktop.systemd1.UnitInactive")}
		}
		f.frozen = member == "FreezeUnit"
		f.log = append(f.log, member)
		if !f.frozen && !f.stopped {
			f.Error("it is thawed, and runs")
		}
		return nil
	case "KillUnit":
		f.killed(msg.Body[1], msg.Body[2])
		return nil
	case "RestartUnit":
		return []any{f.restarted()}
	case "ReloadUnit":
		return []any{f.reloaded()}
	case "StopUnit":
		return []any{f.ended(msg.Body[0].(string))}
	}
	f.Errorf("asked for %s", member)
	return nil
}

func first(body []any) any {
	if len(body) == 0 {
		return nil
	}
	return body[0]
}

func (f *fakeSystemd) failure(member string) (name string) {
	names := f.fails[member]
	if len(names) == 0 {
		return ""
	}
	if len(names) != 2 || names[1] != "…" {
		f.fails[member] = names[1:]
	}
	return names[0]
}

func (f *fakeSystemd) property(name string) []any {
	switch name {
	case "MainPID":
		if f.inactive {
			return []any{dbus.MakeVariant(uint32(0))}
		}
		return []any{dbus.MakeVariant(1000 + f.pid)}
	case "TriggeredBy":
		return []any{dbus.MakeVariant(triggers)}
	case "Version":
		return []any{dbus.MakeVariant(f.version)}
	case "ExecMainStartTimestamp":
		return []any{dbus.MakeVariant(uint64(f.began.UnixMicro()))}
	}
	value := map[string]string{"SystemState": f.state, "ActiveState": "active", "FreezerState": "running"}[name]
	switch {
	case value == "":
		f.Errorf("asked for the property %s", name)
	case name == "ActiveState" && f.inactive:
		value = "inactive"
	case name == "FreezerState" && f.frozen:
		value = "frozen"
	}
	return []any{dbus.MakeVariant(value)}
}

// killed is a signal for it.
func (f *fakeSystemd) killed(whom, signal any) {
	switch {
	case whom != "main":
		f.Errorf("signal %d for %s", signal, whom)
	case signal == int32(unix.SIGSTOP):
		f.stopped = true
	case f.remembers():
		f.Error("it will go on by what it has written about an index")
	case f.stored:
		f.Error("it will not begin until its storage has ended, which asks it something")
	case !f.closedIt:
		f.Error("it begins with the sockets of the one before")
	case signal != int32(unix.SIGKILL) || f.frozen || !f.stopped:
		f.Errorf("signal %d; frozen: %t, stopped: %t", signal, f.frozen, f.stopped)
	case f.again:
		f.log = append(f.log, "again")
		f.begin()
	default:
		f.inactive, f.stopped = true, false
	}
}

// remembers says whether there is a word of it about an interface that it configured.
func (f *fakeSystemd) remembers() bool {
	all, err := filepath.Glob(linksDir + "/*")
	if err != nil {
		f.Error(err)
	}
	return slices.ContainsFunc(all, func(path string) bool {
		data, err := os.ReadFile(path)
		return err != nil || strings.Contains(string(data), netplans)
	})
}

// triggers are the units that start it.
var triggers = []string{"systemd-networkd.socket", "systemd-networkd-varlink.socket"}

// begin has it begin.
func (f *fakeSystemd) begin() {
	f.kept, _ = filepath.Glob(runConfig + "/*.d/zz-*")
	f.inactive, f.stopped, f.closedIt, f.stored, f.began = false, false, false, true, f.began.Add(time.Hour)
	f.pid++
	if f.strips != nil {
		f.strips()
	}
	f.decide()
}

// ended is a job for a unit that is there again when it begins anew.
func (f *fakeSystemd) ended(unit string) dbus.ObjectPath {
	job := dbus.ObjectPath("/org/freedesktop/systemd1/job/" + strconv.Itoa(len(unit)))
	defer f.peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", uint32(1), job, unit, "done")
	if unit == "systemd-networkd-persistent-storage.service" {
		f.stored = false
		return job
	}
	if f.frozen || !strings.HasSuffix(unit, ".socket") {
		f.Errorf("%s is stopped; frozen: %t", unit, f.frozen)
	}
	if f.closedIt = unit == triggers[len(triggers)-1]; f.closedIt {
		f.log = append(f.log, "sockets")
	}
	return job
}

// reloaded begins a job; it must be running.
func (f *fakeSystemd) reloaded() dbus.ObjectPath {
	if f.frozen || f.inactive {
		f.Error("systemd-networkd cannot read its files anew")
	}
	f.log = append(f.log, "ReloadUnit")
	job := dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/job/%d", len(f.log)))
	defer f.peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved",
		uint32(len(f.log)), job, "systemd-networkd.service", "done")
	return job
}

// restarted begins a job, which fails for a unit that is frozen, as with systemd from
// 254 on.
func (f *fakeSystemd) restarted() dbus.ObjectPath {
	f.log = append(f.log, "RestartUnit")
	job := dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/systemd1/job/%d", len(f.log)))
	result := "done"
	if f.frozen {
		result = "frozen"
	} else {
		f.begin()
	}
	defer f.peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved",
		uint32(len(f.log)), job, "systemd-networkd.service", result)
	return job
}

// decide has it say what it does with each interface.
func (f *fakeSystemd) decide() {
	if f.takes == 0 {
		return
	}
	all, err := net.Interfaces()
	if err != nil {
		f.Error(err)
	}
	for _, i := range all {
		text := "ADMIN_STATE=unmanaged\n"
		if i.Index == f.takes {
			text = "ADMIN_STATE=configured\nNETWORK_FILE=" + netplans + "\n"
		}
		if err := os.WriteFile(filepath.Join(linksDir, strconv.Itoa(i.Index)), []byte(text), 0o600); err != nil {
			f.Error(err)
		}
	}
}

// calls are those that had an effect since the last time.
func (f *fakeSystemd) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.log = nil }()
	return slices.Clone(f.log)
}

// isStill says that it does nothing now.
func (f *fakeSystemd) isStill() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.frozen || f.inactive
}

// set changes it while it may be asked.
func (f *fakeSystemd) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeSystemd) isInactive() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inactive
}

func (f *fakeSystemd) isFrozen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.frozen
}
