package antispoof

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"xbr-script/internal/shell"
)

// changes says what a start does to one bridge with this record, or nil for none.
func (s *draft) changes(b Bridge, rec *record) []string {
	on := b.Name + ": antispoof is on: guests may send only what rules for them allow, and not as dom0"
	if b.GuestsAllow {
		on = b.Name + ": antispoof is on: guests may not send as dom0"
	}
	if rec == nil || rec.Bridge.GuestsAllow != b.GuestsAllow {
		return []string{on}
	}
	wrong := s.wrong(b, rec)
	if len(wrong) == 0 {
		return nil
	}
	return []string{b.Name + ": antispoof mended: " + strings.Join(wrong, "; ")}
}

// words is what the user should know about one bridge: what may keep guests from
// sending, and what the rules do not judge.
func (s *draft) words(b Bridge, forward *chain) (notes []string) {
	add := func(format string, args ...any) {
		notes = append(notes, b.Name+": "+fmt.Sprintf(format, args...))
	}
	for _, other := range s.seen.Ground.Others {
		if other != "" {
			add("%s has rules too, and packets must pass both; use one of them alone", other)
		}
	}
	switch {
	case b.Port == "":
		add("dom0 has its addresses on the bridge itself, so guests can send to dom0 itself from any address but dom0's own")
	case b.routed:
		add("it has IP addresses itself, so what guests send to dom0 by its MAC address is not judged")
	}
	if b.GuestsAllow {
		return notes
	}
	ports := dark(s.host, b, forward)
	if scripts := s.seen.Scripts; scripts.Disabled {
		add("no guest can send IPv4: handle_iptable in %s makes no rules for guests (Debian bug #894013); "+
			"delete the \"return 0\" at its beginning, or give guests script=vif-xbr, and restart them; or start with antispoof=yes guests=allow, which lets guests send as anybody but dom0", scripts.Path)
	} else if len(ports) > 0 {
		add("no rule lets %s send IPv4; allow it: iptables -I FORWARD -m physdev --physdev-is-bridged --physdev-in %s -s ADDRESS -j ACCEPT",
			strings.Join(ports, ", "), shell.Quote(ports[0]))
	}
	if len(s.rulesets) == 1 {
		add("this kernel has no IPv6: what guests send to each other with it is not judged")
	}
	return notes
}

// IPv6Note is what the note says that nearly every guarded bridge has.
const IPv6Note = "guests can send IPv6 from addresses that are made of their MAC address only"

// news is what the user should know when a bridge comes under guard.
func (s *draft) news(b Bridge) (notes []string) {
	if tables := s.seen.Ground.Forwarding; len(tables) > 0 {
		notes = append(notes, b.Name+": nftables has rules of its own for what is forwarded, and what crosses the bridge passes them too from now on: "+
			strings.Join(tables, ", "))
	}
	if !b.GuestsAllow && len(s.rulesets) > 1 && slices.ContainsFunc(b.Addrs, isGlobal6) {
		notes = append(notes, b.Name+": "+IPv6Note+"; "+
			"allow others: ip6tables -I FORWARD -m physdev --physdev-is-bridged --physdev-in PORT -s ADDRESS -j ACCEPT")
	}
	return notes
}

// isGlobal6 says whether an address shows that IPv6 is in use.
func isGlobal6(p netip.Prefix) bool { return p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() }
