package bridge

import (
	"maps"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// IPv6 acts by itself: it makes link-local addresses when an interface comes up, and
// resets its own MTU; and an interface without IPv6 accepts no route via an IPv6
// gateway. So an interface is hushed before anything of dom0 is put on it, and woken
// when everything is there.

var (
	disableIPv6 = sysctl.Key{Dir: "net/ipv6/conf", Name: "disable_ipv6"}
	addrGenMode = sysctl.Key{Dir: "net/ipv6/conf", Name: "addr_gen_mode"}

	// ipv6MTU follows the interface's MTU until a router or an admin lowers
	// it; each change of the link makes it follow again (addrconf_notify).
	ipv6MTU = sysctl.Key{Dir: "net/ipv6/conf", Name: "mtu"}
)

// minMTU6 is IPV6_MIN_MTU: with a smaller MTU there is no IPv6 on an interface at all,
// and whatever is set about it is refused (addrconf_notify).
const minMTU6 = 1280

// noInet6 switches IPv6 off on an interface, of that MTU, that does not need it.
func (b *builder) noInet6(index int, mtu uint32) []plan.Op {
	if _, ok := b.h.NewDevice()[disableIPv6]; !ok || mtu < minMTU6 {
		return nil
	}
	return []plan.Op{b.set(disableIPv6, index, "1")}
}

// addrGenAt says how IPv6 makes addresses on an interface of that MTU.
func addrGenAt(mtu uint32, mode uint8) []*nl.RtAttr {
	if mtu < minMTU6 {
		return nil
	}
	return []*nl.RtAttr{attrAddrGen(mode)}
}

// leaveInet6 switches IPv6 off on the NIC that becomes a port. If IPv6 has learnt its
// MTU from a router, it gets the interface's again, as it would when the interface
// goes off and on.
func (m *move) leaveInet6() []plan.Op {
	ops := m.noInet6(m.s.nic.Index, m.s.nic.MTU)
	if v, ok := m.settings[ipv6MTU]; ok && len(ops) > 0 && v != utoa(m.s.nic.MTU) {
		ops = append(ops, m.set(ipv6MTU, m.s.nic.Index, utoa(m.s.nic.MTU)))
	}
	return ops
}

// set is the operation that gives one setting of an interface a value.
func (b *builder) set(k sysctl.Key, index int, value string) plan.Op {
	return &sysctl.Write{Sets: []sysctl.Set{k.Set(index, b.names[index], value)}}
}

// hushed is an interface's settings without those that wake will set.
func hushed(settings sysctl.Device) sysctl.Device {
	settings = maps.Clone(settings)
	delete(settings, ipv6MTU)
	for _, k := range []sysctl.Key{disableIPv6, useTempAddr} {
		if _, ok := settings[k]; ok {
			settings[k] = "0"
		}
	}
	return settings
}

// awake is an interface's settings without those that may still be as hush has left
// them.
func awake(settings sysctl.Device) sysctl.Device {
	settings = maps.Clone(settings)
	delete(settings, useTempAddr)
	return settings
}

// hush switches IPv6 on, but lets it do nothing by itself.
func (m *move) hush(index int) []plan.Op {
	if _, ok := m.settings[disableIPv6]; !ok {
		return nil
	}
	ops := m.ops(setLink(index, attrAddrGen(addrGenNone)))
	if v, ok := m.settings[useTempAddr]; ok && v != "0" {
		ops = append(ops, m.set(useTempAddr, index, "0"))
	}
	return append(ops, m.set(disableIPv6, index, "0"))
}

// wake gives IPv6 on an interface the state that it had on the other one.
func (m *move) wake(index int) []plan.Op {
	if _, ok := m.settings[disableIPv6]; !ok {
		return nil
	}
	like := m.s.nic
	ops := m.ops(setLink(index, attrAddrGen(like.AddrGen)))
	if index == m.pair.dev && m.lacksLinkLocal() {
		// The setting, unlike the message, also makes the addresses.
		ops = []plan.Op{m.set(addrGenMode, index, strconv.Itoa(int(like.AddrGen)))}
	}
	if v := m.settings[ipv6MTU]; v != utoa(like.MTU) {
		ops = append(ops, m.set(ipv6MTU, index, v))
	}
	if v, ok := m.settings[useTempAddr]; ok && v != "0" {
		ops = append(ops, m.set(useTempAddr, index, v))
	}
	if m.settings[disableIPv6] == "1" {
		ops = append(ops, m.set(disableIPv6, index, "1"))
	}
	return ops
}

// lacksLinkLocal says whether the NIC waits for a carrier before it makes its
// link-local address. Dom0's interface has a carrier at once, so there the address
// has to be made now; unless it is a bridge, which waits like the NIC if no guest
// gives it a carrier.
func (m *move) lacksLinkLocal() bool {
	if m.s.onBridge() && (m.s.br == nil || !m.s.br.Running()) {
		return false
	}
	if !m.s.nic.Up() || m.s.nic.Running() || m.s.nic.AddrGen == addrGenNone {
		return false
	}
	for _, a := range m.state.Addrs6 {
		if scope := a.Body[3]; scope == unix.RT_SCOPE_LINK {
			return false
		}
	}
	return true
}

// inet6 is the step that wakes IPv6 on an interface to which everything has
// moved.
func (m *move) inet6(index int) plan.Step {
	return plan.Step{
		Title: "let IPv6 on " + m.names[index] + " go on as before",
		Do:    m.wake(index),
		Undo:  m.hush(index),
	}
}

// hushNIC keeps the NIC from making addresses while it becomes a port. When undoing,
// everything is back on the NIC at this point.
func (m *move) hushNIC() plan.Step {
	nic := m.s.nic
	var do []rtnl.Msg
	if nic.Inet6 {
		do = append(do, setLink(nic.Index, attrAddrGen(addrGenNone)))
	}
	return plan.Step{
		Title: "let " + m.names[nic.Index] + " make no more IPv6 addresses",
		Do:    m.ops(do...),
		Undo:  m.wake(nic.Index),
	}
}

// forceMLD is the version of MLD that an interface speaks; 0 means 2, unless another
// host speaks 1.
var forceMLD = sysctl.Key{Dir: "net/ipv6/conf", Name: "force_mld_version"}

// dropInet6 switches IPv6 off on the NIC, and its addresses go with that. If they
// were removed one by one, the kernel would go through all routes for each of them
// (rt6_remove_prefsrc).
//
// With an address its solicited-node group goes. MLD version 2 keeps a list of the
// groups that were left, to report them for a few seconds (mld_add_delrec). Each
// address that comes back meanwhile costs as much as the number of groups times that
// of the groups left (ipv6_find_idev calls ipv6_mc_up): 4,000 take minutes. Version 1
// keeps no list.
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

// againInet6 restores IPv6 on the NIC as dropInet6 found it.
func (m *move) againInet6() []plan.Op {
	ops := m.hush(m.s.nic.Index)
	if m.leavesGroups() {
		ops = append(ops, m.set(forceMLD, m.s.nic.Index, m.settings[forceMLD]))
	}
	return ops
}
