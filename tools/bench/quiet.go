package main

import (
	"fmt"
	"os"
	"strings"
)

// A machine that does other things as well makes everything slower, but not
// everything equally. So each run notes how long something had to wait for a
// processor meanwhile, and how long the processors were somebody else's.

// busy counts since the machine was booted.
type busy struct {
	waited float64 // seconds in which at least one thread waited for a processor; /proc/pressure/cpu, Linux 4.20
	stolen float64 // seconds of processors that the hypervisor gave to others; in steps of 10 ms
}

// readBusy reads both; what the kernel does not tell counts as none.
func readBusy() (b busy) {
	var us, ticks float64
	text, _ := os.ReadFile("/proc/pressure/cpu")
	first, _, _ := strings.Cut(string(text), "\n")
	if _, total, ok := strings.Cut(first, "total="); ok {
		_, _ = fmt.Sscan(total, &us)
	}
	text, _ = os.ReadFile("/proc/stat")
	if f := strings.Fields(string(text)); len(f) > 8 && f[0] == "cpu" {
		_, _ = fmt.Sscan(f[8], &ticks)
	}
	return busy{us / 1e6, ticks / 100}
}

// since is how long something waited since then, whoever it was, ourselves included.
func since(before busy) float64 {
	now := readBusy()
	return now.waited - before.waited + now.stolen - before.stolen
}

// quietShare is how much of a run may be waiting: a program of several threads waits
// for itself.
const quietShare = 0.15

// quiet says whether the machine did nothing else during a run.
func (u usage) quiet() bool { return u.Waited <= quietShare*u.Wall }

// loadAverage is the mean number of threads that ran or waited in the last minute.
func loadAverage() (load float64) {
	text, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(text), &load)
	return load
}

// maxRounds is how many times as many rounds there may be until enough were quiet.
const maxRounds = 3

// enough says whether each of those tools had so many quiet runs, or has been tried
// long enough.
func (t *timings) enough(rounds, done int, tools ...string) bool {
	if done < rounds {
		return false
	}
	for _, one := range t.all {
		for _, tool := range tools {
			if one.Tool == tool && one.Quiet < rounds && done < maxRounds*rounds {
				return false
			}
		}
	}
	return true
}

// walls are how long the runs took that count: those on a quiet machine, if they are
// at least half of what was wanted, or else all.
func (t *timing) walls() []float64 {
	if !t.onQuiet() {
		return t.Walls
	}
	var quiet []float64
	for i, u := range t.usages {
		if u.quiet() {
			quiet = append(quiet, t.Walls[i])
		}
	}
	return quiet
}

// onQuiet says whether walls are of a quiet machine.
func (t *timing) onQuiet() bool { return t.Quiet > 0 && 2*t.Quiet >= min(t.wanted, len(t.Walls)) }
