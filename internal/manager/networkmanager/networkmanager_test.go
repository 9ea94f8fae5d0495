package networkmanager

import (
	"context"
	"errors"
	"testing"
	"time"

	"xbr-script/internal/ifname"
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
	newBus(t)
	nstest.Script(t, "ip link add eth0 type bridge")
	index, err := ifname.IndexOf("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Take{"eth0", index, "peth0", "0123"}).Do(t.Context(), false); err == nil || err.Error() != "it does not know eth0" {
		t.Errorf("without the interface: %v", err)
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
