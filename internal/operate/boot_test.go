package operate

import (
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/dbustest"
	"xbr-script/internal/testing/nstest"
)

// TestAwaitIfup has a start come amid the work of ifup, which adds an address after that:
// it waits, and moves that address, too. A hook of ifup's does not wait for itself.
func TestAwaitIfup(t *testing.T) {
	for name, hook := range map[string]bool{"by itself": false, "by a hook": true} {
		t.Run(name, func(t *testing.T) {
			newHost(t, lan)
			nstest.Script(t, "mkdir -p /run/network")
			f, err := os.Create("/run/network/ifstate.eth0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			// Such a lock is also in the way of other locks of the same process.
			if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
				t.Fatal(err)
			}
			if hook {
				t.Setenv("IFACE", "eth0")
				t.Setenv("PHASE", "post-up")
			}
			var waits []string
			r := doCall(t.Context(), t, "start netdev=eth0 check=no", func(c *Call) {
				c.While = func(what string, _ time.Duration) func() {
					if what != "ifup to bring eth0 up" {
						return func() {}
					}
					waits = append(waits, what)
					nstest.Script(t, "ip addr add 192.168.0.7/24 dev eth0")
					if err := f.Close(); err != nil {
						t.Error(err)
					}
					return func() {}
				}
			})
			if r.ok() != nil {
				t.Fatal(r.stderr)
			}
			addr := nstest.Run(t, "ip", "addr", "show", "eth0")
			if hook != (waits == nil) {
				t.Errorf("it has waited for %q", waits)
			}
			if strings.Contains(addr, "192.168.0.7") == hook {
				t.Errorf("dom0 has %s", addr)
			}
		})
	}
}

// TestAwaitUnit has a start come before systemd has begun with the unit of a NIC, which
// counts as started as soon as ifup has begun.
func TestAwaitUnit(t *testing.T) {
	newHost(t, lan)
	type unit struct {
		Name, Description, Load, Active, Sub, Followed string
		Path                                           dbus.ObjectPath
		Job                                            uint32
		JobType                                        string
		JobPath                                        dbus.ObjectPath
	}
	var mu sync.Mutex
	var units []unit
	dbustest.Listen(t, "/run/systemd/private", func(msg *dbus.Message) []any {
		if msg.Headers[dbus.FieldMember].Value() != "ListUnitsByPatterns" {
			return nil // the library asks for signals
		}
		mu.Lock()
		defer mu.Unlock()
		found := []unit{}
		for _, pattern := range msg.Body[1].([]string) {
			for _, u := range units {
				if ok, err := path.Match(strings.ReplaceAll(pattern, `\`, `\\`), u.Name); err != nil {
					t.Error(err)
				} else if ok {
					found = append(found, u)
				}
			}
		}
		return []any{found}
	})
	for _, c := range []struct {
		name, active, sub, job string
		of                     []string // the NICs for which it counts
	}{
		{"networking.service", "activating", "start", "start", nil},
		{"ifup@eth1.service", "inactive", "dead", "start", []string{"eth1", ""}}, // it waits for its device
		{`ifup@br\x2dlan.service`, "inactive", "dead", "start", []string{"br-lan", ""}},
		{"ifup@br-lan.service", "active", "running", "", []string{"br-lan", ""}},
		{"ifup@eth1.service", "active", "exited", "", nil},
		{"ifup@eth1.service", "active", "running", "stop", []string{"eth1", ""}},
		{"ifup@eth1.service", "active", "exited", "stop", nil},
		{"dhcpcd@eth1.service", "activating", "start", "", []string{"eth1", ""}},
		{"dhcpcd@eth1.service", "active", "running", "", nil},
		{"NetworkManager.service", "inactive", "dead", "start", []string{"eth0", "eth1", "br-lan", ""}},
		{"NetworkManager.service", "active", "running", "", nil},
	} {
		mu.Lock()
		units = []unit{{c.name, "", "loaded", c.active, c.sub, "", "/u", 1, c.job, "/j"}}
		mu.Unlock()
		for _, dev := range []string{"eth0", "eth1", "br-lan", ""} {
			want := ""
			if slices.Contains(c.of, dev) {
				want = c.name
			}
			if who := beginning(t.Context(), dev); who != want {
				t.Errorf("%+v: for %q %q begins", c, dev, who)
			}
		}
	}
}

// TestAwaitNIC has a service come before its NIC and before udev is done. Who starts by
// hand is told at once.
func TestAwaitNIC(t *testing.T) {
	newHost(t, lan)
	nstest.Script(t, "mkdir -p /run/udev; : >"+udevQueue)
	if r := doCall(t.Context(), t, "start netdev=eth7", nil); r.err == nil || !strings.Contains(r.stderr, "eth7") {
		t.Fatalf("by hand: %v, %s", r.err, r.stderr)
	}
	t.Setenv("RC_SVCNAME", "xbr-script")
	var waits []string
	r := doCall(t.Context(), t, "start netdev=eth7", func(c *Call) {
		c.While = func(what string, _ time.Duration) func() {
			waits = append(waits, what)
			switch what {
			case "udev":
				nstest.Script(t, "rm "+udevQueue)
			case "eth7":
				nstest.Script(t, "ip link add eth7 type veth peer name lan7 netns lan; ip link set eth7 up; ip -n lan link set lan7 up")
			}
			return func() {}
		}
	})
	if r.ok() != nil || len(waits) < 2 || waits[0] != "udev" || waits[1] != "eth7" {
		t.Errorf("%v, %s, it has waited for %q", r.ok(), r.stderr, waits)
	}
}

// TestAwaitNetworkManager has a start come while NetworkManager asks for a lease: it waits,
// and moves that, too. A service that is not told which NIC to take waits until NetworkManager
// has begun with all.
func TestAwaitNetworkManager(t *testing.T) {
	for name, c := range map[string]struct {
		line    string
		service bool
		want    string
	}{
		"by hand":                 {"start netdev=eth0 check=no", false, "NetworkManager to configure eth0"},
		"a service":               {"start check=no", true, "NetworkManager to configure a NIC"},
		"with a NIC in a service": {"start netdev=eth0 check=no", true, "NetworkManager to configure eth0"},
	} {
		t.Run(name, func(t *testing.T) {
			newHost(t, lan)
			nstest.Script(t, "mkdir -p /run/systemd/units; ln -s 0 /run/systemd/units/invocation:NetworkManager.service")
			const activated = uint32(100)
			var mu sync.Mutex
			state, managed := uint32(70), true
			socket := t.TempDir() + "/bus"
			t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+socket)
			dbustest.Listen(t, socket, func(msg *dbus.Message) []any {
				mu.Lock()
				defer mu.Unlock()
				switch msg.Headers[dbus.FieldMember].Value() {
				case "Hello":
					return []any{":1.1"}
				case "NameHasOwner":
					return []any{true}
				case "GetAllDevices":
					return []any{[]dbus.ObjectPath{"/eth0"}}
				case "Set":
					managed = msg.Body[2].(dbus.Variant).Value().(bool)
					return nil
				}
				values := map[string]any{
					"Interface": "eth0", "State": state, "Startup": state != activated, "Managed": managed,
					"Autoconnect": true, "ActiveConnection": dbus.ObjectPath("/"),
				}
				return []any{dbus.MakeVariant(values[msg.Body[1].(string)])}
			})
			if c.service {
				t.Setenv("RC_SVCNAME", "xbr-script")
			}
			var waits []string
			r := doCall(t.Context(), t, c.line, func(call *Call) {
				call.While = func(what string, limit time.Duration) func() {
					if !strings.HasPrefix(what, "NetworkManager to configure") {
						return func() {}
					}
					waits = append(waits, what)
					nstest.Script(t, "ip addr add 192.168.0.7/24 dev eth0")
					mu.Lock()
					defer mu.Unlock()
					if state = activated; limit != nicLimit {
						t.Errorf("it waits for %v", limit)
					}
					return func() {}
				}
			})
			if r.ok() != nil || !slices.Equal(waits, []string{c.want}) {
				t.Errorf("%v, %s, it has waited for %q", r.ok(), r.stderr, waits)
			}
			if addr := nstest.Run(t, "ip", "addr", "show", "eth0"); !strings.Contains(addr, "192.168.0.7") {
				t.Errorf("dom0 has %s", addr)
			}
			mu.Lock()
			defer mu.Unlock()
			if managed {
				t.Error("NetworkManager still has the NIC")
			}
		})
	}
}
