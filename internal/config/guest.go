package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Guest is what a guest's port may send with antispoof=strict: a line of the file, or
// what admit and dismiss are about.
type Guest struct {
	Port      string           // port=
	MAC       net.HardwareAddr // mac=
	Addresses []netip.Prefix   // ip=, in order and each once; none: not given
	Router    bool             // router=yes
	RA        bool             // ra=yes
	DHCP      bool             // dhcp=yes
	Bridge    string           // bridge=; only for hosts with several bridges
}

// isGuest says whether a group is about a guest.
func (g *group) isGuest() bool {
	return slices.ContainsFunc(keyNames(perGuest), func(name string) bool { return g.values[name] != "" })
}

// forGuests says whether a word of the vocabulary is about guests alone.
func forGuests(word string) bool {
	return slices.Contains(keyNames(perGuest), strings.TrimSuffix(word, "=")) || Command(word).AboutGuest()
}

// guestsIn are the guests that groups are about.
func guestsIn(groups []*group) (guests []Guest) {
	for _, g := range groups {
		if g.isGuest() {
			guest := Guest{Bridge: g.values["bridge"]}
			g.store(setting{nil, nil, &guest}, perGuest)
			guests = append(guests, guest)
		}
	}
	return guests
}

// withoutGuests refuses a guest on the command line of another command.
func (r *argReader) withoutGuests() {
	for _, g := range r.groups {
		for _, name := range keyNames(perGuest) {
			if g.values[name] != "" {
				r.wrong.add(refused(fmt.Sprintf("cannot use %s= with %s", name, r.req.named()), name+"= goes with admit and dismiss, and in a line of the file"))
				return
			}
		}
	}
}

// oneGuest checks what admit and dismiss are about.
func (r *argReader) oneGuest() {
	if len(r.groups) > 1 {
		r.wrong.add(refused(fmt.Sprintf("cannot use %s with %s", nextOption, r.req.Command), "give one guest in each call"))
		return
	}
	if len(r.wrong) > 0 {
		return // what is missing may have been meant
	}
	g := r.groups[0]
	f := g.checkGuest(string(r.req.Command))
	if r.req.Command == Dismiss {
		f = g.onlyPort()
	}
	if f != nil {
		r.wrong.add(refused(fmt.Sprintf("cannot %s: %s", r.req.Command, f.reason), f.hint))
	}
}

// checkGuests refuses two lines about one port.
func (r *argReader) checkGuests() {
	first := map[string]*group{}
	for _, g := range r.groups {
		name := g.values["port"]
		if a := first[name]; a != nil && name != "" {
			r.wrong.add(refused(fmt.Sprintf("cannot use port=%s for two guests%s", name, places(a, g)), "each port has one guest"))
			continue
		}
		first[name] = g
	}
}

// guestGrammar is the hint for what is not about a guest.
const guestGrammar = "such as: port=vif1.0 mac=00:16:3e:00:00:01 ip=192.0.2.5"

// checkGuest says what is wrong with the keys of a guest together.
func (g *group) checkGuest(what string) *fault {
	for name := range g.values {
		if k, _ := findKey(name); k.scope != perGuest && name != "bridge" {
			return &fault{name + "= does not belong in " + what, guestGrammar}
		}
	}
	switch {
	case g.values["port"] == "":
		return &fault{"port= is missing", guestGrammar}
	case g.values["mac"] == "":
		return &fault{"mac= is missing", guestGrammar}
	}
	return nil
}

func (g *group) onlyPort() *fault {
	for name := range g.values {
		if name != "port" {
			return &fault{name + "= does not belong there", "such as: xbr-script dismiss port=vif1.0"}
		}
	}
	if g.values["port"] == "" {
		return &fault{"port= is missing", "such as: xbr-script dismiss port=vif1.0"}
	}
	return nil
}

func setPort(s setting, value string) *fault {
	s.guest.Port = value
	if len(value) > maxName {
		return wrong(value, fmt.Sprintf("has %d bytes, the name of a port has at most %d", len(value), maxName))
	}
	return checkName(value)
}

func setMAC(s setting, value string) *fault {
	mac, err := net.ParseMAC(value)
	s.guest.MAC = mac
	switch {
	case err != nil || len(mac) != 6:
		return wrong(value, "is not a MAC address")
	case mac[0]&1 != 0:
		return wrong(value, "is the address of a group")
	case mac.String() == "00:00:00:00:00:00":
		return wrong(value, "is no host's address")
	case mac.String() == "fe:ff:ff:ff:ff:ff":
		return wrong(value, "is the address of the port, not of the guest")
	}
	return nil
}

// setIP takes addresses and networks, by commas.
func setIP(s setting, value string) *fault {
	s.guest.Addresses = nil
	for word := range strings.SplitSeq(value, ",") {
		p, f := prefix(word)
		if f != nil {
			return f
		}
		s.guest.Addresses = append(s.guest.Addresses, p)
	}
	slices.SortFunc(s.guest.Addresses, netip.Prefix.Compare)
	s.guest.Addresses = slices.Compact(s.guest.Addresses)
	return nil
}

// prefix is an address, as the network of it alone, or a network.
func prefix(word string) (netip.Prefix, *fault) {
	p, err := netip.ParsePrefix(word)
	if a, addrErr := netip.ParseAddr(word); addrErr == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	a := p.Addr()
	switch {
	case err != nil:
		return p, wrong(word, "is neither an IP address nor a network")
	case p.Masked() != p:
		return p, wrong(word, "has bits of a host: the network is "+p.Masked().String())
	case a.Is4In6():
		return p, wrong(word, "is an IPv4 address in IPv6")
	case p.Bits() == 0:
		f := wrong(word, "is every address")
		f.hint = "router=yes is for a guest that routes for others; "
		return p, f
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return p, wrong(word, "is not the address of one host")
	}
	return p, nil
}

func setRouter(s setting, value string) *fault { return yesNo(&s.guest.Router, value) }
func setRA(s setting, value string) *fault     { return yesNo(&s.guest.RA, value) }
func setDHCP(s setting, value string) *fault   { return yesNo(&s.guest.DHCP, value) }

func yesNo(to *bool, value string) *fault {
	*to = value == "yes"
	return either(value, "no", "yes")
}

// GuestOf is a guest as xenstore has it: ip may be empty, or addresses and networks by
// blanks, as in ip= of a vif line. An address with a length is that address: the guest is
// not to be everybody in its network. A network of all addresses is no address.
func GuestOf(port, mac, ip string) (Guest, error) {
	g := Guest{}
	s := setting{guest: &g}
	if f := setPort(s, port); f != nil {
		return g, f.xenError("vifname")
	}
	if f := setMAC(s, mac); f != nil {
		return g, f.xenError("mac")
	}
	for _, word := range strings.FieldsFunc(ip, func(r rune) bool { return isSpace(r) || r == ',' }) {
		if p, err := netip.ParsePrefix(word); err == nil && p.Masked() != p {
			word = p.Addr().String()
		} else if err == nil && p.Bits() == 0 {
			g.Addresses = nil
			return g, nil
		}
		p, f := prefix(word)
		if f != nil {
			return g, f.xenError("ip")
		}
		g.Addresses = append(g.Addresses, p)
	}
	slices.SortFunc(g.Addresses, netip.Prefix.Compare)
	g.Addresses = slices.Compact(g.Addresses)
	return g, nil
}

// xenError is the fault as an error about a key of xenstore.
func (f *fault) xenError(key string) error { return fmt.Errorf("%s: %s", key, f.reason) }
