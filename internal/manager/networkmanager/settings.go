package networkmanager

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// settings are those of a profile, in groups, as they are on the bus.
type settings map[string]map[string]dbus.Variant

// carried are the properties of a profile's group "connection" that a device takes on
// when its profile is applied again (NetworkManager's can_reapply_change), but for those
// that are the profile's own.
var carried = []string{"zone", "metered", "lldp", "mdns", "llmnr", "dns-over-tls", "mptcp-flags"}

// misfit is what a profile has that a bridge cannot have.
func (s settings) misfit() string {
	if s["802-1x"] != nil {
		return "has the NIC authenticate itself (802-1x)"
	}
	if duid, _ := s["ipv6"]["dhcp-duid"].Value().(string); strings.HasPrefix(duid, "stable") {
		return "makes the host's DUID from its own UUID (dhcp-duid=" + duid + ")"
	}
	return ""
}

// copied are the settings of a bridge for which NetworkManager has made a profile of
// what it has found, with what a NIC's profile says of addresses, and those that it has
// besides.
func (o Original) copied(nic, bridge settings, has []netip.Prefix, dev string) settings {
	s := settings{}
	for name, group := range bridge {
		s[name] = maps.Clone(group)
	}
	for _, name := range carried {
		if v, ok := nic["connection"][name]; ok {
			s["connection"][name] = v
		}
	}
	s["connection"]["id"] = dbus.MakeVariant(nic.id() + " (" + dev + ")")
	// Else it would make a bridge of its own by the copy as soon as this one is gone. What
	// it makes of a bridge that it has found says so before 1.58, but not since.
	s["connection"]["autoconnect"] = dbus.MakeVariant(false)
	for _, name := range []string{"ipv4", "ipv6", "proxy"} {
		if group, ok := nic[name]; ok {
			s[name] = maps.Clone(group)
			// Address-data and route-data say the same, and are not lost on the way.
			delete(s[name], "addresses")
			delete(s[name], "routes")
		}
		if method, _ := s[name]["method"].Value().(string); method == "auto" || method == "manual" {
			s[name]["address-data"] = dbus.MakeVariant(union(s[name], has, name == "ipv4"))
		}
	}
	o.explain(s["ipv4"], s["ipv6"])
	patient(s["ipv4"], s["ipv6"])
	s["user"] = map[string]dbus.Variant{"data": dbus.MakeVariant(map[string]string{key: o.note()})}
	return s
}

// addresses are those of a group, as settings have them.
type addresses []map[string]dbus.Variant

// union are the addresses of a profile, and those of that family that somebody has given
// the interface besides it.
func union(profile map[string]dbus.Variant, has []netip.Prefix, v4 bool) (all addresses) {
	if v, ok := profile["address-data"]; ok {
		_ = v.Store(&all)
	}
	for _, p := range has {
		known := func(a map[string]dbus.Variant) bool { return a["address"].Value() == p.Addr().String() }
		if p.Addr().Is4() == v4 && !slices.ContainsFunc(all, known) {
			all = append(all, map[string]dbus.Variant{"address": dbus.MakeVariant(p.Addr().String()), "prefix": dbus.MakeVariant(uint32(p.Bits()))})
		}
	}
	return all
}

// patient makes it wait for servers and routers for as long as they are away. Else it
// would give the bridge up when a lease has run out, and take the NIC out.
func patient(ipv4, ipv6 map[string]dbus.Variant) {
	forever := dbus.MakeVariant(int32(math.MaxInt32))
	if ipv4 != nil {
		ipv4["dhcp-timeout"] = forever
	}
	if ipv6 != nil {
		ipv6["dhcp-timeout"], ipv6["ra-timeout"] = forever, forever
	}
}

// explain gives the copy as it is what was made of other things for the NIC.
func (o Original) explain(ipv4, ipv6 map[string]dbus.Variant) {
	for _, group := range []map[string]dbus.Variant{ipv4, ipv6} {
		if metric, ok := group["route-metric"].Value().(int64); group != nil && o.Metric != 0 && (!ok || metric < 0) {
			group["route-metric"] = dbus.MakeVariant(int64(o.Metric))
		}
	}
	switch {
	case ipv4 == nil:
	case o.ClientID != "":
		ipv4["dhcp-client-id"] = dbus.MakeVariant(o.ClientID)
	case ipv4["dhcp-client-id"].Value() == "perm-mac": // a bridge has none, but the NIC's MAC address
		ipv4["dhcp-client-id"] = dbus.MakeVariant("mac")
	}
	if ipv6 != nil && o.IAID != "" {
		ipv6["dhcp-iaid"] = dbus.MakeVariant(o.IAID)
	}
	if ipv6 != nil && o.Token != "" {
		ipv6["addr-gen-mode"] = dbus.MakeVariant(int32(0)) // NM_SETTING_IP6_CONFIG_ADDR_GEN_MODE_EUI64, the one with which a token counts
		ipv6["token"] = dbus.MakeVariant(o.Token)
	}
}

// id is what the profile is called.
func (s settings) id() string {
	id, _ := s["connection"]["id"].Value().(string)
	return id
}

// isCopyFor says whether they are those of our copy for that bridge.
func (s settings) isCopyFor(dev string) bool {
	data, _ := s["user"]["data"].Value().(map[string]string)
	is, _ := s["connection"]["interface-name"].Value().(string)
	return data[key] != "" && is == dev
}
