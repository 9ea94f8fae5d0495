package guest

import "testing"

func TestIsPort(t *testing.T) {
	for name, want := range map[string]bool{
		"vif1.0": true, "vif12.3": true, "tap4.0": true, "vif1.0-emu": true, "vif1000.10-em": true,
		"vif0.0": false, "vif1": false, "vif1.0-x": false, "xvif1.0": false, "tap0": false, "eth0": false, "": false,
	} {
		if got := IsPort(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestIsNIC(t *testing.T) {
	for name, want := range map[string]bool{
		"eth0": true, "peth0": true, "enp3s0": true, "penp3s0": true, "enx001122334455": true, "pnx001122334455": true,
		"nx001122334455": false, "pnx0011": false, "qnx001122334455": false, "tap0": false, "plan": false, "": false,
	} {
		if got := IsNIC(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
