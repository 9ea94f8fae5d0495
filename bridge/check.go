package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
)

// missingShown is how many missing objects an error names.
const missingShown = 5

// check is the reading back at the end of a plan: the parts stand (or not),
// and everything that dom0 had on a device before is on its successor.
func (p *Planner) check(pl *plan.Plan, wants []Want, up bool) func(context.Context) error {
	before := map[string]host.State{} // by the bridge's name
	for _, w := range wants {
		s := look(w, p.Host)
		if dev := s.carrier(); dev != nil {
			from, to := w.NetDev, w.Dom0()
			if !up {
				from, to = to, from
			}
			before[w.Bridge] = relabeled(p.Host.State(dev.Index), from, to)
		}
	}
	return func(context.Context) error {
		if len(pl.Steps) == 0 {
			return nil
		}
		now, err := host.Read(p.Conn)
		if err != nil {
			return err
		}
		var errs []error
		for _, w := range wants {
			errs = append(errs, stands(w, now, up), arrived(before, w, wants, now))
		}
		return errors.Join(errs...)
	}
}

// stands checks the parts of one bridge.
func stands(w Want, h *host.Host, up bool) error {
	s := look(w, h)
	switch {
	case up && !s.up:
		return fmt.Errorf("%s is missing", w.PDev)
	case !up && s.up:
		return fmt.Errorf("%s is still there", w.PDev)
	case !up:
		return nil
	}
	var texts []string
	for _, d := range s.differences(h) {
		texts = append(texts, d.text)
	}
	if left := h.State(s.nic.Index); len(left.Addrs4)+len(left.Addrs6)+len(left.Routes) > 0 {
		texts = append(texts, w.PDev+" still has addresses or routes")
	}
	if len(texts) > 0 {
		return errors.New(strings.Join(texts, "; "))
	}
	return nil
}

// arrived checks that dom0's interface has what it had before, and nothing
// more in the way of routes.
func arrived(before map[string]host.State, w Want, wants []Want, h *host.Host) error {
	s := look(w, h)
	dev := s.carrier()
	if dev == nil {
		return fmt.Errorf("%s is missing", w.NetDev)
	}
	was, have := before[w.Bridge], relabeled(h.State(dev.Index), dev.Name, dev.Name)
	moved := map[int]int{} // a route may have legs on several of those that have moved
	for _, other := range wants {
		o := look(other, h)
		if from, to := before[other.Bridge].Index, o.carrier(); from != 0 && to != nil {
			moved[from] = to.Index
		}
	}
	if !dev.Up() {
		was.Routes, have.Routes = nil, nil // a NIC that is off has IPv6 routes that come back with it
		if w.onBridge() {
			was.Addrs6 = nil // see offAgain
		}
	}
	names := h.Names()
	var lost []string
	for _, list := range [][2][]rtnl.Msg{
		{was.Addrs4, have.Addrs4}, {was.Addrs6, have.Addrs6}, {was.Routes, have.Routes}, {was.Nexthops, have.Nexthops},
	} {
		lost = append(lost, missing(list[0], list[1], was.Index, moved, names)...)
	}
	if n := len(lost); n > missingShown {
		lost = append(lost[:missingShown], fmt.Sprintf("and %d more", n-missingShown))
	}
	if len(lost) > 0 {
		return fmt.Errorf("%s lacks %s", dev.Name, strings.Join(lost, "; "))
	}
	return nil
}

// missing renders what there was on the interface from and is not in have,
// after interfaces have become others. What expires may have done so.
func missing(was, have []rtnl.Msg, from int, moved map[int]int, names rtnl.Names) []string {
	was, have = unequal(was, have, from, moved[from])
	there := map[string]bool{}
	for _, m := range have {
		there[m.Key()] = true
	}
	var lost []string
	for _, m := range was {
		m = m.Renumber(moved)
		if !there[m.Key()] {
			lost = append(lost, names.Command(m.As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)))
		}
	}
	return lost
}

// unequal leaves out the routes that both lists have in the same place, as is
// the rule: there may be very many.
func unequal(was, have []rtnl.Msg, from, to int) (rest, others []rtnl.Msg) {
	n := min(len(was), len(have))
	for i := range n {
		if !rtnl.SameRoute(was[i], have[i], from, to) {
			rest, others = append(rest, was[i]), append(others, have[i])
		}
	}
	return append(rest, was[n:]...), append(others, have[n:]...)
}
