package host

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
)

// to is a route to 10.0.0.n over an interface.
func to(n byte, index int) rtnl.Msg {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[1], fixed[4] = unix.AF_INET, 32, unix.RT_TABLE_MAIN
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Body: fixed}
	return m.With(unix.RTA_DST, []byte{10, 0, 0, n}).With(unix.RTA_OIF, rtnl.U32Bytes(uint32(index)))
}

// routesTo are routes to those, over interface 2.
func routesTo(index int, ns ...byte) (routes []rtnl.Msg) {
	for _, n := range ns {
		routes = append(routes, to(n, index))
	}
	return routes
}

// numbers says which places routes lead to.
func numbers(routes []rtnl.Msg) (ns []byte) {
	for _, m := range routes {
		ns = append(ns, m.Get(unix.RTA_DST)[3])
	}
	return ns
}

// TestDiffer compares lists of routes that have moved from interface 2 to 7,
// except route 9, which is over 3.
func TestDiffer(t *testing.T) {
	many := make([]byte, 40)
	for i := range many {
		many[i] = byte(100 + i)
	}
	for name, c := range map[string]struct{ was, now, missing, others []byte }{
		"the same":           {[]byte{1, 2, 3}, []byte{1, 2, 3}, nil, nil},
		"one gone":           {[]byte{1, 2, 3}, []byte{1, 3}, []byte{2}, nil},
		"the last gone":      {[]byte{1, 2, 3}, []byte{1, 2}, []byte{3}, nil},
		"one new":            {[]byte{1, 2, 3}, []byte{1, 4, 2, 3}, nil, []byte{4}},
		"all gone":           {[]byte{1, 2, 3}, nil, []byte{1, 2, 3}, nil},
		"all new":            {nil, []byte{1, 2}, nil, []byte{1, 2}},
		"in another order":   {[]byte{1, 2, 3}, []byte{2, 1, 3}, []byte{1}, []byte{1}},
		"twice":              {[]byte{1, 1, 2}, []byte{1, 2}, []byte{1}, nil},
		"very many gone":     {slices.Concat([]byte{1}, many, []byte{2}), []byte{1, 2}, append(slices.Clone(many), 2), []byte{2}},
		"elsewhere and left": {[]byte{1, 9}, []byte{1, 9}, nil, nil},
	} {
		over := func(index int, ns []byte) (routes []rtnl.Msg) {
			for _, m := range routesTo(index, ns...) {
				if m.Get(unix.RTA_DST)[3] == 9 {
					m = m.Retarget(index, 3)
				}
				routes = append(routes, m)
			}
			return routes
		}
		d := &differ{was: over(2, c.was), moved: map[int]int{2: 7}}
		for range 2 { // a dump may have to begin again
			d.begin()
			for _, m := range over(7, c.now) {
				d.see(m)
			}
		}
		if missing, others := numbers(d.rest()), numbers(d.others); !slices.Equal(missing, c.missing) || !slices.Equal(others, c.others) {
			t.Errorf("%s: missing %v, others %v; want %v and %v", name, missing, others, c.missing, c.others)
		}
	}
	d := &differ{was: routesTo(2, 1, 2), moved: map[int]int{2: 7}}
	d.begin()
	for _, m := range routesTo(2, 1, 2) {
		d.see(m)
	}
	if len(d.rest()) != 2 || len(d.others) != 2 {
		t.Error("routes that have not moved are taken for ones that have")
	}
}
