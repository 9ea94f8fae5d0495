package main

import (
	"slices"
	"time"
)

// A tally sums up the probes that one direction sent in a stretch of time.
type tally struct {
	Sent      int     `json:"sent"`
	Span      float64 `json:"sent_in_ms"`
	Lost      int     `json:"lost"`
	LostThere int     `json:"lost_on_the_way_there"`
	Twice     int     `json:"twice"` // probes or answers that arrived more than once
	// Gap is the longest time without an answer, whatever the cause: the
	// programs that ask and answer may have had to wait for the processor, too.
	Gap float64 `json:"gap_ms"`
	// Hole and Late are the network's doing. Hole is the longest time, on one
	// flow, from an answered probe to the next answered one, with lost ones in
	// between. Late is the longest that a probe took on the wire, one way.
	Hole float64 `json:"hole_ms"`
	Late float64 `json:"late_ms"`
	// Losses are the first few lost probes: when they were sent, in
	// milliseconds from the beginning of the command, on which flow, and where
	// they were lost.
	Losses []loss `json:"losses,omitempty"`
}

type loss struct {
	At    float64 `json:"at_ms"`
	Flow  string  `json:"flow"`
	There bool    `json:"on_the_way_there"`
}

const lossesKept = 4

// tally sums up the probes from number first on, before number end. Times count
// from zero.
func (d *direction) tally(first, end int64, zero time.Time) tally {
	var t tally
	var arrivals []int64
	flows := make([]struct {
		last int64 // when the last answered probe was sent
		lost bool
	}, len(d.flows))
	hole := func(f int, until int64) {
		if flows[f].lost && flows[f].last != 0 {
			t.Hole = max(t.Hole, float64(until-flows[f].last)/1e6)
		}
	}
	for i := first; i < end; i++ {
		p, f := &d.probes[i], int(i)%len(d.flows)
		sent, there, again, back, count := p.sent.Load(), p.there.Load(), p.again.Load(), p.back.Load(), p.count.Load()
		t.Sent++
		if count&0xffff > 1 || count>>16 > 1 {
			t.Twice++
		}
		if there != 0 {
			t.Late = max(t.Late, float64(there-sent)/1e6)
		}
		if back == 0 {
			t.Lost++
			if there == 0 {
				t.LostThere++
			}
			if len(t.Losses) < lossesKept {
				at := float64(sent-zero.UnixNano()) / 1e6
				t.Losses = append(t.Losses, loss{at, d.flows[f].to.String(), there == 0})
			}
			flows[f].lost = true
			continue
		}
		hole(f, sent)
		flows[f].last, flows[f].lost = sent, false
		t.Late = max(t.Late, float64(back-again)/1e6)
		arrivals = append(arrivals, back)
	}
	for f := range flows { // a hole that did not end lasts until the end
		hole(f, d.probes[end-1].sent.Load())
	}
	if end > first {
		t.Span = float64(d.probes[end-1].sent.Load()-d.probes[first].sent.Load()) / 1e6
	}
	slices.Sort(arrivals)
	for i := 1; i < len(arrivals); i++ {
		t.Gap = max(t.Gap, float64(arrivals[i]-arrivals[i-1])/1e6)
	}
	return t
}

// answeredSince tells whether all probes of that time were answered.
func (d *direction) answeredSince(from, until time.Time) bool {
	seen := false
	for i := d.n.Load() - 1; i >= 0; i-- {
		p := &d.probes[i]
		sent := p.sent.Load()
		if sent < from.UnixNano() {
			break
		}
		if sent > until.UnixNano() {
			continue
		}
		if p.back.Load() == 0 {
			return false
		}
		seen = true
	}
	return seen
}
