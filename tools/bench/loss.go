package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Controls: what happens to probes when the machine does nothing else, and what
// happens while the same command works on another dom0, so that only the
// processor is shared.
const (
	nothing   = "nothing"
	elsewhere = "xbr-script on another host"
)

// measureLoss tries each tool under load: start and stop on one host, the tools
// in turns, so that all see the machine in the same state.
func measureLoss(o *options, r *report) error {
	trials := o.trials
	if trials == 0 {
		trials = o.pick(100, 10)
	}
	if err := underLoad(o, r, 1000, trials, o.pick(2, 1)); err != nil {
		return err
	}
	if o.quick {
		return nil
	}
	return underLoad(o, r, manyRoutes, 2, 0)
}

// manyRoutes are so many that only few tools are tried, and seldom.
const manyRoutes = 100000

// underLoad tries each tool trials times, and slow ones slow times, on a host
// with that many routes.
func underLoad(o *options, r *report, routes, trials, slow int) error {
	w, err := newWorld(routes)
	if err != nil {
		return err
	}
	defer w.close()
	other, err := newWorld(routes)
	if err != nil {
		return err
	}
	defer other.close()
	seconds := 60 + 4*trials + 30*slow
	if routes == manyRoutes {
		seconds += 100 * trials // each takes seconds
	}
	l, err := startLoad(w, o.rate, seconds)
	defer l.close()
	if err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	// Under load, because the peers' commands take along the neighbours that
	// dom0 has at this moment.
	tools, err := prepareTools(o, w)
	if err != nil {
		return err
	}
	c := contest{w: w, l: l, r: r}
	if routes == manyRoutes {
		c.suffix = fmt.Sprintf(", %d routes", routes)
	}
	for round := range trials {
		if err := c.controls(o, other, round); err != nil {
			return err
		}
		for i := range tools {
			if !due(&tools[i], routes, round, slow) {
				continue
			}
			if err := c.pair(&tools[i]); err != nil {
				return err
			}
		}
	}
	for _, t := range tools {
		r.tool(t)
	}
	return l.overflowed()
}

// often says in how many rounds a tool is tried that only ours is compared
// with.
const often = 10

// due tells whether a tool has its turn in a round, with that many routes.
func due(t *tool, routes, round, slow int) bool {
	switch {
	case t.Name == ours:
		return true
	case routes == manyRoutes:
		return t.Name == careful || t.Name == oneBatch
	case t.Name == oursTop:
		return round%2 == 0
	case t.Name == script:
		return round < min(slow, 1)
	case t.slow:
		return round < slow
	}
	return round%often == 0
}

// A contest tries tools in one world.
type contest struct {
	w      *world
	l      *load
	r      *report
	suffix string // appended to the tools' names in the results
}

func (c *contest) controls(o *options, other *world, round int) error {
	if err := c.once(nothing, "none", func() error { time.Sleep(10 * time.Millisecond); return nil }); err != nil {
		return err
	}
	if round%often != 0 {
		return nil
	}
	for _, phase := range []string{"start", "stop"} {
		if err := c.once(elsewhere, phase, func() error { return other.dom0.run(o.binary, phase, "check=no") }); err != nil {
			return err
		}
	}
	return nil
}

func (c *contest) once(name, phase string, f func() error) error {
	t, err := c.l.try(name+c.suffix, phase, f)
	if err == nil {
		c.r.Trials = append(c.r.Trials, t)
		if t.Failed != "" {
			progress("%s %s: %s", name, phase, t.Failed)
		}
	}
	return err
}

// pair tries start and stop of a tool, and makes dom0 the same for the next
// one. A tool that fails is not tried again.
func (c *contest) pair(t *tool) error {
	if t.why != "" {
		return nil
	}
	for _, phase := range []struct {
		name    string
		command []string
	}{{"start", t.start}, {"stop", t.stop}} {
		err := c.once(t.Name, phase.name, func() error { return c.w.dom0.run(phase.command...) })
		if err != nil {
			return err
		}
		if failed := c.r.Trials[len(c.r.Trials)-1].Failed; failed != "" {
			t.why = phase.name + " failed: " + head(failed, 300)
		}
	}
	if err := c.w.restored(); err != nil {
		if strings.HasPrefix(t.Name, ours) {
			return fmt.Errorf("after %s: %w", t.Name, err)
		}
		if err := c.w.repair(); err != nil {
			return fmt.Errorf("after %s: %w", t.Name, err)
		}
	}
	return nil
}

// overflowed returns an error if the probe itself has lost frames: the result
// would be worth nothing.
func (l *load) overflowed() error {
	var err error
	for _, d := range l.ways {
		for _, n := range []*netns{d.client, d.echo} {
			for _, file := range []string{"/proc/thread-self/net/snmp", "/proc/thread-self/net/snmp6"} {
				if n := n.counter(file, "RcvbufErrors"); n > 0 {
					err = errors.Join(err, fmt.Errorf("%s: %d probes did not fit into a socket's buffer", d.Name, n))
				}
			}
		}
	}
	return err
}

// measureGuests probes between a guest and the LAN while another bridge is
// added and removed.
func measureGuests(o *options, r *report) error {
	w, err := newWorld(1000)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.dom0.batch([]string{
		"link add eth1 type veth peer name lan1 netns " + w.lan.path, "link set eth1 up",
		"addr add 198.51.100.2/24 dev eth1", "addr add 2001:db8:0:9::2/64 dev eth1 nodad",
	}); err != nil {
		return err
	}
	if err := w.lan.batch([]string{"link set lan1 up", "addr add 198.51.100.1/24 dev lan1"}); err != nil {
		return err
	}
	if err := w.dom0.run(o.binary, "start", "check=no"); err != nil {
		return err
	}
	if err := w.plug(); err != nil {
		return err
	}
	trials := o.pick(20, 5)
	l, err := guestLoad(w, o.rate, 30+trials)
	defer l.close()
	if err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	c := contest{w: w, l: l, r: r, suffix: ", guests"}
	beside := []string{"netdev=eth1", "bridge=xenbr1", "vifnum=1", "check=no"}
	for range trials {
		if err := c.once(nothing, "none", func() error { time.Sleep(10 * time.Millisecond); return nil }); err != nil {
			return err
		}
		for _, phase := range []string{"start", "stop"} {
			if err := c.once(ours, phase, func() error {
				return w.dom0.run(append([]string{o.binary, phase}, beside...)...)
			}); err != nil {
				return err
			}
		}
	}
	return l.overflowed()
}

func guestLoad(w *world, rate, seconds int) (*load, error) {
	l := &load{}
	for _, d := range []struct {
		name         string
		client, echo *netns
		targets      []string
	}{
		{"from the LAN to a guest", w.lan, w.guest, []string{"192.168.0.30", "2001:db8::30"}},
		{"from a guest to the LAN", w.guest, w.lan, []string{"192.168.0.1", "2001:db8::1", "203.0.113.10"}},
	} {
		way, err := newDirection(d.name, d.client, d.echo, rate, rate*seconds, d.targets...)
		if err != nil {
			return l, err
		}
		l.ways = append(l.ways, way)
	}
	s, err := newStream("to a guest", w.lan, w.guest, "192.168.0.30")
	if err != nil {
		return l, err
	}
	l.streams = append(l.streams, s)
	l.ear, err = newCapture(w.lan, "lan0", dom0MAC, guestMAC)
	return l, err
}
