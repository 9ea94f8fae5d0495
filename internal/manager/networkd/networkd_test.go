package networkd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

// states is systemd-networkd's folder, which the test writes: its /run is its own.
type states struct{ *testing.T }

func newStates(t *testing.T) states {
	t.Helper()
	limit := decideLimit
	decideLimit = 3 * pause
	t.Cleanup(func() { decideLimit = limit })
	nstest.New(t)
	nstest.Script(t, "ip link add eth0 type veth peer name vif0.0\nip link add xenbr0 type bridge\nip link add peth0 type bridge")
	nstest.Script(t, "mkdir -p /run/systemd/units "+linksDir)
	nstest.Run(t, "ln", "-s", "0123", "/run/systemd/units/invocation:"+unit) // it runs
	return states{t}
}

func (s states) index(name string) int {
	s.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		s.Fatal(err)
	}
	return i.Index
}

// say writes what is said of an interface; it is older than all else if old.
func (s states) say(name, state, file string, old bool) {
	s.Helper()
	path := filepath.Join(linksDir, strconv.Itoa(s.index(name)))
	text := fmt.Sprintf("# This is private data. Do not parse.\nADMIN_STATE=%s\nOPER_STATE=routable\nNETWORK_FILE=%s\n", state, file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	if old {
		if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
			s.Fatal(err)
		}
	}
}

func TestLink(t *testing.T) {
	s := newStates(t)
	lo, _ := net.InterfaceByName("lo")
	if l := linkOf(t, lo.Index); l.Configures() {
		t.Errorf("of an interface that it does not know: %+v", l)
	}
	for _, c := range []struct {
		state, file string
		want        bool
	}{
		{"configured", "/etc/systemd/network/eth0.network", true},
		{"configuring", "/run/systemd/network/10-netplan-eth0.network", true},
		{"unmanaged", "/etc/systemd/network/05-xen.network", false},
		{"unmanaged", "", false},
		{"pending", "", false},
	} {
		s.say("lo", c.state, c.file, false)
		if l := linkOf(t, lo.Index); l.Configures() != c.want || l.File != c.file || l.State != c.state {
			t.Errorf("%q by %q: %+v", c.state, c.file, l)
		}
	}
}

// TestAwait has systemd-networkd decide about the interfaces after a start.
func TestAwait(t *testing.T) {
	const file = "/etc/systemd/network/eth0.network"
	type word struct{ name, state, file string }
	alone := []word{{"peth0", "unmanaged", ""}, {"vif0.0", "unmanaged", "/etc/systemd/network/05-xen.network"}, {"xenbr0", "unmanaged", ""}}
	for name, c := range map[string]struct {
		old, now []word // before the restart, and after it
		fails    string // what the error begins with
		hint     string
	}{
		"taken":        {nil, append(alone, word{"eth0", "configured", file}), "", ""},
		"still at it":  {nil, append(alone, word{"eth0", "configuring", file}), "", ""},
		"not taken":    {nil, append(alone, word{"eth0", "unmanaged", ""}), file + " does not fit eth0", "Name=eth0"},
		"not decided":  {nil, append(alone, word{"eth0", "pending", ""}), file + " does not fit eth0", "Name=eth0"},
		"an old word":  {append(alone, word{"eth0", "configured", file}), nil, file + " does not fit eth0", "Name=eth0"},
		"the NIC, too": {nil, append(alone[1:], word{"eth0", "configured", file}, word{"peth0", "configuring", file}), file + " fits peth0, too", "Unmanaged=yes"},
		"the NIC alone": {
			nil, append(alone[1:], word{"eth0", "unmanaged", ""}, word{"peth0", "configuring", file}), file + " does not fit eth0", "Name=eth0",
		},
		"the bridge, too": {nil, append(alone[:2:2], word{"eth0", "configured", file}, word{"xenbr0", "configuring", file}), file + " fits xenbr0, too", "Unmanaged=yes"},
	} {
		for _, renamed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, renamed %t", name, renamed), func(t *testing.T) {
				s := newStates(t)
				restarted := time.Unix(1000, 0)
				for _, w := range c.old {
					s.say(w.name, w.state, w.file, true)
				}
				for _, w := range c.now {
					s.say(w.name, w.state, w.file, false)
				}
				heir := Heir{Was: Link{State: "configured", File: file}, Dev: "eth0"}
				for _, other := range []string{"peth0", "vif0.0", "xenbr0"} {
					heir.others = append(heir.others, manager.Interface{Name: other})
				}
				limit := decideLimit
				if renamed { // by somebody else: the indexes tell who is meant
					limit = 0 // wait=0: whether it takes them is waited for all the same
					heir.Index = s.index("eth0")
					for i, o := range heir.others {
						heir.others[i].Index = s.index(o.Name)
					}
					nstest.Script(t, "for i in eth0 peth0 vif0.0 xenbr0; do ip link set $i name x$i; done")
				}
				err := await(t.Context(), []Heir{heir}, restarted, limit)
				var advice *refusal.Error
				switch {
				case c.fails == "" && err != nil:
					t.Error(err)
				case c.fails != "" && (!errors.As(err, &advice) || !strings.HasPrefix(err.Error(), c.fails) || !strings.Contains(advice.Hint, c.hint)):
					t.Errorf("ended with %v, want %q with a hint at %q", err, c.fails, c.hint)
				}
			})
		}
	}
}

// TestAwaitEnds waits for a word that does not come.
func TestAwaitEnds(t *testing.T) {
	newStates(t)
	heirs := []Heir{{Was: Link{State: "configured"}, Dev: "eth0"}}
	signalled := errors.New("terminated signal received")
	ctx, end := context.WithCancelCause(t.Context())
	end(signalled)
	if err := await(ctx, heirs, time.Now(), time.Hour); !errors.Is(err, signalled) {
		t.Errorf("ended with %v", err)
	}
	// It was not restarted: there is nothing to wait for.
	if err := await(t.Context(), heirs, time.Time{}, time.Hour); err != nil {
		t.Error(err)
	}
}

// TestNoSystemd asks where there is none: that is found out before the change.
func TestNoSystemd(t *testing.T) {
	newStates(t)
	if err := (&Resume{Unit: unit}).Ready(t.Context()); err == nil {
		t.Error("there is somebody to ask")
	}
}

func linkOf(t *testing.T, index int) Link {
	t.Helper()
	l, err := (Manager{}).LinkOf(index)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
