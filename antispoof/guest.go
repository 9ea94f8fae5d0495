package antispoof

import (
	"context"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
)

// ForGuest reads what Planner.Guest needs.
func (r Reader) ForGuest(ctx context.Context) *Seen { return r.rulesAlone(ctx) }

// Guards says whether guests of a bridge are judged by our rules.
func (p *Planner) Guards(bridge string) (bool, error) {
	rec, err := loadRecord(p.Records, bridge)
	return rec != nil, err
}

// Judged says whether iptables sees what crosses a bridge.
func Judged(h *host.Host, bridge string) bool {
	l := h.Name(bridge)
	return h.Setting(ipv4.global) == "1" || l != nil && l.BridgeSetting(unix.IFLA_BR_NF_CALL_IPTABLES) == 1
}

// Guest plans the rules that vif-bridge makes for a guest's port: in, from each address
// and network of ip= and as a DHCP client, or from anywhere if there is none; and out. own
// says that the bridge has antispoof=yes, so that the rules decide: then they are made
// also where the installed vif-bridge is kept from it, and for IPv6 addresses. Words that
// are no address are left out.
func (p *Planner) Guest(port string, words []string, own, on bool) (steps []plan.Step, err error) {
	if p.Seen == nil || p.Seen.Missing != "" || p.Seen.Scripts.Disabled && !own && on {
		return nil, nil // as vif-bridge, which asks iptables first
	}
	if err := p.Seen.known(); err != nil {
		return nil, err
	}
	rulesets, err := p.Seen.rulesets()
	for _, s := range rulesets {
		if s.program.family == ipv6 && !own {
			continue
		}
		e := &edit{Program: s.program.name}
		for _, rule := range guestRules(s.program.family, port, words) {
			j := jump{Table: "filter", Chain: "FORWARD", Rule: rule, Place: nowhere}
			if on {
				j.Place = first
			}
			e.Jumps = append(e.Jumps, j)
		}
		title := "let " + port + " send"
		if !on {
			title = "remove the rules that let " + port + " send"
		}
		steps = append(steps, e.step(title, s))
	}
	return steps, err
}

// guestRules are those of one family, as iptables-save prints them.
func guestRules(f *family, port string, words []string) []string {
	var prefixes []netip.Prefix
	for _, word := range words {
		p, err := netip.ParsePrefix(word)
		if a, addrErr := netip.ParseAddr(word); addrErr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err == nil && (f == ipv6) == p.Addr().Is6() && !slices.Contains(prefixes, p.Masked()) {
			prefixes = append(prefixes, p.Masked())
		}
	}
	in := from(port)
	out := "-m physdev --physdev-out " + port + " --physdev-is-bridged -j ACCEPT"
	if len(words) == 0 && f == ipv4 {
		return []string{in, out}
	}
	var rules []string
	for _, p := range prefixes {
		rule := "-s " + p.String() + " " + in
		if p.Bits() == 0 {
			rule = in
		}
		rules = append(rules, rule)
	}
	if f == ipv6 {
		return rules
	}
	dhcp := "-p udp -m physdev --physdev-in " + port + " --physdev-is-bridged -m udp --sport 68 --dport 67 -j ACCEPT"
	return append(rules, dhcp, out)
}
