package main

import (
	"slices"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	begin := time.Unix(0, 0)
	ms := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Millisecond) }
	lost := time.Time{}
	for _, tt := range []struct {
		name   string
		probes []probe
		want   []row
	}{
		{"nothing sent", nil, nil},
		{"before the first phase", []probe{{"", ms(0), lost}, {"", ms(1), ms(1)}}, nil},
		{"all answered", []probe{{"up", ms(0), ms(1)}, {"up", ms(1), ms(2)}, {"down", ms(2), ms(3)}},
			[]row{{"up", 2, 0, time.Millisecond}, {"down", 1, 0, 0}}},
		{"one lost", []probe{{"up", ms(0), ms(1)}, {"up", ms(1), lost}, {"up", ms(2), ms(3)}},
			[]row{{"up", 3, 1, 2 * time.Millisecond}}},
		{"a gap counts where it begins", []probe{{"up", ms(0), ms(1)}, {"up", ms(1), lost}, {"down", ms(9), ms(10)}},
			[]row{{"up", 2, 1, 9 * time.Millisecond}, {"down", 1, 0, 0}}},
		{"never again", []probe{{"up", ms(0), ms(1)}, {"up", ms(1), lost}},
			[]row{{"up", 2, 1, 99 * time.Millisecond}}},
		{"answers in another order", []probe{{"up", ms(0), ms(5)}, {"up", ms(1), ms(4)}},
			[]row{{"up", 2, 0, time.Millisecond}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := series{probes: tt.probes}
			if got := s.tally(ms(100)); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	s := series{probes: make([]probe, 2)}
	s.answer(1, first)
	s.answer(1, second) // a duplicate
	s.answer(2, first)  // no such probe
	if s.answers() != 1 || !s.probes[1].answered.Equal(first) {
		t.Errorf("got %d answers, probe 1 at %v", s.answers(), s.probes[1].answered)
	}
}
