package bridge

import (
	"context"
	"errors"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// ports are the ports that a plan puts into a bridge, or takes out, besides
// those of the move itself, and the settings of all of them: at start what stop
// has kept, at stop what is there, so that undoing can make it again.
type ports struct {
	kept
	// others are the ports that go in or out, each with the entry of Guests at the
	// same place.
	others []*host.Link
	// The bridge beside dom0's interface, and dom0's port, as they are or are to be:
	// MAC address, flags and size.
	asBridge, asPort *host.Link
	// now is what the indexes in kept have become.
	now map[int]int
	// pvid is the VLAN that a port begins with, and filters says whether the
	// bridge filters by them.
	pvid    uint16
	filters bool
	// tree is the settings of the spanning tree, as attributes; leaving says that the
	// bridge has STP, and that when undoing ports have to join it again.
	tree    []byte
	leaving bool
}

// incoming is what start puts into the bridge besides the move's own ports, and
// the ports that stay out. Settings of the bridge are given only to one that
// start makes, and those of dom0's side only to the same NIC in the same shape.
func (s *parts) incoming(h *host.Host, k kept) (*ports, []string) {
	back, set, stay := k.comeBack(h, s.br)
	p := &ports{kept: k, others: back, now: map[int]int{}}
	p.Guests = set
	if k.Shape != s.Shape || k.NIC.Index != s.nic.Index {
		p.NIC, p.Dom0 = keptPort{}, keptPort{}
		p.Bridge.VLANs, p.Bridge.VLANOptions, p.Bridge.FDB, p.Bridge.MDB = nil, nil, nil, nil
	}
	p.asBridge, p.asPort = beside(s.nic, p.Bridge), beside(s.nic, p.Dom0.Settings)
	p.pvid, p.filters = defaultPVID(k.Bridge.Attrs, 1), p.filtering()
	p.tree = chosen(p.Bridge.Attrs, treeDefaults, nil)
	if s.br != nil {
		p.Bridge, p.tree = settings{}, nil
		p.pvid, p.filters = defaultPVID(s.br.BridgeAttrs, 0), s.br.Bridge.VLANFiltering
	}
	p.became(k.NIC.Index, s.nic.Index)
	for i, l := range back {
		p.became(set[i].Index, l.Index)
	}
	return p, stay
}

// beside is an interface that start makes beside dom0's. Its size is the NIC's, also
// that of the bridge, because toolstacks give it to guests' ports.
func beside(nic *host.Link, s settings) *host.Link {
	return &host.Link{MAC: portMAC, MTU: nic.MTU, Flags: unix.IFF_NOARP, Group: s.Group, Alias: s.Alias}
}

// outgoing is what stop takes out of the bridge besides the move's own ports. A
// bridge that start found keeps its ports.
func (s *parts) outgoing(h *host.Host, rec *Record, k kept) *ports {
	p := &ports{kept: k, asBridge: s.br, asPort: s.port, now: map[int]int{}}
	p.became(k.NIC.Index, k.NIC.Index)
	p.became(k.Dom0.Index, k.Dom0.Index)
	for _, g := range k.Guests {
		p.became(g.Index, g.Index)
	}
	if s.br != nil {
		p.pvid, p.filters = defaultPVID(s.br.BridgeAttrs, 0), s.br.Bridge.VLANFiltering
		p.tree, p.leaving = chosen(s.br.BridgeAttrs, treeDefaults, nil), true
	}
	if rec.FoundBridge != nil {
		p.Bridge, p.Guests = settings{}, nil
	} else {
		p.others = s.others(h)
	}
	return p
}

// toKeep is what the next start is to find: of the ports that were taken out
// only guests'; the others will not come back.
func (p *ports) toKeep() (k kept, lost []string) {
	k = p.kept
	k.Guests = nil
	for i, l := range p.others {
		if why := noGuest(l); why != "" {
			lost = append(lost, l.Name+" ("+why+")")
			continue
		}
		k.Guests = append(k.Guests, p.Guests[i])
	}
	return k, lost
}

// attr is an attribute ready to be sent.
func attr(a rtnl.Attr) *nl.RtAttr { return nl.NewRtAttr(int(a.Type), a.Value) }

// attrsIn are attributes ready to be sent, except for some.
func attrsIn(b []byte, without ...uint16) (list []*nl.RtAttr) {
	for a := range rtnl.ParseAttrs(b) {
		if !slices.Contains(without, a.Type) {
			list = append(list, attr(a))
		}
	}
	return list
}

// bridgeMsg is a message that begins with the family AF_BRIDGE and the index of
// a port or bridge (struct br_port_msg and br_vlan_msg).
func bridgeMsg(typ, flags uint16, index int) rtnl.Msg {
	body := make([]byte, 8)
	body[0] = unix.AF_BRIDGE
	copy(body[4:], rtnl.U32Bytes(uint32(index)))
	return rtnl.Msg{Type: typ, Flags: flags, Body: body}
}

// setPort changes settings of a bridge port.
func setPort(index int, attrs ...*nl.RtAttr) rtnl.Msg {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_SLAVE_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(unix.IFLA_INFO_SLAVE_DATA, nil)
	for _, a := range attrs {
		data.AddChild(a)
	}
	return setLink(index, info)
}

// apart are the settings of a port that have a message of their own: they have
// a command of their own, or none.
var apart = []uint16{unix.IFLA_BRPORT_MCAST_MAX_GROUPS, unix.IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT}

// portMsgs give a port that is in the bridge what was set on it, except for entries
// of tables, and for what needs other ports.
func (p *ports) portMsgs(index int, s settings) (msgs []rtnl.Msg) {
	if attrs := attrsIn(s.Attrs, append(apart, unix.IFLA_BRPORT_STATE)...); len(attrs) > 0 {
		msgs = append(msgs, setPort(index, attrs...))
	}
	for a := range rtnl.ParseAttrs(s.Attrs) {
		if slices.Contains(apart, a.Type) {
			msgs = append(msgs, setPort(index, attr(a)))
		}
	}
	return append(msgs, p.vlanMsgs(index, s, 0)...)
}

// vlanMsgs give a port, or with rtnl.BridgeFlagsSelf a bridge, its VLANs instead of
// the one that a new one has.
func (p *ports) vlanMsgs(index int, s settings, flags uint16) (msgs []rtnl.Msg) {
	if s.VLANs != nil {
		if p.pvid != 0 && !slices.ContainsFunc(*s.VLANs, func(v vlan) bool { return v.has(p.pvid) }) {
			msgs = append(msgs, vlanMsg(unix.RTM_DELLINK, index, vlan{VID: p.pvid}, flags))
		}
		for _, v := range *s.VLANs {
			msgs = append(msgs, vlanMsg(unix.RTM_SETLINK, index, v, flags))
		}
	}
	return msgs
}

// has says whether the VLAN is among them.
func (v vlan) has(vid uint16) bool {
	return v.Tunnel == 0 && v.VID <= vid && vid <= max(v.VID, v.Last)
}

// vlanMsg adds or removes (typ) a VLAN, or a range of them, or a VLAN's tunnel.
func vlanMsg(typ uint16, index int, v vlan, flags uint16) rtnl.Msg {
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	if flags != 0 {
		spec.AddRtAttr(rtnl.IflaBridgeFlags, nl.Uint16Attr(flags))
	}
	add := func(vid, flags uint16, tunnel uint32) {
		if v.Tunnel == 0 {
			spec.AddRtAttr(rtnl.IflaBridgeVLANInfo, append(nl.Uint16Attr(flags), nl.Uint16Attr(vid)...))
			return
		}
		nest := spec.AddRtAttr(unix.NLA_F_NESTED|rtnl.IflaBridgeVLANTunnel, nil)
		nest.AddRtAttr(rtnl.TunnelID, nl.Uint32Attr(tunnel))
		nest.AddRtAttr(rtnl.TunnelVID, nl.Uint16Attr(vid))
		nest.AddRtAttr(rtnl.TunnelFlags, nl.Uint16Attr(flags))
	}
	if v.Last == 0 {
		add(v.VID, v.Flags, v.Tunnel)
	} else {
		add(v.VID, v.Flags|rtnl.VLANRangeBegin, v.Tunnel)
		add(v.Last, v.Flags|rtnl.VLANRangeEnd, v.Tunnel+uint32(v.Last-v.VID))
	}
	m := setLink(index, spec)
	m.Type, m.Body[0] = typ, unix.AF_BRIDGE
	return m
}

// entries are kept messages, with the indexes that interfaces have now.
func (p *ports) entries(wires ...rtnl.Wire) (msgs []rtnl.Msg) {
	for _, w := range wires {
		for m := range w.All() {
			msgs = append(msgs, m.Renumber(p.now))
		}
	}
	return msgs
}

// newBridge is the kind of a bridge that is created, with those of its settings that
// do not have to wait.
func (p *ports) newBridge() *nl.RtAttr {
	late := []uint16{unix.IFLA_BR_MULTI_BOOLOPT, unix.IFLA_BR_VLAN_FILTERING, unix.IFLA_BR_FORWARD_DELAY, unix.IFLA_BR_STP_STATE}
	attrs := attrsIn(p.Bridge.Attrs, late...)
	if b := rtnl.FindAttr(p.Bridge.Attrs, unix.IFLA_BR_MULTI_BOOLOPT); b != nil {
		if o := options(b, ^uint32(vlanSnooping)); o != nil {
			attrs = append(attrs, nl.NewRtAttr(unix.IFLA_BR_MULTI_BOOLOPT, o))
		}
	}
	return attrBridge(host.BridgeInfo{}, attrs...)
}

// filtering says whether somebody has made the bridge filter VLANs.
func (p *ports) filtering() bool {
	v := rtnl.FindAttr(p.Bridge.Attrs, unix.IFLA_BR_VLAN_FILTERING)
	return v != nil && numberIn(v) != 0
}

// giveBack is the step after which the bridge filters VLANs as it did before, and has
// the entries that were made for it and for dom0's ports. It needs no undoing: they
// go with the ports, or with the bridge.
func (m *move) giveBack() plan.Step {
	p := m.ports
	var attrs []*nl.RtAttr
	if v := rtnl.FindAttr(p.Bridge.Attrs, unix.IFLA_BR_VLAN_FILTERING); v != nil {
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_BR_VLAN_FILTERING, v))
	}
	if v := rtnl.FindAttr(p.Bridge.Attrs, unix.IFLA_BR_MULTI_BOOLOPT); v != nil {
		if o := options(v, vlanSnooping); o != nil {
			attrs = append(attrs, nl.NewRtAttr(unix.IFLA_BR_MULTI_BOOLOPT, o))
		}
	}
	var msgs []rtnl.Msg
	if len(attrs) > 0 {
		msgs = append(msgs, setLink(m.bridge, attrSettings(attrs...)))
	}
	for _, s := range []settings{p.Bridge, p.NIC.Settings, p.Dom0.Settings} {
		msgs = append(msgs, p.entries(s.VLANOptions, s.FDB, s.MDB)...)
	}
	return plan.Step{Title: "give " + m.names[m.bridge] + " what was set on it", Do: m.ops(msgs...)}
}

// spanningTree is the step that switches STP on again, and sets its delay, once all
// ports forward: a port that joins a bridge with STP does not forward for a while.
func (m *move) spanningTree() plan.Step {
	return plan.Step{Title: "give " + m.names[m.bridge] + " its spanning tree's settings back", Do: m.treeOps()}
}

// treeOps is the operation of spanningTree, if it has one.
func (m *move) treeOps() []plan.Op {
	if len(m.ports.tree) == 0 || m.bridge == 0 {
		return nil
	}
	return m.ops(setLink(m.bridge, attrSettings(attrsIn(m.ports.tree)...)))
}

// calm switches the spanning tree off before ports join a bridge again when a stop is
// undone; spanningTree switches it on when all have joined.
func (p *ports) calm(bridge int) []rtnl.Msg {
	if !p.leaving || len(p.tree) == 0 {
		return nil
	}
	return []rtnl.Msg{
		setLink(bridge, attrSettings(nl.NewRtAttr(unix.IFLA_BR_STP_STATE, nl.Uint32Attr(0)))), // first, see turn
		setLink(bridge, attrSettings(nl.NewRtAttr(unix.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(0)))),
	}
}

// attach is the step that makes others ports of the bridge, in their order, with
// what was set on them.
func (m *move) attach() plan.Step {
	p := m.ports
	var plain, undo, last []rtnl.Msg
	var do []plan.Op
	for i, l := range p.others {
		set := p.Guests[i].Settings
		join := setLink(l.Index, attrMaster(m.bridge))
		undo = append(undo, setLink(l.Index, attrMaster(0)))
		if !p.filters && set.none() {
			plain = append(plain, join)
			continue
		}
		do = append(append(do, m.ops(plain...)...), m.enter(l, join, p.entered(l.Index, set)))
		plain = nil
		if operational(l) {
			undo = append(undo, operState(l.Index, operUp))
			last = append(last, shut(l.Index, set)...)
		}
	}
	do = append(do, m.ops(slices.Concat(plain, last, p.backups())...)...)
	return plan.Step{Title: "take the guests' ports back into " + m.names[m.bridge], Do: do, Undo: m.ops(undo...)}
}

// detach is the step that takes the others out of the bridge.
func (m *move) detach() plan.Step {
	p := m.ports
	var do []rtnl.Msg
	for _, l := range p.others {
		do = append(do, setLink(l.Index, attrMaster(0)))
	}
	undo := m.attach().Do
	if len(undo) > 0 {
		undo = append(m.ops(p.calm(m.bridge)...), undo...)
	}
	return plan.Step{Title: "detach the guests' ports from " + m.names[m.bridge], Do: m.ops(do...), Undo: undo}
}

// entered are the messages that a port gets before it forwards.
func (p *ports) entered(index int, s settings) []rtnl.Msg {
	return append(p.portMsgs(index, s), p.entries(s.VLANOptions, s.FDB, s.MDB)...)
}

// shut keeps a port from forwarding if somebody had done so before.
func shut(index int, s settings) []rtnl.Msg {
	if b := rtnl.FindAttr(s.Attrs, unix.IFLA_BRPORT_STATE); b != nil {
		return []rtnl.Msg{setPort(index, nl.NewRtAttr(unix.IFLA_BRPORT_STATE, b))}
	}
	return nil
}

// backups give each port the one that takes over for it, if that is there: the kernel
// wants both to be ports of the bridge.
func (p *ports) backups() (msgs []rtnl.Msg) {
	all := append([]keptPort{p.NIC, p.Dom0}, p.Guests...)
	for _, port := range all {
		index, there := p.now[port.Index]
		backup, also := p.now[port.Settings.Backup]
		if port.Settings.Backup != 0 && there && also {
			msgs = append(msgs, setPort(index, attrU32(unix.IFLA_BRPORT_BACKUP_PORT, uint32(backup))))
		}
	}
	return msgs
}

// became notes what an index in kept has become.
func (p *ports) became(from, to int) {
	if from != 0 {
		p.now[from] = to
	}
}

// operUp is IF_OPER_UP and operDormant IF_OPER_DORMANT (linux/if.h).
const (
	operDormant = 5
	operUp      = 6
)

// operState sets whether the kernel regards an interface as operational
// (set_operstate). It does not touch the carrier, so a guest notices nothing.
func operState(index int, state uint8) rtnl.Msg {
	return setLink(index, nl.NewRtAttr(unix.IFLA_OPERSTATE, nl.Uint8Attr(state)))
}

// enter is the operation that makes an interface a port that forwards nothing until
// everything is set on it: a port that is not operational is disabled (br_add_if),
// and enabled when it becomes operational (br_port_carrier_check). An interface that
// is a port already, as when a stop is undone, is not disabled for that.
type enter struct {
	Port   int         `json:"Port"`
	Bridge int         `json:"Bridge"`
	Join   netop.Batch `json:"Join"`
	Give   netop.Batch `json:"Give"`
	Conn   *rtnl.Conn  `json:"-"`
}

const enterKind = "enter"

func (b *builder) enter(l *host.Link, join rtnl.Msg, give []rtnl.Msg) plan.Op {
	msgs := []rtnl.Msg{join}
	if operational(l) {
		msgs = []rtnl.Msg{operState(l.Index, operDormant), join}
		give = append(give, operState(l.Index, operUp))
	}
	bridge := int(rtnl.U32(join.Get(unix.IFLA_MASTER)))
	return &enter{Port: l.Index, Bridge: bridge, Join: *b.batch(msgs...), Give: *b.batch(give...), Conn: b.conn}
}

// Kind implements plan.Op.
func (*enter) Kind() string { return enterKind }

// Commands implements plan.Op.
func (e *enter) Commands() []string { return append(e.Join.Commands(), e.Give.Commands()...) }

// Do implements plan.Op.
func (e *enter) Do(ctx context.Context, undoing bool) error {
	join, give := e.Join, e.Give
	join.Conn, give.Conn = e.Conn, e.Conn
	l, err := host.ReadLink(e.Conn, e.Port)
	if errors.Is(err, unix.ENODEV) && undoing {
		return nil
	}
	if err == nil && l.Master != e.Bridge {
		err = join.Do(ctx, undoing)
	}
	if err != nil {
		return err
	}
	return give.Do(ctx, undoing)
}
