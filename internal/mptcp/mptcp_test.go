package mptcp

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// TestParse reads an endpoint as the kernel tells it, and leaves out those of no interface.
func TestParse(t *testing.T) {
	want := Endpoint{Addr: netip.MustParseAddr("2001:db8::2"), ID: 7, Flags: signal | subflow | backup, Index: 3}
	m := (&Kernel{family: 30}).message(addAddr, nl.NewRtAttr(attrID, nl.Uint8Attr(7)), nl.NewRtAttr(attrAddr6, want.Addr.AsSlice()),
		nl.NewRtAttr(attrFlags, nl.Uint32Attr(want.Flags)), nl.NewRtAttr(attrIndex, nl.Uint32Attr(3)))
	b := rtnl.FindAttr(m.Body[rtnl.SizeofGenl:], attrAddr)
	if got, ok := parse(b); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if got := want.Words(); got != "2001:db8::2 id 7 signal subflow backup" {
		t.Error(got)
	}
	for _, bad := range [][]byte{nil, b[:8], b[:len(b)-8]} { // without an address, or an interface
		if got, ok := parse(bad); ok {
			t.Errorf("%+v", got)
		}
	}
}

// TestBinds: the kernel binds to an interface what it begins itself.
func TestBinds(t *testing.T) {
	for flags, want := range map[uint32]bool{0: false, signal: false, signal | backup: false, implicit: false, implicit | subflow: false,
		subflow: true, signal | subflow: true, fullmesh: true, laminar: true} {
		if got := (Endpoint{Flags: flags}).Binds(); got != want {
			t.Errorf("%b: %v", flags, got)
		}
	}
}

// TestSubflowIn reads what the kernel tells of a socket.
func TestSubflowIn(t *testing.T) {
	msg := func(family byte, attrs ...*nl.RtAttr) []byte {
		b := make([]byte, 72)
		b[0], b[40], b[44], b[48] = family, 5, 3, 1
		copy(b[8:], netip.MustParseAddr("::ffff:192.0.2.2").AsSlice())
		if family == unix.AF_INET {
			copy(b[8:], []byte{192, 0, 2, 2})
		}
		for _, a := range attrs {
			b = append(b, a.Serialize()...)
		}
		return b
	}
	ulp := func(flags uint32) *nl.RtAttr {
		info := nl.NewRtAttr(3|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(1, nl.Uint32Attr(8))
		info.AddRtAttr(2, nl.Uint32Attr(9))
		info.AddRtAttr(8, nl.Uint32Attr(flags))
		all := nl.NewRtAttr(19, nil)
		all.AddChild(info)
		return all
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		want := Subflow{Token: 9, Local: netip.MustParseAddr("192.0.2.2"), Index: 5, Cookie: 1<<32 | 3}
		if got, ok := subflowIn(msg(family, nl.NewRtAttr(15, nl.Uint32Attr(1)), ulp(0xc2))); !ok || got != want {
			t.Errorf("%+v, %v", got, ok)
		}
		for _, b := range [][]byte{msg(family), msg(family, nl.NewRtAttr(19, nil)), msg(family, ulp(0x82)), nil} { // not of MPTCP
			if got, ok := subflowIn(b); ok {
				t.Errorf("%+v", got)
			}
		}
	}
}

// TestEnding counts what is lost with an endpoint, and would not be without.
func TestEnding(t *testing.T) {
	a, b, c := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("198.51.100.2")
	on := []Endpoint{{Addr: a, Flags: subflow, Index: 2}, {Addr: b, Flags: subflow | fullmesh, Index: 2}, {Addr: c, Flags: signal, Index: 2}}
	for what, x := range map[string]struct {
		all  []Subflow
		want int
	}{
		"nothing":                                 {nil, 0},
		"two that begin there":                    {[]Subflow{{Token: 1, Local: a, Index: 0}, {Token: 2, Local: a, Index: 0}}, 2},
		"one that ends in any case":               {[]Subflow{{Token: 1, Local: a, Index: 2}}, 0},
		"one that has another":                    {[]Subflow{{Token: 1, Local: a, Index: 0}, {Token: 1, Local: c, Index: 0}}, 0},
		"one that has another by another NIC":     {[]Subflow{{Token: 1, Local: a, Index: 0}, {Token: 1, Local: c, Index: 3}}, 0},
		"one whose other is bound to it":          {[]Subflow{{Token: 1, Local: a, Index: 0}, {Token: 1, Local: c, Index: 2}}, 1},
		"one whose other goes with its endpoint":  {[]Subflow{{Token: 1, Local: a, Index: 0}, {Token: 1, Local: b, Index: 0}}, 1},
		"one that begins at the other":            {[]Subflow{{Token: 1, Local: b, Index: 0}}, 0},
		"another connection that has one besides": {[]Subflow{{Token: 1, Local: a, Index: 0}, {Token: 2, Local: a, Index: 0}, {Token: 2, Local: c, Index: 0}}, 1},
	} {
		if got := Ending(x.all, a, on); got != x.want {
			t.Errorf("%s: %d, want %d", what, got, x.want)
		}
	}
}
