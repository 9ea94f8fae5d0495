package bridge

import (
	"net/netip"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/sysctl"
)

var (
	acceptRA     = sysctl.Key{Dir: "net/ipv6/conf", Name: "accept_ra"}
	solicitation = sysctl.Key{Dir: "net/ipv6/conf", Name: "router_solicitations"}
)

// setToken is the operations that give an interface with those settings a token, or
// none. The kernel accepts a token only if router advertisements are accepted and
// solicited, and neighbours discovered (inet6_set_iftoken).
func (b *builder) setToken(index int, token netip.Addr, settings sysctl.Device) []plan.Op {
	if !token.IsValid() {
		return nil // there is no IPv6
	}
	always := sysctl.Device{acceptRA: "2", solicitation: "1"} // even on a router
	now := sysctl.Device{acceptRA: settings[acceptRA], solicitation: settings[solicitation]}
	if now[acceptRA] != "0" && now[solicitation] != "0" && settings[forwarding] == "0" {
		return b.ops(setLink(index, attrToken(token)))
	}
	ops := append(b.settingsOf(index, always, nil), b.batch(setLink(index, attrToken(token))))
	return append(ops, b.settingsOf(index, now, nil)...)
}

// noToken removes the token of an interface that has one.
func (b *builder) noToken(l *host.Link, settings sysctl.Device) []plan.Op {
	if !l.HasToken() {
		return nil
	}
	return b.setToken(l.Index, netip.IPv6Unspecified(), settings)
}

// likeToken gives an interface the token of another one.
func (b *builder) likeToken(index int, like *host.Link, settings sysctl.Device) []plan.Op {
	if !like.HasToken() {
		return nil
	}
	return b.setToken(index, like.Token, settings)
}

// turnToken turns the token of one interface into that of another.
func (b *builder) turnToken(index int, from, to *host.Link, settings sysctl.Device) []plan.Op {
	if from.HasToken() == to.HasToken() && (!to.HasToken() || from.Token == to.Token) {
		return nil
	}
	return b.setToken(index, to.Token, settings)
}
