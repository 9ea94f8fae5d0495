package operate

import (
	"testing"
	"time"

	"xbr-script/internal/testing/formtest"
)

// TestLastForm holds the form of the record of the last change.
func TestLastForm(t *testing.T) {
	formtest.Records(t, "last", lastForms, &Last{
		Line: "xbr-script start", Outcome: PutBack, Why: "it was not confirmed in time",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Milliseconds: 48.5,
	}, nil)
}
