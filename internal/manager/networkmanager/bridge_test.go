package networkmanager

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	xbr "xbr-script/bridge"
	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// bridged is a host whose NIC has become the port peth0 of the bridge xenbr0, and
// NetworkManager has let it go.
func bridged(t *testing.T) (*bus, *TakeBridge, *ReleaseBridge) {
	t.Helper()
	b := newBus(t, "xenbr0", "peth0")
	nstest.Script(t, "ip link set xenbr0 up\nip link set peth0 up")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finds = true
	b.managed[b.devices[1]] = false
	b.find(b.devices[0])
	take := &TakeBridge{"xenbr0", b.devices[0], "peth0", b.devices[1], Original{Profile: "0123", Metric: 100, ClientID: "01:02", Token: "::5"}, false}
	return b, take, &ReleaseBridge{"xenbr0", b.devices[0], "peth0", b.devices[1]}
}

// logged is what had an effect since it was last asked.
func (b *bus) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := strings.Join(b.log, ", ")
	b.log = nil
	return text
}

// copies are the profiles that are left of bridges.
func (b *bus) copies() (uuids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uuid, p := range b.profiles {
		if p.settings.isCopyFor("xenbr0") {
			uuids = append(uuids, uuid)
		}
	}
	return uuids
}

// TestTakeBridge gives a bridge the NIC's profile, once more, and takes it away.
func TestTakeBridge(t *testing.T) {
	for name, old := range map[string]bool{"it looks at once": false, "it looks when it hears of the NIC": true} {
		t.Run(name, func(t *testing.T) {
			b, take, release := bridged(t)
			if old {
				b.listen()
			}
			if err := take.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			delay := nstest.Run(t, "cat", "/sys/class/net/xenbr0/bridge/forward_delay")
			if err := take.Do(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if got, want := b.logged(), "peth0=true (no profile by itself), reapplied found_xenbr0"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got := nstest.Run(t, "cat", "/sys/class/net/xenbr0/bridge/forward_delay"); got != delay {
				t.Errorf("the forward delay is %s, was %s", got, delay)
			}
			if err := take.Do(t.Context(), false); err != nil || b.logged() != "reapplied found_xenbr0" {
				t.Errorf("once more: %v", err)
			}
			b.mu.Lock()
			if b.noAuto[take.PortIndex] {
				t.Error("no profile may be activated on the NIC by itself any more")
			}
			b.mu.Unlock()
			for range 2 {
				if err := release.Do(t.Context(), false); err != nil || len(b.copies()) > 0 || b.told() != "peth0=false, xenbr0=false" {
					t.Errorf("%v, left: %v, told: %s", err, b.copies(), b.told())
				}
			}
		})
	}
}

// TestTakeBridgeFails has each call fail that changes something, and takes it back.
func TestTakeBridgeFails(t *testing.T) {
	for _, method := range []string{"Set", "GetSettings", "Update2", "Reapply", "GetConnectionByUuid"} {
		b, take, release := bridged(t)
		b.mu.Lock()
		b.fails = method
		b.mu.Unlock()
		if err := take.Do(t.Context(), false); err == nil {
			t.Errorf("%s fails, and nobody says so", method)
		}
		b.mu.Lock()
		b.fails = ""
		b.mu.Unlock()
		if err := release.Do(t.Context(), true); err != nil || len(b.copies()) > 0 || b.told() != "peth0=false, xenbr0=false" {
			t.Errorf("after %s: %v, left: %v, told: %s", method, err, b.copies(), b.told())
		}
	}
}

// TestTakeBridgeRefused asks beforehand what NetworkManager could not go on with.
func TestTakeBridgeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*bus)
		want   string
	}{
		"an old version":   {func(b *bus) { b.version = "1.40.18" }, "its version is 1.40.18, and 1.42 is the first that was seen to do it"},
		"no such profile":  {func(b *bus) { delete(b.profiles, "0123") }, "org.freedesktop.NetworkManager.Settings.InvalidConnection"},
		"802.1X":           {func(b *bus) { b.profiles["0123"].settings["802-1x"] = group() }, "the profile title of 0123 has the NIC authenticate itself (802-1x)"},
		"a DUID of its":    {func(b *bus) { b.profiles["0123"].settings["ipv6"] = group("dhcp-duid", "stable-uuid") }, "(dhcp-duid=stable-uuid)"},
		"a newer version":  {func(b *bus) { b.version = "2.0" }, ""},
		"the oldest there": {func(b *bus) { b.version = "1.42.0" }, ""},
		"an old one late":  {func(b *bus) { b.version = "1.42.4" }, "its version is 1.42.4, and 1.52 is the first"},
		"late":             {func(b *bus) { b.version = "1.52.0" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, take, _ := bridged(t)
			b.mu.Lock()
			c.change(b)
			b.mu.Unlock()
			if take.Late = strings.Contains(name, "late"); take.Late {
				b.waits(take.PortIndex)
			}
			err := take.Ready(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestTakeBridgeNot leaves alone a bridge with a profile of somebody's.
func TestTakeBridgeNot(t *testing.T) {
	b, take, _ := bridged(t)
	b.mu.Lock()
	b.profiles["found_xenbr0"].external = false
	b.mu.Unlock()
	if err := take.Do(t.Context(), false); err == nil || err.Error() != "xenbr0 has a profile already: xenbr0" {
		t.Error(err)
	}
	for value, want := range map[string]bool{"0": false, "1": true} {
		if err := (options{"vlan_filtering": value}).refusal("xenbr0"); (err != nil) != want {
			t.Errorf("with vlan_filtering=%s: %v", value, err)
		}
	}
	if got := b.logged(); strings.Contains(got, "reapplied") {
		t.Error(got)
	}
}

// TestCopied reads what the copy says.
func TestCopied(t *testing.T) {
	b, take, _ := bridged(t)
	if err := take.Do(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.profiles["found_xenbr0"].settings
	for _, c := range []struct {
		group, name string
		want        any
	}{
		{"connection", "id", "title of 0123 (xenbr0)"},
		{"connection", "uuid", "found_xenbr0"},
		{"connection", "type", "bridge"},
		{"connection", "interface-name", "xenbr0"},
		{"connection", "zone", "home"},
		{"connection", "autoconnect-priority", nil},
		{"connection", "autoconnect", false},
		{"bridge", "stp", false},
		{"ipv4", "method", "auto"},
		{"ipv4", "dhcp-client-id", "01:02"},
		{"ipv4", "route-metric", int64(100)},
		{"ipv4", "addresses", nil},
		{"ipv4", "dhcp-timeout", int32(math.MaxInt32)},
		{"ipv6", "ra-timeout", int32(math.MaxInt32)},
		{"ipv6", "route-metric", int64(100)},
		{"ipv6", "addresses", nil},
		{"ipv6", "addr-gen-mode", int32(0)},
		{"ipv6", "token", "::5"},
		{"802-3-ethernet", "", nil},
	} {
		if got := s[c.group][c.name].Value(); got != c.want {
			t.Errorf("%s.%s is %v, want %v", c.group, c.name, got, c.want)
		}
	}
	data := s["user"]["data"].Value().(map[string]string)
	of, err := originalOf(data)
	if err != nil || *of != take.Original {
		t.Errorf("%v, %v", of, err)
	}
	for _, text := range []string{"", "{", `{"version":2}`} {
		if of, err := originalOf(map[string]string{key: text}); err == nil {
			t.Errorf("%q is read as %v", text, of)
		}
	}
	if got := (Original{}).copied(settings{"ipv4": group("route-metric", int64(7))}, settings{"connection": group()}, nil, "x")["ipv4"]["route-metric"].Value(); got != int64(7) {
		t.Errorf("its own metric has become %v", got)
	}
	if got := (Original{}).copied(settings{"ipv4": group("dhcp-client-id", "perm-mac")}, settings{"connection": group()}, nil, "x")["ipv4"]["dhcp-client-id"].Value(); got != "mac" {
		t.Errorf("by a permanent MAC address, which a bridge does not have: %v", got)
	}
}

// TestBridgeFaults makes each step of start and of stop go wrong: the NIC has its
// profile, or the bridge has its copy. Or NetworkManager has yet to configure the NIC: then
// it is left to it, without waiting for what does not come.
func TestBridgeFaults(t *testing.T) {
	for name, late := range map[string]bool{"configured": false, "not yet": true} {
		t.Run(name, func(t *testing.T) { bridgeFaults(t, late) })
	}
}

func bridgeFaults(t *testing.T, late bool) {
	b, take, release := bridged(t)
	profile := take.Original.Profile
	if late {
		profile, take.Original = "", Original{Profile: profile, Metric: 100}
	}
	bridge, nic := &host.Link{Index: b.devices[0], Name: "xenbr0"}, &host.Link{Index: b.devices[1], Name: "peth0"}
	m := manager.Move{NetDev: "peth0", Port: "peth0", NIC: nic, From: nic, To: manager.Interface{Name: "xenbr0", Index: bridge.Index}}
	back := m
	back.From, back.To = bridge, manager.Interface{Name: "peth0", Index: nic.Index}
	r := plan.Runner{Dir: t.TempDir(), Kinds: plan.Merge((Manager{}).Kinds())}
	for _, start := range []bool{true, false} {
		makePlan := func() *plan.Plan {
			before, after := toBridge(m, take.Original, profile)
			if !start {
				before, after = fromBridge(back, take.Original, profile)
			}
			return &plan.Plan{Steps: slices.Concat(before, after)}
		}
		begin := func() {
			for _, op := range [][]plan.Op{
				{release, &Take{"peth0", nic.Index, "peth0", profile}},
				{&Release{"peth0", nic.Index}, take},
			}[map[bool]int{true: 0, false: 1}[start]] {
				if err := op.Do(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
			if start && late {
				b.waits(nic.Index)
			}
		}
		same := func(start bool) func(string) bool {
			return func(what string) bool {
				b.mu.Lock()
				on, of, managed := b.active[bridge.Index], b.active[nic.Index], b.managed[nic.Index]
				b.mu.Unlock()
				copies := b.copies()
				if start && (of != profile && !late || !managed || len(copies) > 0) || !start && (on != "found_xenbr0" || len(copies) != 1) {
					t.Errorf("%s: the NIC has %q, the bridge %q, copies: %v", what, of, on, copies)
					return false
				}
				if start && late {
					b.waits(nic.Index)
				}
				return true
			}
		}
		begin()
		matrix := &faults.Matrix{T: t, Runner: r, Same: same(start), Every: faults.Ways(testing.Short(), 2)}
		matrix.Try(map[bool]string{true: "start", false: "stop"}[start], makePlan)
		if err := r.Run(t.Context(), makePlan()); err != nil {
			t.Fatal(err)
		}
		same(!start)("done")
		t.Log(matrix)
	}
}

// waits has a device without a profile, as there is no cable. What it found there as on a
// port is gone.
func (b *bus) waits(index int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.active, index)
}

// TestBridgeLate begins anew if NetworkManager has configured the NIC since the plan was
// made.
func TestBridgeLate(t *testing.T) {
	b, take, _ := bridged(t)
	b.waits(take.PortIndex)
	take.Late = true
	if err := take.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	b.mu.Lock()
	b.active[take.PortIndex] = "0123"
	b.mu.Unlock()
	if err := take.Ready(t.Context()); !errors.Is(err, xbr.ErrChanged) {
		t.Error(err)
	}
	take.Late = false
	if err := take.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLeft gives the NIC its profile back, and removes the copy, also where
// NetworkManager has been told to leave the bridge alone, or has yet to look at it.
func TestLeft(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/none")
	copied := "[connection]\nuuid=4567\ninterface-name=lan\n[user]\n" + key + "=" + Original{Profile: "0123"}.note() + "\n"
	bridge, nic := &host.Link{Index: 7, Name: "lan"}, &host.Link{Index: 2, Name: "peth0"}
	move := manager.Move{NetDev: "eth0", Port: "peth0", NIC: nic, From: bridge, Bridge: bridge, To: manager.Interface{Name: "peth0", Index: 2}}
	for name, c := range map[string]struct {
		files files
		want  []string
	}{
		"it goes by it":     {files{"devices/7": "[device]\nmanaged=true\nconnection-uuid=4567\n", "system-connections/lan.nmconnection": copied}, []string{"networkmanager release bridge", "networkmanager take"}},
		"it is left alone":  {files{"devices/7": "[device]\nmanaged=false\n", "system-connections/lan.nmconnection": copied}, []string{"networkmanager release bridge", "networkmanager take"}},
		"it has no file":    {files{"system-connections/lan.nmconnection": copied}, []string{"networkmanager release bridge", "networkmanager take"}},
		"another's":         {files{"system-connections/lan.nmconnection": strings.ReplaceAll(copied, "=lan", "=lan2")}, nil},
		"no copy":           {files{"system-connections/lan.nmconnection": "[connection]\ninterface-name=lan\n"}, nil},
		"none of a profile": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, err := Manager{Up: up, Root: c.files.root(t)}.Around([]manager.Move{move})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range slices.Concat(before, after) {
				for _, op := range s.Do {
					got = append(got, op.Kind())
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
