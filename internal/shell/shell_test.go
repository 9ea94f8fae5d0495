package shell

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"eth0": "eth0", "": "''", "my nic": "'my nic'", "a'b": `'a'\''b'`, "$HOME": "'$HOME'", "a;b": "'a;b'", "é": "'é'",
		"\x1b[31m": `"$(printf '\033\13331m')"`, "\xff%": `"$(printf '\377\045')"`, "a\nb\n\n": "\"$(printf 'a\\012b')\"'\n\n'",
		"\u202eb": `"$(printf '\342\200\256b')"`, "\u009b1m": `"$(printf '\302\2331m')"`, "\t'\\$(id)": `"$(printf '\011\047\134\044\050id\051')"`,
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
		for _, sh := range []string{"sh", "bash"} {
			out, err := exec.Command(sh, "-c", "printf %s "+Quote(in)).Output()
			if err != nil || string(out) != in {
				t.Errorf("%s makes %q of %s (%v)", sh, out, Quote(in), err)
			}
		}
	}
	if got, want := Join("xbr-script", "start", "a b", ""), "xbr-script start 'a b' ''"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"eth0\tü\n": "eth0\tü\n", "\x1b]0;x\a": `\u001b]0;x\u0007`, "a\xff\xc3": `a\xff\xc3`, "\u009b": `\u009b`, "\ufffd": "\ufffd",
		"\r": `\u000d`, "\x7f": `\u007f`, "\u202e": `\u202e`, "\U000e0001": `\udb40\udc01`, "": "",
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %s, want %s", in, got, want)
		}
		// What JSON says stays JSON, and says the same.
		if strings.Contains(want, `\x`) {
			continue
		}
		data, err := json.Marshal(in)
		var back string
		if err == nil {
			err = json.Unmarshal([]byte(Visible(string(data))), &back)
		}
		if err != nil || back != in {
			t.Errorf("of %q JSON says %q (%v)", in, back, err)
		}
	}
	if got, want := Comment("a\nb; rm\r"), `# a b; rm\u000d`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
