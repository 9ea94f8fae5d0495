package bridge

import (
	"net"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/divert"
	"xbr-script/bridge/routes"
	"xbr-script/internal/host"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// start plans one bridge on a host that has nothing of it yet.
//
// The order keeps dom0 on the network. Dom0's new interface is made whole beside the
// NIC, and its way into the bridge is open, before anything is taken from the NIC. Then
// the NIC becomes a port, and from that moment frames to dom0 go to the new interface.
// Then the routes are switched, each in its place, and only then does the NIC lose its
// addresses and its MAC address. What dom0 sends by the NIC until then still leaves by
// the NIC.
func (b *builder) start(s parts, ps *ports) ([]plan.Step, Record) {
	var p plan.Plan
	rec := Record{Spec: s.Spec, NICMAC: s.nic.MAC.String(), NICOff: !s.nic.Up(), FoundBridge: s.br, FoundDom0: b.foundDom0(s)}
	m := move{builder: b, s: s, ports: ps, settings: b.h.Settings(s.NetDev), own: rec.FoundDom0 == nil}
	m.state = b.moving(s.nic.Index, m.settings)
	like := m.twin(&rec)
	if s.onBridge() {
		p.Add(m.keepOnMaking(m.dom0BridgeStep(rec.FoundDom0, like), rec.FoundDom0)...)
	} else {
		p.Add(m.bridgeStep())
		p.Add(m.keepOnMaking(m.pairStep(rec.FoundDom0, like), rec.FoundDom0)...)
	}
	p.Add(b.pinVLANs(s.nic))
	b.ends[m.pair.dev] = end{s.nic.MAC, m.settings[disableIPv6]}
	if s.onBridge() {
		b.ends[s.nic.Index] = end{mac: s.nic.MAC}
	}
	if b.h.LiveRename {
		p.Add(m.live()...)
	} else {
		p.Add(m.offline()...)
	}
	p.Add(m.giveBack())
	b.guestSteps = append(b.guestSteps, m.attach(), m.spanningTree())
	return p.Steps, rec
}

// move is one NIC's change from dom0's interface to a port of the bridge.
type move struct {
	*builder
	s        parts
	ports    *ports
	bridge   int
	pair     pair
	state    host.State
	settings sysctl.Device // what the NIC's settings are outside the bridge
	own      bool          // dom0's interface comes and goes with the network
	now      *host.Link    // on the way back: the NIC as it is in the bridge
	diverted divert.Place  // while the plan is carried out
}

// live is the move on a kernel that renames interfaces that are up.
func (m *move) live() []plan.Step {
	nic, dev := m.s.nic, m.pair.dev
	target := routes.Relabeled(routes.Unspent(m.h, m.state), m.s.NetDev, m.s.Dom0()).On(dev)
	steps := []plan.Step{m.awaitPort()}
	steps = append(steps,
		m.renameLoaded(m.state, m.s.PDev, dev),
		undoOf(m.addState(target, nic.Power())),
		m.rename(dev, m.s.Dom0()),
		m.moveAltNames(nic.Index, dev, nic.AltNames))
	return append(steps,
		doOf(m.addState(target, nic.Power())),
		m.hushNIC(),
		m.shield(),
		m.enslave(),
		m.unshield(),
		m.awaitBridge(nic),
		m.addNeighs(target),
		m.moveRoutes(m.state, dev, m.dom0Power()),
		m.strictAgain(),
		m.inet6(dev),
		m.strip())
}

// undoOf and doOf separate the undoing of a step from its doing. When a change is taken
// back, an interface is stripped only once it no longer has dom0's name: until then
// others may put on it what they mean for dom0, and the kernel drops the routes and
// neighbours of an interface with its last address, or with its MAC address. But it is
// stripped before the other one has its name back, for which it may have to be the
// spare one: see relabel.
func undoOf(s plan.Step) plan.Step { return plan.Step{Title: s.Title, Undo: s.Undo} }

func doOf(s plan.Step) plan.Step { return plan.Step{Title: s.Title, Do: s.Do} }

// dom0Power is how dom0's interface is switched in the end: like the NIC, but a
// bridge is always on.
func (m *move) dom0Power() host.Power { return host.Power(m.s.nic.Up() || m.s.onBridge()) }

// awaitPort waits until frames can pass, if they can at all.
func (m *move) awaitPort() plan.Step {
	if m.dom0Power() == host.Off || m.s.onBridge() {
		return plan.Step{}
	}
	return plan.Step{Title: "wait for " + m.s.VIF + " to forward", Do: []plan.Op{m.forwards()}}
}

// forwards is the operation that waits until dom0's port does.
func (m *move) forwards() plan.Op {
	return &awaitForwarding{Port: m.pair.port, Names: ipcmd.Names{m.pair.port: m.s.VIF}, Conn: m.conn}
}

// awaitBridge waits until a bridge that is dom0's interface has the carrier of the NIC,
// which is a port now. Before that, what dom0 sends by the bridge is lost, and the
// kernel removes neighbours when it notices that there is no carrier.
func (m *move) awaitBridge(nic *host.Link) plan.Step {
	return plan.Step{Title: "wait for " + m.s.Bridge + " to have a carrier", Do: m.bridgeCarrier(nic)}
}

// bridgeCarrier is the operation of awaitBridge, if it has one.
func (m *move) bridgeCarrier(nic *host.Link) []plan.Op {
	if !m.s.onBridge() || m.bridge == 0 || !nic.Running() {
		return nil
	}
	return []plan.Op{&awaitCarrier{Index: m.bridge, Port: nic.Index, Names: m.names.In(nil, m.bridge), Conn: m.conn}}
}

// enslave makes the NIC a port. Frames to its own address would now go up to the bridge
// (br_handle_frame_finish: a local entry), so the same system call points that entry to
// dom0's port; unless the bridge is dom0's interface, which has that address itself.
func (m *move) enslave() plan.Step {
	nic := m.s.nic
	if m.bridge == 0 {
		return plan.Step{}
	}
	return plan.Step{
		Title: "make " + m.names[nic.Index] + " a port of " + m.s.Bridge,
		Do:    m.ops(append(m.join(setLink(nic.Index, attrMaster(m.bridge))), m.pin()...)...),
		Undo:  m.ops(append([]rtnl.Msg{setLink(nic.Index, attrMaster(0))}, m.unpin()...)...),
	}
}

// join is what makes the NIC a port by that message, with what was set on it.
func (m *move) join(master rtnl.Msg) []rtnl.Msg {
	return append(append(m.ports.calm(m.bridge), master), m.ports.portMsgs(m.s.nic.Index, m.ports.NIC.Settings)...)
}

// pin sends frames to dom0's address to dom0's port, and unpin no longer.
func (m *move) pin() []rtnl.Msg {
	if m.bridge == 0 || m.pair.port == 0 {
		return nil
	}
	return []rtnl.Msg{rtnl.FDB(unix.RTM_NEWNEIGH, rtnl.Replace, m.pair.port, m.s.nic.MAC)}
}

func (m *move) unpin() []rtnl.Msg {
	if m.bridge == 0 || m.pair.port == 0 {
		return nil
	}
	return []rtnl.Msg{rtnl.FDB(unix.RTM_DELNEIGH, 0, m.pair.port, m.s.nic.MAC)}
}

// strip removes from the NIC what a port must not have: addresses, IPv6, its MAC
// address (see portMAC), ARP and multicast; and switches it on.
func (m *move) strip() plan.Step {
	nic := m.s.nic
	rest := m.state
	inet6 := m.dropInet6()
	if len(inet6) > 0 {
		rest.Addrs6 = routes.Joined(rest.Addrs6)
	}
	do := append([]plan.Op{m.gather(m.state, m.pair.dev)}, m.ops(routes.DelState(rest)...)...)
	do = append(do, m.noToken(nic, m.settings)...)
	do = append(do, inet6...)
	do = append(do, m.batch(setFlags(nic.Index, m.portFlags()|unix.IFF_UP, carried|unix.IFF_UP)))
	do = append(do, m.setMAC(m.portMAC())...)

	// The address must be back before ARP may answer with it. As the MAC
	// address of a port it is local to the bridge again: see enslave.
	undo := m.setMAC(nic.MAC, m.pin()...)
	undo = append(undo, m.batch(setFlags(nic.Index, nic.Flags, carried|unix.IFF_UP)))
	undo = append(undo, m.againInet6()...)
	undo = append(undo, m.likeToken(nic.Index, nic, m.settings)...)
	undo = append(undo, m.ops(routes.AddState(m.state)...)...)
	undo = append(undo, m.addrsOps(m.state, nic.Power())...)
	return plan.Step{Title: "take the addresses off " + m.names[nic.Index], Do: do, Undo: undo}
}

// portMAC is the NIC's MAC address as a port. Beside dom0's interface it is one that
// nobody sends to. A bridge that is dom0's interface has the same address as the NIC,
// and it does not matter which of the two has it.
func (m *move) portMAC() net.HardwareAddr {
	switch {
	case m.now != nil:
		return m.now.MAC
	case m.s.onBridge():
		return m.s.nic.MAC
	}
	return portMAC
}

// portFlags are the NIC's flags as a port: on the way back, what somebody has
// made of them.
func (m *move) portFlags() uint32 {
	if m.now != nil {
		return m.now.Flags & carried
	}
	return unix.IFF_NOARP
}

// setMAC is the operation that changes the NIC's MAC address, and what must follow at
// once, if the NIC has another address as a port. It may keep its own.
func (m *move) setMAC(mac net.HardwareAddr, then ...rtnl.Msg) []plan.Op {
	index := m.s.nic.Index
	if sameMAC(m.portMAC(), m.s.nic.MAC) {
		return m.ops(then...)
	}
	msgs := append([]rtnl.Msg{setLink(index, attrMAC(mac))}, then...)
	set := []plan.Op{&setMAC{Msgs: *m.batch(msgs...), Index: index, MAC: mac, Conn: m.conn}}
	switch {
	case !m.functions():
		return set
	case sameMAC(mac, m.s.nic.MAC):
		return append([]plan.Op{m.filter(unix.RTM_DELNEIGH)}, set...)
	}
	return append(set, m.filter(unix.RTM_NEWNEIGH))
}

// functions says whether the NIC can have virtual functions (SR-IOV).
func (m *move) functions() bool {
	if m.now != nil {
		return m.now.Functions
	}
	return m.s.nic.Functions
}

// filter adds dom0's MAC address to those of the NIC, or removes it. A switch in the NIC
// decides by these which frames are for the NIC and which for its virtual functions, and
// may give a NIC no others, although a bridge has made it promiscuous (seen with an 82576:
// it got broadcasts only). The entry is made once the NIC has its address as a port: before
// that igb has the address already, and would lose both when that changes.
func (m *move) filter(typ uint16) plan.Op {
	return &filter{Msgs: *m.batch(rtnl.OwnMAC(typ, m.s.nic.Index, m.s.nic.MAC)), Conn: m.conn}
}

// pinVLANs makes VLANs on the NIC keep the address that they have from it. When an
// address is set, even to the same value, the kernel forgets the interface's
// neighbours, including permanent ones (neigh_changeaddr).
func (b *builder) pinVLANs(nic *host.Link) plan.Step {
	var msgs, neighs []rtnl.Msg
	for _, l := range b.h.Above(nic.Index) {
		if l.Kind == "vlan" && sameMAC(l.MAC, nic.MAC) {
			again := routes.AddState(host.State{Neighs: b.h.State(l.Index).Neighs})
			msgs = append(append(msgs, setLink(l.Index, attrMAC(nic.MAC))), again...)
			neighs = append(neighs, again...)
		}
	}
	return plan.Step{
		Title: "keep the address of the VLANs on " + nic.Name,
		Do:    b.ops(msgs...),
		Undo:  b.ops(neighs...),
	}
}
