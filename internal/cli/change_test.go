package cli

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/nstest"
)

// TestTriesAgain: a change begins anew after somebody else has come first with
// a name, and not for an error that a new plan would meet again.
func TestTriesAgain(t *testing.T) {
	newHost(t, quiet)
	before := nstest.ReadState(t)
	for _, c := range []struct {
		name           string
		meddle, mended string // what somebody else does at the step that fails
		attempts       int
	}{
		{"the error stays", "true other%d", "true other%d", 1},
		{"an interface has come", "ip link add other%d type ifb", "ip link del other%d", tries},
		{"a name has come", "ip link property add dev eth1 altname other%d", "ip link property del dev eth1 altname other%d", tries},
	} {
		attempts := 0
		r := doCall(t.Context(), t, "start netdev=eth0 check=no", func(call *call) {
			call.hook = func(step int, after bool) error {
				if step == 0 && !after {
					attempts++
				}
				if step != 4 || !after {
					return nil
				}
				nstest.Script(t, fmt.Sprintf(c.meddle, attempts))
				return fmt.Errorf("the name is taken: %w", unix.EEXIST)
			}
		})
		if r.status != failed || attempts != c.attempts {
			t.Errorf("%s: exit status %d after %d attempts, want %d: %s", c.name, r.status, attempts, c.attempts, r.stderr)
		}
		for i := range attempts {
			nstest.Script(t, fmt.Sprintf(c.mended, i+1))
		}
		if diff := nstest.Settled(t, before, nstest.Whole); diff != "" {
			t.Errorf("%s: not as before:\n%s", c.name, diff)
		}
	}
}
