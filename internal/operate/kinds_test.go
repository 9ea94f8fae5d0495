package operate

import (
	"testing"

	"xbr-script/internal/config"
)

// TestKinds merges all kinds of operations: it panics where two packages have
// one of the same name.
func TestKinds(t *testing.T) {
	if n := len((&Call{Request: &config.Request{}}).kinds()); n < 23 {
		t.Errorf("%d kinds of operations", n)
	}
}
