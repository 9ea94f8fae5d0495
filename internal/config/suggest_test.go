package config

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	tests := []struct{ word, want string }{
		{"sart", "start"}, {"START", "start"}, {"restart", "start"}, {"stpo", "stop"}, {"stats", "status"},
		{"--dryrun", "--dry-run"}, {"-next", "--next"}, {"help", "--help"}, {"--n", "-n"}, {"--json=yes", "--json"},
		{"--bridge=xenbr0", "bridge="}, {"netdev", "netdev="}, {"vif_num", "vifnum="}, {"ipforward", "ip_forward="},
		{"", ""}, {"-", ""}, {"on", ""}, {"reload", ""}, {strings.Repeat("start", 1000), ""},
	}
	for _, tt := range tests {
		if got := nearest(tt.word, vocabulary()); got != tt.want {
			t.Errorf("nearest to %q: got %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := nearest("on", []string{"no", "yes"}); got != "" {
		t.Errorf(`"on" is taken for %q`, got)
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"bridge", "bridge", 0},
		{"bridge", "brigde", 1}, {"bridge", "birdge", 1}, {"bridge", "bridg", 1}, {"bridge", "bridgee", 1},
		{"bridge", "pridge", 1}, {"bridge", "bxidxe", 2}, {"ab", "abcdef", maxDistance + 1},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance of %q and %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestQuote(t *testing.T) {
	tests := []struct{ text, quoted, plain string }{
		{"eth0", `"eth0"`, `eth0`},
		{"", `""`, ``},
		{"a\x1b[31m\u202eb", `"a\x1b[31m\u202eb"`, `"a\x1b[31m\u202eb"`},
		{"größe", `"größe"`, `größe`},
		{strings.Repeat("x", 60), `"` + strings.Repeat("x", 60) + `"`, strings.Repeat("x", 60)},
		{strings.Repeat("ö", 31), `"` + strings.Repeat("ö", 30) + `"...`, strings.Repeat("ö", 31)},
		{"x" + strings.Repeat("ö", 31), `"x` + strings.Repeat("ö", 29) + `"...`, "x" + strings.Repeat("ö", 31)},
	}
	for _, tt := range tests {
		if got := quote(tt.text); got != tt.quoted {
			t.Errorf("quote: got %s, want %s", got, tt.quoted)
		}
		if got := plain(tt.text); got != tt.plain {
			t.Errorf("plain: got %s, want %s", got, tt.plain)
		}
	}
}
