package bridge

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// offline is the move on a kernel that renames only interfaces that are down. When
// the NIC goes down it loses its routes and IPv6 addresses, so dom0's interface gets
// everything from the snapshot. While the NIC is down, everything else that a port
// needs is done, so that its link comes up only once.
//
// It keeps its IPv4 addresses, and must not have them when it is up again: the kernel
// would make routes by it (fib_add_ifaddr), and what dom0 sends by these would have the
// port's MAC address. So they move while it is down, and dom0's interface has them
// first: routes of others with an address as their source go when no interface has the
// address any more (fib_sync_down_addr), but it does not matter whether the one that has
// it is up. IPv6 addresses want one that is.
func (m *move) offline() []plan.Step {
	nic, dev := m.s.nic, m.pair.dev
	vlans := m.vlans(nic.Index)
	target := routes.Relabeled(routes.Unspent(m.h, m.state), m.s.NetDev, m.s.Dom0()).On(dev)
	kept := host.State{Index: dev, Addrs4: target.Addrs4}
	steps := []plan.Step{
		m.down(nic, vlans),
		m.renameLoaded(m.state, m.s.PDev, dev),
		undoOf(m.addState(kept, host.Off)),
		m.rename(dev, m.s.Dom0()),
		m.moveAltNames(nic.Index, dev, nic.AltNames),
		doOf(m.addState(kept, host.Off)),
		m.dropAddrs(),
		m.enslaveDown(),
		m.revive(vlans),
	}
	if m.dom0Power() == host.On {
		steps = append(steps, m.devUp(), m.awaitPort(), m.awaitBoth(nic))
	}
	return append(steps, m.addAddrs6(target, m.dom0Power()), m.addNeighs(target), m.newRoutes(m.state, dev), m.inet6(dev))
}

// awaitBoth is awaitBridge where the NIC itself has just been switched on.
func (m *move) awaitBoth(nic *host.Link) plan.Step {
	if len(m.bridgeCarrier(nic)) == 0 {
		return plan.Step{}
	}
	return plan.Step{
		Title: m.awaitBridge(nic).Title,
		Do:    append(m.carrierOps(nic), m.bridgeCarrier(nic)...),
	}
}

// down is the step that switches off the interface from which everything moves. It
// fails if by now there is anything that would be lost.
func (m *move) down(link *host.Link, vlans []host.State) plan.Step {
	step := m.off("switch "+m.names[link.Index]+" off, which this kernel needs to rename it", link, vlans)
	step.Do = append([]plan.Op{m.unchanged(m.state)}, step.Do...)
	return step
}

// off is a step that switches off the interface that has the state. Its undoing
// restores everything that the kernel forgets with that, on the interface and on the
// VLANs that go down with it.
func (m *move) off(title string, link *host.Link, vlans []host.State) plan.Step {
	undo := append(m.ops(m.ports.calm(m.bridge)...), m.hush(link.Index)...)
	undo = append(undo, m.batch(setFlags(link.Index, link.Flags, unix.IFF_UP)))
	undo = append(undo, m.carrierOps(link)...)
	undo = append(undo, m.allowTemporary(link.Index)...)
	undo = append(undo, m.ops(routes.AddState(m.state)...)...)
	undo = append(undo, m.addrsOps(m.state, link.Power())...)
	undo = append(undo, m.wireOps(routes.Restore(m.h, m.state, link.Index))...)
	undo = append(undo, m.reviveOps(vlans)...)
	var do []rtnl.Msg // IPv6 addresses go with that
	for _, s := range append([]host.State{m.state}, vlans...) {
		do = append(do, routes.DelAddrs(routes.Joined(s.Addrs6))...)
	}
	return plan.Step{
		Title: title,
		Do:    m.ops(append(do, setFlags(link.Index, 0, unix.IFF_UP))...),
		Undo:  append(undo, m.wake(link.Index)...),
	}
}

// carrierOps is the operation that waits until an interface is as ready to send as it
// is at the time of planning; a bridge is ready when its NIC is.
func (m *move) carrierOps(now *host.Link) []plan.Op {
	if now.Index == m.bridge && m.now != nil && m.now.Running() {
		return append(m.carrierOps(m.now), m.bridgeCarrier(m.now)...)
	}
	if !now.Running() || !now.OperUp { // some, such as dummies, are never operational
		return nil
	}
	return []plan.Op{&awaitCarrier{Index: now.Index, Names: m.names.In(nil, now.Index), Conn: m.conn}}
}

// vlans is the state of the VLANs on an interface, which go down and up with
// it.
func (m *move) vlans(index int) []host.State {
	var states []host.State
	for _, l := range m.h.Above(index) {
		if l.Kind == "vlan" {
			states = append(append(states, m.moving(l.Index, m.h.Settings(l.Name))), m.vlans(l.Index)...)
		}
	}
	return states
}

// revive is the step that gives the VLANs back what they lost.
func (m *move) revive(vlans []host.State) plan.Step {
	return plan.Step{Title: "give the VLANs of " + m.names[m.s.nic.Index] + " back what they lost", Do: m.reviveOps(vlans)}
}

// reviveOps are the operations of revive. A VLAN may not be ready yet, so its
// temporary addresses are left to the next advertisement.
func (m *move) reviveOps(vlans []host.State) []plan.Op {
	var off, back []sysctl.Set
	for _, v := range vlans {
		value, err := strconv.Atoi(m.h.Settings(m.names[v.Index])[useTempAddr])
		if err == nil && value > 0 && slices.ContainsFunc(v.Addrs6, rtnl.Msg.MakesTemporary) {
			off = append(off, useTempAddr.Set(v.Index, m.names[v.Index], "0"))
			back = append(back, useTempAddr.Set(v.Index, m.names[v.Index], strconv.Itoa(value)))
		}
	}
	ops := m.wireOps(m.reviveMsgs(vlans))
	for _, v := range vlans {
		ops = append(ops, m.addrsOps(v, m.h.Index(v.Index).Power())...)
	}
	ops = append(ops, m.wireOps(m.reviveRoutes(vlans))...)
	if len(off) == 0 {
		return ops
	}
	return append(append(write(off), ops...), write(back)...)
}

// reviveMsgs are the addresses of the VLANs, and the state of those that are off.
func (m *move) reviveMsgs(vlans []host.State) rtnl.Wire {
	var msgs rtnl.Wire
	for _, v := range vlans {
		m.catchUp()
		if !m.h.Index(v.Index).Up() {
			// The kernel has switched it on with the interface (vlan_device_event).
			msgs = msgs.Add(setFlags(v.Index, 0, unix.IFF_UP))
			for _, a := range v.Addrs6 {
				msgs = msgs.Add(routes.Final(a))
			}
			continue
		}
		msgs = msgs.Add(routes.AddState(v)...)
	}
	return msgs
}

// reviveRoutes makes the routes of the VLANs that are on, and gives their addresses
// their own flags.
func (m *move) reviveRoutes(vlans []host.State) rtnl.Wire {
	var msgs rtnl.Wire
	for _, v := range vlans {
		m.catchUp()
		if m.h.Index(v.Index).Up() {
			msgs = append(msgs, routes.Restore(m.h, v, v.Index)...)
		}
	}
	return msgs
}

// enslaveDown makes the NIC, which is down, a port in every respect, and switches it
// on.
func (m *move) enslaveDown() plan.Step {
	nic := m.s.nic
	do := m.leaveInet6()
	if nic.Inet6 {
		do = append(do, m.batch(setLink(nic.Index, attrAddrGen(addrGenNone))))
	}
	do = append(do, m.noToken(nic, m.settings)...)
	enslave := append(m.join(setFlags(nic.Index, m.portFlags(), carried, attrMaster(m.bridge))), m.pin()...)
	do = append(do, m.setMAC(m.portMAC())...)
	do = append(do, m.batch(append(enslave, setFlags(nic.Index, unix.IFF_UP, unix.IFF_UP))...))
	undo := append(m.ops(setFlags(nic.Index, 0, unix.IFF_UP)), m.setMAC(nic.MAC)...)
	undo = append(undo, m.batch(append(m.unpin(), setFlags(nic.Index, nic.Flags, carried, attrMaster(0)))...))
	if m.now == nil || m.now.MTU >= minMTU6 { // else it gets IPv6 with its size
		undo = append(undo, m.hush(nic.Index)...)
		undo = append(undo, m.likeToken(nic.Index, nic, m.settings)...)
	}
	return plan.Step{Title: "make " + m.names[nic.Index] + " a port of " + m.s.Bridge, Do: do, Undo: undo}
}

func (m *move) devUp() plan.Step {
	return plan.Step{
		Title: "switch " + m.s.Dom0() + " on",
		Do:    m.ops(setFlags(m.pair.dev, unix.IFF_UP, unix.IFF_UP)),
		Undo:  m.ops(setFlags(m.pair.dev, 0, unix.IFF_UP)),
	}
}

// addAddrs6 is the step that puts the IPv6 addresses on dom0's interface.
func (m *move) addAddrs6(s host.State, power host.Power) plan.Step {
	s.Addrs4, s.Neighs = nil, nil
	step := plan.Step{
		Title: "give " + m.names[s.Index] + " the IPv6 addresses",
		Do:    append(m.ops(routes.AddState(s)...), m.addrsOps(s, power)...),
	}
	if m.own { // they go with the interface, see addState
		s.Addrs6 = routes.Joined(s.Addrs6)
	}
	step.Undo = m.ops(routes.DelState(s)...)
	return step
}

// newRoutes makes the routes that were lost with the NIC on dom0's interface, or the
// other way round.
func (m *move) newRoutes(s host.State, to int) plan.Step {
	var undo []rtnl.Msg
	for _, route := range s.Routes {
		if route.Family() == unix.AF_INET && route.HasAny(unix.RTA_MULTIPATH) {
			undo = append(undo, route.Retarget(s.Index, to).As(unix.RTM_DELROUTE, 0)) // a leg over another interface would keep it
		}
	}
	do := append(m.allowTemporary(to), m.wireOps(routes.Restore(m.h, s, to))...)
	step := plan.Step{Title: "make the routes on " + m.names[to], Do: do, Undo: m.ops(undo...)}
	m.moved(s.Index, to)
	return step
}

// dropAddrs removes from the NIC what it kept while it was down: IPv4 addresses and
// proxy entries.
func (m *move) dropAddrs() plan.Step {
	kept := m.state
	kept.Addrs6, kept.Neighs = nil, nil
	for _, n := range m.state.Neighs {
		if n.Fixed()[10]&unix.NTF_PROXY != 0 { // ndm_flags
			kept.Neighs = append(kept.Neighs, n)
		}
	}
	return plan.Step{
		Title: "take the addresses off " + m.names[m.s.nic.Index],
		Do:    append([]plan.Op{m.gather(m.state, m.pair.dev)}, m.ops(routes.DelState(kept)...)...),
		Undo:  m.ops(routes.AddState(kept)...),
	}
}

// offlineBack is the way back on a kernel that renames only interfaces that are down.
func (m *move) offlineBack() []plan.Step {
	nic, dev := m.s.nic, m.pair.dev
	there := m.state
	devVLANs, vlans := m.vlans(dev), m.vlans(nic.Index)
	steps := []plan.Step{
		m.down(m.s.dev, devVLANs),
		m.renameLoaded(there, m.s.VDev, nic.Index),
		// Undoing, the NIC goes down and up again.
		m.revive(vlans).Reverse("leave the VLANs of " + m.names[nic.Index] + " to be switched off"),
	}
	m.state = routes.Relabeled(routes.Unspent(m.h, there), m.s.Dom0(), m.s.NetDev).On(nic.Index)
	steps = append(steps,
		m.enslaveDown().Reverse("take "+m.names[nic.Index]+" out of "+m.s.Bridge),
		m.rename(nic.Index, m.s.NetDev),
		m.moveAltNames(dev, nic.Index, nic.AltNames),
		m.resize())
	steps = append(steps, m.resettle()...)
	if nic.Up() {
		on := append(m.hush(nic.Index), m.batch(setFlags(nic.Index, unix.IFF_UP, unix.IFF_UP)))
		steps = append(steps, plan.Step{
			Title: "switch " + m.s.NetDev + " on",
			Do:    append(on, m.carrierOps(m.now)...),
			Undo:  m.ops(setFlags(nic.Index, 0, unix.IFF_UP)),
		})
	}
	steps = append(steps, m.addState(m.state, nic.Power()), m.addNeighs(m.state), m.newRoutes(there, nic.Index),
		m.revive(vlans), m.inet6(nic.Index))
	return append(steps, m.addNeighs(there).Reverse("take the neighbours off "+m.s.VDev),
		m.addState(there, nic.Power()).Reverse("take the addresses off "+m.s.VDev))
}
