package carry

import (
	"slices"

	"xbr-script/internal/holders"
	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

// forceIGMP is the version of IGMP that an interface speaks; 0 means 3, unless another host
// speaks an earlier one.
var forceIGMP = sysctl.Key{Dir: "net/ipv4/conf", Name: "force_igmp_version"}

// silent are the steps, before and after groups are joined on dom0's interface instead, by
// which the NIC leaves them without a word. What it would say goes to the wire, as it is a
// port: from the port's own MAC address, and twice at random moments within a second
// (igmp_ifc_timer_expire), so that it may come after what dom0's interface says. A switch
// that takes a port out of a group at once (fast leave) would then send dom0 nothing until
// somebody asks for members again, two minutes later. Version 1 knows no leaving
// (igmp_group_dropped). Of IPv6 a port has none. What the NIC had comes back with the
// settings at stop. Undoing, dom0's interface is the one that leaves.
func silent(d *holders.Data, m holders.Move) (first, last plan.Step) {
	version := d.Host.Setting(forceIGMP.Of(m.From.Name))
	joined := func(g holders.Group) bool { return g.Index == m.From.Index && g.Addr.Is4() }
	if !m.Start || m.To.Index == 0 || version == "" || version == "1" || !slices.ContainsFunc(d.Groups, joined) {
		return first, last
	}
	set := func(index int, name, value string) plan.Op {
		return &sysctl.Write{Sets: []sysctl.Set{forceIGMP.Set(index, name, value)}}
	}
	nic := func(value string) plan.Op { return set(m.From.Index, m.Port, value) }
	dom0 := func(value string) plan.Op { return set(m.To.Index, m.To.Name, value) }
	title := "let " + m.Port + " leave groups without a word"
	first = plan.Step{Title: title, Do: []plan.Op{nic("1")}, Undo: []plan.Op{nic(version), dom0(version)}}
	return first, plan.Step{Title: title, Undo: []plan.Op{nic(version), dom0("1")}}
}
