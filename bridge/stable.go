package bridge

import (
	"crypto/sha1" // it is the kernel's choice
	"encoding"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// When an advertisement comes, the kernel makes the address of its prefix anew and
// checks whether the interface has that one: only then the address lives on. It makes
// a stable private address (RFC 7217) from the permanent address of the device
// (ipv6_generate_stable_address), which no new interface can be given. A token can
// stand in there, as the part of the address that the kernel makes; but an interface
// has only one, for all prefixes.

var stableSecret = sysctl.Key{Dir: "net/ipv6/conf", Name: "stable_secret"}

// Values of IN6_ADDR_GEN_MODE_….
const (
	addrGenStable = 2
	addrGenRandom = 3
)

// maker is what the kernel makes addresses from on an interface.
type maker struct {
	token  netip.Addr
	mac    net.HardwareAddr
	perm   net.HardwareAddr
	secret netip.Addr // invalid if addresses are made of the MAC address
}

// makerOn is what they are made from on an interface with those settings.
func (b *builder) makerOn(l *host.Link, settings sysctl.Device) maker {
	m := maker{mac: l.MAC, perm: born(l)}
	if l.HasToken() {
		m.token = l.Token
	}
	if l.AddrGen == addrGenStable || l.AddrGen == addrGenRandom {
		text, ok := settings[stableSecret]
		if !ok {
			text = b.h.NewDevice()[stableSecret]
		}
		m.secret, _ = netip.ParseAddr(text) // else there is none
	}
	return m
}

// born is the permanent address of a device. Before Linux 5.6 the kernel does not
// report it, but it is rarely changed.
func born(l *host.Link) net.HardwareAddr {
	if l.Perm == nil && l.Kind == "" {
		return l.MAC
	}
	return l.Perm
}

// makes says whether the kernel makes that address on an interface.
func (k maker) makes(addr netip.Addr) bool {
	a := addr.As16()
	id := [8]byte(a[8:])
	switch {
	case k.token.IsValid():
		t := k.token.As16()
		return id == [8]byte(t[8:])
	case k.secret.IsValid():
		const retries = 3 // idgen_retries, when another host had the address
		for n := range byte(retries + 1) {
			if id == k.stable([8]byte(a[:8]), n) {
				return true
			}
		}
		return false
	case len(k.mac) == 6:
		return id == [8]byte{k.mac[0] ^ 2, k.mac[1], k.mac[2], 0xff, 0xfe, k.mac[3], k.mac[4], k.mac[5]}
	}
	return false
}

// stable is the interface identifier that the kernel makes for a prefix at that
// try: of one block of SHA-1, without its end.
func (k maker) stable(prefix [8]byte, try byte) (id [8]byte) {
	var block [64]byte
	secret := k.secret.As16()
	copy(block[:], secret[:])
	copy(block[16:], prefix[:])
	copy(block[24:], k.perm)
	block[56] = try // after 32 bytes for an address (MAX_ADDR_LEN)
	h := sha1.New()
	h.Write(block[:])
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil || len(state) < 12 {
		return id
	}
	// "sha\x01", then the words, which the kernel copies as they are in memory.
	binary.NativeEndian.PutUint32(id[:], binary.BigEndian.Uint32(state[4:]))
	binary.NativeEndian.PutUint32(id[4:], binary.BigEndian.Uint32(state[8:]))
	return id
}

// orphans are the addresses of routers' prefixes that the kernel makes on one interface
// but not on the other: they move along, and end with their lifetimes. kept says that
// there are others.
func orphans(addrs []rtnl.Msg, from, to maker) (lost []netip.Addr, kept bool) {
	for _, m := range addrs {
		addr, ok := netip.AddrFromSlice(m.Get(unix.IFA_ADDRESS))
		if !ok || !m.MakesTemporary() || m.Body[1] != 64 || !from.makes(addr) { // ifa_prefixlen
			continue
		}
		if to.makes(addr) {
			kept = true
		} else {
			lost = append(lost, addr)
		}
	}
	return lost, kept
}

// standIn is the token with which the kernel makes these addresses on an interface;
// false if one token is not enough.
func standIn(lost []netip.Addr) (netip.Addr, bool) {
	var ids []netip.Addr
	for _, addr := range lost {
		a := addr.As16()
		clear(a[:8])
		if id := netip.AddrFrom16(a); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) != 1 {
		return netip.Addr{}, false
	}
	return ids[0], true
}

// twin is what dom0's interface is to be like: the NIC, with a token in place of its
// stable addresses if one is enough.
func (m *move) twin(rec *Record) *host.Link {
	like := *m.s.nic
	dev := like
	dev.Perm, dev.Kind = nil, "veth" // as of any that is new
	if rec.FoundDom0 != nil {
		dev.Perm = rec.FoundDom0.Dev.Perm
	}
	lost, kept := orphans(m.state.Addrs6, m.makerOn(&like, m.settings), m.makerOn(&dev, m.settings))
	if len(lost) == 0 {
		return &like
	}
	if token, ok := standIn(lost); ok && !kept {
		like.Token, rec.StandIn = token, token
	} else {
		m.warnings = append(m.warnings, orphanText(lost, m.s.Dom0()))
	}
	return &like
}

// ownToken gives the NIC, which stop makes like dom0's interface, no token that
// only stood in there, and says what it cannot keep.
func (m *move) ownToken(rec *Record) {
	nic, dev := m.s.nic, m.s.dev
	if rec.StandIn.IsValid() && nic.Token == rec.StandIn {
		nic.Token = netip.IPv6Unspecified()
	}
	back := *nic
	back.Perm, back.Kind = m.now.Perm, m.now.Kind
	if lost, _ := orphans(m.state.Addrs6, m.makerOn(dev, m.settings), m.makerOn(&back, m.settings)); len(lost) > 0 {
		m.warnings = append(m.warnings, orphanText(lost, m.s.NetDev))
	}
}

// orphanText says what becomes of such addresses.
func orphanText(lost []netip.Addr, dev string) string {
	text := "warning: on " + dev + " the kernel makes other stable addresses of the routers' prefixes; "
	for i, addr := range lost {
		if i > 0 {
			text += ", "
		}
		text += addr.String()
	}
	return text + " will last until their lifetimes end"
}
