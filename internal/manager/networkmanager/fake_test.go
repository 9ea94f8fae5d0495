package networkmanager

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"xbr-script/internal/ifname"
	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/nstest"
)

// bus is a message bus with a NetworkManager on it, as far as this package asks
// it. It has a device for each index, and learns a new name some questions
// late.
type bus struct {
	*testing.T
	mu       sync.Mutex
	version  string
	devices  []int
	names    map[int]string // by index, as far as it knows
	late     int            // how many lists of devices it has to give before it learns a name
	managed  map[int]bool   // by index, what it was told
	active   map[int]string // by index, the UUIDs of the profiles that configure them
	noAuto   map[int]bool   // by index, those where no profile may be activated by itself
	states   map[int]uint32 // by index, those in another state than what is known of them makes it
	reasons  map[int]uint32 // by index, why they are in their state
	leased   map[int]bool   // by index
	starting bool           // it has just begun
	kind     uint32         // the type of all devices; 0: Ethernet
	profiles map[string]*fakeProfile
	finds    bool     // it makes profiles of what it finds on devices that it is to manage
	events   int      // but only when it hears of them by this socket, if there is one
	fails    string   // the method that ends with an error
	strips   bool     // it takes all off an interface that it begins with
	log      []string // what had an effect
}

// fakeProfile is a profile of it.
type fakeProfile struct {
	settings settings
	external bool
}

func group(pairs ...any) map[string]dbus.Variant {
	g := map[string]dbus.Variant{}
	for i := 0; i < len(pairs); i += 2 {
		g[pairs[i].(string)] = dbus.MakeVariant(pairs[i+1])
	}
	return g
}

// lease is the profile of a NIC that gets its addresses by DHCP.
func lease() settings {
	return settings{
		"connection":     group("id", "title of 0123", "uuid", "0123", "type", "802-3-ethernet", "interface-name", "eth0", "zone", "home", "autoconnect-priority", int32(7)),
		"802-3-ethernet": group(),
		"ipv4":           group("method", "auto", "dns-search", []string{"example.org"}),
		"ipv6": group("method", "auto", "addresses", []struct {
			Address []byte
			Prefix  uint32
			Gateway []byte
		}{{make([]byte, 16), 64, make([]byte, 16)}}, "route-metric", int64(-1)),
	}
}

func newBus(t *testing.T, names ...string) *bus {
	t.Helper()
	nstest.New(t)
	b := &bus{
		T: t, version: "1.52.1", names: map[int]string{}, managed: map[int]bool{}, active: map[int]string{}, noAuto: map[int]bool{}, leased: map[int]bool{},
		profiles: map[string]*fakeProfile{"0123": {settings: lease()}},
	}
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

// answer is its answer.
func (b *bus) answer(msg *dbus.Message) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	path := msg.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	var index int
	_, _ = fmt.Sscanf(string(path), devicePath+"%d", &index) // the path of a device
	member := msg.Headers[dbus.FieldMember].Value().(string)
	if member == b.fails {
		return []any{dbustest.Error("org.freedesktop.NetworkManager.Failed")}
	}
	switch member {
	case "Hello":
		return []any{":1.1"}
	case "NameHasOwner":
		return []any{true}
	case "GetAllDevices":
		return []any{b.list()}
	case "ActivateConnection":
		_, _ = fmt.Sscanf(string(msg.Body[1].(dbus.ObjectPath)), devicePath+"%d", &index)
		b.active[index] = strings.TrimPrefix(string(msg.Body[0].(dbus.ObjectPath)), "/profile/")
		b.log = append(b.log, b.named(index)+" has "+b.active[index])
		b.strip(index)
		return []any{dbus.ObjectPath("/active/" + b.active[index])}
	case "Set":
		b.set(index, msg.Body[1].(string), msg.Body[2].(dbus.Variant).Value().(bool))
		return nil
	case "Get":
		return []any{b.property(index, path, msg.Body[1].(string))}
	case "Reapply":
		b.reapply(index, msg.Body)
		return nil
	}
	return b.ofProfiles(member, strings.TrimPrefix(string(path), "/profile/"), msg.Body)
}

// ofProfiles is its answer about its profiles, or about the one with that UUID.
func (b *bus) ofProfiles(member, uuid string, body []any) []any {
	if member == "GetConnectionByUuid" {
		uuid = body[0].(string)
	}
	p := b.profiles[uuid]
	if p == nil && member != "ListConnections" {
		return []any{dbustest.Error("org.freedesktop.NetworkManager.Settings.InvalidConnection")}
	}
	switch member {
	case "GetConnectionByUuid":
		return []any{dbus.ObjectPath("/profile/" + uuid)}
	case "ListConnections":
		paths := []dbus.ObjectPath{}
		for uuid := range b.profiles {
			paths = append(paths, dbus.ObjectPath("/profile/"+uuid))
		}
		return []any{paths}
	case "GetSettings":
		return []any{p.settings}
	case "Update2":
		if flags := body[1]; flags != uint32(8) {
			b.Errorf("updated with the flags %v: not in memory only", flags)
		}
		p.settings, p.external = body[0].(map[string]map[string]dbus.Variant), false
		return []any{map[string]dbus.Variant{}}
	case "Delete":
		delete(b.profiles, uuid)
		b.log = append(b.log, "deleted "+uuid)
		return nil
	}
	b.Errorf("asked for %s", member)
	return nil
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

// set is what it was told about a device.
func (b *bus) set(index int, property string, value bool) {
	if property == "Autoconnect" {
		b.noAuto[index] = !value
		return
	}
	b.managed[index] = value
	entry := fmt.Sprintf("%s=%t", b.named(index), value)
	if b.noAuto[index] {
		entry += " (no profile by itself)"
	}
	b.log = append(b.log, entry)
	switch {
	case !value:
		delete(b.active, index)
		delete(b.leased, index)
	case b.finds && b.events == 0 && b.active[index] == "":
		b.find(index)
	}
}

// find makes a profile of what it finds on a device.
func (b *bus) find(index int) {
	uuid := "found_" + b.named(index)
	b.active[index] = uuid
	b.profiles[uuid] = &fakeProfile{external: true, settings: settings{
		"connection": group("id", b.named(index), "uuid", uuid, "type", "bridge", "interface-name", b.named(index)),
		"bridge":     group("stp", false),
		"ipv4":       group("method", "manual", "addresses", [][]uint32{{1, 24, 2}}),
	}}
}

// reapply makes a device take on its profile: with the default forward delay, and a
// lease if there is a server.
func (b *bus) reapply(index int, args []any) {
	if len(args[0].(map[string]map[string]dbus.Variant)) > 0 || args[1] != uint64(0) || args[2] != uint32(0) {
		b.Errorf("reapplied with %v", args)
	}
	b.log = append(b.log, "reapplied "+b.active[index])
	b.strip(index)
	if b.leased != nil {
		b.leased[index] = true
	}
	if err := os.WriteFile("/sys/class/net/"+b.named(index)+"/bridge/forward_delay", []byte("1500"), 0o600); err != nil {
		b.Error(err)
	}
}

// strip takes all off an interface.
func (b *bus) strip(index int) {
	if !b.strips {
		return
	}
	if text, err := exec.Command("ip", "addr", "flush", "dev", b.named(index)).CombinedOutput(); err != nil {
		b.Errorf("%v: %s", err, text)
	}
}

// named is a device's name, whatever it knows.
func (b *bus) named(index int) string {
	name, err := ifname.Of(index)
	if err != nil {
		b.Error(err)
	}
	return name
}

func (b *bus) property(index int, path dbus.ObjectPath, name string) dbus.Variant {
	switch name {
	case "Version":
		return dbus.MakeVariant(b.version)
	case "Interface":
		return dbus.MakeVariant(b.names[index])
	case "Managed":
		told, ok := b.managed[index]
		return dbus.MakeVariant(told || !ok)
	case "Autoconnect":
		return dbus.MakeVariant(!b.noAuto[index])
	case "State":
		return dbus.MakeVariant(b.state(index))
	case "StateReason":
		return dbus.MakeVariant(struct{ State, Reason uint32 }{b.state(index), b.reasons[index]})
	case "DeviceType":
		return dbus.MakeVariant(max(b.kind, firstEthernet))
	case "PermHwAddress":
		return dbus.MakeVariant("")
	case "HwAddress":
		return dbus.MakeVariant("02:00:00:00:00:0A")
	case "Startup":
		return dbus.MakeVariant(b.starting)
	case "ActiveConnection":
		if b.active[index] == "" {
			return dbus.MakeVariant(dbus.ObjectPath("/"))
		}
		return dbus.MakeVariant(dbus.ObjectPath("/active/" + b.active[index]))
	case "Uuid":
		return dbus.MakeVariant(strings.TrimPrefix(string(path), "/active/"))
	case "Flags":
		if b.profiles[strings.TrimPrefix(string(path), "/profile/")].external {
			return dbus.MakeVariant(uint32(0xf))
		}
		return dbus.MakeVariant(uint32(1))
	case "Dhcp4Config":
		if b.leased[index] {
			return dbus.MakeVariant(dbus.ObjectPath("/dhcp4"))
		}
		return dbus.MakeVariant(dbus.ObjectPath("/"))
	case "Options":
		return dbus.MakeVariant(group("ip_address", "192.0.2.1"))
	}
	b.Errorf("asked for the property %s", name)
	return dbus.MakeVariant("")
}

func (b *bus) state(index int) uint32 {
	if b.finds && b.managed[index] && b.active[index] == "" && b.events != 0 && b.hears() {
		b.find(index)
	}
	switch {
	case b.states[index] != 0:
		return b.states[index]
	case b.active[index] != "":
		return stateActivated
	}
	return stateDisconnected
}

// listen makes it look at what it is to manage only when the kernel tells of a link, as
// before 1.44.
func (b *bus) listen() {
	b.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_LINK - 1)})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.mu.Lock()
	b.events = fd
	b.mu.Unlock()
	b.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		_ = unix.Close(b.events)
		b.events = 0
	})
}

// hears says whether the kernel has told of a link since it was last asked.
func (b *bus) hears() bool {
	_, _, err := unix.Recvfrom(b.events, make([]byte, 1<<16), 0)
	return err == nil
}

// told is what it was told about interfaces: "eth0=false" for Managed, and
// profiles.
func (b *bus) told() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var texts []string
	for index, managed := range b.managed {
		texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s=%t %s", b.named(index), managed, b.active[index])))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// restarts has a systemd that restarts it, whereupon it knows an interface, or does not;
// the function that it returns says how often that was asked for.
func (b *bus) restarts(learns bool, index int) (times func() int) {
	b.Helper()
	var mu sync.Mutex
	var peer *dbustest.Peer
	var n int
	const path = "/run/systemd/private"
	_ = os.Remove(path)
	listening := dbustest.Listen(b.T, path, func(msg *dbus.Message) []any {
		mu.Lock()
		defer mu.Unlock()
		switch member := msg.Headers[dbus.FieldMember].Value().(string); member {
		case "AddMatch":
			return nil
		case "Get":
			return []any{dbus.MakeVariant("running")}
		case "TryRestartUnit":
			if msg.Body[0] != Unit {
				b.Errorf("restarted: %v", msg.Body[0])
			}
			n++
			if learns {
				b.mu.Lock()
				b.devices = append(b.devices, index)
				b.mu.Unlock()
			}
			const job = dbus.ObjectPath("/org/freedesktop/systemd1/job/1")
			defer peer.Signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", uint32(1), job, Unit, "done")
			return []any{job}
		default:
			b.Errorf("systemd is asked for %s", member)
			return nil
		}
	})
	mu.Lock()
	defer mu.Unlock()
	peer = listening
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}
