package holders

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Rule is a rule of nftables that is about interfaces.
type Rule struct {
	Family       uint8 // NFPROTO_…
	Table, Chain string
	Handle       uint64
	Indexes      []int    // interfaces that it matches or names by index, itself or in a set
	Names        []string // interfaces that it matches by name; with "*" at the end, what begins so
	Masquerades  bool
	Publishes    bool   // it changes where a connection goes (DNAT, redirect)
	PhysDev      bool   // it is about ports of bridges
	JumpsTo      string // a chain
}

// Hook is a base chain or a flowtable of nftables that hangs on an interface.
type Hook struct {
	Family      uint8
	Table, Name string
	Flowtable   bool
	Devices     []string
}

// families are what nft calls them.
var families = map[uint8]string{
	unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6",
	unix.NFPROTO_ARP: "arp", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_NETDEV: "netdev",
}

// place is a table, as nft names it.
func place(family uint8, table string) string { return "table " + families[family] + " " + table }

// ours is the beginning of the names of antispoof's chains: its rules come and go with
// the network.
const ours = "XBR"

// meant says whether a rule is about an interface of that name.
func (r Rule) meant(name string) bool {
	return slices.ContainsFunc(r.Names, func(n string) bool { return matches(n, name) })
}

func matches(pattern, name string) bool {
	prefix, wild := strings.CutSuffix(pattern, "*")
	return pattern == name || wild && strings.HasPrefix(name, prefix)
}

// findRules: a rule by index stays with the interface that has that index, and dom0's
// has another one afterwards. A rule by name means whatever has that name.
func findRules(d *Data, m Move) []Holder {
	var again, indexed, lost, named []Rule
	for _, r := range d.Rules {
		if strings.HasPrefix(r.Chain, ours) || strings.HasPrefix(r.JumpsTo, ours) {
			continue
		}
		switch {
		case slices.Contains(r.Indexes, m.From.Index):
			indexed = append(indexed, r)
		case m.To.Index != 0 && slices.Contains(r.Indexes, m.To.Index):
			again = append(again, r)
		}
		switch {
		case !r.meant(m.From.Name):
		case r.meant(m.To.Name):
			named = append(named, r)
		default:
			lost = append(lost, r)
		}
	}
	const load = "load the rules anew afterwards"
	all := byTable(indexed, Breaks, "by the index of "+m.From.Name+" (iif, oif)",
		"they no longer match what "+m.To.Name+" has: "+load+", or use iifname and oifname, which go by the name")
	all = append(all, byTable(again, Stays, "by the index of the NIC (iif, oif)", "they match dom0's "+m.To.Name+" again")...)
	all = append(all, byTable(lost, Breaks, "by the name "+m.From.Name,
		"dom0's interface is called "+m.To.Name+" then: change the name in them"+m.keepName())...)
	return append(all, byTable(named, Moves, "by the name "+m.From.Name, "they mean dom0's "+m.To.Name)...)
}

// keepName is the way to keep the name, if there is one.
func (m Move) keepName() string {
	if !m.Start || !m.OnBridge {
		return ""
	}
	return ", or give bridge=" + m.From.Name + ", which keeps it"
}

// byTable is a holder for each table with such rules.
func byTable(rules []Rule, o Outcome, by, then string) []Holder {
	var all []Holder
	for len(rules) > 0 {
		first := rules[0]
		elsewhere := func(r Rule) bool { return r.Table != first.Table || r.Family != first.Family }
		count := len(rules)
		var chains []string
		for _, r := range rules {
			if !elsewhere(r) && !slices.Contains(chains, r.Chain) {
				chains = append(chains, r.Chain)
			}
		}
		rules = slices.DeleteFunc(rules, func(r Rule) bool { return !elsewhere(r) })
		in := "chain " + some(chains)
		if len(chains) > 1 {
			in = "chains " + some(chains)
		}
		all = append(all, Holder{
			Kind: nftables, Outcome: o, Then: then,
			What: fmt.Sprintf("%s %s in %s, %s", plural(count-len(rules), "rule"), by, place(first.Family, first.Table), in),
		})
	}
	return all
}

// findHooks: until Linux 6.15 a hook stays on its interface, whatever that is called.
// From 6.16 on it goes by the name (nf_tables_netdev_event).
func findHooks(d *Data, m Move) []Holder {
	var all []Holder
	for _, h := range d.Hooks {
		has := func(name string) bool {
			return slices.ContainsFunc(h.Devices, func(n string) bool { return matches(n, name) })
		}
		if !has(m.From.Name) {
			continue
		}
		holder := Holder{Kind: nftables, What: "the chain " + h.Name + " in " + place(h.Family, h.Table) + ", on " + m.From.Name}
		if h.Flowtable {
			holder.What = "the flowtable " + h.Name + " in " + place(h.Family, h.Table) + ", on " + m.From.Name
		}
		switch {
		case d.ByName && has(m.To.Name):
			holder.Outcome, holder.Then = Moves, "it is on dom0's "+m.To.Name
		case !d.ByName && m.Start:
			holder.Outcome, holder.Then = Stays, "it gets all frames of the wire, those of guests too"
		case h.Flowtable:
			holder.Outcome, holder.Then = Stays, "what is forwarded takes the slow way"
		default:
			holder.Outcome, holder.Then = Breaks, "it is on nothing that dom0 has: load the rules anew afterwards"
		}
		all = append(all, holder)
	}
	return all
}
