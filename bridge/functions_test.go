package bridge_test

import (
	"strings"
	"testing"

	"xbr-script/internal/testing/nstest"
)

// TestFunctions: a NIC that can have virtual functions takes frames for dom0's MAC address
// as one more of its own while it has another as a port, and for no more than before
// afterwards. In the other shape it keeps its address.
func TestFunctions(t *testing.T) {
	const entry = "00:16:3e:00:00:01 self permanent"
	for _, n := range shapes(seed000) {
		n.functions = true
		for _, live := range []bool{true, false} {
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				l := newLab(t, n, live)
				fdb := func() string { return nstest.Run(t, "bridge", "fdb", "show", "brport", "peth0") }
				l.mustRun(true)
				if has := strings.Contains(fdb(), entry); has == n.onBridge() {
					t.Errorf("while it is up:\n%s", fdb())
				}
				l.mustRun(false)
				if found := nstest.Run(t, "bridge", "fdb", "show"); strings.Contains(found, entry) {
					t.Errorf("after stop:\n%s", found)
				}
			})
		}
	}
}
