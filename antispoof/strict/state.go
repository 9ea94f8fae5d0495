package strict

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
)

// State is what the table of one bridge knows.
type State struct {
	Bridge string `json:"bridge"`
	NIC    string `json:"nic"`
	Port   string `json:"port,omitempty"` // dom0's; "" if the bridge itself is dom0's interface
	MAC    string `json:"mac,omitempty"`  // dom0's
	// ByBridge says that rules can ask for the bridge (NFT_BRIDGE_META). If not, a port
	// that the table does not know is a guest's if it has a name as Xen gives it; Shut
	// are others that were in the bridge, and Elsewhere those of such a name that were in
	// another one.
	ByBridge  bool     `json:"by_bridge,omitempty"`
	Shut      []string `json:"shut,omitempty"`
	Elsewhere []string `json:"elsewhere,omitempty"`
	// Taken are dom0's addresses and those of its gateways.
	Taken  []netip.Addr `json:"taken,omitempty"`
	Guests []Guest      `json:"guests,omitempty"` // by their ports
}

// Guest is what a port may send.
type Guest struct {
	Port      string         `json:"port"`
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses,omitempty"` // none: they are not known
	Router    bool           `json:"router,omitempty"`
	RA        bool           `json:"ra,omitempty"`
	DHCP      bool           `json:"dhcp,omitempty"`
	Bridge    string         `json:"bridge,omitempty"` // where it is, if it was said
}

// guestOf is what was asked for.
func guestOf(g config.Guest) Guest {
	return Guest{g.Port, g.MAC.String(), g.Addresses, g.Router, g.RA, g.DHCP, g.Bridge}
}

func (g Guest) equal(o Guest) bool {
	return slices.Equal(g.Addresses, o.Addresses) && g.Port == o.Port && g.MAC == o.MAC && g.Router == o.Router && g.RA == o.RA && g.DHCP == o.DHCP && g.Bridge == o.Bridge
}

func (g Guest) mac() net.HardwareAddr {
	mac, _ := net.ParseMAC(g.MAC) // checked when it was read
	return mac
}

// linkLocal is the address that a guest makes of its MAC address.
func (g Guest) linkLocal() netip.Addr {
	m, a := g.mac(), [16]byte{0xfe, 0x80}
	if len(m) == 6 {
		copy(a[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	}
	return netip.AddrFrom16(a)
}

// addresses are the guest's own: single ones, and networks in which no other is.
func (g Guest) addresses() (single []netip.Addr, nets []netip.Prefix) {
	single = []netip.Addr{g.linkLocal()}
	for _, p := range g.Addresses {
		within := func(o netip.Prefix) bool {
			return o.Bits() < p.Bits() && o.Contains(p.Addr())
		}
		switch {
		case slices.ContainsFunc(g.Addresses, within):
		case p.IsSingleIP():
			single = append(single, p.Addr())
		default:
			nets = append(nets, p)
		}
	}
	slices.SortFunc(single, netip.Addr.Compare)
	return slices.DeleteFunc(slices.Compact(single), func(a netip.Addr) bool {
		return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) })
	}), slices.CompactFunc(nets, func(a, b netip.Prefix) bool { return a == b })
}

// element is one of a set. A range has its last key.
type element struct {
	key, last []byte
	does      part // what becomes of a frame, of a map
	goal      string
	counter   string
	text      string // as nft writes the key
	plain     string // as nft writes it in a set that nft has not made, if that is different
}

// elements are those of every set.
func (s *State) elements() map[string][]element {
	all := map[string][]element{}
	add := func(to *set, e element) { all[to.name] = append(all[to.name], e) }
	goes := func(name, chain string) {
		e := element{key: ifnameBytes(name), text: quoted(name), goal: chain}
		if e.does = to(chain); chain == "" {
			e.does = accept
		}
		add(ports, e)
	}
	if s.Port != "" {
		goes(s.Port, "")
	}
	for _, p := range s.Elsewhere {
		goes(p, "")
	}
	for _, p := range s.Shut {
		goes(p, "shut")
	}
	for _, g := range s.Guests {
		goes(g.Port, "guest")
		g.elements(add)
	}
	for _, mac := range s.lanMACs() {
		add(lanMACs, element{key: mac, text: mac.String()})
	}
	s.takenElements(add)
	return all
}

// lanMACs are the MAC addresses that nobody outside may have.
func (s *State) lanMACs() (macs []net.HardwareAddr) {
	if mac, err := net.ParseMAC(s.MAC); err == nil {
		macs = append(macs, mac)
	}
	for _, g := range s.Guests {
		macs = append(macs, g.mac())
	}
	slices.SortFunc(macs, func(a, b net.HardwareAddr) int { return bytes.Compare(a, b) })
	return slices.CompactFunc(macs, func(a, b net.HardwareAddr) bool { return bytes.Equal(a, b) })
}

// elements are those of one guest.
func (g Guest) elements(add func(*set, element)) {
	name, mac := ifnameBytes(g.Port), g.mac()
	add(macs, element{key: join(name, mac), text: quoted(g.Port) + " . " + mac.String()})
	add(linkAddr, element{key: join(name, mac), text: quoted(g.Port) + " . " + hexText(mac), plain: quoted(g.Port) + " . " + mac.String()})
	single, nets := g.addresses()
	for _, a := range single {
		e := element{key: join(name, a.AsSlice()), text: quoted(g.Port) + " . " + a.String()}
		own := element{key: join(name, mac, a.AsSlice()), text: quoted(g.Port) + " . " + mac.String() + " . " + a.String()}
		if a.Is4() {
			add(addrs4, e)
			add(own4, own)
			continue
		}
		add(addrs6, e)
		add(own6, own)
		e.plain, e.text = e.text, quoted(g.Port)+" . "+hexText(a.AsSlice())
		add(ndAddrs, e)
	}
	for _, n := range nets {
		first, last := n.Addr(), lastOf(n)
		e := element{key: join(name, first.AsSlice()), last: join(name, last.AsSlice()), text: quoted(g.Port) + " . " + n.String()}
		if first.Is4() {
			add(nets4, e)
			continue
		}
		add(nets6, e)
		e.plain, e.text = e.text, quoted(g.Port)+" . "+hexText(first.AsSlice())+"-"+hexText(last.AsSlice())
		add(ndNets, e)
	}
	alone := element{key: name, text: quoted(g.Port)}
	for to, is := range map[*set]bool{anySource: g.Router || len(g.Addresses) == 0, anyNeighbor: len(g.Addresses) == 0, routers: g.RA, dhcpServers: g.DHCP} {
		if is {
			add(to, alone)
		}
	}
	for _, reason := range Reasons {
		add(dropped(reason), element{key: name, text: quoted(g.Port), counter: counterName(reason, g.Port)})
	}
}

// nobodys are addresses that are nobody's source.
var nobodys = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/128"), netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("ff00::/8"),
}

// takenElements are the ranges of addresses that a guest without known addresses, or a
// router, may not have: those of dom0, gateways and all guests.
func (s *State) takenElements(add func(*set, element)) {
	all := slices.Clone(nobodys)
	for _, a := range s.Taken {
		all = append(all, netip.PrefixFrom(a, a.BitLen()))
	}
	for _, g := range s.Guests {
		single, nets := g.addresses()
		for _, a := range single {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
		all = append(all, nets...)
	}
	for _, r := range ranges(all) {
		if r.first.Is4() {
			add(taken4, r.element(unix.ETH_P_IP))
			add(taken4, r.element(unix.ETH_P_ARP))
			continue
		}
		e := r.element(unix.ETH_P_IPV6)
		add(taken6, e)
		e.plain, e.text = e.text, fmt.Sprintf("0x%04x . %s-%s", unix.ETH_P_IPV6, hexText(r.first.AsSlice()), hexText(r.last.AsSlice()))
		if r.first == r.last {
			e.text = fmt.Sprintf("0x%04x . %s", unix.ETH_P_IPV6, hexText(r.first.AsSlice()))
		}
		add(ndTaken, e)
	}
}

// element of a set of such ranges, for frames of one type: only for fields that are
// joined the kernel has an element with both ends of a range, so that a transaction can
// change one without the others.
func (r addrRange) element(etherType uint64) element {
	typ, text := number(etherType, 2), r.first.String()
	if r.first != r.last {
		text += "-" + r.last.String()
	}
	return element{key: join(typ, r.first.AsSlice()), last: join(typ, r.last.AsSlice()), text: fmt.Sprintf("0x%04x . %s", etherType, text)}
}

// addrRange is from one address to another.
type addrRange struct{ first, last netip.Addr }

// ranges joins networks that overlap: the kernel takes no others.
func ranges(nets []netip.Prefix) (out []addrRange) {
	slices.SortFunc(nets, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	for _, n := range nets {
		r := addrRange{n.Addr(), lastOf(n)}
		if k := len(out) - 1; k >= 0 && out[k].last.BitLen() == r.first.BitLen() && !out[k].last.Less(r.first) {
			if out[k].last.Less(r.last) {
				out[k].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// lastOf is the last address of a network.
func lastOf(n netip.Prefix) netip.Addr {
	b := n.Masked().Addr().AsSlice()
	for i := n.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// counterName is what the counter of a guest's dropped frames is called. nft takes no
// name that begins with a digit, or has other characters than these.
func counterName(reason, port string) string {
	var b strings.Builder
	for _, c := range []byte(port) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "/%02x", c)
		}
	}
	return reason + "-" + b.String()
}

// quoted is an interface's name as nft reads it.
func quoted(name string) string { return strconv.Quote(name) }

// ifnameBytes is an interface's name as the kernel compares it.
func ifnameBytes(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

// join puts fields one behind another as in registers.
func join(fields ...[]byte) (key []byte) {
	for _, f := range fields {
		key = append(append(key, f...), make([]byte, -len(f)&3)...)
	}
	return key
}
