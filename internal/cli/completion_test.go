package cli

import (
	"strings"
	"testing"

	"xbr-script/internal/completion"
	"xbr-script/internal/config"
)

// TestCompletionNames holds that each shell is told all words, with what the help says of
// each.
func TestCompletionNames(t *testing.T) {
	var names []string
	for _, command := range config.Commands() {
		names = append(names, command)
		for _, w := range config.Words(command) {
			names = append(names, w.Name)
		}
	}
	for _, w := range config.Alone() {
		names = append(names, w.Name)
	}
	if len(names) < 50 {
		t.Fatal(names)
	}
	for _, name := range names {
		if about := about(name); about == "" || len(about) > maxAbout+len(" …") {
			t.Errorf("%s is about %q", name, about)
		}
	}
	for _, shell := range completion.Shells {
		script := completion.Script(shell, about)
		for _, name := range names {
			if short := len(name) == 2; !short && !strings.Contains(script, name) {
				t.Errorf("%s is not told %s", shell, name)
			}
		}
	}
	if completion.Script("csh", about) != "" {
		t.Error("there is none for csh")
	}
}

// TestCompletionRefused has the word stand alone, for a shell that is known.
func TestCompletionRefused(t *testing.T) {
	for _, line := range []string{"completion", "completion csh", "completion bash zsh", "completion bash netdev=eth0"} {
		var out, errs strings.Builder
		if status := Run(append([]string{"xbr-script"}, strings.Fields(line)...), "", &out, &errs); status != 2 || out.Len() > 0 || !strings.Contains(errs.String(), "hint: xbr-script completion bash|zsh|fish") {
			t.Errorf("%s: exit status %d\n%s%s", line, status, out.String(), errs.String())
		}
	}
}
