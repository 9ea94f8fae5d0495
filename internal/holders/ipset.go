package holders

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// ipsetKind is the kind of sets of ipset.
const ipsetKind = "ipset"

// Messages and attributes of ipset (linux/netfilter/ipset/ip_set.h).
const (
	ipsetList     = unix.NFNL_SUBSYS_IPSET<<8 | 7 // IPSET_CMD_LIST
	ipsetProtocol = 1                             // IPSET_ATTR_PROTOCOL
	ipsetVersion  = 6                             // IPSET_PROTOCOL_MIN
	ipsetName     = 2                             // IPSET_ATTR_SETNAME
	ipsetType     = 3                             // IPSET_ATTR_TYPENAME
	ipsetFlags    = 6                             // IPSET_ATTR_FLAGS
	ipsetMembers  = 8                             // IPSET_ATTR_ADT
	ipsetIface    = 23                            // IPSET_ATTR_IFACE
)

// readIPSets reads which interfaces are in sets of ipset. Those that can have none may be large.
func readIPSets(r *reader) error {
	const headers = 1 << 2 // IPSET_FLAG_LIST_HEADER
	c, err := r.to(netfilter)
	if err != nil || c == nil {
		return err
	}
	var sets []string
	err = eachIPSet(c, ipsetFlags, []byte{0, 0, 0, headers}, func() { sets = nil }, func(attrs []byte) {
		if strings.Contains(rtnl.String(rtnl.FindAttr(attrs, ipsetType)), "iface") {
			sets = append(sets, rtnl.String(rtnl.FindAttr(attrs, ipsetName)))
		}
	})
	r.IPSets = map[string][]string{}
	for _, set := range sets {
		if err != nil {
			break
		}
		err = unlessLacking(eachIPSet(c, ipsetName, append([]byte(set), 0), func() {}, func(attrs []byte) {
			for member := range rtnl.ParseAttrs(rtnl.FindAttr(attrs, ipsetMembers)) {
				if iface := rtnl.String(rtnl.FindAttr(member.Value, ipsetIface)); iface != "" && !slices.Contains(r.IPSets[iface], set) {
					r.IPSets[iface] = append(r.IPSets[iface], set)
				}
			}
		}))
	}
	return unlessLacking(err)
}

// eachIPSet calls f with the attributes of each message about sets: of one set there may be more
// than one. An attribute of that type says which.
func eachIPSet(c *rtnl.Conn, typ uint16, value []byte, begin func(), f func(attrs []byte)) error {
	of := rtnl.Msg{Body: make([]byte, unix.SizeofRtMsg)}.With(ipsetProtocol, []byte{ipsetVersion}).With(typ, value)
	req := append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0}, of.Body[unix.SizeofRtMsg:]...)
	return c.DumpEach(ipsetList, req, begin, func(m rtnl.Msg) {
		if len(m.Body) >= 4 { // struct nfgenmsg
			f(m.Body[4:])
		}
	})
}

// findIPSets: they go by the name.
func findIPSets(d *Data, m Move) []Holder {
	sets := d.IPSets[m.From.Name]
	if len(sets) == 0 {
		return nil
	}
	h := Holder{Kind: ipsetKind, What: "the interface " + m.From.Name + " in " + some(sets), Outcome: Moves, Then: "it means dom0's " + m.To.Name}
	if m.From.Name != m.To.Name {
		h.Outcome, h.Then = Breaks, "dom0's interface is called "+m.To.Name+" then: add it to "+strings.Join(sets, ", ")+m.keepName()
	}
	return []Holder{h}
}
