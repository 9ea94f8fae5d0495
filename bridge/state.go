package bridge

import (
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// Flags of netlink requests, by what they do in the kernel's tables.
const (
	addFlags     = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	replaceFlags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	appendFlags  = unix.NLM_F_CREATE | unix.NLM_F_APPEND
)

// addState is the step that puts addresses on an interface beside those that
// the other has; up says whether it is switched on. Nothing is routed over it
// yet. Undoing, what else has come to it goes to the other; and if the interface
// is deleted then, it takes the addresses along, which for very many is a
// hundred times as fast.
func (b *builder) addState(s host.State, up bool, other int, deleted bool) plan.Step {
	s.Neighs = nil
	step := plan.Step{
		Title: "give " + b.names[s.Index] + " the addresses",
		Do:    append(b.ops(addStateMsgs(s)...), b.arrived(s, up)...),
		Undo:  []plan.Op{b.gather(s, other)},
	}
	if !deleted {
		step.Undo = append(step.Undo, b.ops(delStateMsgs(s)...)...)
	}
	return step
}

// addNeighs is the step that puts the neighbours on an interface.
func (b *builder) addNeighs(s host.State) plan.Step {
	only := host.State{Index: s.Index, Neighs: s.Neighs}
	return plan.Step{
		Title: "give " + b.names[s.Index] + " the neighbours",
		Do:    b.ops(addStateMsgs(only)...),
		Undo:  b.ops(delStateMsgs(only)...),
	}
}

// relabeled is a state whose IPv4 addresses have the labels that they shall
// have on an interface of another name, in one form.
func relabeled(s host.State, from, to string) host.State {
	s.Addrs4 = slices.Clone(s.Addrs4)
	for i, m := range s.Addrs4 {
		s.Addrs4[i] = m.With(unix.IFA_LABEL, nl.ZeroTerminated(labelOn(to, m, from)))
	}
	return s
}

// labelOn is the label of an address when its interface is called to instead
// of from: as a rule it begins with that name.
func labelOn(to string, m rtnl.Msg, from string) string {
	if mark, ok := markOf(m, from); ok {
		return to + mark
	}
	return rtnl.String(m.Get(unix.IFA_LABEL))
}

// arrived is the operation that waits for the state's IPv6 addresses.
func (b *builder) arrived(s host.State, up bool) []plan.Op {
	var addrs [][]byte
	for _, m := range s.Addrs6 {
		if addrFlags(m)&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
			addrs = append(addrs, localOf(m))
		}
	}
	if len(addrs) == 0 || !up {
		return nil
	}
	return []plan.Op{&arrive{Index: s.Index, Addrs: addrs, Conn: b.conn}}
}

func addStateMsgs(s host.State) []rtnl.Msg {
	msgs := flagged(s.Addrs4, unix.RTM_NEWADDR, addFlags)
	for _, m := range s.Addrs6 {
		msgs = append(msgs, quiet(m))
	}
	return append(msgs, flagged(s.Neighs, unix.RTM_NEWNEIGH, replaceFlags)...)
}

// delStateMsgs takes addresses and neighbours off again, secondary addresses
// before their primaries.
func delStateMsgs(s host.State) []rtnl.Msg {
	msgs := flagged(reversed(s.Neighs), unix.RTM_DELNEIGH, 0)
	return append(append(msgs, delAddrs(s.Addrs6)...), delAddrs(s.Addrs4)...)
}

// forceMLD is the version of MLD that an interface speaks; 0 is 2 unless
// another host speaks 1.
var forceMLD = sysctl.Key{Dir: "net/ipv6/conf", Name: "force_mld_version"}

// dropInet6 switches IPv6 off on the NIC, with which its addresses go. One by one
// each would have the kernel go through all routes (rt6_remove_prefsrc).
//
// With an address goes its solicited-node group. MLD version 2 keeps a list of
// the groups left, to report them for a few seconds (mld_add_delrec), and each
// address that comes back meanwhile costs as much as there are groups times
// groups left (ipv6_find_idev calls ipv6_mc_up): 4,000 take minutes. Version 1
// keeps none.
func (m *move) dropInet6() []plan.Op {
	nic := m.s.nic.Index
	off := m.leaveInet6()
	if len(off) == 0 || !m.leavesGroups() {
		return off
	}
	ops := append([]plan.Op{m.set(forceMLD, nic, "1")}, off...)
	return append(ops, m.set(forceMLD, nic, m.settings[forceMLD]))
}

// leavesGroups says whether dropInet6 changes the version of MLD.
func (m *move) leavesGroups() bool {
	version, known := m.settings[forceMLD]
	return known && version != "1" && len(m.state.Addrs6) > 0
}

// againInet6 has IPv6 on the NIC again, as dropInet6 found it.
func (m *move) againInet6() []plan.Op {
	ops := m.hush(m.s.nic.Index)
	if m.leavesGroups() {
		ops = append(ops, m.set(forceMLD, m.s.nic.Index, m.settings[forceMLD]))
	}
	return ops
}

// delAddrs takes addresses off, last first, whatever their labels have become.
func delAddrs(addrs []rtnl.Msg) []rtnl.Msg {
	msgs := make([]rtnl.Msg, 0, len(addrs))
	for _, m := range reversed(addrs) {
		msgs = append(msgs, m.Without(unix.IFA_LABEL).As(unix.RTM_DELADDR, 0))
	}
	return msgs
}

// quiet is the message that adds an IPv6 address which has no effect yet
// beyond being there: it has no route, no temporary ones are made for it, and if
// it has been found unique on the link before, it does not wait a second to be
// found so again.
func quiet(m rtnl.Msg) rtnl.Msg {
	flags := addrFlags(m) &^ unix.IFA_F_MANAGETEMPADDR
	silent := flags | unix.IFA_F_NOPREFIXROUTE
	if flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
		silent |= unix.IFA_F_NODAD
	}
	return m.With(unix.IFA_FLAGS, rtnl.U32Bytes(silent)).As(unix.RTM_NEWADDR, addFlags)
}

// final is the message that gives an address added by quiet its own flags.
func final(m rtnl.Msg) rtnl.Msg { return m.As(unix.RTM_NEWADDR, replaceFlags) }

// localOf is an address itself; IFA_ADDRESS is its peer, or the same.
func localOf(m rtnl.Msg) []byte {
	if b := m.Get(unix.IFA_LOCAL); b != nil {
		return b
	}
	return m.Get(unix.IFA_ADDRESS)
}

func addrFlags(m rtnl.Msg) uint32 {
	if b := m.Get(unix.IFA_FLAGS); b != nil {
		return rtnl.U32(b)
	}
	return uint32(m.Body[2])
}

// moveRoutes is the step that switches every route and nexthop from one
// interface to the other, which is up; s is the state as it stands on the first.
func (m *move) moveRoutes(s host.State, to int, up bool) plan.Step {
	from := s.Index
	title := "switch the routes from " + m.names[from] + " to " + m.names[to]
	do, undo := routeMsgs(m.h, s, to, up)
	step := plan.Step{
		Title: title,
		Do:    append(m.allowTemporary(to), m.wireOps(do)...),
		Undo:  append(m.allowTemporary(from), m.wireOps(undo)...),
	}
	m.moved(from, to)
	return step
}
