package main

import (
	"slices"
	"testing"
)

// TestPick finds what a test does itself, by a method, or by a function that it names,
// and only in its own package.
func TestPick(t *testing.T) {
	for mark, want := range map[string][]string{
		"short":      {"TestByHelper", "TestElsewhere", "TestShort"},
		"goroutines": {"TestGroup", "TestInTable"},
	} {
		if got, err := pick("testdata/tests", marks[mark]); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", mark, got, err, want)
		}
	}
}

// TestOurs holds that those are found of which it is known.
func TestOurs(t *testing.T) {
	for mark, name := range map[string]string{"short": "TestEveryStepFails", "goroutines": "TestUnplugged"} {
		if got, err := pick("../../..", marks[mark]); err != nil || !slices.Contains(got, name) || slices.Contains(got, "TestPick") {
			t.Errorf("%s: %v, %v", mark, got, err)
		}
	}
}
