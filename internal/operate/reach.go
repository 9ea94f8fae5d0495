package operate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/reach"
	"xbr-script/internal/refusal"
)

const (
	// defaultWait is how long Xen's network-bridge waited for a link.
	defaultWait = 10 * time.Second
	// askLimit is how long hosts are asked before the change: one that is slower is
	// not missed after it.
	askLimit = 500 * time.Millisecond
	// askMost is the part of it in which all should have answered; after that, one on
	// each link is enough.
	askMost = 100 * time.Millisecond
)

// watch is what could be reached before a change, and must be reached after it, too.
type watch struct {
	wait  time.Duration
	live  bool                                                 // the NIC has not been switched off meanwhile
	while func(what string, limit time.Duration) (over func()) // says that check waits
	links []watched
}

// watched are the hosts that stand for one way into the network, and of which one must
// answer: those on one link, or the one that check= names. The hosts on a link stand
// for four ways: a firewall that sees bridged packets stops an echo, but not ARP, and it
// may stop those of IPv6 alone, or of IPv4.
type watched struct {
	name  string // for messages
	then  string // the interface's name after the change
	ping  bool   // asked by echo though they are on the link
	nic   int    // the index of the NIC whose link must be up first; 0 if that is not known
	hosts []reach.Host
}

// patience is how long a change may take until it has its effect.
func (c *Call) patience() time.Duration {
	if c.Request.Wait != nil {
		return *c.Request.Wait
	}
	return defaultWait
}

// checkLimit is how long others may take with what they have to do; 0 if nobody
// checks.
func (c *Call) checkLimit() time.Duration {
	if c.Request.NoCheck {
		return 0
	}
	return c.patience()
}

// watch asks around before the change.
func (v *view) watch(ctx context.Context) (*watch, error) {
	w := &watch{live: v.host.LiveRename, wait: v.patience(), while: v.while}
	if v.Request.NoCheck {
		return w, nil
	}
	near := v.near()
	if err := ask(ctx, near); err != nil {
		return nil, err
	}
	var far []watched
	for _, l := range near {
		if len(l.hosts) > 0 {
			// Only who is there: the kernel would look for the others.
			far = append(far, watched{name: l.name, then: l.then, ping: true, nic: l.nic, hosts: echoes(l.hosts)})
		}
	}
	if a := v.Request.Check; a.IsValid() {
		far = append(far, watched{name: "check=" + a.String(), hosts: []reach.Host{{Addr: a}}})
	}
	if err := ask(ctx, far); err != nil {
		return nil, err
	}
	for _, l := range append(near, far...) {
		l.move()
		if len(l.hosts) > 0 {
			w.links = append(w.links, l)
		} else if l.nic == 0 {
			v.Note(l.name + " does not answer now, so it will not be missed")
		}
	}
	return w, nil
}

// ask keeps those hosts that answer.
func ask(ctx context.Context, links []watched) error {
	var hosts []reach.Host
	for _, l := range links {
		hosts = append(hosts, l.hosts...)
	}
	answers, err := reach.Ask(ctx, hosts, askLimit, func(a reach.Answers, passed time.Duration) bool {
		return passed > askMost && len(unreached(links, a)) == 0
	})
	if err != nil {
		return refusal.Wrap(err, "nothing was changed; with check=no nobody is asked", "cannot find out who answers")
	}
	for i := range links {
		links[i].hosts = slices.DeleteFunc(links[i].hosts, func(h reach.Host) bool { return !answers[h] })
	}
	return nil
}

// near are the hosts on the links of the wanted bridges' NICs.
func (v *view) near() []watched {
	var all []watched
	for _, spec := range v.specs {
		dev, nic := spec.Interfaces(v.host)
		if dev == nil || !dev.Running() {
			continue
		}
		for _, peers := range families(reach.Peers(v.host, dev)) {
			all = append(all, watched{name: dev.Name, then: v.then(spec), nic: nic.Index, hosts: peers})
		}
	}
	return all
}

// families are the hosts of IPv4 and those of IPv6, as far as there are any.
func families(hosts []reach.Host) [][]reach.Host {
	var four, six []reach.Host
	for _, h := range hosts {
		if h.Addr.Is6() {
			six = append(six, h)
		} else {
			four = append(four, h)
		}
	}
	return slices.DeleteFunc([][]reach.Host{four, six}, func(hosts []reach.Host) bool { return len(hosts) == 0 })
}

// echoes are the hosts as they are asked by an echo: only a link-local address says on which
// link it is.
func echoes(peers []reach.Host) []reach.Host {
	var hosts []reach.Host
	for _, p := range peers {
		if p.Addr.Is6() && p.Addr.IsLinkLocalUnicast() {
			p.Addr = p.Addr.WithZone(p.Link)
		}
		hosts = append(hosts, reach.Host{Addr: p.Addr})
	}
	return hosts
}

// move has the hosts be on the interface that dom0 has after the change.
func (l watched) move() {
	for i := range l.hosts {
		if h := &l.hosts[i]; h.Link != "" {
			h.Link = l.then
		} else if h.Addr.Zone() != "" {
			h.Addr = h.Addr.WithZone(l.then)
		}
	}
}

// unreached are those of which no host has answered.
func unreached(links []watched, a reach.Answers) []watched {
	return slices.DeleteFunc(slices.Clone(links), func(l watched) bool {
		return slices.ContainsFunc(l.hosts, func(h reach.Host) bool { return a[h] })
	})
}

// step checks after the change; it is empty if nobody can be missed.
func (w *watch) step() plan.Step {
	if len(w.links) == 0 {
		return plan.Step{}
	}
	return plan.Step{Title: "reach the network any more", Check: w.check, Await: plan.Wait{For: w.awaits(), Limit: w.wait}}
}

// check waits for the links and asks again.
func (w *watch) check(ctx context.Context) error {
	begin := time.Now()
	var nics []int
	var hosts []reach.Host
	for _, l := range w.links {
		if l.nic != 0 {
			nics = append(nics, l.nic)
		}
		hosts = append(hosts, l.hosts...)
	}
	down, err := host.AwaitCarrier(ctx, nics, w.wait)
	if err != nil {
		return err
	}
	answers, err := reach.Ask(ctx, hosts, max(w.wait-time.Since(begin), askLimit), func(a reach.Answers, _ time.Duration) bool {
		return len(unreached(w.links, a)) == 0
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	missing := unreached(w.links, answers)
	if len(missing) == 0 {
		return nil
	}
	return w.unreachable(missing, down)
}

// awaits names what check waits for.
func (w *watch) awaits() string {
	var names []string
	for _, l := range w.links {
		if !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	return "the link and hosts of " + strings.Join(names, ", ")
}

// unreachable is the error for those that are missing; down are the NICs
// without a link.
func (w *watch) unreachable(missing []watched, down []int) error {
	var texts []string
	hint := "with check=no nobody is asked"
	if !w.live {
		// The link has been down: a switch may listen for other switches first.
		hint = "this kernel has to switch the NIC off for a moment; where the switch uses spanning tree, try wait=60"
	}
	for _, l := range joined(missing) {
		if l.ping || w.filtered(l, missing) {
			hint = "a firewall that sees bridged packets may be in the way: let it accept what is forwarded, or sysctl -w " + l.setting() + "=0"
		}
		texts = append(texts, l.text(down))
	}
	return refusal.New(hint, "%s after %s (wait=)", strings.Join(texts, "; "), Seconds(w.wait))
}

// joined are the ways as they are told: both families of a link together, and nothing of an
// echo where there is no answer to ARP, or to its like, either.
func joined(missing []watched) (all []watched) {
	type way struct {
		nic  int
		ipv6 bool
	}
	near := map[way]bool{}
	for _, l := range missing {
		this := way{l.nic, l.hosts[0].Addr.Is6()}
		if l.ping && near[this] {
			continue
		}
		near[this] = near[this] || !l.ping
		i := slices.IndexFunc(all, func(m watched) bool { return l.nic != 0 && m.nic == l.nic && m.ping == l.ping })
		if i < 0 {
			all = append(all, l)
			continue
		}
		all[i].hosts = slices.Concat(all[i].hosts, l.hosts)
	}
	return all
}

// filtered says whether hosts of IPv6 do not answer neighbour discovery on a link where others
// answer ARP: the first is seen by a firewall that sees bridged packets, the second is not.
func (w *watch) filtered(l watched, missing []watched) bool {
	arp := func(m watched) bool { return m.nic == l.nic && !m.ping && !m.hosts[0].Addr.Is6() }
	return l.nic != 0 && slices.ContainsFunc(w.links, arp) && !slices.ContainsFunc(missing, arp)
}

// setting is the one by which a firewall sees bridged packets from these hosts.
func (l watched) setting() string {
	if slices.ContainsFunc(l.hosts, func(h reach.Host) bool { return !h.Addr.Is6() }) {
		return "net.bridge.bridge-nf-call-iptables"
	}
	return "net.bridge.bridge-nf-call-ip6tables"
}

// text says what is missing; down are the NICs without a link.
func (l watched) text(down []int) string {
	names := map[string]bool{}
	for _, h := range l.hosts {
		names[h.String()] = true
	}
	who := strings.Join(slices.Sorted(maps.Keys(names)), ", ")
	switch {
	case l.nic == 0:
		return who + " answered before and does not"
	case slices.Contains(down, l.nic):
		return l.name + " has no link"
	}
	verb := "answered"
	if l.ping {
		verb = "answered a ping"
	}
	return fmt.Sprintf("none of the hosts on %s that %s before (%s) does now", l.name, verb, who)
}
