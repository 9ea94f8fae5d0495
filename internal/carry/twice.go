package carry

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// twice are the connections that have been masqueraded and then tracked once more on the
// bridge. There they have got another port: the one that the first translation gave is taken,
// by the first one. The other side knows that port only, so to be tracked once such a
// connection is to be translated at once to what it has become by both.
func (u *Untracked) twice() (all []session) {
	addrs := u.addrs()
	if len(addrs) == 0 {
		return nil
	}
	sessions, err := translated(addrs)
	if err != nil {
		return nil
	}
	outer := map[string]session{}
	for _, s := range sessions {
		outer[flow(s.orig, false)] = s
	}
	for _, s := range sessions {
		if o, ok := outer[flow(s.reply, true)]; ok && !bytes.Equal(o.orig, s.orig) {
			s.outer, s.inner, s.source, s.port = o.orig, s.port, o.source, o.port
			all = append(all, s)
		}
	}
	return all
}

// addrs are those on the interface that has the MAC address, if there is the bridge.
func (u *Untracked) addrs() (all []netip.Addr) {
	c, err := rtnl.Dial()
	if err != nil {
		return nil
	}
	defer func() { _ = c.Close() }()
	byName := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: make([]byte, unix.SizeofIfInfomsg)}.With(unix.IFLA_IFNAME, append([]byte(u.Bridge), 0))
	if _, err := c.Get(unix.RTM_GETLINK, byName.Body); err != nil {
		return nil // nothing has been bridged yet
	}
	h, err := host.ReadLinks(c)
	if err != nil {
		return nil
	}
	for _, l := range h.Links {
		if !bytes.Equal(l.MAC, u.MAC) {
			continue
		}
		state := h.State(l.Index)
		for _, a := range append(state.Addrs4, state.Addrs6...) {
			if addr, ok := netip.AddrFromSlice(a.Local()); ok {
				all = append(all, addr)
			}
		}
	}
	return all
}

// flow tells tuples apart: who sends to whom. back turns it round.
func flow(tuple []byte, back bool) string {
	ip, proto := rtnl.FindAttr(tuple, ctaTupleIP), rtnl.FindAttr(tuple, ctaTupleProto)
	first := func(attrs []byte, types ...uint16) []byte {
		for _, typ := range types {
			if v := rtnl.FindAttr(attrs, typ); v != nil {
				return v
			}
		}
		return nil
	}
	from := append(bytes.Clone(first(ip, ctaIPv4Src, ctaIPv6Src)), first(proto, ctaSrcPort, ctaICMPID, ctaICMPv6ID)...)
	to := append(bytes.Clone(first(ip, ctaIPv4Dst, ctaIPv6Dst)), first(proto, ctaDstPort, ctaICMPID, ctaICMPv6ID)...)
	if back {
		from, to = to, from
	}
	return string(append(append(bytes.Clone(rtnl.FindAttr(proto, ctaProtoNum)), from...), to...))
}

// guards are the packets of such connections while they are written anew: for dom0 they have
// one port, and for the other side another.
func (u *Untracked) guards(twice []session) (ports []uint16, which []guarded) {
	for _, s := range twice {
		ports = append(ports, s.portNumber(), number(s.inner))
	}
	for at, port := range map[uint32]uint32{etherSource: sourcePort, etherDestination: destinationPort} {
		for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			which = append(which, guarded{append(u.bridged(at), meta(unix.NFT_META_L4PROTO), equal(proto)), port})
		}
	}
	return ports, which
}
