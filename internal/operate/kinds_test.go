package operate

import "testing"

// TestKinds merges all kinds of operations: it panics where two packages have
// one of the same name.
func TestKinds(t *testing.T) {
	if n := len(kinds(nil)); n < 23 {
		t.Errorf("%d kinds of operations", n)
	}
}
