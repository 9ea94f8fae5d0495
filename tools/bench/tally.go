package main

import (
	"slices"
	"time"
)

// A tally sums up the probes that one direction sent in a stretch of time.
type tally struct {
	Sent      int `json:"sent"`
	Lost      int `json:"lost"`
	LostThere int `json:"lost_on_the_way_there"`
	Twice     int `json:"twice"` // probes or answers that arrived more than once
	// Gap is the longest time without an answer, and Hole the time from the last
	// probe that was answered to the next one that was, around a loss.
	Gap   float64 `json:"gap_ms"`
	Hole  float64 `json:"hole_ms"`
	Delay float64 `json:"delay_ms"` // of the answer that took longest
	// Losses are the first few lost probes: when they were sent, in milliseconds
	// from the beginning of the command, on which flow, and where they were lost.
	Losses []loss `json:"losses,omitempty"`
}

type loss struct {
	At    float64 `json:"at_ms"`
	Flow  string  `json:"flow"`
	There bool    `json:"on_the_way_there"`
}

const lossesKept = 10

// tally sums up the probes from number first on, before number end. Times are
// told from zero.
func (d *direction) tally(first, end int64, zero time.Time) tally {
	var t tally
	var arrivals []int64
	lastSent, open := int64(0), false
	for i := first; i < end; i++ {
		p := &d.probes[i]
		sent, back, count := p.sent.Load(), p.back.Load(), p.count.Load()
		t.Sent++
		if count&0xffff > 1 || count>>16 > 1 {
			t.Twice++
		}
		if back == 0 {
			t.Lost++
			there := p.there.Load() == 0
			if there {
				t.LostThere++
			}
			if len(t.Losses) < lossesKept {
				at := float64(sent-zero.UnixNano()) / 1e6
				t.Losses = append(t.Losses, loss{at, d.flows[int(i)%len(d.flows)].to.String(), there})
			}
			open = true
			continue
		}
		if open && lastSent != 0 {
			t.Hole = max(t.Hole, float64(sent-lastSent)/1e6)
		}
		open, lastSent = false, sent
		arrivals = append(arrivals, back)
		t.Delay = max(t.Delay, float64(back-sent)/1e6)
	}
	slices.Sort(arrivals)
	for i := 1; i < len(arrivals); i++ {
		t.Gap = max(t.Gap, float64(arrivals[i]-arrivals[i-1])/1e6)
	}
	if open && lastSent != 0 { // nothing came after it: it lasts until the end
		hole := float64(d.probes[end-1].sent.Load()-lastSent) / 1e6
		t.Gap, t.Hole = max(t.Gap, hole), max(t.Hole, hole)
	}
	return t
}

// answeredSince tells whether all probes of the last stretch were answered.
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
