package operate

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/testing/nstest"
)

// TestTriesAgain: a change begins again if somebody else has just taken a name,
// but not after an error that a new plan would meet again.
func TestTriesAgain(t *testing.T) {
	newHost(t, quiet)
	before := nstest.ReadState(t)
	for _, c := range []struct {
		name           string
		meddle, mended string // what somebody else does at the step that fails
		same           bool   // it is the same each time, which is noticed
		attempts       int
	}{
		{"the error stays", "true other%d", "true other%d", false, 1},
		{"an interface has come", "ip link add other%d type ifb", "ip link del other%d", false, tries},
		{"a name has come", "ip link property add dev eth1 altname other%d", "ip link property del dev eth1 altname other%d", false, tries},
		{"the same is done again and again", "true other%d", "true other%d", true, 2},
	} {
		attempts := 0
		r := doCall(t.Context(), t, "start netdev=eth0 check=no", func(call *Call) {
			call.hook = func(step int, after bool) error {
				if step == 0 && !after {
					attempts++
				}
				if step != 4 || !after {
					return nil
				}
				nstest.Script(t, fmt.Sprintf(c.meddle, attempts))
				if c.same {
					return fmt.Errorf("%w: the same", bridge.ErrChanged)
				}
				return fmt.Errorf("name %d is taken: %w", attempts, unix.EEXIST)
			}
		})
		if r.err == nil || attempts != c.attempts {
			t.Errorf("%s: ended after %d attempts, want %d: %s", c.name, attempts, c.attempts, r.stderr)
		}
		for i := range attempts {
			nstest.Script(t, fmt.Sprintf(c.mended, i+1))
		}
		if diff := nstest.Settled(t, before, nstest.Whole); diff != "" {
			t.Errorf("%s: not as before:\n%s", c.name, diff)
		}
	}
}
