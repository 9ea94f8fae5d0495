package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A series is all the probes that went one way, in the order they were sent.
type series struct {
	name string
	conn net.Conn

	mu       sync.Mutex
	probes   []probe
	received int
}

// A probe is one message that asks for an answer.
type probe struct {
	phase    string
	sent     time.Time
	answered time.Time // zero: lost
}

// sendAll sends a probe at each interval, until there is no phase any more. If
// the machine holds it up, it makes up for the last few only: a burst would
// lose probes that the network did not lose.
func (s *series) sendAll(phase *atomic.Pointer[string], interval time.Duration) {
	next := time.Now()
	for {
		now := phase.Load()
		if now == nil {
			return
		}
		time.Sleep(time.Until(next))
		s.send(*now)
		next = next.Add(interval)
		if oldest := time.Now().Add(-burst * interval); next.Before(oldest) {
			next = oldest
		}
	}
}

func (s *series) send(phase string) {
	s.mu.Lock()
	m := number(len(s.probes))
	s.probes = append(s.probes, probe{phase: phase, sent: time.Now()})
	s.mu.Unlock()
	// What cannot be sent has no answer, and so is counted.
	_, _ = s.conn.Write(m[:])
}

// receive notes the answers, until the connection has gone.
func (s *series) receive() {
	_, stream := s.conn.(*net.TCPConn)
	for {
		var m message
		_, err := io.ReadFull(s.conn, m[:])
		switch {
		case err == nil:
			s.answer(m.number(), time.Now())
		case stream || errors.Is(err, net.ErrClosed):
			return
		}
		// An error on UDP tells of one probe that was refused on its way.
	}
}

// answer notes the first answer to a probe.
func (s *series) answer(n uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n < uint64(len(s.probes)) && s.probes[n].answered.IsZero() {
		s.probes[n].answered = at
		s.received++
	}
}

func (s *series) answers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

// A row sums up one phase.
type row struct {
	phase      string
	sent, lost int
	gap        time.Duration // the longest time without an answer
}

func (r row) millis() string { return fmt.Sprintf("%.1f", float64(r.gap)/float64(time.Millisecond)) }

// tally sums up the phases; what was sent before the first is left out. A gap
// counts where it began; one that has not ended by then lasts until end.
func (s *series) tally(end time.Time) []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []row
	at := func(phase string) *row {
		i := slices.IndexFunc(rows, func(r row) bool { return r.phase == phase })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{phase: phase})
		}
		return &rows[i]
	}
	var answered []probe
	for _, p := range s.probes {
		r := at(p.phase)
		r.sent++
		if p.answered.IsZero() {
			r.lost++
		} else {
			answered = append(answered, p)
		}
	}
	slices.SortStableFunc(answered, func(a, b probe) int { return a.answered.Compare(b.answered) })
	for i, p := range answered {
		until := end
		switch {
		case i+1 < len(answered):
			until = answered[i+1].answered
		case len(s.probes) > 0 && !s.probes[len(s.probes)-1].answered.IsZero():
			continue // nothing more was asked
		}
		r := at(p.phase)
		r.gap = max(r.gap, until.Sub(p.answered))
	}
	return slices.DeleteFunc(rows, func(r row) bool { return r.phase == "" })
}
