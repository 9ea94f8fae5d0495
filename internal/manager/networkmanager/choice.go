package networkmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
)

// choice is the profile by which NetworkManager configures a NIC as soon as it can: once
// there is a cable, say, or an answer of a server.
type choice struct {
	Original          // without what NetworkManager makes when there is a lease
	title    string   // what the profile is called
	differs  []string // what NetworkManager would make of it for a bridge that is not as for the NIC
}

// choice is the one for the NIC of a bridge that is to have dom0's addresses; nil if
// NetworkManager has configured the NIC, or will not do so by itself. It has no profile if
// NetworkManager has none that fits.
func (m Manager) choice(move manager.Move) (ch *choice, err error) {
	if !move.OnBridge || move.From == nil || move.From != move.NIC || !m.willing(move.NIC.Index) && !m.trying(move.NIC.Index) {
		return nil, nil
	}
	err = m.asked(move.NIC.Index, func(ctx context.Context, c *conn, d device) (failed error) {
		ch, failed = c.choice(ctx, d, move.NIC.Name)
		return failed
	})
	if err != nil {
		return nil, refusal.Wrap(err, "again when it has: nm-online -t 60; without dom0=bridge it goes on with dom0's interface",
			"cannot %s: NetworkManager has yet to configure %s", move.Undertaking, move.NIC.Name)
	}
	if ch != nil && ch.Profile != "" && ch.Metric == 0 {
		ch.Metric, err = m.freeMetric(move.NIC.Index)
	}
	return ch, err
}

// Ways of NetworkManager to say why, what, and how often.
const (
	byUser        = 39 // NM_DEVICE_STATE_REASON_USER_REQUESTED
	typeVeth      = 20 // NM_DEVICE_TYPE_VETH
	manyByItself  = 3  // NM_CONNECTION_MULTI_CONNECT_MULTIPLE
	eui64Always   = 0  // NM_SETTING_IP6_CONFIG_ADDR_GEN_MODE_EUI64
	firstEthernet = 1  // NM_DEVICE_TYPE_ETHERNET
)

// choice is the profile that it is about to apply to a device, or else the one that it
// will; without one if there is none, and nil if somebody has taken the device down.
func (c *conn) choice(ctx context.Context, d device, name string) (*choice, error) {
	uuid, err := d.profile(ctx)
	if err != nil {
		return nil, err
	}
	if uuid == "" {
		switch reason, err := d.reason(ctx); {
		case err != nil:
			return nil, err
		case reason == byUser:
			return nil, nil
		}
		found, err := c.best(ctx, d, name)
		if err != nil {
			return nil, err
		}
		if found == nil {
			return &choice{}, nil
		}
		return found.choice()
	}
	p, err := c.profile(ctx, uuid)
	if err != nil {
		return nil, err
	}
	s, err := p.settings(ctx)
	if err != nil {
		return nil, err
	}
	if !s.auto() {
		return nil, fmt.Errorf("by the profile %s, which it would not take again by itself (connection.autoconnect=no)", s.id())
	}
	return s.choice()
}

// choice is that profile.
func (s settings) choice() (*choice, error) {
	if port := cmp.Or(s.text("connection", "controller"), s.text("connection", "master")); port != "" {
		return nil, fmt.Errorf("by the profile %s, as a port of %s", s.id(), port)
	}
	ch := &choice{Original: Original{Profile: s.text("connection", "uuid")}, title: s.id()}
	if s.text("ipv4", "dhcp-client-id") == "stable" {
		ch.differs = append(ch.differs, "client id")
	}
	if method := s.text("ipv6", "method"); (method == "auto" || method == "dhcp") && !s.fixed() {
		ch.differs = append(ch.differs, "IPv6 addresses")
	}
	return ch, nil
}

// fixed says whether IPv6 addresses by what routers say depend on nothing but the MAC
// address, or a token, and those by DHCPv6 on a number that the profile has.
func (s settings) fixed() bool {
	mode, has := s["ipv6"]["addr-gen-mode"].Value().(int32)
	_, err := strconv.ParseUint(s.text("ipv6", "dhcp-iaid"), 0, 32)
	return has && mode == eui64Always && (err == nil || s.text("ipv6", "dhcp-iaid") == "mac")
}

// text is a property that is a text; "" if the profile does not have it.
func (s settings) text(group, name string) string {
	text, _ := s[group][name].Value().(string)
	return text
}

// auto says whether NetworkManager takes the profile by itself.
func (s settings) auto() bool {
	auto, has := s["connection"]["autoconnect"].Value().(bool)
	return auto || !has
}

// best is the first of the profiles that fit a device, in NetworkManager's order
// (nm_settings_connection_cmp_autoconnect_priority); nil if none does. It is an error if
// it cannot be known from here whether that one fits.
func (c *conn) best(ctx context.Context, d device, name string) (settings, error) {
	nic := fitting{name: name}
	var err error
	if nic.mac, nic.veth, err = d.hardware(ctx); err != nil {
		return nil, err
	}
	used, err := c.used(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.all(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s settings) bool {
		many, _ := s["connection"]["multi-connect"].Value().(int32)
		return !s.auto() || used[s.text("connection", "uuid")] && many != manyByItself
	})
	slices.SortFunc(all, compare)
	for _, s := range all {
		switch fits, unknown := nic.fits(s); {
		case fits && unknown != "":
			return nil, fmt.Errorf("whether by the profile %s depends on %s", s.id(), unknown)
		case fits:
			return s, nil
		}
	}
	return nil, nil
}

// compare puts profiles in that order: by their priority, the one that was used last, one
// that was never used after all others, by their UUIDs.
func compare(a, b settings) int {
	priority := func(s settings) int32 { v, _ := s["connection"]["autoconnect-priority"].Value().(int32); return v }
	used := func(s settings) uint64 { v, _ := s["connection"]["timestamp"].Value().(uint64); return v }
	return cmp.Or(cmp.Compare(priority(b), priority(a)), cmp.Compare(used(b), used(a)),
		cmp.Compare(a.text("connection", "uuid"), b.text("connection", "uuid")))
}

// fitting is a NIC as profiles know it.
type fitting struct {
	name string
	mac  net.HardwareAddr // its permanent one, or what NetworkManager takes for that
	veth bool
}

// fits says whether a profile fits the NIC (check_connection_compatible), and what else
// that depends on; "" if nothing.
func (f fitting) fits(s settings) (fits bool, unknown string) {
	switch s.text("connection", "type") {
	case "802-3-ethernet", "pppoe":
	case "veth":
		if !f.veth {
			return false, ""
		}
	default:
		return false, ""
	}
	if is := s.text("connection", "interface-name"); is != "" && is != f.name {
		return false, ""
	}
	const wired = "802-3-ethernet"
	if mac, _ := s[wired]["mac-address"].Value().([]byte); len(mac) > 0 && !slices.Equal(mac, f.mac) {
		return false, ""
	}
	for _, name := range []string{"mac-address-denylist", "mac-address-blacklist"} {
		not, _ := s[wired][name].Value().([]string)
		if slices.ContainsFunc(not, func(text string) bool { return strings.EqualFold(text, f.mac.String()) }) {
			return false, ""
		}
	}
	if subchannels, _ := s[wired]["s390-subchannels"].Value().([]string); len(subchannels) > 0 {
		return true, "802-3-ethernet.s390-subchannels"
	}
	if users, _ := s["connection"]["permissions"].Value().([]string); len(users) > 0 {
		return true, "who is logged in (connection.permissions)"
	}
	return f.matches(s["match"])
}

// matches is fits for the group "match".
func (f fitting) matches(match map[string]dbus.Variant) (fits bool, unknown string) {
	for name, v := range match {
		patterns, ok := v.Value().([]string)
		if ok && len(patterns) == 0 {
			continue
		}
		if name != "interface-name" || slices.ContainsFunc(patterns, func(p string) bool { return strings.ContainsAny(p[:min(1, len(p))], `!&|\`) }) {
			unknown = "match." + name
			continue
		}
		if !slices.ContainsFunc(patterns, func(p string) bool { is, err := path.Match(p, f.name); return is && err == nil }) {
			return false, ""
		}
	}
	return true, unknown
}

// all are all profiles, but for those that only describe what was found.
func (c *conn) all(ctx context.Context) (all []settings, err error) {
	paths, err := c.paths(ctx)
	for _, path := range paths {
		p := profile{c.bus.Object(name, path)}
		external, failed := p.external(ctx)
		if failed == nil && !external {
			var s settings
			if s, failed = p.settings(ctx); failed == nil {
				all = append(all, s)
			}
		}
		if failed != nil && !hasGone(failed) {
			err = errors.Join(err, failed)
		}
	}
	return all, err
}

// used has the UUIDs of the profiles that devices have.
func (c *conn) used(ctx context.Context) (used map[string]bool, err error) {
	used = map[string]bool{}
	devices, err := c.devices(ctx)
	for _, called := range devices {
		for _, d := range called {
			uuid, failed := d.profile(ctx)
			if used[uuid] = true; failed != nil && !hasGone(failed) {
				err = errors.Join(err, failed)
			}
		}
	}
	return used, err
}

// hardware is the MAC address by which profiles know a device, and whether it is a veth.
func (d *device) hardware(ctx context.Context) (mac net.HardwareAddr, veth bool, err error) {
	var kind uint32
	if err := d.get(ctx, "DeviceType", &kind); err != nil {
		return nil, false, err
	}
	if kind != firstEthernet && kind != typeVeth {
		return nil, false, fmt.Errorf("it is no Ethernet device to NetworkManager (type %d)", kind)
	}
	// It does not say what it takes for the permanent one of a veth, say: the present one.
	for _, property := range []string{"PermHwAddress", "HwAddress"} {
		var text string
		if err := get(ctx, d, name+".Device.Wired", property, &text); err != nil {
			return nil, false, err
		}
		if text != "" {
			mac, err = net.ParseMAC(text)
			return mac, kind == typeVeth, err
		}
	}
	return nil, kind == typeVeth, nil
}

// reason is why a device is in its state.
func (d *device) reason(ctx context.Context) (uint32, error) {
	var why struct{ State, Reason uint32 }
	err := d.get(ctx, "StateReason", &why)
	return why.Reason, err
}

// freeMetric is the metric that the routes of an Ethernet device get: the first from 100 on
// that no other device has (nm_manager_device_route_metric_reserve).
func (m Manager) freeMetric(index int) (metric uint32, err error) {
	taken, err := m.metrics(index)
	metric = 100
	for taken[metric] {
		metric++
	}
	return metric, err
}

// late says what will become of a bridge whose NIC NetworkManager has yet to configure.
func (ch *choice) late(nic, bridge string) string {
	if ch.Profile == "" {
		return fmt.Sprintf("NetworkManager has not configured %s, as it has no profile for it, and will configure neither it nor %s then; "+
			"without dom0=bridge it goes on with dom0's interface", nic, bridge)
	}
	text := fmt.Sprintf("NetworkManager has yet to configure %s (no cable, or no answer): it will configure the bridge %s instead, by a copy of the profile %s", nic, bridge, shell.Quote(ch.title))
	if len(ch.differs) > 0 {
		text += fmt.Sprintf(", where the %s may be other than %s would have", strings.Join(ch.differs, " and the "), nic)
	}
	return text
}
