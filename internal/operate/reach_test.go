package operate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

// atStep is a hook that acts once, after that step.
func atStep(step int, act func()) func(int, bool) error {
	acted := false
	return func(i int, after bool) error {
		if i == step && after && !acted {
			acted = true
			act()
		}
		return nil
	}
}

// lastStep is the number of the last step before the program asks who can be
// reached.
func lastStep(t *testing.T, line string) int {
	t.Helper()
	steps := -1
	r := doCall(t.Context(), t, line, func(c *Call) {
		c.hook = func(i int, _ bool) error { steps = i; return nil }
	})
	if r.err != nil {
		t.Fatal(r.stderr)
	}
	return steps - 1
}

// TestLink cuts the link of a NIC while it moves, and may restore it later.
func TestLink(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		back   time.Duration // 0 if the link does not come back
		fails  bool
		stderr string
	}{
		"gone":      {"start wait=1", 0, true, "xbr-script: cannot reach the network any more: eth0 has no link after 1 s (wait=)\n"},
		"late":      {"start wait=60", 2 * time.Second, false, ""},
		"unchecked": {"start check=no", 0, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			newHost(t, lan)
			before := nstest.ReadState(t)
			last := lastStep(t, "start")
			must(t, "stop")
			r := doCall(t.Context(), t, c.line, func(c1 *Call) {
				c1.hook = atStep(last, func() {
					nstest.Run(t, "ip", "-n", "lan", "link", "set", "lan0", "down")
					if c.back > 0 {
						nstest.Background(t, "sh", "-ec", "sleep 2; ip -n lan link set lan0 up; ip -n lan addr replace 2001:db8::1/64 dev lan0 nodad")
					}
				})
			})
			if (r.err != nil) != c.fails || !strings.HasPrefix(r.stderr, c.stderr) || c.stderr == "" && r.stderr != "" {
				t.Errorf("%v, %q", r.err, r.stderr)
			}
			nstest.Script(t, `
				ip -n lan link set lan0 up
				ip -n lan addr replace 2001:db8::1/64 dev lan0 nodad
				until ping -qc1 -W1 192.168.0.1 && ping -qc1 -W1 2001:db8::1; do sleep 0.1; done`)
			if r.err == nil {
				must(t, "status")
				must(t, "stop")
			}
			if d := nstest.Settled(t, before, nstest.Whole); d != "" {
				t.Errorf("not as before:\n%s", d)
			}
		})
	}
}

// TestGivesUp ends a call by a signal while it waits for the network after the
// change.
func TestGivesUp(t *testing.T) {
	newHost(t, lan)
	before := nstest.ReadState(t)
	last := lastStep(t, "start")
	must(t, "stop")
	signalled := errors.New("terminated signal received")
	ctx, end := context.WithCancelCause(t.Context())
	r := doCall(ctx, t, "start wait=600", func(c *Call) {
		c.hook = atStep(last, func() {
			nstest.Run(t, "ip", "-n", "lan", "addr", "flush", "dev", "lan0")
			time.AfterFunc(time.Second, func() { end(signalled) })
		})
	})
	want := "xbr-script: cannot reach the network any more: terminated signal received\nhint: everything was put back as it was\n"
	if refusal.ExitStatus(r.err) != refusal.Failed || r.stderr != want {
		t.Errorf("%v, %q", r.err, r.stderr)
	}
	if d := nstest.Settled(t, before, nstest.Whole); d != "" {
		t.Errorf("not as before:\n%s", d)
	}
}

// TestNobodyToAsk has hosts without a gateway, without addresses or without a
// carrier: the call waits for nothing.
func TestNobodyToAsk(t *testing.T) {
	for name, script := range map[string]string{
		"no gateway": "ip route flush default\nip -6 route flush default\nip neigh flush all",
		"no address": "ip addr flush dev eth0",
		"no carrier": "ip -n lan link set lan0 down",
		"no answer":  "ip -n lan addr flush dev lan0",
	} {
		t.Run(name, func(t *testing.T) {
			newHost(t, lan+"\n"+script)
			r := doCall(t.Context(), t, "start netdev=eth0 wait=600", func(c *Call) {
				c.hook = atStep(0, func() {
					nstest.Run(t, "ip", "-n", "lan", "link", "set", "lan0", "down")
				})
			})
			if r.err != nil || r.stderr != "" {
				t.Errorf("%v, %q", r.err, r.stderr)
			}
		})
	}
}
