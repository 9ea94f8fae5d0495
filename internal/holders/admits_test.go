package holders

import "testing"

// TestAdmits says which kinds may keep new connections out if they break: packet filters, and
// what may be the only way to the network.
func TestAdmits(t *testing.T) {
	for kind, want := range map[string]bool{nftables: true, "iptables-legacy": true, pppoe: true, "packet socket": false, "": false} {
		if got := (Holder{Kind: kind}).Admits(); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
}
