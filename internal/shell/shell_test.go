package shell

import (
	"os/exec"
	"testing"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"eth0": "eth0", "": "''", "my nic": "'my nic'", "a'b": `'a'\''b'`, "$HOME": "'$HOME'", "a;b": "'a;b'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(in)).Output()
		if err != nil || string(out) != in {
			t.Errorf("the shell makes %q of %s (%v)", out, Quote(in), err)
		}
	}
}
