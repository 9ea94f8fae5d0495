package faults

import (
	"os"
	"testing"
)

// OneIn says which part of a table with many thousands of cases a test tries: one
// in this many. With XBR_TEST_WHOLE=1 in the environment it tries all of them,
// which takes hours (make test-whole).
func OneIn(short, long int) int {
	switch {
	case os.Getenv("XBR_TEST_WHOLE") == "1":
		return 1
	case testing.Short():
		return short
	}
	return long
}
