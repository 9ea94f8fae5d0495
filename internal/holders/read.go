package holders

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/mptcp"
	"xbr-script/internal/nfrule"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sockets"
	"xbr-script/internal/tcmirred"
)

// Data is what Find decides from, besides the moves.
type Data struct {
	Host       *host.Host
	Rules      []Rule                  // of nftables
	Ruleset    *nfrule.Ruleset         // the same, as the kernel tells them; nil if they could not be read
	Hooks      []Hook                  // of nftables
	ByName     bool                    // hooks follow an interface's name, not the interface (Linux 6.16)
	Packet     []Packet                // packet sockets
	Bound      []Bound                 // sockets that are bound to an interface
	Groups     []Group                 // multicast groups that programs have joined
	Senders    []Sender                // sockets that send by an interface
	DHCP6      []int                   // inodes of sockets that may be those of clients of DHCPv6, for any interface
	Labels     []Label                 // address labels
	Endpoints  []mptcp.Endpoint        // of MPTCP
	Subflows   []mptcp.Subflow         // nil if no endpoint needs them
	LetGo      map[int]bool            // interfaces that NetworkManager lets go, whose endpoints it deletes then: who plans knows them
	Entries    []Entry                 // of VXLANs
	Consoles   []Console               // targets of netconsole
	NoConsole  bool                    // a veth cannot be a target's interface (Linux 6.12)
	Devices    []Device                // of RDMA
	Uses       []Use                   // all kinds of other things
	Sockets    map[Use][]int           // inodes of the sockets whose such a use may be
	Redirects  []tcmirred.Action       // of traffic control, which send to an interface
	Forward    []Hook                  // chains of nftables for what is forwarded
	Local      []Hook                  // chains of nftables that no bridged packet comes to
	Bridged    []Bridged               // what bridged packets meet
	MayPass    bool                    // they pass the packet filter, or may do so once br_netfilter is loaded
	Untracked  map[string]bool         // bridges on which dom0's packets are not tracked
	Legacy     []string                // tables of iptables-legacy that could not be read, such as "nat of iptables"
	Masked     map[netip.Addr]int      // connections that may be masqueraded, by the address that they have got
	Tied       map[netip.Addr]int      // those that cannot be written anew
	Owners     map[int][]Owner         // whose the sockets are, by their inodes
	Places     map[int][]sockets.Place // where those can be had that can be turned, by their inodes
	Units      []Unit                  // of systemd, which end with an interface's name: who plans knows them
	Restricted []Restricted            // units likewise
	Tagged     []rtnl.Msg              // routes of MPLS by the interfaces
	Input      map[int]bool            // interfaces by which packets with labels are let in
	Left       []nfrule.Kept           // rules and sets of nftables that stay with dom0's interface at stop
	LeftNames  []string                // interfaces of which the rules for routing stay as they are
	Unknown    []error                 // what could not be read
}

// finder is one kind of holder.
type finder struct {
	about string // what it reads, as it would follow "cannot read"
	read  func(r *reader) error
	find  func(d *Data, m Move) []Holder // nil if findUses of another entry does
}

// finders are all of them.
var finders = []finder{
	{"the interfaces on it", nil, findAbove},
	{"the forwarding tables of VXLANs", readEntries, findEntries},
	{"the rules of nftables", readRules, findRules},
	{"the hooks of nftables", readHooks, findHooks},
	{"the tables of iptables-legacy", readLegacy, findLegacy}, // adds to the rules and the hooks
	{"the packet sockets", readPacket, findPacket},
	{"the sockets that are bound to it", readBound, findBound},
	{"the multicast groups", readGroups, findGroups},
	{"the sockets that send by it", nil, findSenders}, // with the groups
	{"the clients of DHCPv6", readDHCP6, findDHCP6},
	{"the rules for routing", nil, findPolicy},
	{"the address labels", readLabels, findLabels},
	{"the masqueraded connections", readMasked, findMasked},
	{"what bridged packets meet", readBridged, findBridged},
	{"the interfaces for multicast routing", readMulticastRouting, findUses},
	{"the anycast addresses", readAnycast, nil},
	{"the PPPoE sessions", readPPPoE, nil},
	{"the targets of netconsole", readConsoles, findConsoles},
	{"the programs on it", readPrograms, nil},
	{"the traffic control on it", readControl, nil},
	{"the sockets of AF_XDP", readXDP, nil},
	{"the actions of traffic control", readRedirects, findRedirects},
	{"the filters of traffic control", readInputs, nil},
	{"the policies of IPsec", readPolicies, nil},
	{"IPsec's offload to it", readOffload, nil},
	{"the endpoints of MPTCP", readEndpoints, findEndpoints},
	{"the routes of MPLS", readMPLS, findMPLS},
	{"the devices of RDMA", readRDMA, findRDMA},
	{"the bearers of TIPC", readTIPC, nil},
	{"the controllers of FCoE", readFCoE, nil},
	{"the units of systemd", nil, findUnits},
	{"what units of systemd may use", nil, findRestricted},
}

// reader gathers the data.
type reader struct {
	*Data
	conn    *rtnl.Conn
	others  map[string]*rtnl.Conn                // to other parts of the kernel
	legacy  nfrule.Chains                        // of iptables-legacy
	indexes map[int]bool                         // of the interfaces of the moves
	inodes  map[int][]func(Owner, sockets.Place) // sockets whose owners are wanted, and what is asked of them; nil is nothing more
}

// Read gathers the data that the moves are about. What could not be read is in
// Unknown.
func Read(c *rtnl.Conn, h *host.Host, moves []Move) *Data {
	r := newReader(c, h)
	defer r.close()
	for _, m := range moves {
		for _, i := range []Interface{m.From, m.To} {
			if h.Index(i.Index) != nil { // not one that the plan makes
				r.indexes[i.Index] = true
			}
		}
	}
	for _, f := range finders {
		if f.read == nil {
			continue
		}
		if err := f.read(r); err != nil {
			r.Unknown = append(r.Unknown, fmt.Errorf("cannot read %s: %w", f.about, err))
		}
	}
	r.readOwners()
	r.findOthers()
	return r.Data
}

func newReader(c *rtnl.Conn, h *host.Host) *reader {
	return &reader{
		Data: &Data{Host: h, Sockets: map[Use][]int{}, Places: map[int][]sockets.Place{}},
		conn: c, others: map[string]*rtnl.Conn{}, legacy: nfrule.Chains{}, indexes: map[int]bool{}, inodes: map[int][]func(Owner, sockets.Place){},
	}
}

// The other parts of the kernel that are asked.
const (
	netfilter = "netfilter"
	sockDiag  = "sock_diag"
	xfrm      = "xfrm"
	generic   = "generic"
)

var dialers = map[string]func() (*rtnl.Conn, error){netfilter: rtnl.DialNetfilter, sockDiag: rtnl.DialDiag, xfrm: rtnl.DialXFRM, generic: rtnl.DialGeneric}

// to is the connection to another part of the kernel. It is nil if the kernel was built
// without that.
func (r *reader) to(part string) (*rtnl.Conn, error) {
	if c := r.others[part]; c != nil {
		return c, nil
	}
	c, err := dialers[part]()
	if err == nil {
		r.others[part] = c
	}
	return c, unlessLacking(err)
}

func (r *reader) close() {
	for _, c := range r.others {
		_ = c.Close() // it was only read
	}
}

// lacks says whether an error means that the kernel was built without what it was
// asked for. An error of the socket is not an answer.
func lacks(err error, errnos ...unix.Errno) bool {
	var refused *rtnl.Error
	if !errors.As(err, &refused) {
		return errors.Is(err, unix.EPROTONOSUPPORT)
	}
	for _, errno := range errnos {
		if refused.Errno == errno {
			return true
		}
	}
	return false
}
