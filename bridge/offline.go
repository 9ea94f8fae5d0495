package bridge

import (
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// offline is the move on a kernel that renames only what is down. Going down
// the NIC loses its routes and IPv6 addresses, so dom0's interface gets all it
// had from the snapshot; and while it is down, everything else is done that a
// port needs, so that its link comes up once.
func (m *move) offline() []plan.Step {
	nic, dev := m.s.nic, m.pair.dev
	vlans := m.vlansUp(nic.Index)
	steps := []plan.Step{
		m.down(vlans),
		m.rename(nic.Index, m.s.PDev, m.state.Addrs4, dev),
		m.enslaveDown(),
		m.revive(vlans),
		m.rename(dev, m.s.NetDev, nil, 0),
		m.moveAltNames(nic.Index, dev, nic.AltNames),
	}
	up := nic.Up()
	if up {
		steps = append(steps, m.devUp(), m.awaitPort(true))
	}
	steps = append(steps, m.addState(m.state.On(dev), up))
	if up {
		steps = append(steps, m.newRoutes(m.state, dev))
	}
	return append(steps, m.dropAddrs(), m.addrGen(dev, nic))
}

// down switches the interface off. Its undoing brings back all that the
// kernel forgets with that, on it and on the VLANs that go down with it.
func (m *move) down(vlans []host.State) plan.Step {
	nic := m.s.nic
	undo := []rtnl.Msg{setFlags(nic.Index, nic.Flags, unix.IFF_UP)}
	undo = append(undo, addStateMsgs(m.state)...)
	undo = append(undo, restoreRoutes(m.h, m.state, nic.Index)...)
	undo = append(undo, m.reviveMsgs(vlans)...)
	return plan.Step{
		Title: "switch " + m.names[nic.Index] + " off, which this kernel needs to rename it",
		Do:    m.ops(setFlags(nic.Index, 0, unix.IFF_UP)),
		Undo:  m.ops(undo...),
	}
}

// vlansUp is the state of the VLANs that go down and up with an interface.
func (m *move) vlansUp(index int) []host.State {
	var states []host.State
	for _, l := range m.h.Above(index) {
		if l.Kind == "vlan" && l.Up() {
			states = append(append(states, m.h.State(l.Index)), m.vlansUp(l.Index)...)
		}
	}
	return states
}

// revive is the step that gives the VLANs back what they lost.
func (m *move) revive(vlans []host.State) plan.Step {
	return plan.Step{Title: "give the VLANs of " + m.names[m.s.nic.Index] + " back what they lost", Do: m.ops(m.reviveMsgs(vlans)...)}
}

func (m *move) reviveMsgs(vlans []host.State) []rtnl.Msg {
	var msgs []rtnl.Msg
	for _, v := range vlans {
		msgs = append(msgs, addStateMsgs(v)...)
		msgs = append(msgs, restoreRoutes(m.h, v, v.Index)...)
	}
	return msgs
}

// enslaveDown makes the NIC, which is down, a port in every respect and
// switches it on.
func (m *move) enslaveDown() plan.Step {
	nic := m.s.nic
	do := m.noInet6(m.names[nic.Index])
	enslave := append([]rtnl.Msg{setFlags(nic.Index, unix.IFF_NOARP, carried, attrMaster(m.bridge))}, m.pin()...)
	do = append(do, m.setMAC(portMAC), m.batch(append(enslave, setFlags(nic.Index, unix.IFF_UP, unix.IFF_UP))...))
	undo := []plan.Op{
		m.batch(setFlags(nic.Index, 0, unix.IFF_UP)),
		m.setMAC(nic.MAC),
		m.batch(append(m.unpin(), setFlags(nic.Index, nic.Flags, carried, attrMaster(0)))...),
	}
	undo = append(undo, m.inet6Again()...)
	return plan.Step{Title: "make " + m.names[nic.Index] + " a port of " + m.s.Bridge, Do: do, Undo: undo}
}

func (m *move) devUp() plan.Step {
	return plan.Step{
		Title: "switch " + m.s.NetDev + " on",
		Do:    m.ops(setFlags(m.pair.dev, unix.IFF_UP, unix.IFF_UP)),
		Undo:  m.ops(setFlags(m.pair.dev, 0, unix.IFF_UP)),
	}
}

// newRoutes makes on dom0's interface the routes that were lost with the NIC,
// or the other way round.
func (m *move) newRoutes(s host.State, to int) plan.Step {
	step := plan.Step{Title: "make the routes on " + m.names[to], Do: m.ops(restoreRoutes(m.h, s, to)...)}
	m.h = m.h.Moved(s.Index, to)
	return step
}

// dropAddrs takes off the NIC the IPv4 addresses that it kept while down.
func (m *move) dropAddrs() plan.Step {
	return plan.Step{
		Title: "take the addresses off " + m.names[m.s.nic.Index],
		Do:    m.ops(delAddrs(m.state.Addrs4)...),
		Undo:  m.ops(flagged(m.state.Addrs4, unix.RTM_NEWADDR, addFlags)...),
	}
}

// offlineBack is the way back on a kernel that renames only what is down.
func (m *move) offlineBack() []plan.Step {
	nic, dev := m.s.nic, m.pair.dev
	there := m.state
	devLink := *nic
	devLink.Index = dev
	off := *m
	off.s.nic = &devLink
	devVLANs, vlans := m.vlansUp(dev), m.vlansUp(nic.Index)
	steps := []plan.Step{off.down(devVLANs), m.rename(dev, m.s.VDev, there.Addrs4, nic.Index)}
	m.state = there.On(nic.Index)
	up := nic.Up()
	steps = append(steps,
		m.enslaveDown().Reverse("take "+m.names[nic.Index]+" out of "+m.s.Bridge),
		m.rename(nic.Index, m.s.NetDev, nil, 0),
		m.moveAltNames(dev, nic.Index, nic.AltNames),
		m.resize(), m.resettle())
	if up {
		steps = append(steps, plan.Step{
			Title: "switch " + m.s.NetDev + " on",
			Do:    m.ops(setFlags(nic.Index, unix.IFF_UP, unix.IFF_UP)),
			Undo:  m.ops(setFlags(nic.Index, 0, unix.IFF_UP)),
		})
	}
	steps = append(steps, m.addState(m.state, up))
	if up {
		steps = append(steps, m.newRoutes(there, nic.Index))
	}
	steps = append(steps, m.revive(vlans))
	return append(steps, m.addState(there, nic.Up()).Reverse("take the addresses off "+m.s.VDev))
}
