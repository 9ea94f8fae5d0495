package antispoof

import (
	"net/netip"
	"slices"
)

// style is how vif-bridge adds the guests' rules to FORWARD.
type style string

const (
	// insert: at the top, as Xen's scripts have done since 2009. What the
	// chain then says about guests is the last word.
	insert style = "insert"
	// appended: at the end, as before. The chain leaves guests' packets to
	// those rules, and the policy of FORWARD has the last word.
	appended style = "append"
)

// chainName is the chain of one bridge, in every table.
func chainName(bridge string) string { return "XBR-" + bridge }

// lastChain is where FORWARD's last rule jumps to if the policy has to be DROP.
// No bridge's chain has that name.
const lastChain = "XBR_LAST"

// bridged matches packets on their way from one port of a bridge to another.
const bridged = "-m physdev --physdev-is-bridged "

// from matches those that came in by one port.
func from(port string) string {
	return "-m physdev --physdev-in " + port + " --physdev-is-bridged -j ACCEPT"
}

// filterRules are the rules of the chain in filter, which INPUT jumps to as
// well as FORWARD. A packet in INPUT, or one to be routed, is not bridged: it
// was sent to the bridge's own MAC address, where dom0 has no business as long
// as the bridge has no IP address, and comes to the last rule.
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

// guestsIPv6 is what guests may send besides what rules of the admin allow:
// vif-bridge makes none for IPv6. An address that is made from the frame's own
// MAC address cannot be another guest's without that MAC address too; and like
// ARP and DHCP for IPv4, what it takes to have an address at all: router and
// neighbour discovery, membership reports, and the questions of DHCPv6.
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

// rawRules are the rules of the chain in raw, before connection tracking and
// every rule that accepts a guest's packets. Bridged packets are not tracked:
// the host's NAT must not see them twice, once on the bridge, where it would
// turn them aside, and once on dom0's interface. Where the bridge is that
// interface they come but once, and what is for dom0 is tracked.
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

// networks are those of one family that the addresses are in, in order, each
// once. That an address in them is dom0's, the kernel finds for each packet: a
// lease or a privacy address may be another by then, and its last one anyone's.
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

// guard is the edit that puts one bridge under guard.
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

// unguard is the edit that leaves nothing of it.
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

// closing is the edit for the style appended: the guests' rules of those
// bridges stand at the end of FORWARD, and what they do not accept the policy
// must drop. Where it was DROP already, nothing is to do. Else everything that
// is not of those bridges met the policy ACCEPT and still has to, so one chain
// before the guests' rules accepts it. That chain is thus there only if the
// policy was ACCEPT, and with it goes the policy DROP.
func closing(s *state, bridges []Bridge) *edit {
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
