package holders

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nfrule"
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
	States       bool   // it asks for the state of a connection
	Reverse      bool   // it asks by which interface a source is reached
	Proto        uint8  // NFPROTO_IPV4 or NFPROTO_IPV6 if it is about one of them only
	JumpsTo      string // a chain
	Legacy       bool   // it is one of iptables-legacy
}

// Hook is a base chain or a flowtable of nftables that hangs on an interface.
type Hook struct {
	Family      uint8
	Table, Name string
	Flowtable   bool
	Devices     []string
	Drops       bool // its policy
	Legacy      bool // it is one of iptables-legacy
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
// has another one afterwards, so it is changed (package carry). A rule by name means
// whatever has that name.
func findRules(d *Data, m Move) []Holder {
	var again, left, lost, named []Rule
	indexed := map[string][]Rule{} // by what becomes of them
	becomes := d.becomes(m)
	for i, r := range d.Rules {
		switch {
		case strings.HasPrefix(r.Chain, ours) || strings.HasPrefix(r.JumpsTo, ours):
			continue
		case d.left(r.kept()):
			left = append(left, r)
			continue
		}
		switch {
		case slices.Contains(r.Indexes, m.From.Index):
			indexed[becomes(i)] = append(indexed[becomes(i)], r)
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
	all := append(m.indexed(indexed), d.findLoose(m)...)
	all = append(all, byTable(left, Stays, "about "+m.From.Name, "they are as before start, and go on being about it")...)
	if m.Start && d.Host.Index(m.To.Index) != nil {
		all = append(all, byTable(again, Stays, "by the index of "+m.To.Name+" (iif, oif)", "they match what dom0 has, too, and stay so after stop")...)
		again = nil
	}
	all = append(all, byTable(again, Stays, "by the index of the NIC (iif, oif)", "they match dom0's "+m.To.Name+" again")...)
	all = append(all, byTable(lost, Breaks, "by the name "+m.From.Name,
		"dom0's interface is called "+m.To.Name+" then: change the name in them"+m.keepName())...)
	return append(all, byTable(named, Moves, "by the name "+m.From.Name, "they mean dom0's "+m.To.Name)...)
}

// What becomes of a rule by index, besides the reasons for which it cannot be changed.
const (
	turned = "turned"
	onWire = "on the wire"
)

// becomes tells what becomes of the rules by index.
func (d *Data) becomes(m Move) func(rule int) string {
	if d.Ruleset == nil {
		return func(int) string { return "they could not be read" }
	}
	_, fixed, _ := d.Carries(m)
	return func(i int) string {
		switch r := d.Rules[i]; {
		case m.Start && (r.Family == unix.NFPROTO_BRIDGE || r.Family == unix.NFPROTO_NETDEV && !d.ByName):
			return onWire
		case r.Family == unix.NFPROTO_BRIDGE || r.Family == unix.NFPROTO_NETDEV:
			return "those of a bridge or of an interface are not changed"
		case fixed[i] != nil:
			return fixed[i].Error()
		}
		return turned
	}
}

// Carries says whether there are rules by index that can be changed while the network
// moves, for each rule why it cannot, and which rules and sets stay as they are.
func (d *Data) Carries(m Move) (kept []nfrule.Kept, fixed []error, carries bool) {
	if d.Ruleset == nil {
		return nil, nil, false
	}
	var chains []nfrule.ID // on the interface, and they stay there
	for _, h := range d.Hooks {
		if !h.Flowtable && !d.ByName {
			chains = append(chains, nfrule.ID{Family: h.Family, Table: h.Table, Name: h.Name})
		}
	}
	both := []int{m.From.Index, m.To.Index}
	kept = append(d.Ruleset.Kept(m.From.Index, m.To.Index, chains), d.Left...)
	fixed, carries = d.Ruleset.Fixed(nfrule.Swap{Of: [2]int(both), By: both}, kept)
	return kept, fixed, carries && m.To.Index != 0
}

// findLoose: sets with the index that no rule uses are changed with the rules, for those that
// are still to come.
func (d *Data) findLoose(m Move) (all []Holder) {
	if d.Ruleset == nil {
		return nil
	}
	kept, _, _ := d.Carries(m)
	both := []int{m.From.Index, m.To.Index}
	for _, id := range d.Ruleset.Loose(m.From.Index) {
		if d.left(nfrule.Kept{Family: id.Family, Table: id.Table, Set: id.Name}) {
			continue
		}
		h := Holder{Kind: nftables, Outcome: Moves, Then: "it is changed to mean dom0's " + m.To.Name}
		h.What = "the set " + id.Name + " in " + place(id.Family, id.Table) + ", by the index of " + m.From.Name + ", which no rule uses"
		err := d.Ruleset.FixedSet(id, nfrule.Swap{Of: [2]int(both), By: both}, kept)
		if err != nil {
			h.Outcome, h.Then = Breaks, "it cannot be changed to mean dom0's "+m.To.Name+" ("+err.Error()+"): fill it anew afterwards"
		}
		all = append(all, h)
	}
	return all
}

// indexed are the holders of rules by index, what breaks first.
func (m Move) indexed(rules map[string][]Rule) (all []Holder) {
	by := "by the index of " + m.From.Name + " (iif, oif)"
	for _, why := range slices.Sorted(maps.Keys(rules)) {
		switch why {
		case turned:
			all = append(all, byTable(rules[why], Moves, by, "they are changed to mean dom0's "+m.To.Name)...)
		case onWire:
			all = append(all, byTable(rules[why], Stays, by, "they see what is on the wire")...)
		default:
			all = append(all, byTable(rules[why], Breaks, by, "they cannot be changed to mean dom0's "+m.To.Name+
				" ("+why+"): load them anew afterwards, or use iifname and oifname, which go by the name")...)
		}
	}
	return all
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
		elsewhere := func(r Rule) bool {
			return r.Table != first.Table || r.Family != first.Family || r.Legacy != first.Legacy
		}
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
		kind := nftables
		if first.Legacy {
			kind = legacyTables
		}
		all = append(all, Holder{
			Kind: kind, Outcome: o, Then: then,
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
