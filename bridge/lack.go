package bridge

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/boottime"
	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
)

// lack is what the host lacks of what a mend has kept.
type lack struct {
	*mend
	now  *host.Host
	gone map[int]bool // interfaces that are gone; nothing on them is missed
	// dark are those that have no carrier: the kernel flushed their nexthop objects
	// when they lost it, and accepts none (nh_netdev_event, nh_create_ipv4).
	dark map[int]bool
	dim  []int // those that had one, and may get it again
	// flushed says that a nexthop object is gone with an address that has expired.
	flushed bool
	spent   []rtnl.Msg // addresses that have expired
	lasting []rtnl.Msg // all others that there are, or shall be

	links    []rtnl.Msg // messages that give interfaces back what they were
	off      []int      // interfaces that were on
	sets     []sysctl.Set
	wake     []rtnl.Msg // messages that have IPv6 make addresses as before
	addrs    []rtnl.Msg // addresses that are missing, or not in their order
	readdr   []rtnl.Msg // messages that make them
	neighs   []rtnl.Msg
	nexthops []rtnl.Msg
	routes   []rtnl.Msg
	pins     []rtnl.Msg
	shuffled map[routes.Group]bool // IPv4 destinations whose routes are missing, or not in their order
}

// compare finds what is missing. The first time it is worth waiting for a carrier;
// after that the mending makes do without it.
func (m *mend) compare(try int) (*lack, error) {
	now, missing, err := m.was.ReadAgain(m.Conn, func(*host.Host) map[int]int { return nil })
	if err != nil {
		return nil, err
	}
	l := &lack{mend: m, now: now, gone: map[int]bool{}, dark: map[int]bool{}, shuffled: map[routes.Group]bool{}}
	l.sort()
	for _, k := range m.Links {
		switch link := now.Index(k.Link.Index); {
		case link == nil:
			l.gone[k.Link.Index] = true
		case !link.Up() || link.Running():
		case try == 0 && k.Link.Running():
			l.dim = append(l.dim, k.Link.Index)
		default:
			l.dark[k.Link.Index] = true
		}
	}
	for _, k := range m.Links {
		if link := now.Index(k.Link.Index); link != nil {
			l.compareLink(k, link)
			l.compareState(m.was.State(k.Link.Index), now.State(k.Link.Index))
		}
	}
	l.compareRoutes(missing)
	return l, now.Err()
}

// compareLink compares the interface itself.
func (l *lack) compareLink(k asItWas, now *host.Link) {
	was, index := k.Link, k.Link.Index
	if now.Name != was.Name {
		l.links = append(l.links, setLink(index, attrName(was.Name)))
	}
	if now.Master != was.Master && (was.Master == 0 || l.now.Index(was.Master) != nil) {
		l.links = append(l.links, setLink(index, attrMaster(was.Master)))
	}
	if len(was.MAC) > 0 && !sameMAC(now.MAC, was.MAC) {
		l.links = append(l.links, setLink(index, attrMAC(was.MAC)))
	}
	size, _ := differing(now, was)
	l.links = append(l.links, size...)
	const flags = carried | unix.IFF_UP
	if now.Flags&flags != was.Flags&flags {
		if was.Up() && !now.Up() {
			l.off = append(l.off, index)
		}
		l.links = append(l.links, setFlags(index, was.Flags, flags))
	}
	for _, s := range k.Settings {
		if have := l.now.Setting(s.Of(now.Name)); have != "" && have != s.Value {
			l.sets = append(l.sets, s)
		}
	}
	if now.Inet6 && was.Inet6 && now.AddrGen != was.AddrGen {
		l.wake = append(l.wake, setLink(index, attrAddrGen(was.AddrGen)))
	}
	for _, mac := range k.Pins {
		if !l.now.Pinned(index, mac) {
			l.pins = append(l.pins, rtnl.FDB(unix.RTM_NEWNEIGH, rtnl.Replace, index, mac))
		}
	}
}

// compareState compares what is on it, except for routes.
func (l *lack) compareState(was, now host.State) {
	for _, list := range []struct{ was, now []rtnl.Msg }{
		{was.Addrs4, now.Addrs4}, {was.Addrs6, usable(was.Addrs6, now.Addrs6)},
	} {
		addrs, msgs := routes.Readdress(l.alive(list.was), list.now)
		l.addrs, l.readdr = append(l.addrs, addrs...), append(l.readdr, msgs...)
	}
	l.neighs = append(l.neighs, absent(was.Neighs, now.Neighs, neighKey)...)
	for _, m := range absent(was.Nexthops, now.Nexthops, rtnl.Msg.Key) {
		if l.expired(m) {
			l.flushed = true
			continue
		}
		if !m.UsesAny(l.gone) && !m.UsesAny(l.dark) && (m.Get(unix.NHA_GROUP) == nil || !l.flushed && len(l.gone)+len(l.dark) == 0) {
			l.nexthops = append(l.nexthops, m)
		}
	}
}

// alive are the addresses that have not expired since.
func (l *lack) alive(addrs []rtnl.Msg) []rtnl.Msg {
	return rtnl.Rest(addrs, func(m rtnl.Msg) bool {
		_, alive := m.Aged(boottime.Now() - l.At)
		return !alive
	})
}

// nearly is how long before its time an address may expire: the kernel tells lifetimes
// in seconds, and looks at them seldom.
const nearly = 2 * time.Second

// sort finds which addresses have expired. They may have come again.
func (l *lack) sort() {
	spent := func(a rtnl.Msg) bool {
		_, alive := a.Aged(boottime.Now() - l.At + nearly)
		return a.Leased() && !alive
	}
	l.spent = rtnl.Rest(l.was.Addrs, func(a rtnl.Msg) bool { return !spent(a) })
	l.lasting = slices.Concat(l.now.Addrs, rtnl.Rest(l.was.Addrs, spent))
}

// expired says whether a route or a nexthop needs an address that has expired.
func (l *lack) expired(m rtnl.Msg) bool {
	if len(l.spent) == 0 {
		return false
	}
	return m.Homeless(l.lasting) && !m.Homeless(slices.Concat(l.lasting, l.spent)) || routes.MadeFor6(l.spent, m) && !routes.MadeFor6(l.lasting, m)
}

// absent are those that are no longer there.
func absent(was, now []rtnl.Msg, key func(rtnl.Msg) string) []rtnl.Msg {
	there := map[string]bool{}
	for _, m := range now {
		there[key(m)] = true
	}
	return rtnl.Rest(was, func(m rtnl.Msg) bool { return there[key(m)] })
}

// neighKey is the same for a learnt neighbour whatever is known about it.
func neighKey(m rtnl.Msg) string {
	if forGood(m) {
		return m.Key()
	}
	return string(m.Get(unix.NDA_DST))
}

// compareRoutes compares the routes. missing are those that existed, and were not
// found in their place.
func (l *lack) compareRoutes(missing []rtnl.Msg) {
	if len(missing) == 0 {
		return
	}
	misplaced, there := map[string]bool{}, map[string]bool{}
	for _, m := range missing {
		misplaced[m.Key()] = true
	}
	for _, m := range l.now.Routes {
		there[m.Key()] = true
	}
	for m := range l.mine() {
		if m.Type != unix.RTM_NEWROUTE || !misplaced[m.Key()] || l.excused(m) {
			continue
		}
		if m.Family() == unix.AF_INET {
			l.shuffled[routes.GroupOf(m)] = true
		}
		if !there[m.Key()] {
			l.routes = append(l.routes, m)
		}
	}
}

// excused says whether a route need not be there: because an interface is gone or
// switched off, or because the route or an address that it needs has expired.
func (l *lack) excused(m rtnl.Msg) bool {
	if _, alive := m.Aged(boottime.Now() - l.At); !alive {
		return true
	}
	for _, k := range l.Links {
		if m.Uses(k.Link.Index) && !k.Link.Up() {
			return true
		}
	}
	return m.UsesAny(l.gone) || len(l.gone) > 0 && m.HasAny(unix.RTA_PREFSRC) ||
		(l.flushed || len(l.gone)+len(l.dark) > 0) && m.HasAny(rtnl.RtaNhID) || l.expired(m)
}

// missed is an object that could not be made again.
type missed struct{ command string }

// FailedCommand is the command that would make it.
func (m *missed) FailedCommand() string { return m.command }

func (m *missed) Error() string { return m.command + ": " + m.Unwrap().Error() }

// Unwrap is why.
func (*missed) Unwrap() error { return errors.New("it is missing") }

// errors name everything that is missing and does not come by itself.
func (l *lack) errors() (errs []error) {
	passing := func(m rtnl.Msg) bool { return !forGood(m) }
	for _, list := range [][]rtnl.Msg{l.links, l.addrs, rtnl.Rest(l.neighs, passing), l.nexthops, l.routes, l.wake, l.pins} {
		for _, m := range list {
			errs = append(errs, &missed{l.Names.Command(m.As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL))})
		}
	}
	for _, s := range l.sets {
		errs = append(errs, &missed{(&sysctl.Write{Sets: []sysctl.Set{s}}).Commands()[0]})
	}
	return errs
}

// empty says whether nothing is missing, or out of order.
func (l *lack) empty() bool {
	return len(l.links)+len(l.sets)+len(l.wake)+len(l.addrs)+len(l.neighs)+len(l.nexthops)+len(l.routes)+len(l.shuffled)+len(l.pins) == 0
}

// make makes what is missing. The next look shows the result.
func (l *lack) make(ctx context.Context) {
	var quieten []rtnl.Msg
	for _, s := range l.sets {
		quieten = append(quieten, setLink(s.Index, attrAddrGen(addrGenNone)))
		if k := l.Links[l.find(s.Index)].Link; k.Inet6 {
			l.wake = append(l.wake, setLink(s.Index, attrAddrGen(k.AddrGen)))
		}
	}
	for _, index := range l.off {
		if k := l.Links[l.find(index)].Link; k.Inet6 {
			quieten = append(quieten, setLink(index, attrAddrGen(addrGenNone)))
			l.wake = append(l.wake, setLink(index, attrAddrGen(k.AddrGen)))
		}
	}
	l.send(ctx, quieten)
	_ = (&sysctl.Write{Sets: l.sets}).Do(ctx, true)
	l.send(ctx, l.links)
	for _, index := range slices.Concat(l.off, l.dim) {
		l.awaitCarrier(ctx, index)
	}
	l.send(ctx, l.readdr)
	l.remakeRoutes(ctx)
	l.send(ctx, rtnl.AllAs(l.neighs, unix.RTM_NEWNEIGH, rtnl.Replace))
	l.send(ctx, l.wake)
	_ = (&sysctl.Write{Sets: l.sets}).Do(ctx, true) // the link's coming up has reset IPv6's MTU
	l.send(ctx, l.pins)
}

// awaitCarrier waits for a carrier that was there; a bridge gets it from a port.
func (l *lack) awaitCarrier(ctx context.Context, index int) {
	k := l.Links[l.find(index)].Link
	if !k.Running() {
		return
	}
	wait := &awaitCarrier{Index: index, Conn: l.Conn}
	for _, p := range l.Links {
		if p.Link.Master == index && p.Link.Running() {
			l.awaitCarrier(ctx, p.Link.Index)
			wait.Port = p.Link.Index
		}
	}
	if k.Kind == "bridge" && wait.Port == 0 {
		return // a guest's, or nobody's
	}
	_ = wait.Do(ctx, true) // never fails
}

// remakeRoutes makes the routes that are missing, and the nexthops.
func (l *lack) remakeRoutes(ctx context.Context) {
	if len(l.routes)+len(l.nexthops)+len(l.addrs) == 0 && len(l.shuffled) == 0 {
		return
	}
	lost := map[string]bool{}
	for _, m := range l.routes {
		lost[m.Key()] = true
	}
	again := slices.Collect(func(yield func(rtnl.Msg) bool) {
		for m := range l.mine() {
			if m.Type != unix.RTM_NEWROUTE {
				continue
			}
			// The kernel's own: what is not in the list would count as removed.
			affected := m.ByKernel() || m.Family() == unix.AF_INET && l.shuffled[routes.GroupOf(m)] || lost[m.Key()]
			if affected && !yield(m) {
				return
			}
		}
	})
	rules, _ := host.ReadRules(l.Conn) // if they cannot be read the kernel may refuse some
	h := l.was.WithRoutes(again).WithRules(rules)
	for _, k := range l.Links {
		if l.gone[k.Link.Index] || !k.Link.Up() {
			continue
		}
		if s := h.State(k.Link.Index); len(s.Addrs4)+len(s.Addrs6)+len(s.Routes)+len(s.Nexthops) > 0 {
			l.sendWire(ctx, routes.Mend(h, s, lost))
		}
	}
}

func (l *lack) send(ctx context.Context, msgs []rtnl.Msg) { l.sendWire(ctx, rtnl.Pack(msgs...)) }

// sendWire lets the kernel carry out what it can.
func (l *lack) sendWire(ctx context.Context, w rtnl.Wire) {
	if len(w) > 0 {
		_ = (&netop.Batch{Wire: w, Names: l.Names, At: l.At, Conn: l.Conn}).Do(ctx, true) // the next look shows the result
	}
}
