package main

import (
	"slices"
	"testing"
)

// TestQuiet counts the runs on a quiet machine, and has others repeated.
func TestQuiet(t *testing.T) {
	ts := timings{wanted: 2}
	still, noisy := usage{Wall: 1, Waited: 0.1}, usage{Wall: 3, Waited: 1}
	for round, c := range []struct {
		run    usage
		enough bool
		walls  []float64
	}{
		{noisy, false, []float64{3000}},
		{noisy, false, []float64{3000, 3000}},
		{still, false, []float64{1000}},
		{noisy, false, []float64{1000}},
		{still, true, []float64{1000, 1000}},
	} {
		one := ts.at("start", ours, 0)
		one.add(c.run)
		ts.at("start", oneBatch, 0).add(noisy) // it decides nothing
		if enough := ts.enough(2, round+1, ours, careful); enough != c.enough || !slices.Equal(one.walls(), c.walls) {
			t.Errorf("round %d: enough %t, %v count; want %t, %v", round, enough, one.walls(), c.enough, c.walls)
		}
	}
	if ts := (&timings{wanted: 2}); ts.enough(2, 1, ours) || !ts.enough(2, 6, ours) {
		t.Error("it does not end when it should")
	}
}
