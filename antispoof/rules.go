package antispoof

import (
	"net/netip"
	"slices"
)

// style is how vif-bridge adds the guests' rules to FORWARD.
type style string

const (
	// insert: at the top, as Xen's scripts have done since 2009. Our chain comes
	// after them and has the last word about guests.
	insert style = "insert"
	// appended: at the end, as Xen's scripts did before. Our chain leaves guests'
	// packets to those rules, and the policy of FORWARD has the last word.
	appended style = "append"
)

// chainName is the name of one bridge's chain, in every table.
func chainName(bridge string) string { return "XBR-" + bridge }

// lastChain is where FORWARD's last rule jumps if the policy has to be DROP. No
// bridge's chain can have that name.
const lastChain = "XBR_LAST"

// bridged matches packets on their way from one port of a bridge to another.
const bridged = "-m physdev --physdev-is-bridged "

// from matches packets that came in by one port.
func from(port string) string {
	return "-m physdev --physdev-in " + port + " --physdev-is-bridged -j ACCEPT"
}

// filterRules are the rules of the chain in filter, to which both INPUT and FORWARD
// jump. A packet in INPUT, or one to be routed, is not bridged: it was sent to the
// bridge's own MAC address, where nothing is meant for dom0 as long as the bridge
// has no IP address. So it meets the last rule.
func filterRules(f *family, b Bridge, s style) []string {
	var rules []string
	for _, port := range b.own() {
		rules = append(rules, from(port))
	}
	switch {
	case b.GuestsAllow:
		rules = append(rules, bridged+"-j ACCEPT")
	case f == ipv6:
		rules = append(rules, guestsIPv6...)
	case s == appended:
		rules = append(rules, bridged+"-j RETURN")
	}
	if b.routed {
		return append(rules, bridged+"-j DROP")
	}
	return append(rules, "-j DROP")
}

// guestsIPv6 is what guests may send besides what the admin's rules allow, as
// vif-bridge makes no rules for IPv6. They may use an address that is made from
// the frame's own MAC address: to use another guest's they would need its MAC
// address, too. And they may send what it takes to have an address at all, as ARP
// and DHCP for IPv4: router and neighbour discovery, membership reports, and
// DHCPv6 requests.
var guestsIPv6 = []string{
	bridged + "-m eui64 -j ACCEPT",
	icmp6("133"), // router solicitation
	icmp6("135"), // neighbour solicitation
	icmp6("136"), // neighbour advertisement
	icmp6("131"), // multicast listener report
	icmp6("132"), // multicast listener done
	icmp6("143"), // multicast listener report, version 2
	"-s fe80::/10 -p udp " + bridged + "-m udp --sport 546 --dport 547 -j ACCEPT",
}

func icmp6(typ string) string {
	return "-p ipv6-icmp " + bridged + "-m icmp6 --icmpv6-type " + typ + " -j ACCEPT"
}

// rawRules are the rules of the chain in raw, before connection tracking and before
// any rule that accepts a guest's packets. Bridged packets are not tracked: the
// host's NAT must not see them twice, on the bridge, where it would divert them,
// and then on dom0's interface. If the bridge is that interface they come only
// once, and packets for dom0 are tracked.
func rawRules(f *family, b Bridge) []string {
	rules := []string{"-j CT --notrack"}
	if b.Port == "" {
		rules = []string{"-m addrtype ! --dst-type LOCAL -j CT --notrack"}
	}
	for _, port := range b.own() {
		rules = append(rules, "-m physdev --physdev-in "+port+" -j RETURN")
	}
	for _, n := range networks(f, b.Addrs) {
		rules = append(rules, "-s "+n.String()+" -m addrtype --src-type LOCAL -j DROP")
	}
	return rules
}

// networks are the networks of one family that the addresses are in, in order and
// each once. For each packet the kernel finds out whether an address in them is
// dom0's: by then a lease or a privacy address may be another one, and the old one
// may be anybody's.
func networks(f *family, addrs []netip.Prefix) []netip.Prefix {
	var nets []netip.Prefix
	for _, a := range addrs {
		if a.Addr().BitLen() != f.bits {
			continue
		}
		if a.Bits() == 0 { // iptables would write it as no match at all
			a = netip.PrefixFrom(a.Addr(), f.bits)
		}
		nets = append(nets, a.Masked())
	}
	slices.SortFunc(nets, netip.Prefix.Compare)
	return slices.Compact(nets)
}

// jumps are the rules that lead to the chain.
func jumps(f *family, b Bridge, s style) []jump {
	rule := "-i " + b.Name + " -j " + chainName(b.Name)
	own := b.own()
	forward := afterGuests
	if f == ipv4 && s == appended && !b.GuestsAllow {
		forward = first
	}
	input := first
	if b.routed {
		input = nowhere
	}
	return []jump{
		{Table: "raw", Chain: "PREROUTING", Rule: rule, Place: first, Own: own},
		{Table: "filter", Chain: "FORWARD", Rule: rule, Place: forward, Own: own},
		{Table: "filter", Chain: "INPUT", Rule: rule, Place: input, Own: own},
	}
}

// guard is the edit that makes the rules of one bridge.
func guard(p *program, b Bridge, s style) *edit {
	name := chainName(b.Name)
	return &edit{
		Program: p.name,
		Chains: []chainEdit{
			{Table: "raw", Name: name, Rules: rawRules(p.family, b)},
			{Table: "filter", Name: name, Rules: filterRules(p.family, b, s)},
		},
		Jumps: jumps(p.family, b, s),
	}
}

// unguard is the edit that removes them without a trace.
func unguard(p *program, b Bridge) *edit {
	e := guard(p, b, insert)
	for i := range e.Chains {
		e.Chains[i].Gone, e.Chains[i].Rules = true, nil
	}
	for i := range e.Jumps {
		e.Jumps[i].Place = nowhere
	}
	return e
}

// closing is the edit for the style appended: the guests' rules of those bridges
// are at the end of FORWARD, and the policy must drop what they do not accept. If
// the policy was DROP already, there is nothing to do. Else everything that does
// not belong to those bridges met the policy ACCEPT, and must still be accepted: a
// chain before the guests' rules does that. So that chain exists only if the
// policy was ACCEPT, and when the chain goes, so does the policy DROP.
func closing(s *ruleset, bridges []Bridge) *edit {
	e := &edit{
		Program: s.program.name,
		Chains:  []chainEdit{{Table: "filter", Name: lastChain, Gone: true}},
		Jumps:   []jump{{Table: "filter", Chain: "FORWARD", Rule: "-j " + lastChain, Place: nowhere}},
	}
	there := s.chain("filter", lastChain) != nil
	switch {
	case !there && (len(bridges) == 0 || s.builtin("filter", "FORWARD").policy != "ACCEPT"):
		return e
	case len(bridges) == 0:
		e.Policies = []policyEdit{{"filter", "FORWARD", "ACCEPT"}}
		return e
	}
	e.Policies = []policyEdit{{"filter", "FORWARD", "DROP"}}
	e.Jumps[0].Place = last
	c := &e.Chains[0]
	c.Gone = false
	for _, b := range bridges {
		c.Rules = append(c.Rules, "-i "+b.Name+" "+bridged+"-j RETURN")
		e.Jumps[0].Own = append(e.Jumps[0].Own, b.own()...)
	}
	c.Rules = append(c.Rules, "-j ACCEPT")
	return e
}
