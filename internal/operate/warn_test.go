package operate

import (
	"context"
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// shut is a firewall that lets nobody in any more once eth0 is a port.
const shut = `printf '%s\n' 'table inet NAME {' ' chain c {' 'iifname "eth0" accept' ' }' '}' | nft -f -`

// TestAsksOnce: if a new connection may be kept out, the user decides, once a call. What
// is found after that is told as well, and nothing is told twice.
func TestAsksOnce(t *testing.T) {
	newHost(t, lan)
	nstest.Script(t, strings.ReplaceAll(shut, "NAME", "f"))
	nstest.Rest(t)
	before := nstest.ReadState(t)
	const line = "start netdev=eth0 dom0=bridge bridge=xenbr0 check=no"
	asked := 0
	answer := func(yes bool, meanwhile string) func(*Call) {
		return func(c *Call) {
			c.Ask = func(context.Context, string) bool {
				asked++
				nstest.Script(t, meanwhile)
				return yes
			}
		}
	}
	r := doCall(t.Context(), t, line, answer(false, "true"))
	if r.err == nil || asked != 1 || !strings.Contains(r.stderr, "cannot start without a yes: nothing was changed\nhint: xbr-script "+line+" confirm=120 goes on") {
		t.Errorf("no: asked %d times, %v, %s", asked, r.err, r.stderr)
	}
	if d := nstest.Settled(t, before, nstest.Whole); d != "" {
		t.Errorf("no: not as before:\n%s", d)
	}
	if r := doCall(t.Context(), t, line+" confirm=0 -n", answer(false, "true")); r.err != nil || asked != 1 {
		t.Errorf("dry run: asked %d times, %v", asked, r.err)
	}

	// Somebody changes the host while the user thinks.
	r = doCall(t.Context(), t, line, answer(true, strings.ReplaceAll(shut, "NAME", "g")))
	if r.err != nil || asked != 2 {
		t.Fatalf("yes: asked %d times, %v, %s", asked, r.err, r.stderr)
	}
	for _, text := range []string{"table inet f", "table inet g", "confirm=120 everything is put back"} {
		if strings.Count(r.stderr, text) < 1 {
			t.Errorf("%q is not told:\n%s", text, r.stderr)
		}
	}
	told := map[string]bool{}
	for l := range strings.Lines(r.stderr) {
		if told[l] {
			t.Errorf("told twice: %s", l)
		}
		told[l] = true
	}
}
