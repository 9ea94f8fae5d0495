package forward

import (
	"testing"

	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/formtest"
)

// TestForms holds the forms of the record.
func TestForms(t *testing.T) {
	formtest.Records(t, "forward", forms, &record{Before: "0", Set: "1", Changed: []sysctl.Set{{Name: "net/ipv4/conf/em1.2/forwarding", Value: "1"}}}, nil)
	for _, f := range []form{{Before: "0"}, {Set: "1"}} {
		if rec, err := f.record(); rec != nil || err == nil {
			t.Errorf("%+v is read as %+v", f, rec)
		}
	}
}
