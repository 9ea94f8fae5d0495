package reach

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
)

// maxPeers bounds how many hosts of one link are asked.
const maxPeers = 16

// Peers are hosts on an interface's link that dom0 knows: the gateways of its
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
	gateway := func(addr []byte, _ bool) { add(addr) }
	for _, m := range slices.Concat(h.Routes, h.Nexthops) {
		m.EachGateway(l.Index, gateway)
	}
	for _, n := range h.Neighs {
		if n.Uses(l.Index) && host.Lasting(n) && n.Fixed()[10]&unix.NTF_PROXY == 0 { // ndm_flags
			add(n.Get(unix.NDA_DST))
		}
	}
	return peers
}
