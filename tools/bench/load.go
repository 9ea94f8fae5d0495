package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A load is everything on the wire while a tool is tried: probes both ways, a
// TCP session each way, and a listener on the LAN.
type load struct {
	ways    []*direction
	streams []*stream
	ear     *capture
}

const (
	inward  = "from the LAN in"
	outward = "from dom0 out"
)

// startLoad puts dom0 of a world under load: rate probes a second each way, for
// at most that many seconds.
func startLoad(w *world, rate, seconds int) (*load, error) {
	l := &load{}
	most := rate * seconds
	in, err := newDirection(inward, w.lan, w.dom0, rate, most,
		"192.168.0.2", "2001:db8::2", "192.168.0.22", "2001:db8:0:1::2", "172.20.0.2")
	if err != nil {
		return l, err
	}
	l.ways = append(l.ways, in)
	out, err := newDirection(outward, w.dom0, w.lan, rate, most,
		"192.168.0.1", "2001:db8::1", "10.0.0.1", "2001:db8:ffff::10", "203.0.113.10")
	if err != nil {
		return l, err
	}
	l.ways = append(l.ways, out)
	for _, s := range []struct {
		name           string
		client, server *netns
		address        string
	}{{inward, w.lan, w.dom0, "192.168.0.2"}, {outward, w.dom0, w.lan, "2001:db8::1"}} {
		str, err := newStream(s.name, s.client, s.server, s.address)
		if err != nil {
			return l, err
		}
		l.streams = append(l.streams, str)
	}
	l.ear, err = newCapture(w.lan, "lan0", dom0MAC, guestMAC)
	return l, err
}

func (l *load) close() {
	for _, d := range l.ways {
		d.close()
	}
	for _, s := range l.streams {
		s.close()
	}
	if l.ear != nil {
		l.ear.close()
	}
}

// A trial is one command under load, and what the network noticed.
type trial struct {
	Tool    string           `json:"tool"`
	Phase   string           `json:"phase"` // start or stop
	Wall    float64          `json:"wall_ms"`
	Ways    map[string]tally `json:"ways"`
	Resent  int              `json:"tcp_segments_sent_again"`
	Stall   float64          `json:"tcp_stall_ms"`
	Foreign map[string]int   `json:"frames_from_foreign_macs,omitempty"`
	Frames  map[string]int   `json:"other_frames,omitempty"`
	Failed  string           `json:"failed,omitempty"`
}

func (t *trial) lost() (n int) {
	for _, w := range t.Ways {
		n += w.Lost
	}
	return n
}

func (t *trial) twice() (n int) {
	for _, w := range t.Ways {
		n += w.Twice
	}
	return n
}

func (t *trial) gap() (g float64) {
	for _, w := range t.Ways {
		g = max(g, w.Gap)
	}
	return g
}

const (
	before = 30 * time.Millisecond // before the command, part of the trial
	after  = 120 * time.Millisecond
	quiet  = 60 * time.Millisecond // the trial ends when all were answered for this long
	most   = 6 * time.Second       // after this it ends in any case
)

// try carries f out under load. The trial lasts until the network is whole
// again.
func (l *load) try(name, phase string, f func() error) (trial, error) {
	t := trial{Tool: name, Phase: phase, Ways: map[string]tally{}}
	// What an earlier trial did to the sessions must not count for this one.
	for end := time.Now().Add(most); !l.steady() && time.Now().Before(end); {
		time.Sleep(quiet / 2)
	}
	first := make([]int64, len(l.ways))
	for i, d := range l.ways {
		first[i] = d.n.Load()
	}
	resent, err := l.resent()
	if err != nil {
		return t, err
	}
	for _, s := range l.streams {
		s.stall()
	}
	l.ear.take()
	time.Sleep(before)
	zero := time.Now()
	if err := f(); err != nil {
		t.Failed = err.Error()
	}
	t.Wall = float64(time.Since(zero)) / 1e6
	time.Sleep(after)
	for end := time.Now().Add(most); !l.whole() && time.Now().Before(end); {
		time.Sleep(quiet / 2)
	}
	last := make([]int64, len(l.ways))
	for i, d := range l.ways {
		last[i] = d.n.Load()
	}
	time.Sleep(20 * time.Millisecond) // so that the last answers arrive
	for i, d := range l.ways {
		if last[i] == int64(len(d.probes)) {
			return t, errors.New("no room for more probes")
		}
		t.Ways[d.Name] = d.tally(first[i], last[i], zero)
	}
	now, err := l.resent()
	if err != nil && t.Failed == "" {
		t.Failed = err.Error()
	}
	t.Resent = now - resent
	for _, s := range l.streams {
		t.Stall = max(t.Stall, s.stall())
	}
	t.Foreign, t.Frames = l.ear.take()
	return t, nil
}

// whole tells whether all recent probes were answered.
func (l *load) whole() bool {
	until := time.Now().Add(-10 * time.Millisecond)
	for _, d := range l.ways {
		if !d.answeredSince(until.Add(-quiet), until) {
			return false
		}
	}
	return true
}

// steady tells whether all TCP sessions go on as if nothing had happened.
func (l *load) steady() bool {
	for _, s := range l.streams {
		if !s.steady() {
			return false
		}
	}
	return true
}

func (l *load) resent() (int, error) {
	total := 0
	var failed error
	for _, s := range l.streams {
		n, err := s.counters()
		total, failed = total+n, errors.Join(failed, err)
	}
	return total, failed
}

// A carried is what the machine can carry when nothing happens to the network.
type carried struct {
	Rate int                `json:"asked_a_second"`
	Sent map[string]float64 `json:"sent_a_second"`
	Lost int                `json:"lost"`
	Gap  float64            `json:"gap_ms"`
	CPU  float64            `json:"processors_busy_with_it"`
	Late float64            `json:"late_ms"`
}

// measureLoad finds out what the machine carries without any command, and, as a
// counter-check, whether the probe notices a loss.
func measureLoad(o *options, r *report) error {
	w, err := newWorld(1000)
	if err != nil {
		return err
	}
	defer w.close()
	length := time.Duration(o.pick(4, 2)) * time.Second
	rates := []int{o.rate, 2 * o.rate}
	if o.quick {
		rates = rates[:1]
	}
	for _, rate := range rates {
		c, err := carry(w, rate, length)
		if err != nil {
			return err
		}
		r.Carried = append(r.Carried, c)
	}
	l, err := startLoad(w, o.rate, 20)
	defer l.close()
	if err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	for range o.pick(5, 3) {
		// The LAN's end goes down and up, as when somebody pulls a cable for a
		// moment: nothing on dom0 is touched.
		t, err := l.try("link down for 20 ms", "counter-check", func() error {
			if err := w.lan.run("ip", "link", "set", "lan0", "down"); err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
			return w.lan.batch([]string{"link set lan0 up", "addr replace 2001:db8::1/64 dev lan0 nodad", "addr replace 2001:db8:0:1::1/64 dev lan0 nodad"})
		})
		if err != nil {
			return err
		}
		if t.Failed != "" {
			return errors.New(t.Failed)
		}
		if t.lost() == 0 {
			return fmt.Errorf("the probe does not see that the link is down: %+v", t)
		}
		r.Trials = append(r.Trials, t)
	}
	return nil
}

func carry(w *world, rate int, length time.Duration) (carried, error) {
	c := carried{Rate: rate, Sent: map[string]float64{}}
	l, err := startLoad(w, rate, int(length/time.Second)+3)
	defer l.close()
	if err != nil {
		return c, err
	}
	time.Sleep(300 * time.Millisecond)
	begin, used := time.Now(), processorTime()
	t, err := l.try("nothing", "load", func() error { time.Sleep(length); return nil })
	if err != nil {
		return c, err
	}
	passed := time.Since(begin).Seconds()
	c.CPU = (processorTime() - used) / passed
	for name, way := range t.Ways {
		c.Sent[name] = float64(way.Sent) / way.Span * 1e3
		c.Lost += way.Lost
		c.Gap, c.Late = max(c.Gap, way.Gap), max(c.Late, way.Late)
	}
	return c, nil
}

// processorTime is the processor time that this process has used so far, in
// seconds. It includes the way of a probe through the kernel.
func processorTime() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
