package cli

import (
	"bytes"
	"strings"
	"testing"

	"xbr-script/bridge"
	"xbr-script/internal/operate"
)

// TestLook has what the environment says of a screen.
func TestLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terminal bool
		env      string
		want     look
	}{
		{true, "TERM=xterm LANG=C.UTF-8", look{true, true}},
		{true, "TERM=xterm LANG=en_GB.utf8 LC_ALL=C", look{true, false}},
		{true, "TERM=xterm LANG=C LC_CTYPE=de_DE.UTF-8", look{true, true}},
		{true, "TERM=xterm NO_COLOR=1", look{}},
		{true, "TERM=dumb LC_ALL=POSIX", look{}},
		{true, "", look{}},
		{false, "TERM=xterm LC_ALL=en_US.UTF-8", look{false, true}},
	} {
		getenv := func(name string) string {
			for word := range strings.FieldsSeq(c.env) {
				if key, value, _ := strings.Cut(word, "="); key == name {
					return value
				}
			}
			return ""
		}
		if got := lookOf(c.terminal, getenv); got != c.want {
			t.Errorf("%t, %s: %+v", c.terminal, c.env, got)
		}
	}
}

// TestColours paints words, and lets a terminal obey nothing else. Without the colours it
// is the same text.
func TestColours(t *testing.T) {
	t.Parallel()
	st := operate.Entry{Status: bridge.Status{
		Bridge: "up", State: bridge.Up, Dom0Is: bridge.OnBridge,
		NIC:   &bridge.Port{Name: "peth0", MAC: "m", Up: true},
		Notes: []string{"an alias is \x1b[2Jthis"},
	}}
	st.Wrong = []operate.Wrong{{What: "a", Mend: "xbr-script start"}, {What: "b", Mend: "xbr-script start"}, {What: "c"}, {What: "d", Hint: "wait"}}
	for _, c := range []struct {
		colours bool
		want    []string
	}{
		{false, []string{"up          up\n", "  wrong     a\n  wrong     b\n  mend      xbr-script start\n  wrong     c\n  wrong     d\n  hint      wait\n", "no carrier"}},
		{true, []string{"\x1b[1mup\x1b[m          \x1b[32mup\x1b[m\n", "  \x1b[1;31mwrong\x1b[m     a\n", "  \x1b[1mmend\x1b[m      xbr-script start\n", "\x1b[33mno carrier\x1b[m", `\u001b[2Jthis`}},
	} {
		p, screen := &page{colours: c.colours}, paper{}
		printReport(p, &operate.Report{Bridges: []operate.Entry{st}}, true)
		p.print(&screen)
		for _, want := range c.want {
			if !strings.Contains(screen.String(), want) {
				t.Errorf("colours %t: there is no %q in\n%q", c.colours, want, screen.String())
			}
		}
		if got := bytes.Count(screen.Bytes(), []byte("\x1b[")) > 1; got != c.colours {
			t.Errorf("colours %t:\n%q", c.colours, screen.String())
		}
	}
}
