package systemd

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
)

const device = ".device"

// NICDevice is the unit for the network interface of that name.
func NICDevice(dev string) string {
	return unit.UnitNamePathEscape("/sys/subsystem/net/devices/"+dev) + device
}

// IsNICDevice says whether a unit is the device of some network interface. systemd has each
// under two names, and in a unit's file there may be a specifier in place of the interface's.
func IsNICDevice(name string) bool {
	return strings.HasSuffix(name, device) && (strings.HasPrefix(name, "sys-subsystem-net-devices-") ||
		strings.HasPrefix(name, "sys-devices-") && strings.Contains(name, "-net-"))
}

// Bound is a unit that is up, and that systemd ends when no interface has a name any more.
type Bound struct {
	Name     string
	Fragment string   // its own file; "" if there is none
	DropIns  []string // the files that add to it
	Unneeded bool     // it ends only because nobody else needs it (StopWhenUnneeded=)
}

// BoundTo are the units that end with the name of an interface: those that are bound to it
// (retroactively_stop_dependencies), and those that only it needs. What has Requires= or
// PartOf= goes on.
func (c Conn) BoundTo(ctx context.Context, dev string) (found []Bound, err error) {
	names := []string{NICDevice(dev)}
	path, err := c.GetUnitTypePropertyContext(ctx, names[0], "Device", "SysFSPath")
	if err != nil {
		return nil, err
	}
	if text, _ := path.Value.Value().(string); text != "" {
		names = append(names, unit.UnitNamePathEscape(text)+device)
	}
	bound, needed := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		p, err := c.GetUnitPropertiesContext(ctx, name)
		if err != nil {
			return nil, err
		}
		add(bound, p["BoundBy"])
		add(needed, p["Wants"])
		add(needed, p["Requires"])
	}
	maps.Copy(needed, bound)
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		b, ends, err := c.ends(ctx, name, bound[name])
		if err != nil {
			return nil, err
		}
		if ends {
			found = append(found, b)
		}
	}
	return found, nil
}

// add adds the names of a property.
func add(all map[string]bool, value any) {
	names, _ := value.([]string)
	for _, name := range names {
		all[name] = true
	}
}

// ends says whether a unit is up, and ends with an interface that it is bound to, or that
// needs it.
func (c Conn) ends(ctx context.Context, name string, bound bool) (b Bound, ends bool, err error) {
	p, err := c.GetUnitPropertiesContext(ctx, name)
	if err != nil {
		return b, false, err
	}
	b.Name, b.Unneeded = name, !bound
	b.Fragment, _ = p["FragmentPath"].(string)
	b.DropIns, _ = p["DropInPaths"].([]string)
	unneeded, _ := p["StopWhenUnneeded"].(bool)
	state, _ := p["ActiveState"].(string)
	up := !slices.Contains([]string{"inactive", "failed", "deactivating"}, state)
	return b, up && (bound || unneeded), nil
}
