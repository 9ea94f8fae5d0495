package bridge

import (
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

var forwarding = sysctl.Key{Dir: "net/ipv6/conf", Name: "forwarding"}

// keepRouters surrounds a step that may write "forwarding" of IPv6 with steps that
// keep the default routes of router advertisements. When forwarding is switched on
// for one interface, the kernel removes these routes from all interfaces without
// accept_ra=2 (rt6_purge_dflt_routers), so they get that for the moment. known are
// the settings of interfaces that will differ from the snapshot by then, nil for
// one that will be gone; values are those that the step may turn into each other.
func (b *builder) keepRouters(step plan.Step, known map[int]sysctl.Device, values ...string) []plan.Step {
	slices.Sort(values)
	if len(slices.Compact(values)) < 2 {
		return []plan.Step{step}
	}
	b.catchUp() // to where the routes are by now
	var on, back []sysctl.Set
	for _, index := range b.routed() {
		settings, ok := known[index]
		if !ok {
			settings = b.h.Settings(b.h.Names().Of(index))
		}
		if v := settings[acceptRA]; v != "" && v != "2" {
			on = append(on, acceptRA.Set(index, b.names[index], "2"))
			back = append(back, acceptRA.Set(index, b.names[index], v))
		}
	}
	if len(on) == 0 {
		return []plan.Step{step}
	}
	return []plan.Step{
		{Title: "keep routers' routes while IPv6 forwarding changes", Do: write(on), Undo: write(back), Final: step.Final},
		step,
		{Title: "take router advertisements as before", Do: write(back), Undo: write(on), Final: step.Final},
	}
}

// keepOnMaking is keepRouters for the step that provides dom0's interface.
func (m *move) keepOnMaking(step plan.Step, f *found) []plan.Step {
	values := []string{m.settings[forwarding], m.h.NewDevice()[forwarding]}
	if f != nil {
		values[1] = f.DevSettings[forwarding]
	}
	return m.keepRouters(step, map[int]sysctl.Device{m.s.nic.Index: m.settings, m.pair.dev: nil}, values...)
}

func write(sets []sysctl.Set) []plan.Op { return []plan.Op{&sysctl.Write{Sets: sets}} }

// routed are the interfaces with a default route from a router advertisement.
func (b *builder) routed() (indexes []int) {
	for _, m := range b.h.Routes {
		if m.Own()&rtnl.OwnDefault == 0 {
			continue
		}
		if index := int(m.U32(unix.RTA_OIF)); !slices.Contains(indexes, index) {
			indexes = append(indexes, index)
		}
	}
	return indexes
}
