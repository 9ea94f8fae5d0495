package holders

import "testing"

// TestUnits says what becomes of units of systemd that end with a name.
func TestUnits(t *testing.T) {
	d := &Data{Units: []Unit{
		{Name: "network@eth0.service", Device: "eth0", Kept: true},
		{Name: "tuned.service", Device: "eth0"}, {Name: "run-1.service", Device: "eth0", Lost: true}, {Name: "dhcpcd@eth0.service", Device: "eth0"},
		{Name: "other.service", Device: "eth1"},
	}}
	want := []string{
		"followed unit: network@eth0.service is bound to the device eth0: systemd is told to keep it",
		"will break unit: tuned.service is bound to the device eth0: systemd ends it as soon as no interface is called eth0; restart it afterwards: systemctl restart tuned.service",
		"will break unit: run-1.service is bound to the device eth0: systemd ends it as soon as no interface is called eth0; run it anew afterwards",
		"will break unit: dhcpcd@eth0.service is bound to the device eth0: systemd ends it as soon as no interface is called eth0; restart it afterwards",
	}
	all := findUnits(d, Move{From: Interface{Name: "eth0", Index: 2}})
	if len(all) != len(want) {
		t.Fatal(all)
	}
	for n, h := range all {
		if got := string(h.Outcome) + " " + h.String(); got != want[n] {
			t.Errorf("%s\nwant %s", got, want[n])
		}
	}
}
