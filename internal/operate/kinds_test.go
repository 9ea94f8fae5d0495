package operate

import (
	"testing"

	"xbr-script/internal/config"
)

// TestKinds merges the kinds of operations of all packages, which panics if two
// have the same name.
func TestKinds(t *testing.T) {
	if n := len((&Call{Request: &config.Request{}}).kinds()); n < 23 {
		t.Errorf("%d kinds of operations", n)
	}
}
