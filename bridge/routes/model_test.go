package routes

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// modelHosts is how many hosts each of these tests makes up.
const modelHosts = 300

// fib is the kernel's list of IPv4 routes, with their order and gateways
// (fib_table_insert, fib_table_delete, fib_check_nh): the routes of each Group
// in order.
type fib struct {
	groups map[Group][]rtnl.Msg
}

func newFIB(routes []rtnl.Msg) *fib {
	f := &fib{map[Group][]rtnl.Msg{}}
	for _, m := range routes {
		f.groups[GroupOf(m)] = append(f.groups[GroupOf(m)], m)
	}
	return f
}

func (f *fib) clone() *fib {
	g := &fib{map[Group][]rtnl.Msg{}}
	for k, list := range f.groups {
		g.groups[k] = slices.Clone(list)
	}
	return g
}

// sameRoute says whether the kernel takes two routes of a Group for the same.
func sameRoute(a, b rtnl.Msg) bool {
	for _, typ := range []uint16{unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_PREFSRC} {
		if !bytes.Equal(a.Get(typ), b.Get(typ)) {
			return false
		}
	}
	return bytes.Equal(a.Fixed()[5:8], b.Fixed()[5:8]) // protocol, scope, type
}

// do applies a message as the kernel would; refused tells of one that the
// kernel would not accept, as the product expects of some.
func (f *fib) do(m rtnl.Msg) (refused bool, err error) {
	g := GroupOf(m)
	list := f.groups[g]
	at := slices.IndexFunc(list, func(have rtnl.Msg) bool { return sameRoute(have, m) })
	if m.Type == unix.RTM_DELROUTE {
		if at >= 0 {
			f.groups[g] = slices.Delete(slices.Clone(list), at, at+1)
		}
		return at < 0, nil
	}
	if !f.reachable(m) {
		return true, fmt.Errorf("no route leads to the gateway of %s", devs.Command(m))
	}
	switch {
	case len(list) > 0 && m.Flags&unix.NLM_F_EXCL != 0:
		return true, nil
	case len(list) > 0 && m.Flags&unix.NLM_F_REPLACE != 0 && at < 0:
		f.groups[g] = slices.Concat([]rtnl.Msg{m}, list[1:])
	case at >= 0:
		return at > 0 || m.Flags&unix.NLM_F_REPLACE == 0, nil
	case m.Flags&unix.NLM_F_APPEND != 0:
		f.groups[g] = append(slices.Clone(list), m)
	default:
		f.groups[g] = slices.Concat([]rtnl.Msg{m}, list)
	}
	return false, nil
}

// reachable says whether a route without a gateway leads to m's gateway.
func (f *fib) reachable(m rtnl.Msg) bool {
	gateway, ok := netip.AddrFromSlice(m.Get(unix.RTA_GATEWAY))
	for _, list := range f.groups {
		for _, have := range list {
			p, _ := destination(have)
			if ok && !have.HasGateway() && bytes.Equal(have.Get(unix.RTA_OIF), m.Get(unix.RTA_OIF)) && p.Contains(gateway) {
				return true
			}
		}
	}
	return !ok
}

// text lists the routes that are not on that interface, in the order of each
// group.
func (f *fib) text(but int) string {
	var all []string
	for _, list := range f.groups {
		var group []string
		for _, m := range list {
			if but == 0 || !m.Uses(but) {
				group = append(group, devs.Command(m.As(unix.RTM_NEWROUTE, rtnl.Add)))
			}
		}
		all = append(all, strings.Join(group, "\n"))
	}
	slices.Sort(all)
	return strings.TrimSpace(strings.Join(all, "\n"))
}

// someRoutes is a host of random routes to a few places, over eth0 and eth1.
func someRoutes(t *testing.T, r *rand.Rand) *host.Host {
	t.Helper()
	text := "addr 10.0.0.2/24 dev eth0\naddr 10.6.0.2/24 dev eth1\n"
	near := []string{"10.0.0.0/24 dev eth0 proto kernel src 10.0.0.2\n", "10.0.0.0/24 dev eth1 proto kernel src 10.0.0.12\n"}
	r.Shuffle(2, func(i, j int) { near[i], near[j] = near[j], near[i] })
	switch r.IntN(4) {
	case 0: // somebody has removed it
	case 1:
		near = slices.DeleteFunc(near, func(s string) bool { return strings.Contains(s, "eth1") })
		fallthrough
	default:
		text += strings.Join(near, "")
	}
	text += "10.6.0.0/24 dev eth1 proto kernel src 10.6.0.2\n"
	for place := range 1 + r.IntN(3) {
		prefix := []string{"10.1.0.0/16", "10.2.0.0/16 metric 5", "default"}[place]
		for i := range 1 + r.IntN(5) {
			dev, net := "eth0", "10.0.0"
			if r.IntN(2) == 0 {
				dev, net = "eth1", "10.6.0"
			}
			way := fmt.Sprintf("via %s.%d dev %s", net, 10+i, dev)
			if r.IntN(3) == 0 {
				way = fmt.Sprintf("dev %s proto static src %s.%d", dev, net, 10+i)
			}
			text += prefix + " " + way + "\n"
		}
	}
	return aHost(t, text)
}

// TestModel applies the messages for random routes as the kernel would: every
// route then stands where it stood, on the other interface. Wherever that
// stops, undoing it puts all of them back in their order; and no gateway is
// ever out of reach.
func TestModel(t *testing.T) {
	const seed = 71
	for i := range modelHosts {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		h := someRoutes(t, r)
		s := h.State(eth0)
		do, undo := Switch(h, s, new0, host.On)
		now := newFIB(h.Routes)
		for _, a := range s.Addrs4 { // which the new interface has already
			for _, m := range prefixRoutes4(a) {
				twin := m.Retarget(eth0, new0)
				now.groups[GroupOf(twin)] = append(now.groups[GroupOf(twin)], twin)
			}
		}
		before := newFIB(h.Routes).text(0)
		for k, msgs := 0, do.Msgs(); ; k++ {
			back := now.clone()
			for _, m := range undo.Msgs() {
				if _, err := back.do(m); err != nil {
					t.Fatalf("host %d, undoing after %d messages: %v\n%s", i, k, err, before)
				}
			}
			if got := back.text(new0); got != before {
				t.Fatalf("host %d: undone after %d messages it is\n%s\nand was\n%s", i, k, got, before)
			}
			if k == len(msgs) {
				break
			}
			if refused, err := now.do(msgs[k]); refused || err != nil {
				t.Fatalf("host %d: %s is refused, %v\n%s", i, devs.Command(msgs[k]), err, before)
			}
		}
		if got, want := now.text(0), newFIB(h.Moved(eth0, new0).Routes).text(0); got != want {
			t.Fatalf("host %d: it is\n%s\nand should be\n%s", i, got, want)
		}
	}
}

// TestModelRestore does the same for an interface that was switched off and has
// lost its routes.
func TestModelRestore(t *testing.T) {
	const seed = 72
	for i := range modelHosts {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		h := someRoutes(t, r)
		s := h.State(eth0)
		for _, to := range []int{eth0, new0} {
			left := slices.DeleteFunc(slices.Clone(h.Routes), func(m rtnl.Msg) bool { return m.Uses(eth0) })
			now := newFIB(left)
			for _, a := range s.Addrs4 { // added again, or here
				for _, m := range prefixRoutes4(a) {
					m = m.Retarget(eth0, to)
					now.groups[GroupOf(m)] = append(now.groups[GroupOf(m)], m)
				}
			}
			for _, m := range Restore(h, s, to).Msgs() {
				if _, err := now.do(m); err != nil {
					t.Fatalf("host %d: %v\n%s", i, err, newFIB(h.Routes).text(0))
				}
			}
			if got, want := now.text(0), newFIB(h.Moved(eth0, to).Routes).text(0); got != want {
				t.Fatalf("host %d: it is\n%s\nand should be\n%s", i, got, want)
			}
		}
	}
}
