package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
)

// missingShown is how many missing objects an error names.
const missingShown = 5

// check is the reading back at the end of a plan: the parts stand (or not),
// and everything that dom0 had on a device before is on its successor.
func (p *Planner) check(wants []Want, up bool) func(context.Context) error {
	return func(context.Context) error {
		moved := map[int]int{} // a route may have legs on several of those that have moved
		now, missing, err := p.Host.ReadAgain(p.Conn, func(now *host.Host) map[int]int {
			for _, w := range wants {
				was, is := look(w, p.Host), look(w, now)
				if from, to := was.carrier(), is.carrier(); from != nil && to != nil {
					moved[from.Index] = to.Index
				}
			}
			return moved
		})
		if err != nil {
			return err
		}
		was := p.Host.WithRoutes(missing)
		var errs []error
		for _, w := range wants {
			errs = append(errs, stands(w, now, up), arrived(w, up, was, now, moved))
		}
		return errors.Join(append(errs, now.Err())...)
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

// arrived checks that dom0's interface has what it had before start (up) or
// stop. Of routes, the hosts have those that are not the same now.
func arrived(w Want, up bool, before, h *host.Host, moved map[int]int) error {
	then, now := look(w, before), look(w, h)
	had, dev := then.carrier(), now.carrier()
	if dev == nil {
		return fmt.Errorf("%s is missing", w.NetDev)
	}
	if had == nil {
		return nil
	}
	from, to := w.NetDev, w.Dom0()
	if !up {
		from, to = to, from
	}
	was, have := relabeled(unspent(before, before.State(had.Index)), from, to), relabeled(h.State(dev.Index), dev.Name, dev.Name)
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
		lost = append(lost, missing(list[0], list[1], moved, names)...)
	}
	if n := len(lost); n > missingShown {
		lost = append(lost[:missingShown], fmt.Sprintf("and %d more", n-missingShown))
	}
	if len(lost) > 0 {
		return fmt.Errorf("%s lacks %s", dev.Name, strings.Join(lost, "; "))
	}
	return nil
}

// missing renders what there was and is not there now, after interfaces have
// become others. What expires may have done so.
func missing(was, have []rtnl.Msg, moved map[int]int, names rtnl.Names) []string {
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
