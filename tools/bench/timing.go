package main

import (
	"fmt"
	"slices"
	"strings"
)

// A timing is how long one way of doing something took, each time.
type timing struct {
	What  string    `json:"what"`
	Tool  string    `json:"tool"`
	Size  int       `json:"size,omitempty"` // routes, addresses or NICs
	Walls []float64 `json:"wall_ms"`
	// Of the median run: processor time in the kernel and outside, and memory.
	System float64 `json:"system_ms,omitempty"`
	User   float64 `json:"user_ms,omitempty"`
	MaxRSS int64   `json:"max_rss_kib,omitempty"`
	Quiet  int     `json:"quiet"` // how many of the runs had a quiet machine
	usages []usage
	wanted int // how many runs there were to be
}

func (t *timing) add(u usage) {
	t.Walls = append(t.Walls, u.Wall*1e3)
	t.usages = append(t.usages, u)
	t.System = quantileOf(t.usages, func(u usage) float64 { return u.System * 1e3 })
	t.User = quantileOf(t.usages, func(u usage) float64 { return u.User * 1e3 })
	t.MaxRSS = max(t.MaxRSS, u.MaxRSS)
	if u.quiet() {
		t.Quiet++
	}
}

func quantileOf(us []usage, f func(usage) float64) float64 {
	var all []float64
	for _, u := range us {
		all = append(all, f(u))
	}
	return median(all)
}

func median(v []float64) float64 { return quantile(v, 0.5) }

// quantile is the value that this share of all values does not exceed.
func quantile(v []float64, share float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if share == 0.5 && len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return s[min(int(share*float64(len(s))), len(s)-1)]
}

// timings has one timing for each task, tool and size.
type timings struct {
	all    []*timing
	wanted int // runs of each
}

func (t *timings) at(what, tool string, size int) *timing {
	for _, one := range t.all {
		if one.What == what && one.Tool == tool && one.Size == size {
			return one
		}
	}
	one := &timing{What: what, Tool: tool, Size: size, wanted: t.wanted}
	t.all = append(t.all, one)
	return one
}

// measureTime measures the time of each tool on a host with ten routes and no
// load, and of the calls that change nothing.
func measureTime(o *options, r *report) error {
	w, err := newWorld(10)
	if err != nil {
		return err
	}
	defer w.close()
	tools, err := prepareTools(o, w)
	if err != nil {
		return err
	}
	rounds := o.pick(40, 10)
	ts := timings{wanted: rounds}
	decide := []string{ours, oursTop, careful}
	for round := 0; !ts.enough(rounds, round, decide...); round++ {
		for i := range tools {
			t := &tools[i]
			if t.why != "" || t.slow && round >= o.pick(5, 1) || round >= rounds && !slices.Contains(decide, t.Name) {
				continue
			}
			if err := timePair(w, t, &ts); err != nil {
				if strings.HasPrefix(t.Name, ours) {
					return err
				}
				t.why = head(err.Error(), 300)
				if err := w.repair(); err != nil {
					return err
				}
			}
		}
	}
	if err := timeIdle(o, w, &ts, rounds); err != nil {
		return err
	}
	r.timings = append(r.timings, ts.all...)
	for _, t := range tools {
		r.tool(t)
	}
	return nil
}

func timePair(w *world, t *tool, ts *timings) error {
	for _, phase := range []struct {
		name    string
		command []string
	}{{"start", t.start}, {"stop", t.stop}} {
		_, u, err := w.dom0.command("", phase.command...)
		if err != nil {
			return err
		}
		ts.at(phase.name, t.Name, 0).add(u)
	}
	return w.repair()
}

// timeIdle measures a start that has nothing to do, and status.
func timeIdle(o *options, w *world, ts *timings, rounds int) error {
	if err := w.dom0.run(o.binary, "start", "check=no"); err != nil {
		return err
	}
	defer func() { _ = w.dom0.run(o.binary, "stop", "check=no") }()
	const peers = "ip addr show; bridge link show"
	ways := []struct {
		what, tool string
		commands   [][]string
	}{
		{"start, nothing to do", ours, [][]string{{o.binary, "start"}}},
		{"status", ours, [][]string{{o.binary, "status"}}},
		{"start, nothing to do", peers, [][]string{{"ip", "addr", "show"}, {"bridge", "link", "show"}}},
		{"status", peers, [][]string{{"ip", "addr", "show"}, {"bridge", "link", "show"}}},
		{"a program that does nothing", "true", [][]string{{"true"}}},
		{"a program that does nothing", "xbr-script --version", [][]string{{o.binary, "--version"}}},
	}
	idle := timings{wanted: rounds}
	defer func() { ts.all = append(ts.all, idle.all...) }()
	for round := 0; !idle.enough(rounds, round, ours, peers); round++ {
		for _, way := range ways {
			var sum usage
			for _, c := range way.commands {
				_, u, err := w.dom0.command("", c...)
				if err != nil {
					return err
				}
				sum.Wall += u.Wall
				sum.System += u.System
				sum.User += u.User
				sum.Waited += u.Waited
			}
			idle.at(way.what, way.tool, 0).add(sum)
		}
	}
	return nil
}

// measureScale measures time and memory on hosts of growing size.
func measureScale(o *options, r *report) error {
	var all timings
	routes := []int{100, 1000, 10000, 100000}
	if o.quick {
		routes = []int{100, 1000, 10000}
	}
	for _, n := range routes {
		w, err := newWorld(n)
		if err != nil {
			return err
		}
		if err := scale(o, w, &all, "routes", n, 3, ""); err != nil {
			return fmt.Errorf("%d routes: %w", n, err)
		}
		progress("scale: %d routes", n)
	}
	addresses := o.pick(10000, 1000)
	w, err := manyAddresses(addresses)
	if err != nil {
		return err
	}
	if err := scale(o, w, &all, "addresses", addresses, o.pick(5, 1), ""); err != nil {
		return fmt.Errorf("%d addresses: %w", addresses, err)
	}
	progress("scale: %d addresses", addresses)
	for _, n := range []int{1, 8, 64} {
		w, err := newNICs(n)
		if err != nil {
			return err
		}
		for i := range n {
			if err := w.dom0.batch([]string{
				fmt.Sprintf("addr add 192.168.%d.2/24 dev eth%d", i, i),
				fmt.Sprintf("addr add 2001:db8:0:%x::2/64 dev eth%d nodad", i, i),
			}); err != nil {
				return err
			}
		}
		if err := w.settle(); err != nil {
			return err
		}
		if err := scale(o, w, &all, "NICs", n, 2, together(n)); err != nil {
			return fmt.Errorf("%d NICs: %w", n, err)
		}
		progress("scale: %d NICs", n)
	}
	r.timings = append(r.timings, all.all...)
	return nil
}

// together is the command line for n bridges in one call.
func together(n int) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprintf("vifnum=%d netdev=eth%d bridge=xenbr%d", i, i, i))
	}
	return strings.Join(words, " --next ")
}

// manyAddresses is a world whose NIC has n addresses, four IPv4 ones to one
// IPv6 one.
func manyAddresses(n int) (*world, error) {
	w, err := newNICs(1)
	if err != nil {
		return nil, err
	}
	var lines []string
	for i := range n {
		if i%5 == 4 {
			lines = append(lines, fmt.Sprintf("addr add 2001:db8::1:%x/64 dev eth0 nodad", i))
			continue
		}
		lines = append(lines, fmt.Sprintf("addr add 10.1.%d.%d/16 dev eth0", i>>8, i&255))
	}
	if err := w.dom0.batch(lines); err != nil {
		return nil, err
	}
	return w, w.settle()
}

// scale measures the binary, and a batch of ip that does the same, in turns in
// one world, which it then closes.
func scale(o *options, w *world, all *timings, what string, size, rounds int, words string) error {
	defer w.close()
	keys := append(strings.Fields(words), "check=no")
	call := func(command string) []string { return append([]string{o.binary, command}, keys...) }
	start, err := w.dom0.output(append(call("start"), "--dry-run")...)
	if err != nil {
		return err
	}
	if err := w.dom0.run(call("start")...); err != nil {
		return err
	}
	stop, err := w.dom0.output(append(call("stop"), "--dry-run")...)
	if err != nil {
		return err
	}
	if err := w.dom0.run(call("stop")...); err != nil {
		return err
	}
	for name, text := range map[string]string{"/run/start": batches(start), "/run/stop": batches(stop), "/run/one": strings.Join(single(start), "\n") + "\n"} {
		if err := w.dom0.write(name, text); err != nil {
			return err
		}
	}
	ways := []struct {
		tool        string
		start, stop []string
	}{
		{ours, call("start"), call("stop")},
		{careful, []string{"sh", "/run/start"}, []string{"sh", "/run/stop"}},
		{oneBatch, []string{"ip", "-batch", "/run/one"}, []string{"sh", "/run/stop"}},
	}
	ts := timings{wanted: rounds}
	defer func() { all.all = append(all.all, ts.all...) }()
	for round := 0; !ts.enough(rounds, round, ours, careful); round++ {
		for _, way := range ways {
			if round >= rounds && way.tool == oneBatch {
				continue
			}
			u, err := w.dom0.metered(way.start...)
			if err != nil {
				return err
			}
			ts.at("start, "+what, way.tool, size).add(u)
			u, err = w.dom0.metered(way.stop...)
			if err != nil {
				return err
			}
			if way.tool != oneBatch {
				ts.at("stop, "+what, way.tool, size).add(u)
			}
			if err := w.restored(); err != nil {
				return fmt.Errorf("after %s: %w", way.tool, err)
			}
		}
	}
	return nil
}
