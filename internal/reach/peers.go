package reach

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// maxPeers bounds how many hosts of one link are asked.
const maxPeers = 16

// Peers are hosts that dom0 has on an interface's link: the gateways of its
// routes, then neighbours that it has talked to.
func Peers(h *host.Host, l *host.Link) []Host {
	var peers []Host
	add := func(b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		p := Host{addr, l.Name}
		if ok && !addr.IsUnspecified() && !addr.IsMulticast() && len(peers) < maxPeers && !slices.Contains(peers, p) {
			peers = append(peers, p)
		}
	}
	for _, r := range h.Routes {
		if int(r.U32(unix.RTA_OIF)) == l.Index {
			add(gateway(r.Get(unix.RTA_GATEWAY), r.Get(unix.RTA_VIA)))
		}
		for leg := range rtnl.Legs(r.Get(unix.RTA_MULTIPATH)) {
			add(legGateway(leg, l.Index))
		}
	}
	for _, n := range h.Nexthops {
		if n.Uses(l.Index) {
			add(n.Get(unix.NHA_GATEWAY))
		}
	}
	for _, n := range h.Neighs {
		if n.Uses(l.Index) && host.Lasting(n) && n.Fixed()[10]&unix.NTF_PROXY == 0 { // ndm_flags
			add(n.Get(unix.NDA_DST))
		}
	}
	return peers
}

// gateway is the value of RTA_GATEWAY or else the address of RTA_VIA.
func gateway(plain, via []byte) []byte {
	if plain == nil && len(via) > 2 {
		return via[2:]
	}
	return plain
}

// legGateway is the gateway of a route's leg (struct rtnexthop), if it leaves
// by that interface.
func legGateway(leg []byte, index int) []byte {
	if len(leg) < unix.SizeofRtNexthop || int(rtnl.U32(leg[4:8])) != index {
		return nil
	}
	var plain, via []byte
	for a := range rtnl.ParseAttrs(leg[unix.SizeofRtNexthop:]) {
		switch a.Type {
		case unix.RTA_GATEWAY:
			plain = a.Value
		case unix.RTA_VIA:
			via = a.Value
		}
	}
	return gateway(plain, via)
}
