package rtnl

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// leg is a struct rtnexthop with attributes.
func leg(index int, attrs ...[]byte) []byte {
	value := slices.Concat(attrs...)
	b := native.AppendUint16(nil, uint16(unix.SizeofRtNexthop+len(value)))
	b = append(b, 0, 0)
	return append(native.AppendUint32(b, uint32(index)), value...)
}

func multipath(legs ...[]byte) Msg {
	body := []byte{unix.AF_INET, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0}
	body = append(body, attr(unix.RTA_DST, []byte{10, 9, 0, 0})...)
	return Msg{unix.RTM_NEWROUTE, create, append(body, attr(unix.RTA_MULTIPATH, legs...)...)}
}

func TestRetarget(t *testing.T) {
	gw := attr(unix.RTA_GATEWAY, []byte{10, 0, 0, 9})
	oif := num(unix.RTA_OIF, 5)
	neigh := func(index byte) Msg {
		return Msg{Type: unix.RTM_NEWNEIGH, Body: []byte{2, 0, 0, 0, index, 0, 0, 0, 0, 0, 0, 0}}
	}
	nexthop := func(index uint32) Msg {
		return Msg{Type: unix.RTM_NEWNEXTHOP, Body: append(make([]byte, 8), num(unix.NHA_OIF, index)...)}
	}
	encap := func(typ, of uint16, index uint32) Msg {
		return route(1).With(unix.RTA_ENCAP_TYPE, native.AppendUint16(nil, typ)).With(unix.RTA_ENCAP, num(of, index))
	}
	for _, c := range []struct {
		name     string
		in, want Msg
	}{
		{"segment routing", encap(7, 7, 5), encap(7, 7, 7)},
		{"IPsec's interface below", encap(10, 2, 5), encap(10, 2, 7)},
		{"IPsec's number", encap(10, 1, 5), encap(10, 1, 5)},
		{"multipath", multipath(leg(5, gw), leg(6, gw), leg(5)), multipath(leg(7, gw), leg(6, gw), leg(7))},
		// The kernel puts no RTA_OIF into a leg.
		{"within a leg", multipath(leg(5, oif)), multipath(leg(7, oif))},
		{"other", multipath(leg(6)), multipath(leg(6))},
		{"route", route(1).With(unix.RTA_OIF, U32Bytes(5)), route(1).With(unix.RTA_OIF, U32Bytes(7))},
		{"neighbour", neigh(5), neigh(7)},
		{"nexthop", nexthop(5), nexthop(7)},
		{"link", set(5), set(7)},
		{"too short", Msg{Type: unix.RTM_NEWADDR, Body: []byte{2, 0}}, Msg{Type: unix.RTM_NEWADDR, Body: []byte{2, 0}}},
	} {
		before := c.in.Clone()
		got := c.in.Retarget(5, 7)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %x, want %x", c.name, got.Body, c.want.Body)
		}
		if !reflect.DeepEqual(c.in, before) {
			t.Errorf("%s: the message itself was changed", c.name)
		}
		if was := !reflect.DeepEqual(got, c.in); c.in.Uses(5) != was || got.Uses(5) || got.Uses(7) != was {
			t.Errorf("%s: Uses(5) %v, after that %v and Uses(7) %v", c.name, c.in.Uses(5), got.Uses(5), got.Uses(7))
		}
	}
}

func TestWith(t *testing.T) {
	m := set(5, num(unix.IFLA_MTU, 1), str(unix.IFLA_IFNAME, "a"), num(unix.IFLA_MTU, 2))
	if got, want := m.With(unix.IFLA_MTU, U32Bytes(3)), set(5, str(unix.IFLA_IFNAME, "a"), num(unix.IFLA_MTU, 3)); !reflect.DeepEqual(got, want) {
		t.Errorf("With: %x, want %x", got.Body, want.Body)
	}
	if got, want := m.Without(unix.IFLA_MTU, unix.IFLA_IFNAME), set(5); !reflect.DeepEqual(got, want) {
		t.Errorf("Without: %x, want %x", got.Body, want.Body)
	}
	nested := m.With(unix.NLA_F_NESTED|unix.IFLA_PROP_LIST, nil).With(unix.NLA_F_NESTED|unix.IFLA_PROP_LIST, nil)
	if n := strings.Count(string(nested.Body), string([]byte{unix.IFLA_PROP_LIST, 0x80})); n != 1 {
		t.Errorf("a nested attribute stands there %d times", n)
	}
	if got := m.U32(unix.IFLA_MTU); got != 1 {
		t.Errorf("U32 of the first of two attributes: %d", got)
	}
	if got := String(m.Get(unix.IFLA_IFNAME)); got != "a" {
		t.Errorf("String: %q", got)
	}
}

// TestKey checks that what changes by itself over time does not change an
// object's key, and that everything else does. TestKey of package ipcmd does so
// for everything that a kernel tells.
func TestKey(t *testing.T) {
	reachable := Msg{Type: unix.RTM_NEWNEIGH, Body: []byte{2, 0, 0, 0, 1, 0, 0, 0, unix.NUD_REACHABLE, 0, 0, 0}}
	stale := Msg{Type: unix.RTM_NEWNEIGH, Body: []byte{2, 0, 0, 0, 1, 0, 0, 0, unix.NUD_STALE, 0, 0, 0}}
	if reachable.Key() != stale.Key() {
		t.Error("a neighbour's key changes with time")
	}
	address := func(family byte, flags uint32) string {
		return Msg{Type: unix.RTM_NEWADDR, Body: slices.Concat([]byte{family, 0, byte(flags), 0, 1, 0, 0, 0}, num(unix.IFA_FLAGS, flags))}.Key()
	}
	if address(10, unix.IFA_F_TENTATIVE|unix.IFA_F_NODAD) != address(10, unix.IFA_F_NODAD) {
		t.Error("an address's key changes with time")
	}
	if address(2, unix.IFA_F_SECONDARY) == address(2, 0) {
		t.Error("a secondary address has the key of a primary one")
	}
}

// TestSameRoute compares routes that differ in one thing.
func TestSameRoute(t *testing.T) {
	a := route(1).With(unix.RTA_GATEWAY, []byte{192, 0, 2, 9})
	moved := a.Retarget(1, 7)
	for name, c := range map[string]struct {
		b    Msg
		want bool
	}{
		"moved":            {moved, true},
		"expiring":         {moved.With(RtaExpires, U32Bytes(5)), false}, // one attribute more
		"not moved":        {a, false},
		"elsewhere":        {a.Retarget(1, 8), false},
		"another gateway":  {a.Retarget(1, 7).With(unix.RTA_GATEWAY, []byte{192, 0, 2, 8}), false},
		"without gateway":  {route(1).Retarget(1, 7), false},
		"with more":        {moved.With(unix.RTA_PRIORITY, U32Bytes(1)), false},
		"in another table": {table(moved, 100), false},
		"another message":  {moved.As(unix.RTM_DELROUTE, 0), false},
		"several paths":    {route(1).With(unix.RTA_MULTIPATH, make([]byte, 8)), false},
	} {
		if got := SameRoute(a, c.b, map[int]int{1: 7}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	soon, later := a.With(RtaExpires, U32Bytes(5)), moved.With(RtaExpires, U32Bytes(4))
	if !SameRoute(soon, later, map[int]int{1: 7}) {
		t.Error("that time has passed makes another route of it")
	}
	legs := route(1).With(unix.RTA_MULTIPATH, make([]byte, 8))
	if SameRoute(legs, legs, nil) {
		t.Error("routes with several paths are compared as if they had one")
	}
}

// table is a copy of a route in another table.
func table(m Msg, n byte) Msg {
	m = m.Clone()
	m.Body[4] = n
	return m
}
