// Package host is a snapshot of the host's network: what a plan is made from.
//
// It holds the kernel's own messages for what is moved (addresses, routes,
// neighbours, nexthops) and parsed structs for what decisions need (links).
// Nothing in it changes after Read, so planning is a pure function of it. What only
// few plans ask for is read when it is first asked for (asked.go). A snapshot can
// be kept in a file, and planned from later on any host (file.go).
package host

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
)

// Host is the network of one network namespace at one time.
type Host struct {
	Links    []*Link // by index
	Addrs    []rtnl.Msg
	Routes   []rtnl.Msg // IPv4 in the order of the kernel's tables, then IPv6
	Neighs   []rtnl.Msg // with the proxy entries
	Nexthops []rtnl.Msg

	// LiveRename says that an interface that is up can be renamed
	// (Linux 6.2 and later).
	LiveRename bool
	// Rejoins says that a VXLAN which gets another interface below leaves its multicast
	// group on one and joins it on the other (Linux 6.15).
	Rejoins bool
	// Stations are the interfaces of Wi-Fi, by index, that cannot be ports.
	Stations []int
	// At is when it was read: lifetimes count from there.
	At time.Duration

	// states is what State found.
	states map[int]State
	// Asked is what else was asked for; copies share it. Without it nothing more is
	// known of the host.
	Asked *Asked
}

// Read takes the snapshot.
func Read(c *rtnl.Conn) (*Host, error) {
	h, err := Look(c)
	if err != nil {
		return nil, err
	}
	err = h.dump(c.Dump, dumpsBesides(h))
	return h, err
}

// links begins a snapshot with the interfaces.
func links(c *rtnl.Conn) (*Host, error) {
	live, err := liveRename()
	if err != nil {
		return nil, err
	}
	rejoins, err := KernelAtLeast(6, 15)
	if err != nil {
		return nil, err
	}
	h := &Host{LiveRename: live, Rejoins: rejoins, Asked: &Asked{from: kernel{c}}}
	if h.Links, err = ReadLinkList(c); err != nil {
		return nil, err
	}
	for _, l := range h.Links {
		if err := l.complete(); err != nil {
			return nil, err
		}
	}
	h.Stations, err = h.stations()
	return h, err
}

// dumpsBesides are the requests for everything but links, addresses and routes.
func dumpsBesides(h *Host) []dump {
	return []dump{
		{&h.Neighs, unix.RTM_GETNEIGH, family(unix.AF_INET)},
		{&h.Neighs, unix.RTM_GETNEIGH, family(unix.AF_INET6)},
		{&h.Neighs, unix.RTM_GETNEIGH, proxies(unix.AF_INET)},
		{&h.Neighs, unix.RTM_GETNEIGH, proxies(unix.AF_INET6)},
		{&h.Nexthops, unix.RTM_GETNEXTHOP, make([]byte, 8)},
	}
}

// Look takes the snapshot without neighbours and nexthops. It is enough for
// questions, but nothing can be moved from it.
func Look(c *rtnl.Conn) (*Host, error) {
	h, err := links(c)
	if err != nil {
		return nil, err
	}
	if err := h.dumpBelonging(c.Dump); err != nil {
		return nil, err
	}
	err = h.markOwn(c)
	return h, err
}

// ReadLinks takes a snapshot of interfaces and addresses only.
func ReadLinks(c *rtnl.Conn) (*Host, error) {
	h, err := links(c)
	if err != nil {
		return nil, err
	}
	err = h.dump(c.Dump, []dump{{&h.Addrs, unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg)}})
	return h, err
}

// ReadOn is what is on one interface: addresses, routes, neighbours and nexthops;
// nothing if the interface is gone.
func ReadOn(c *rtnl.Conn, index int) (*Host, error) {
	h := &Host{}
	on := rtnl.U32Bytes(uint32(index))
	routes := func(af uint8) []byte {
		return rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: family(af)}.With(unix.RTA_OIF, on).Body
	}
	neighs := func(req []byte) []byte {
		return rtnl.Msg{Type: unix.RTM_NEWNEIGH, Body: req}.With(unix.NDA_IFINDEX, on).Body
	}
	addrs := make([]byte, unix.SizeofIfAddrmsg)
	copy(addrs[4:], on)
	nexthops := rtnl.Msg{Type: unix.RTM_NEWNEXTHOP, Body: make([]byte, 8)}.With(unix.NHA_OIF, on).Body
	err := h.dump(c.DumpOnly, []dump{
		{&h.Addrs, unix.RTM_GETADDR, addrs},
		{&h.Routes, unix.RTM_GETROUTE, routes(unix.AF_INET)},
		{&h.Routes, unix.RTM_GETROUTE, routes(unix.AF_INET6)},
		{&h.Neighs, unix.RTM_GETNEIGH, neighs(family(unix.AF_INET))},
		{&h.Neighs, unix.RTM_GETNEIGH, neighs(family(unix.AF_INET6))},
		{&h.Neighs, unix.RTM_GETNEIGH, neighs(proxies(unix.AF_INET))},
		{&h.Neighs, unix.RTM_GETNEIGH, neighs(proxies(unix.AF_INET6))},
		{&h.Nexthops, unix.RTM_GETNEXTHOP, nexthops},
	})
	if err != nil {
		return nil, err
	}
	err = h.markOwn(c)
	return h, err
}

// dump is a request for one kind of objects, and where they go.
type dump struct {
	into *[]rtnl.Msg
	typ  uint16
	body []byte
}

// dump carries out the requests and notes the time.
func (h *Host) dump(ask func(uint16, []byte) ([]rtnl.Msg, error), dumps []dump) error {
	for _, d := range dumps {
		msgs, err := ask(d.typ, d.body)
		if refusedWith(err, unix.EOPNOTSUPP, unix.ENODEV) {
			continue // a kernel without IPv6 or without nexthop objects (before 5.3); an interface that is gone
		}
		if err != nil {
			return err
		}
		if d.typ == unix.RTM_GETROUTE {
			settable(msgs)
		}
		if *d.into == nil {
			*d.into = msgs
		} else {
			*d.into = append(*d.into, msgs...)
		}
	}
	h.At = boottime.Now()
	return nil
}

// settable makes the routes ready to be sent. There may be very many, and this way
// State need not copy them. Routes by a nexthop object keep the interface that the
// kernel reports with them.
func settable(routes []rtnl.Msg) {
	for i, m := range routes {
		if m.Type == unix.RTM_NEWROUTE && m.Get(rtnl.RtaNhID) == nil {
			routes[i] = m.Settable()
		}
	}
}

// family begins a request: struct rtmsg and struct ndmsg are of one size and
// both begin with the address family.
func family(af uint8) []byte {
	b := make([]byte, unix.SizeofRtMsg)
	b[0] = af
	return b
}

// proxies asks for the proxy entries, which the plain dump leaves out.
func proxies(af uint8) []byte {
	b := family(af)
	b[10] = unix.NTF_PROXY // ndm_flags
	return b
}

// dumpLinks asks for all interfaces. It leaves the counters out of the answer.
func dumpLinks(c *rtnl.Conn) ([]rtnl.Msg, error) {
	const skipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	req := rtnl.Msg{Type: unix.RTM_NEWLINK, Body: make([]byte, unix.SizeofIfInfomsg)}.
		With(unix.IFLA_EXT_MASK, rtnl.U32Bytes(skipStats))
	return c.Dump(unix.RTM_GETLINK, req.Body)
}

// ReadLinkList reads all interfaces, by index, each as ReadLink does.
func ReadLinkList(c *rtnl.Conn) ([]*Link, error) {
	msgs, err := dumpLinks(c)
	if err != nil {
		return nil, err
	}
	links := make([]*Link, 0, len(msgs))
	for _, m := range msgs {
		if l := parseLink(m); l != nil && m.Type == unix.RTM_NEWLINK {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b *Link) int { return cmp.Compare(a.Index, b.Index) })
	return links, nil
}

// complete reads what the kernel does not tell with a link, or older ones do not.
func (l *Link) complete() (err error) {
	switch {
	case l.Kind == "bridge":
		return l.tellNetfilter()
	case l.Kind == "" && l.Bus == "":
		l.Bus, err = busOf(l.Name)
	}
	if err == nil && l.Bus == "pci" {
		l.Functions, err = functionsOf(l.Name)
	}
	return err
}

// ReadLink reads one interface as it is now.
func ReadLink(c *rtnl.Conn, index int) (*Link, error) {
	m, err := c.Link(index)
	if err != nil {
		return nil, err
	}
	return parseLink(m), nil
}

// Index finds an interface by index; nil if there is none.
func (h *Host) Index(index int) *Link {
	for _, l := range h.Links {
		if l.Index == index {
			return l
		}
	}
	return nil
}

// Name finds an interface by its name or one of its alternative names; nil
// if there is none.
func (h *Host) Name(name string) *Link {
	for _, l := range h.Links {
		if l.Name == name || slices.Contains(l.AltNames, name) {
			return l
		}
	}
	return nil
}

// Ports are the ports of the bridge with that index.
func (h *Host) Ports(bridge int) []*Link {
	var ports []*Link
	for _, l := range h.Links {
		if bridge != 0 && l.Master == bridge {
			ports = append(ports, l)
		}
	}
	return ports
}

// Above are the interfaces on top of the one with that index: VLANs, macvlans,
// tunnels bound to it.
func (h *Host) Above(index int) []*Link {
	var above []*Link
	for _, l := range h.Links {
		if (l.Lower == index || l.Second == index) && !l.Elsewhere && l.Kind != "veth" {
			above = append(above, l)
		}
	}
	return above
}

// Names has the name of each index.
func (h *Host) Names() ipcmd.Names {
	names := ipcmd.Names{}
	for _, l := range h.Links {
		names[l.Index] = l.Name
	}
	return names
}

// liveRename reads the kernel's release: there is no other way to ask.
func liveRename() (bool, error) { return KernelAtLeast(6, 2) }

// KernelAtLeast says whether the kernel is of that version or a later one.
func KernelAtLeast(major, minor int) (bool, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, fmt.Errorf("uname: %w", err)
	}
	return atLeast(rtnl.String(u.Release[:]), major, minor), nil
}

// atLeast compares a release such as "6.1.0-18-amd64" with a version.
func atLeast(release string, major, minor int) bool {
	var v [2]int
	part := 0
	for _, c := range release {
		switch {
		case c >= '0' && c <= '9':
			v[part] = v[part]*10 + int(c-'0')
		case c == '.' && part == 0:
			part++
		default:
			return cmp.Or(cmp.Compare(v[0], major), cmp.Compare(v[1], minor)) >= 0
		}
	}
	return cmp.Or(cmp.Compare(v[0], major), cmp.Compare(v[1], minor)) >= 0
}

// Moved is the host after everything on one interface has moved to another.
func (h *Host) Moved(from, to int) *Host {
	h.answers() // shared from here on
	moved := *h
	moved.states = nil
	for _, list := range []*[]rtnl.Msg{&moved.Addrs, &moved.Routes, &moved.Neighs, &moved.Nexthops} {
		*list = slices.Clone(*list)
		for i, m := range *list {
			if m.Uses(from) {
				(*list)[i] = m.Retarget(from, to)
			}
		}
	}
	return &moved
}
