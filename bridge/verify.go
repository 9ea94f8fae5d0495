package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/routes"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/idle"
	"xbr-script/internal/rtnl"
)

// missingShown is how many missing objects an error names.
const missingShown = 5

// verifier reads back, at the end of a plan, what has become of the host.
type verifier struct {
	*Planner
	specs   []Spec
	command config.Command
	ends    map[int]end // what single interfaces have besides, by index
}

// up says whether the networks shall be up, else none of them.
func (v *verifier) up() bool { return v.command == config.Start }

// check reads everything: the parts are there (or gone), and everything that dom0
// had on an interface before is on its successor. Whoever configures that may have begun
// anew, and asks for what routers and DHCP servers tell: it is waited for.
func (v *verifier) check(ctx context.Context) error {
	for end := time.Now().Add(relearnLimit); ; {
		errs := v.look()
		if slices.ContainsFunc(errs, isLasting) || len(errs) == 0 || time.Now().After(end) {
			return errors.Join(errs...)
		}
		if err := idle.For(ctx, relearnPause); err != nil {
			return err
		}
	}
}

// look is check at one moment.
func (v *verifier) look() []error {
	moved := map[int]int{} // a route may have legs over several interfaces that have moved
	now, missing, err := v.Host.ReadAgain(v.Conn, func(now *host.Host) map[int]int {
		for _, w := range v.specs {
			was, is := findParts(w, v.Host), findParts(w, now)
			if from, to := was.dom0Link(), is.dom0Link(); from != nil && to != nil {
				moved[from.Index] = to.Index
			}
		}
		return moved
	})
	if err != nil {
		return []error{err}
	}
	was := v.Host.WithRoutes(missing)
	var errs []error
	for _, w := range v.specs {
		errs = append(errs, v.stands(w, now), v.hasAll(w, was, now, moved))
	}
	for index, e := range v.ends {
		errs = append(errs, e.differs(now, now.Index(index)))
	}
	return slices.DeleteFunc(append(errs, now.Err()), func(err error) bool { return err == nil })
}

// gone checks that interfaces were deleted. Another one may have the index by now.
func (p *Planner) gone(removed []int) func(context.Context) error {
	return func(context.Context) error {
		var errs []error
		for _, index := range removed {
			l, err := host.ReadLink(p.Conn, index)
			switch was := p.Host.Index(index); {
			case errors.Is(err, unix.ENODEV):
			case err != nil:
				errs = append(errs, err)
			case l.Kind == was.Kind && sameMAC(l.MAC, was.MAC):
				errs = append(errs, fmt.Errorf("%s is still there", l.Name))
			}
		}
		return errors.Join(errs...)
	}
}

// end is what an interface has at the end, apart from its state and the parts of the
// bridge.
type end struct {
	mac   net.HardwareAddr
	inet6 string // the setting disable_ipv6, if it has that
}

// differs says what the interface lacks.
func (e end) differs(h *host.Host, l *host.Link) error {
	if l == nil {
		return nil // it has been reported as missing
	}
	switch inet6 := h.Setting(disableIPv6.Of(l.Name)); {
	case e.mac != nil && !sameMAC(l.MAC, e.mac):
		return fmt.Errorf("%s has the MAC address %s instead of %s", l.Name, l.MAC, e.mac)
	case e.inet6 != "" && inet6 != e.inet6:
		return fmt.Errorf("%s has disable_ipv6 set to %q instead of %q", l.Name, inet6, e.inet6)
	}
	return nil
}

// stands checks the parts of one bridge.
func (v *verifier) stands(w Spec, h *host.Host) error {
	s := findParts(w, h)
	switch {
	case v.up() && !s.up:
		return fmt.Errorf("%s is missing", w.PDev)
	case !v.up() && s.up:
		return fmt.Errorf("%s is still there", w.PDev)
	case !v.up():
		return nil
	}
	var wrong []string
	for _, d := range s.differences(h) {
		wrong = append(wrong, d.text)
	}
	left := h.State(s.nic.Index)
	if there := slices.Concat(left.Addrs4, left.Addrs6, left.Routes); len(there) > 0 {
		few := there[:min(len(there), missingShown)]
		wrong = append(wrong, w.PDev+" still has "+strings.Join(texts(h.Names(), few), "; "))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// hasAll checks that dom0's interface has what it had before. Of
// routes, the hosts have only those that differ now.
func (v *verifier) hasAll(w Spec, before, h *host.Host, moved map[int]int) error {
	then, now := findParts(w, before), findParts(w, h)
	had, dev := then.dom0Link(), now.dom0Link()
	if dev == nil {
		return fmt.Errorf("%s is missing", w.NetDev)
	}
	if had == nil {
		return nil
	}
	from, to := w.NetDev, w.Dom0()
	if !v.up() {
		from, to = to, from
	}
	if had.Up() && !dev.Up() && (v.up() || !w.onBridge() || !bare(before.State(had.Index))) {
		return fmt.Errorf("%s is switched off", dev.Name)
	}
	was, have := routes.Relabeled(routes.Unspent(before, before.State(had.Index)), from, to), routes.Relabeled(h.State(dev.Index), dev.Name, dev.Name)
	if !dev.Up() {
		was.Routes, have.Routes = nil, nil // the IPv6 routes of a NIC that is off come back when it is on
		if w.onBridge() {
			was.Addrs6 = nil // see offAgain
		}
	}
	have.Addrs6 = usable(was.Addrs6, have.Addrs6)
	if dev.Index != had.Index { // it may have had such routes of its own, which were found in their place
		have.Routes = append(have.Routes, absent(v.Host.State(dev.Index).Routes, before.State(dev.Index).Routes, rtnl.Msg.Key)...)
	}
	passing := func(m rtnl.Msg) bool { return !forGood(m) || !dev.Running() } // see awaitCarrier
	names := h.Names()
	l := lacking{dev: dev.Name, names: names}
	for _, list := range [][2][]rtnl.Msg{
		{was.Addrs4, have.Addrs4}, {was.Addrs6, have.Addrs6}, {plain(was.Routes, v.Host.Nexthops), plain(have.Routes, h.Nexthops)},
		{rtnl.Rest(was.Nexthops, byRouter), have.Nexthops},
		{rtnl.Rest(was.Neighs, passing), have.Neighs}, {touched(v.Host, before.Routes, had.Index), h.Routes},
	} {
		l.lost = append(l.lost, missing(list[0], list[1], moved)...)
	}
	if v.up() && !then.up && now.port != nil && now.port.Master != 0 && !h.Pinned(now.port.Index, dev.MAC) {
		l.pin = now.port.Name
	}
	if len(l.lost) > 0 || l.pin != "" {
		return &l
	}
	return nil
}

// touched are those lost routes over other interfaces that have an address of this
// one as their source, or a place among routes over it: a move removes and adds them
// again, and whoever removes the address removes them.
func touched(h *host.Host, lost []rtnl.Msg, index int) []rtnl.Msg {
	others := rtnl.Rest(lost, func(m rtnl.Msg) bool { return m.Uses(index) || host.ByAddress(m) })
	if len(others) == 0 {
		return nil // the usual case
	}
	sources, groups := map[string]bool{}, map[routes.Group]bool{}
	s := h.State(index)
	for _, a := range slices.Concat(s.Addrs4, s.Addrs6) {
		sources[string(a.Local())] = true
	}
	for _, m := range s.Routes {
		if m.Family() == unix.AF_INET {
			groups[routes.GroupOf(m)] = true
		}
	}
	return rtnl.Rest(others, func(m rtnl.Msg) bool {
		src := m.Get(unix.RTA_PREFSRC)
		return (src == nil || !sources[string(src)]) && (m.Family() != unix.AF_INET || !groups[routes.GroupOf(m)])
	})
}

// usable are the addresses of now, except for those that could be used before and
// cannot be used now, because the kernel has yet to find them unique: an address that
// was taken away comes back in this way if only its flags were to be set. One that
// another host has as well could not be used before.
func usable(was, now []rtnl.Msg) []rtnl.Msg {
	tentative := func(m rtnl.Msg) bool {
		return m.AddrFlags()&(unix.IFA_F_TENTATIVE|unix.IFA_F_OPTIMISTIC) == unix.IFA_F_TENTATIVE
	}
	waiting := func(m rtnl.Msg) bool { return tentative(m) && m.AddrFlags()&unix.IFA_F_DADFAILED == 0 }
	if !slices.ContainsFunc(now, waiting) {
		return now
	}
	could := map[string]bool{}
	for _, m := range was {
		could[string(m.Local())] = !tentative(m)
	}
	return rtnl.Rest(now, func(m rtnl.Msg) bool { return waiting(m) && could[string(m.Local())] })
}

// missing is what was there and is not there now, after interfaces have become others.
func missing(was, have []rtnl.Msg, moved map[int]int) []rtnl.Msg {
	there := map[string]bool{}
	for _, m := range have {
		there[m.Key()] = true
	}
	var lost []rtnl.Msg
	for _, m := range was {
		if m = m.Renumber(moved); !there[m.Key()] {
			lost = append(lost, m)
		}
	}
	return lost
}
