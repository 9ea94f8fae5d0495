package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/ifname"
	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/nstest"
)

// bus is a message bus with a NetworkManager on it, as far as this package asks
// it. It has a device for each index, and learns a new name some questions
// late.
type bus struct {
	*testing.T
	mu      sync.Mutex
	devices []int
	names   map[int]string // by index, as far as it knows
	late    int            // how many lists of devices it has to give before it learns a name
	managed map[int]bool   // by name, what it was told
	active  map[int]string // by name, the profiles that configure them
}

func newBus(t *testing.T, names ...string) *bus {
	t.Helper()
	nstest.New(t)
	b := &bus{T: t, names: map[int]string{}, managed: map[int]bool{}, active: map[int]string{}}
	for _, name := range names {
		nstest.Run(t, "ip", "link", "add", name, "type", "bridge")
		index, err := ifname.IndexOf(name)
		if err != nil {
			t.Fatal(err)
		}
		b.devices, b.names[index] = append(b.devices, index), name
	}
	path := t.TempDir() + "/bus"
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
	dbustest.Listen(t, path, b.answer)
	return b
}

const devicePath = "/org/freedesktop/NetworkManager/Devices/"

// answer is its answer, or nil if it gives none.
func (b *bus) answer(msg *dbus.Message) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	path := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	var index int
	_, _ = fmt.Sscanf(string(path), devicePath+"%d", &index) // the path of a device
	switch member := msg.Headers[dbus.FieldMember].Value().(string); member {
	case "Hello":
		return []any{":1.1"}
	case "NameHasOwner":
		return []any{true}
	case "GetAllDevices":
		return []any{b.list()}
	case "GetConnectionByUuid":
		return []any{dbus.ObjectPath("/profile/" + msg.Body[0].(string))}
	case "ActivateConnection":
		_, _ = fmt.Sscanf(string(msg.Body[1].(dbus.ObjectPath)), devicePath+"%d", &index)
		b.active[index] = strings.TrimPrefix(string(msg.Body[0].(dbus.ObjectPath)), "/profile/")
		return []any{dbus.ObjectPath("/active/" + b.active[index])}
	case "Set":
		b.managed[index] = msg.Body[2].(dbus.Variant).Value().(bool)
		return nil
	case "Get":
		return []any{b.property(index, path, msg.Body[1].(string))}
	default:
		b.Errorf("asked for %s", member)
		return nil
	}
}

func (b *bus) list() (paths []dbus.ObjectPath) {
	for _, index := range b.devices {
		if name, err := ifname.Of(index); err == nil {
			if b.late <= 0 {
				b.names[index] = name
			}
			paths = append(paths, dbus.ObjectPath(fmt.Sprint(devicePath, index)))
		}
	}
	b.late--
	return paths
}

func (b *bus) property(index int, path dbus.ObjectPath, name string) dbus.Variant {
	switch name {
	case "Interface":
		return dbus.MakeVariant(b.names[index])
	case "State":
		if b.active[index] != "" {
			return dbus.MakeVariant(uint32(stateActivated))
		}
		return dbus.MakeVariant(uint32(stateDisconnected))
	case "ActiveConnection":
		return dbus.MakeVariant(dbus.ObjectPath("/active/" + b.active[index]))
	case "Uuid":
		return dbus.MakeVariant(strings.TrimPrefix(string(path), "/active/"))
	case "Id":
		return dbus.MakeVariant("title of " + strings.TrimPrefix(string(path), "/active/"))
	}
	b.Errorf("asked for the property %s", name)
	return dbus.MakeVariant("")
}

// told is what it was told about interfaces: "eth0=false" for Managed, and
// profiles.
func (b *bus) told() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var texts []string
	for index, managed := range b.managed {
		name, err := ifname.Of(index)
		if err != nil {
			b.Error(err)
		}
		texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s=%t %s", name, managed, b.active[index])))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

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
