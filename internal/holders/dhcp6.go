package holders

import (
	"strconv"
	"strings"
)

// readDHCP6 finds the sockets at the port of DHCPv6's clients that are bound to no address.
func readDHCP6(r *reader) error {
	const any546 = "00000000000000000000000000000000:0222"
	return eachLine("udp6", 1, func(w []string) error {
		if len(w) > 9 && strings.EqualFold(w[1], any546) {
			inode, _ := strconv.Atoi(w[9])
			r.want(inode)
			r.DHCP6 = append(r.DHCP6, inode)
		}
		return nil
	})
}

// findDHCP6: such a client, wide-dhcpv6's dhcp6c for one, has taken note of the index by
// which it sends. On a port there is no IPv6, so it renews no lease, and takes its address
// off when that has run out. The kernel tells neither which interface it is nor that there
// is a lease. Others have a socket that is bound to the interface.
func findDHCP6(d *Data, _ Move) []Holder {
	g := &grouped{}
	for _, inode := range d.DHCP6 {
		h := Holder{Kind: "DHCPv6 client", What: "its socket at port 546", Owners: d.Owners[inode], Outcome: Breaks}
		h.Then = restart(h.Owners)
		if how := followedBy(h.Owners); how != "" {
			h.Outcome, h.Then = Followed, how
		}
		g.add(h)
	}
	return g.all
}
