package antispoof

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	sys "xbr-script/internal/program"
	"xbr-script/internal/shell"
)

// changes tells what a start does to one bridge whose record was that, or nil.
func (s *survey) changes(b Bridge, rec *record) ([]string, error) {
	on := b.Name + ": antispoof is on: guests may send only what rules for them allow, and not as dom0"
	if b.GuestsAllow {
		on = b.Name + ": antispoof is on: guests may not send as dom0"
	}
	if rec == nil || rec.Bridge.GuestsAllow != b.GuestsAllow {
		return []string{on}, nil
	}
	wrong, err := s.wrong(b, rec)
	if err != nil || len(wrong) == 0 {
		return nil, err
	}
	return []string{b.Name + ": antispoof mended: " + strings.Join(wrong, "; ")}, nil
}

// words is what the user should know about one bridge: what may keep guests
// from sending, and what that fresh guard does not judge.
func (s *survey) words(b Bridge, fresh bool, forward *chain) ([]string, error) {
	var notes []string
	add := func(format string, args ...any) {
		notes = append(notes, b.Name+": "+fmt.Sprintf(format, args...))
	}
	for _, st := range s.states {
		other, err := st.program.otherHolds()
		if err != nil {
			return nil, err
		}
		if other != "" {
			add("%s has rules too, and packets must pass both; use one of them alone", other)
		}
	}
	tables, err := forwarding()
	if err != nil {
		return nil, err
	}
	if fresh && len(tables) > 0 {
		add("nftables has rules of its own for what is forwarded, and what crosses the bridge passes them too from now on: %s", strings.Join(tables, ", "))
	}
	switch {
	case b.Port == "":
		add("dom0 has its addresses on the bridge itself, so of what guests send to dom0 only dom0's own addresses are judged")
	case b.routed:
		add("it has IP addresses itself, so what guests send to dom0 by its MAC address is not judged")
	}
	if b.GuestsAllow {
		return notes, nil
	}
	ports, err := dark(b, forward)
	if err != nil {
		return nil, err
	}
	if s.script.disabled {
		add("no guest can send IPv4: handle_iptable in %s makes no rules for guests (Debian bug #894013); "+
			"delete the \"return 0\" at its beginning and restart the guests, or start with antispoof=yes guests=allow, which lets guests send as anybody but dom0", s.script.path)
	} else if len(ports) > 0 {
		add("no rule lets %s send IPv4; allow it: iptables -I FORWARD -m physdev --physdev-is-bridged --physdev-in %s -s ADDRESS -j ACCEPT",
			strings.Join(ports, ", "), shell.Quote(ports[0]))
	}
	if len(s.states) == 1 {
		add("this kernel has no IPv6: what guests send to each other with it is not judged")
	} else if fresh && slices.ContainsFunc(b.Addrs, isGlobal6) {
		add("guests can send IPv6 from addresses that are made of their MAC address only; " +
			"allow others: ip6tables -I FORWARD -m physdev --physdev-is-bridged --physdev-in PORT -s ADDRESS -j ACCEPT")
	}
	return notes, nil
}

// isGlobal6 says whether an address shows that IPv6 is in use.
func isGlobal6(p netip.Prefix) bool { return p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() }

// otherHolds names the program of the other back end if it has rules; "" if
// not.
func (p *program) otherHolds() (string, error) {
	suffix := "-nft"
	if p.nft {
		suffix = "-legacy"
	}
	name := p.family.program + suffix
	other, err := open(p.ctx, name)
	var s *state
	if err == nil && other.nft != p.nft {
		s, err = read(other)
	}
	var broken *sys.Failed
	if errors.Is(err, sys.ErrMissing) || errors.As(err, &broken) {
		return "", nil // nobody can have made rules by it
	}
	if err != nil || s == nil {
		return "", err
	}
	for _, c := range s.chains {
		if len(c.rules) > 0 || c.policy == "DROP" {
			return name, nil
		}
	}
	return "", nil
}
