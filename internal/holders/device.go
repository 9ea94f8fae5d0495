package holders

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// Use is a use of an interface of which only that much is known.
type Use struct {
	Index int
	Kind  string
	What  string
	// AtStart is what becomes of it at start; at stop it breaks, as the interface goes.
	AtStart Outcome
	Then    string // what helps, or why it stays; empty if its program has to be restarted
}

// findUses tells what becomes of them.
func findUses(d *Data, m Move) []Holder {
	var all []Holder
	for _, u := range d.Uses {
		if u.Index != m.From.Index {
			continue
		}
		h := Holder{Kind: u.Kind, What: u.What, Outcome: u.AtStart, Then: u.Then}
		for _, inode := range d.Sockets[u] {
			h.Owners = append(h.Owners, d.Owners[inode]...)
		}
		if h.Then == "" {
			h.Then = restart(h.Owners)
		}
		if !m.Start && u.AtStart != Breaks {
			h.Outcome, h.Then = Breaks, m.From.Name+" goes: make it anew afterwards"
		}
		all = append(all, h)
	}
	return all
}

// use adds one, with the sockets whose it may be, if it is of an interface that is asked
// for.
func (r *reader) use(u Use, inodes ...int) {
	if !r.indexes[u.Index] {
		return
	}
	r.Uses = append(r.Uses, u)
	for _, inode := range inodes {
		r.want(inode)
		r.Sockets[u] = append(r.Sockets[u], inode)
	}
}

// indexOf is the index of an interface by its own name, 0 if there is none.
func (r *reader) indexOf(name string) int {
	if l := r.Host.Name(name); l != nil && l.Name == name {
		return l.Index
	}
	return 0
}

// readMulticastRouting reads the interfaces among which the kernel routes multicast
// packets (ipmr_vif_seq_show, ip6mr_vif_seq_show): each has the interface itself.
func readMulticastRouting(r *reader) error {
	var found []Use
	for _, name := range []string{"ip_mr_vif", "ip6_mr_vif"} {
		err := eachLine(name, 1, func(w []string) error {
			if len(w) > 1 && r.indexes[r.indexOf(w[1])] {
				found = append(found, Use{r.indexOf(w[1]), "multicast routing", "interface " + w[0] + " in " + name, Breaks, ""})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return nil
	}
	// Only a program that routes has a raw socket of IGMP; where others have their port is
	// the protocol.
	var routers []int
	err := eachLine("raw", 1, func(w []string) error {
		if len(w) > 9 && strings.HasSuffix(w[1], fmt.Sprintf(":%04X", unix.IPPROTO_IGMP)) {
			inode, _ := strconv.Atoi(w[9])
			routers = append(routers, inode)
		}
		return nil
	})
	for _, u := range found {
		r.use(u, routers...)
	}
	return err
}

// readAnycast reads the anycast addresses that programs have joined (ac6_seq_show). The
// kernel itself joins the one of all routers in each prefix (addrconf_join_anycast).
func readAnycast(r *reader) error {
	return eachLine("anycast6", 0, func(w []string) error {
		if len(w) < 3 {
			return fmt.Errorf("unknown line %q", w)
		}
		index, err := strconv.Atoi(w[0])
		if err != nil || !r.indexes[index] {
			return err
		}
		b, err := hex.DecodeString(w[2])
		addr, ok := netip.AddrFromSlice(b)
		if err != nil || !ok {
			return errors.New("unknown line in anycast6")
		}
		if !r.routersIn(index, addr) {
			r.use(Use{index, "anycast address", addr.String(), Breaks, "restart the program that has joined it"})
		}
		return nil
	})
}

// routersIn says whether an address is that of all routers in a prefix of an interface.
func (r *reader) routersIn(index int, addr netip.Addr) bool {
	return slices.ContainsFunc(r.Host.State(index).Addrs6, func(m rtnl.Msg) bool {
		return m.Prefix().Masked().Addr() == addr
	})
}

// readPPPoE reads the sessions (pppoe_seq_show). They are known by the interface's
// index, and end when its MAC address changes (pppoe_device_event).
func readPPPoE(r *reader) error {
	return eachLine("pppoe", 1, func(w []string) error {
		if len(w) != 3 {
			return nil
		}
		id, err := strconv.ParseUint(w[0], 16, 32) // the kernel prints it as it is, in network order
		if err != nil {
			return err
		}
		id = uint64(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, uint16(id))))
		r.use(Use{r.indexOf(w[2]), pppoe, fmt.Sprintf("session %d with %s", id, w[1]), Breaks, "dial anew on dom0's interface"})
		return nil
	})
}

// readPrograms finds XDP programs and SR-IOV's virtual functions: both are the
// device's own affair.
func readPrograms(r *reader) error {
	const attached, progID, none = 2, 4, 0 // IFLA_XDP_ATTACHED, IFLA_XDP_PROG_ID, XDP_ATTACHED_NONE
	for index := range r.indexes {
		m, err := r.conn.Link(index)
		if lacks(err, unix.ENODEV) {
			continue // it is one that the plan makes
		}
		if err != nil {
			return err
		}
		if xdp := rtnl.FindAttr(m.Get(unix.IFLA_XDP), attached); len(xdp) == 1 && xdp[0] != none {
			id := rtnl.U32(rtnl.FindAttr(m.Get(unix.IFLA_XDP), progID))
			r.use(Use{index, "XDP", fmt.Sprintf("program %d", id), Stays, "it gets the frames before the bridge does, those of guests too"})
		}
		name := rtnl.String(m.Get(unix.IFLA_IFNAME))
		text, _ := os.ReadFile("/sys/class/net/" + name + "/device/sriov_numvfs") // most devices have none
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n > 0 {
			r.use(Use{index, "SR-IOV", plural(n, "virtual function"), Stays, "they are the NIC's own; where its switch has nothing come in for guests in the bridge: bridge fdb add MAC dev PORT self permanent, for each"})
		}
	}
	return nil
}

// readXDP reads the sockets that take frames from a queue of the interface
// (xdp_diag.h). If there are none, the part of the kernel that tells of them may not be
// loaded, and is left alone.
func readXDP(r *reader) error {
	some := false
	err := eachLine("protocols", 1, func(w []string) error {
		some = some || len(w) > 2 && w[0] == "XDP" && w[2] != "0"
		return nil
	})
	if err != nil || !some {
		return err
	}
	c, err := r.to(sockDiag)
	if err != nil || c == nil {
		return err
	}
	const byFamily, showInfo, info, sizeofMsg = 20, 1, 1, 16 // SOCK_DIAG_BY_FAMILY, XDP_SHOW_INFO, XDP_DIAG_INFO, struct xdp_diag_msg
	req := make([]byte, 20)
	req[0] = unix.AF_XDP
	binary.NativeEndian.PutUint32(req[8:], showInfo)
	msgs, err := c.Dump(byFamily, req)
	for _, m := range msgs {
		if len(m.Body) < sizeofMsg {
			continue
		}
		if i := rtnl.FindAttr(m.Body[sizeofMsg:], info); len(i) >= 8 {
			r.use(Use{int(rtnl.U32(i[:4])), "AF_XDP", fmt.Sprintf("socket on queue %d", rtnl.U32(i[4:8])), Stays, "it gets frames before the bridge does"}, int(rtnl.U32(m.Body[4:8])))
		}
	}
	return unlessLacking(err)
}
