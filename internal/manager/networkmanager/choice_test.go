package networkmanager

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
)

// TestChoice has NetworkManager choose a profile for a NIC that it has yet to configure.
func TestChoice(t *testing.T) {
	type values map[string]any // GROUP.NAME
	// profiles have these values besides what they are called.
	profiles := func(all map[string]values) map[string]*fakeProfile {
		found := map[string]*fakeProfile{}
		for uuid, v := range all {
			s := settings{"connection": group("id", "title of "+uuid, "uuid", uuid, "type", "802-3-ethernet"), "ipv6": group("method", "disabled")}
			for name, value := range v {
				g, n, _ := strings.Cut(name, ".")
				if s[g] == nil {
					s[g] = map[string]dbus.Variant{}
				}
				s[g][n] = dbus.MakeVariant(value)
			}
			found[uuid] = &fakeProfile{settings: s}
		}
		return found
	}
	const prio, used, auto, dev, mac, match = "connection.autoconnect-priority", "connection.timestamp", "connection.autoconnect", "connection.interface-name", "802-3-ethernet.mac-address", "match.interface-name"
	its, other := []byte{2, 0, 0, 0, 0, 10}, []byte{2, 0, 0, 0, 0, 11}
	for name, c := range map[string]struct {
		profiles map[string]values
		change   func(b *bus, nic int)
		want     string // the profile, or why not
	}{
		"the only one":            {map[string]values{"a": {}}, nil, "a"},
		"none":                    {nil, nil, "none"},
		"by its name":             {map[string]values{"a": {dev: "eth1", prio: int32(7)}, "b": {dev: "eth0"}}, nil, "b"},
		"by its MAC address":      {map[string]values{"a": {mac: other, prio: int32(7)}, "b": {mac: its}}, nil, "b"},
		"not by its MAC address":  {map[string]values{"a": {"802-3-ethernet.mac-address-blacklist": []string{"02:00:00:00:00:0a"}, prio: int32(7)}, "b": {}}, nil, "b"},
		"not by itself":           {map[string]values{"a": {auto: false, prio: int32(7)}, "b": {auto: true}}, nil, "b"},
		"for something else":      {map[string]values{"a": {"connection.type": "wifi", prio: int32(7)}, "b": {}}, nil, "b"},
		"for a veth":              {map[string]values{"a": {"connection.type": "veth", prio: int32(7)}, "b": {}}, nil, "b"},
		"for a veth as it is":     {map[string]values{"a": {"connection.type": "veth", prio: int32(7)}, "b": {}}, func(b *bus, _ int) { b.kind = typeVeth }, "a"},
		"its own default":         {map[string]values{"a": {dev: "eth0", prio: int32(-999), used: uint64(9)}, "b": {}}, nil, "b"},
		"used last":               {map[string]values{"a": {used: uint64(1)}, "b": {used: uint64(2)}, "c": {}}, nil, "b"},
		"never used":              {map[string]values{"b": {}, "a": {}}, nil, "a"},
		"another has it":          {map[string]values{"a": {}, "b": {}}, func(b *bus, _ int) { b.active[b.devices[1]] = "a" }, "b"},
		"many may have it":        {map[string]values{"a": {"connection.multi-connect": int32(3)}, "b": {}}, func(b *bus, _ int) { b.active[b.devices[1]] = "a" }, "a"},
		"it is at it":             {map[string]values{"a": {}, "b": {}}, func(b *bus, nic int) { b.active[nic], b.states[nic] = "b", 70 }, "b"},
		"told to be at it":        {map[string]values{"b": {auto: false}}, func(b *bus, nic int) { b.active[nic], b.states[nic] = "b", 70 }, "by the profile title of b, which it would not take again by itself"},
		"taken down":              {map[string]values{"a": {}}, func(b *bus, nic int) { b.states[nic], b.reasons[nic] = stateDisconnected, byUser }, "nil"},
		"configured":              {map[string]values{"a": {}}, func(b *bus, nic int) { b.states[nic] = stateActivated }, "nil"},
		"only found":              {map[string]values{"a": {prio: int32(7)}, "b": {}}, func(b *bus, _ int) { b.profiles["a"].external = true }, "b"},
		"by a pattern":            {map[string]values{"a": {match: []string{"en*"}, prio: int32(7)}, "b": {match: []string{"en*", "et*"}}}, nil, "b"},
		"by a pattern of another": {map[string]values{"a": {match: []string{"!et*"}}, "b": {}}, nil, "whether by the profile title of a depends on match.interface-name"},
		"by its driver":           {map[string]values{"a": {"match.driver": []string{"e1000"}}}, nil, "whether by the profile title of a depends on match.driver"},
		"the last by its driver":  {map[string]values{"b": {"match.driver": []string{"e1000"}}, "a": {}}, nil, "a"},
		"somebody's":              {map[string]values{"a": {"connection.permissions": []string{"user:alice:"}}}, nil, "whether by the profile title of a depends on who is logged in"},
		"as a port":               {map[string]values{"a": {"connection.controller": "bond0"}}, nil, "by the profile title of a, as a port of bond0"},
		"a bond":                  {map[string]values{"a": {}}, func(b *bus, _ int) { b.kind = 10 }, "it is no Ethernet device to NetworkManager (type 10)"},
		"what is made of it":      {map[string]values{"a": {"ipv4.dhcp-client-id": "stable", "ipv6.method": "auto"}}, nil, "a, client id, IPv6 addresses"},
		"what is always the same": {map[string]values{"a": {"ipv6.method": "auto", "ipv6.addr-gen-mode": int32(0), "ipv6.dhcp-iaid": "7"}}, nil, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, "eth0", "eth1")
			b.mu.Lock()
			nic := b.devices[0]
			b.profiles, b.states, b.reasons = profiles(c.profiles), map[int]uint32{nic: stateUnavailable}, map[int]uint32{}
			if c.change != nil {
				c.change(b, nic)
			}
			b.mu.Unlock()
			link := &host.Link{Index: nic, Name: "eth0"}
			ch, err := Manager{Up: up, Root: t.TempDir()}.choice(manager.Move{Undertaking: "start xenbr0", From: link, NIC: link, OnBridge: true})
			got := ""
			switch {
			case err != nil:
				got = err.Error()
			case ch == nil:
				got = "nil"
			case ch.Profile == "":
				got = "none"
			default:
				got = strings.Join(append([]string{ch.Profile}, ch.differs...), ", ")
			}
			if got != c.want && (err == nil || !strings.HasPrefix(got, "cannot start xenbr0: NetworkManager has yet to configure eth0: "+c.want)) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if ch != nil && ch.Profile != "" && (ch.Metric != 100 || ch.ClientID != "" || ch.IAID != "") {
				t.Errorf("%+v", ch.Original)
			}
		})
	}
}

// TestFreeMetric gives the bridge the metric that the NIC would have, unless others have it.
func TestFreeMetric(t *testing.T) {
	b := newBus(t, "eth0", "eth1", "eth2")
	const effective = "[device]\nroute-metric-default-effective="
	all := files{}
	for i, text := range []string{"100", "100", "101"} {
		all[fmt.Sprint("devices/", b.devices[i])] = effective + text + "\n"
	}
	gone := maps.Clone(all)
	gone["devices/99"] = effective + "102\n"
	for want, c := range map[uint32]files{100: {}, 102: gone} {
		if got, err := (Manager{Root: c.root(t)}).freeMetric(b.devices[0]); got != want || err != nil {
			t.Errorf("%d, %v, want %d", got, err, want)
		}
	}
}

// TestSettled says when there is nothing to wait for any more.
func TestSettled(t *testing.T) {
	const connecting = 70
	for name, c := range map[string]struct {
		starting bool
		state    uint32
		index    int // 0 for any, 1 for the NIC
		want     bool
	}{
		"it has begun and looks for a cable": {true, stateUnavailable, 1, false},
		"it has begun with it":               {true, connecting, 1, false},
		"it has yet to look":                 {true, 10, 1, false},
		"others are not":                     {true, stateActivated, 1, true},
		"no cable":                           {false, stateUnavailable, 1, true},
		"left alone":                         {false, 10, 1, true},
		"no answer yet":                      {false, connecting, 1, false},
		"configured":                         {false, stateActivated, 1, true},
		"any as it has begun":                {true, stateActivated, 0, false},
		"any":                                {false, connecting, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, "eth0")
			b.mu.Lock()
			b.starting, b.states = c.starting, map[int]uint32{b.devices[0]: c.state}
			b.mu.Unlock()
			m := Manager{Up: up, Root: t.TempDir()}
			if got := m.Settled(t.Context(), c.index*b.devices[0]); got != c.want {
				t.Errorf("settled: %t", got)
			}
			b.mu.Lock()
			b.fails = "Get"
			b.mu.Unlock()
			if !m.Settled(t.Context(), c.index*b.devices[0]) {
				t.Error("it waits for what cannot be asked")
			}
		})
	}
	if !(Manager{Up: func(string) (bool, error) { return false, nil }}).Settled(t.Context(), 0) {
		t.Error("it waits for what does not run")
	}
}
