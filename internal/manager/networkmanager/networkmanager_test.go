package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/host"
	"xbr-script/internal/ifname"
	"xbr-script/internal/manager"
	"xbr-script/internal/testing/nstest"
)

// TestRenamed renames the interface that an operation is about, and gives its
// name to another: the operation is still about the first one.
func TestRenamed(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		late   int
		byName bool // as in a journal of an earlier version
		told   string
	}{
		"as planned":           {"", 0, false, "eth0"},
		"by its name":          {"", 0, true, "eth0"},
		"renamed":              {"ip link set eth0 name xeth0", 0, false, "xeth0"},
		"heard late":           {"ip link set eth0 name xeth0", 3, false, "xeth0"},
		"another has its name": {"ip link set eth0 name xeth0; ip link set other name eth0", 0, false, "xeth0"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, "eth0", "peth0", "other")
			index := b.devices[0]
			if c.byName {
				index = 0
			}
			nstest.Script(t, "true; "+c.script)
			b.late = c.late
			if err := (&Release{"eth0", index}).Do(t.Context(), false); err != nil || b.told() != c.told+"=false" {
				t.Errorf("released: %q, %v", b.told(), err)
			}
			take := &Take{"eth0", index, "peth0", "0123"}
			if err := take.Do(t.Context(), false); err != nil || b.told() != c.told+"=true 0123" {
				t.Errorf("taken: %q, %v", b.told(), err)
			}
		})
	}
}

// TestGivenUp ends a call that waits for a device which NetworkManager does not
// report.
func TestGivenUp(t *testing.T) {
	b := newBus(t, "eth0")
	nstest.Script(t, "ip link set eth0 name xeth0")
	b.late = 1 << 20
	signalled := errors.New("terminated signal received")
	ctx, end := context.WithCancelCause(t.Context())
	time.AfterFunc(3*pause, func() { end(signalled) })
	if err := (&Take{"eth0", b.devices[0], "peth0", "0123"}).Do(ctx, false); !errors.Is(err, signalled) {
		t.Errorf("ended with %v", err)
	}
}

// TestForgotten has NetworkManager forget the NIC, and then the interface itself.
func TestForgotten(t *testing.T) {
	limit := learnLimit
	t.Cleanup(func() { learnLimit = limit })
	learnLimit = 2 * pause
	b := newBus(t, "eth0")
	nstest.Script(t, "ip link add peth0 type bridge")
	take := &Take{"eth0", b.devices[0], "peth0", "0123"}
	if err := take.Do(t.Context(), false); err != nil || b.told() != "eth0=true 0123" {
		t.Errorf("without the NIC: %q, %v", b.told(), err)
	}
	b = newBus(t)
	nstest.Script(t, "ip link add eth0 type bridge")
	index, err := ifname.IndexOf("eth0")
	if err != nil {
		t.Fatal(err)
	}
	take = &Take{"eth0", index, "peth0", "0123"}
	if err := take.Do(t.Context(), false); err == nil || !strings.Contains(err.Error(), "it does not know eth0") {
		t.Errorf("without the interface: %v", err)
	}
	restarts := b.restarts(false, index)
	if err := take.Do(t.Context(), false); err == nil || err.Error() != "it does not know eth0" || restarts() != 1 {
		t.Errorf("restarted %d times in vain: %v", restarts(), err)
	}
	restarts = b.restarts(true, index)
	if err := take.Do(t.Context(), true); err != nil || b.told() != "eth0=true 0123" || restarts() != 1 {
		t.Errorf("restarted %d times: %q, %v", restarts(), b.told(), err)
	}
}

// TestGone deletes the interface that an operation is about: it need not be
// released, and it cannot be managed again, except that this counts as done
// when a change is taken back.
func TestGone(t *testing.T) {
	b := newBus(t, "eth0", "other")
	nstest.Script(t, "ip link del eth0; ip link set other name eth0")
	release, take := &Release{"eth0", b.devices[0]}, &Take{"eth0", b.devices[0], "peth0", "0123"}
	if err := release.Do(t.Context(), false); err != nil {
		t.Error(err)
	}
	if err := take.Do(t.Context(), true); err != nil {
		t.Error(err)
	}
	if err := take.Do(t.Context(), false); err == nil || err.Error() != "eth0 is gone" {
		t.Errorf("taken: %v", err)
	}
	if told := b.told(); told != "" {
		t.Errorf("told: %s", told)
	}
}

// TestNotYet is about a NIC that NetworkManager could not configure yet, as without a
// cable: it will configure dom0's interface instead, and after stop the NIC.
func TestNotYet(t *testing.T) {
	const connecting, leaves, follows, copies = 50, "networkmanager release", "networkmanager release, networkmanager take", "networkmanager release, networkmanager take bridge"
	for name, c := range map[string]struct {
		state     uint32
		unmanaged bool // by its configuration, which does not make a file
		noAuto    bool // disconnected by somebody
		onBridge  bool
		want      string
	}{
		"no cable":                   {stateUnavailable, false, false, false, follows},
		"no answer yet":              {connecting, false, false, false, follows},
		"no profile":                 {stateDisconnected, false, false, false, follows},
		"disconnected":               {stateDisconnected, false, true, false, leaves},
		"left alone":                 {10, true, false, false, leaves},
		"what it found":              {stateActivated, false, false, false, leaves},
		"a bridge without a cable":   {stateUnavailable, false, false, true, copies},
		"a bridge without an answer": {connecting, false, false, true, copies},
		"a bridge left alone":        {10, true, false, true, leaves},
		"a bridge disconnected":      {stateDisconnected, false, true, true, leaves},
		"a bridge without a profile": {stateUnavailable, false, false, true, leaves},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, "eth0", "other")
			b.mu.Lock()
			b.states = map[int]uint32{b.devices[0]: c.state}
			if name == "a bridge without a profile" {
				clear(b.profiles)
			}
			b.managed[b.devices[0]], b.noAuto[b.devices[0]] = !c.unmanaged, c.noAuto
			b.mu.Unlock()
			nic := &host.Link{Index: b.devices[0], Name: "eth0"}
			move := manager.Move{Undertaking: "start xenbr0", From: nic, NIC: nic, NetDev: "eth0", Port: "peth0", To: manager.Interface{Name: "other", Index: b.devices[1]}, OnBridge: c.onBridge}
			warned, failed := Manager{Up: up, Root: t.TempDir()}.Warnings([]manager.Move{move})
			if will := c.onBridge && !c.unmanaged && !c.noAuto && c.state != stateActivated; failed != nil || (len(warned) == 1) != will {
				t.Errorf("it says %q, %v", warned, failed)
			}
			const says = "NetworkManager has yet to configure eth0 (no cable, or no answer): it will configure the bridge other instead, by a copy of the profile 'title of 0123', where the IPv6 addresses may be other than eth0 would have"
			if c.want == copies && (len(warned) != 1 || warned[0] != says) {
				t.Errorf("it says %q, not %q", warned, says)
			}
			before, after, err := Manager{Up: up, Root: t.TempDir()}.Around([]manager.Move{move})
			var kinds []string
			for _, s := range slices.Concat(before, after) {
				for _, op := range s.Do {
					kinds = append(kinds, op.Kind())
					if take, ok := op.(*TakeBridge); ok && (!take.Late || take.Original != Original{Profile: "0123", Metric: 100}) {
						t.Errorf("the bridge gets %+v", take)
					}
				}
			}
			if got := strings.Join(kinds, ", ") + texts(err); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if c.onBridge {
				return // TestBridgeFaults carries those out
			}
			for _, s := range slices.Concat(before, after) {
				for _, op := range s.Do {
					if err := op.Do(t.Context(), false); err != nil {
						t.Error(err)
					}
				}
			}
			if told := b.told(); c.want == follows && told != "eth0=false, other=true" {
				t.Errorf("told: %s", told)
			}
		})
	}
}

// TestBare stops where the bridge has got no address: the NIC is left to NetworkManager,
// unless that would not take its profile by itself.
func TestBare(t *testing.T) {
	copied := "[connection]\nuuid=4567\ninterface-name=lan\n[user]\n" + key + "=" + Original{Profile: "0123"}.note() + "\n"
	for name, c := range map[string]struct{ bare, not bool }{"it has one": {}, "bare": {bare: true}, "not by itself": {true, true}} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, "lan", "peth0")
			b.mu.Lock()
			b.active[b.devices[0]] = "4567"
			b.profiles["0123"].settings["connection"]["autoconnect"] = dbus.MakeVariant(!c.not)
			b.mu.Unlock()
			bridge, nic := &host.Link{Index: b.devices[0], Name: "lan"}, &host.Link{Index: b.devices[1], Name: "peth0"}
			root := files{fmt.Sprint("devices/", bridge.Index): "[device]\nmanaged=true\nconnection-uuid=4567\n", "system-connections/lan.nmconnection": copied}.root(t)
			_, after, err := Manager{Up: up, Root: root}.Around([]manager.Move{{
				NetDev: "eth0", Port: "peth0", NIC: nic, From: bridge, Bridge: bridge, To: manager.Interface{Name: "peth0", Index: nic.Index}, Bare: c.bare,
			}})
			if err != nil || len(after) != 1 {
				t.Fatalf("%v, %v", after, err)
			}
			want := "0123"
			if c.bare && !c.not {
				want = ""
			}
			if take, ok := after[0].Do[0].(*Take); !ok || take.Profile != want {
				t.Errorf("%+v, want the profile %q", after[0].Do[0], want)
			}
		})
	}
}

func texts(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
