package bridge

import (
	"slices"
	"testing"

	"xbr-script/internal/host"
)

// TestSecondName has the names of NICs and bridges for a moment, by the length of the
// NIC's own.
func TestSecondName(t *testing.T) {
	for _, c := range []struct{ nic, second, spare string }{
		{"eth0", "peth0", "beth0"},
		{"enp193s0f0np01", "penp193s0f0np01", "benp193s0f0np01"}, // 14 bytes: just fits
		{"enx001122334455", "pnx001122334455", "bnx001122334455"},
		{"plan-management", "qlan-management", "blan-management"},
		{"bond-management", "pond-management", "cond-management"},
		{"more-than-fifteen", "pmore-than-fifteen", "bmore-than-fifteen"}, // no interface has this name
	} {
		if second, spare := SecondName(c.nic), spareName(c.nic); second != c.second || spare != c.spare {
			t.Errorf("%s: %s, %s, want %s, %s", c.nic, second, spare, c.second, c.spare)
		}
	}
}

// TestFirstNames: whatever a NIC is called as a port, its own name is among those that
// are tried, and the likeliest comes first.
func TestFirstNames(t *testing.T) {
	h := &host.Host{Links: []*host.Link{{Name: "eth0"}, {Name: "wnx001122334466"}, {Name: "lan-of-customer"}}}
	for second, want := range map[string][]string{
		"eth0":            nil,
		"p":               nil,
		"peth0":           {"eth0"},
		"penp193s0f0np01": {"enp193s0f0np01"},
		"pnx001122334455": {"enx001122334455", "nx001122334455"},
		"pnx001122334466": {"wnx001122334466", "enx001122334466", "nx001122334466"},
		"pan-of-customer": {"lan-of-customer", "an-of-customer"},
		"qlan-management": {"plan-management"},
		"q-of-14-bytes-x": {"p-of-14-bytes-x"},
		"qeth0":           nil,
	} {
		if got := firstNames(second, h, "plan-management", "p-of-14-bytes-x"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", second, got, want)
		}
	}
}
