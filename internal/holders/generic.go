package holders

import (
	"fmt"
	"net/netip"

	"xbr-script/internal/rtnl"
)

// readEndpoints reads the endpoints of MPTCP that are for an interface
// (linux/mptcp_pm.h): new subflows of theirs are bound to its index
// (mptcp_subflow_connect). Those that there are go on.
func readEndpoints(r *reader) error {
	const getAddr, version, attrAddr, idAttr, addr4, addr6, ifIndex = 3, 1, 1, 2, 3, 4, 7
	c, err := r.to(generic)
	if err != nil || c == nil {
		return err
	}
	family, err := familyNamed(c, "mptcp_pm")
	if err != nil || family == 0 {
		return err
	}
	msgs, err := c.Dump(family, []byte{getAddr, version, 0, 0})
	for _, m := range msgs {
		if len(m.Body) < rtnl.SizeofGenl {
			continue
		}
		e := rtnl.FindAttr(m.Body[rtnl.SizeofGenl:], attrAddr)
		addr, ok := netip.AddrFromSlice(rtnl.FindAttr(e, addr4))
		if !ok {
			addr, _ = netip.AddrFromSlice(rtnl.FindAttr(e, addr6))
		}
		id := rtnl.FindAttr(e, idAttr)
		if len(id) != 1 {
			continue
		}
		what := fmt.Sprintf("endpoint %v, id %d", addr, id[0])
		r.use(Use{int(rtnl.U32(rtnl.FindAttr(e, ifIndex))), "MPTCP", what, Breaks, fmt.Sprintf("make it anew afterwards: ip mptcp endpoint delete id %d, and add it as before", id[0])})
	}
	return unlessLacking(err)
}

// familyNamed is the number of a family of generic netlink, 0 if the kernel has none of
// that name.
func familyNamed(c *rtnl.Conn, name string) (number uint16, err error) {
	number, err = c.Family(name)
	return number, unlessLacking(err)
}
