package holders

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

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
	family, err := c.Family("mptcp_pm")
	if err != nil || family == 0 {
		return unlessLacking(err)
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

// readRDMA finds the RDMA devices of an interface, such as those of RoCE and iWARP: they
// have addresses by which their connections are known, and follow those of their own
// interface (roce_gid_mgmt.c).
func readRDMA(r *reader) error {
	ports, err := filepath.Glob("/sys/class/infiniband/*/ports/*/gid_attrs/ndevs")
	if err != nil {
		return err
	}
	for _, port := range ports {
		entries, err := os.ReadDir(port)
		if err != nil {
			continue // it has gone
		}
		for _, e := range entries {
			name, err := os.ReadFile(filepath.Join(port, e.Name()))
			if err != nil { // an entry that is not in use
				continue
			}
			device := strings.Split(port, "/")[4]
			index := r.indexOf(strings.TrimSpace(string(name)))
			if !r.indexes[index] {
				continue
			}
			r.use(Use{index, "RDMA", "device " + device, Breaks, "its addresses follow the NIC's, and connections by dom0's end: connect anew by another NIC"})
			break
		}
	}
	return nil
}
