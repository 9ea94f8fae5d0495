package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// completed is what becomes of a line when Tab is pressed at its end, in every shell:
// the words of that command, its values and the names of interfaces, each key once in
// each part of the line.
var completed = []struct{ line, want string }{
	{"xbr-script star", "xbr-script start "},
	{"xbr-script s", "xbr-script st"},
	{"xbr-script --v", "xbr-script --version "},
	{"xbr-script start netd", "xbr-script start netdev="},
	{"xbr-script start netdev=", "xbr-script start netdev=e"}, // not lo, and no port of a bridge
	{"xbr-script start netdev=en", "xbr-script start netdev=en0 "},
	{"xbr-script start bridge=", "xbr-script start bridge=exen0 "},
	{"xbr-script admit port=", "xbr-script admit port=vif1.0 "},
	{"xbr-script start dom0=b", "xbr-script start dom0=bridge "},
	{"xbr-script start dom0=", "xbr-script start dom0="},
	{"xbr-script start antispoof=s", "xbr-script start antispoof=strict "},
	{"xbr-script start check=", "xbr-script start check=no "},
	{"xbr-script start wait=", "xbr-script start wait="},
	{"xbr-script start netdev=en0 netd", "xbr-script start netdev=en0 netd"},
	{"xbr-script start netdev=en0 --next netd", "xbr-script start netdev=en0 --next netdev="},
	{"xbr-script start ip_forward=1 --next ip_f", "xbr-script start ip_forward=1 --next ip_f"},
	{"xbr-script start --dr", "xbr-script start --dry-run "},
	{"xbr-script start --dry-run --dr", "xbr-script start --dry-run --dr"},
	{"xbr-script status --js", "xbr-script status --json "},
	{"xbr-script dismiss ma", "xbr-script dismiss ma"},
	{"xbr-script confirm netd", "xbr-script confirm netd"},
	{"xbr-script check sto", "xbr-script check stop "},
	{"xbr-script start config=some", "xbr-script start config=some.conf "},
	{"xbr-script status --host=some", "xbr-script status --host=some.conf "},
	{"xbr-script no-command netd", "xbr-script no-command netd"},
}

// TestCompletion presses Tab in the real shells.
func TestCompletion(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `
ip link add en0 type veth peer name vif1.0
ip link add exen0 type bridge
ip link set vif1.0 master exen0
`)
	dir := t.TempDir()
	for name, file := range map[string]string{"bash": "bash", "zsh": "_xbr-script", "fish": "fish"} {
		script, err := exec.Command("xbr-script", "completion", name).Output()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), script, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	nstest.Run(t, "touch", filepath.Join(dir, "some.conf"))
	for _, s := range []struct {
		name string
		tab  func(t *testing.T, dir string, lines []string) []string
	}{
		{"bash", tabBash}, {"zsh", tabZsh}, {"fish", tabFish},
	} {
		if _, err := exec.LookPath(s.name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Error(err)
			}
			continue
		}
		var lines []string
		for _, c := range completed {
			lines = append(lines, c.line)
		}
		for i, got := range s.tab(t, dir, lines) {
			if c := completed[i]; got != c.want {
				t.Errorf("%s: %q becomes %q, not %q", s.name, c.line, got, c.want)
			}
		}
	}
}

func tabBash(t *testing.T, dir string, lines []string) []string {
	t.Helper()
	return tab(t, dir, lines, "source ./bash", "bash", "--noprofile", "--norc", "-i")
}

func tabZsh(t *testing.T, dir string, lines []string) []string {
	t.Helper()
	return tab(t, dir, lines, "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D", "zsh", "-f", "-i")
}

// tab has a shell on a terminal run a command, and then types each line and Tab. What
// has become of the line it has the shell print, with a dot at its end.
func tab(t *testing.T, dir string, lines []string, before string, command ...string) (become []string) {
	t.Helper()
	const prompt = "READY> "
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a busy machine needs seconds
	defer cancel()
	person, tty := openPTY(t)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=vt100", "COLUMNS=200", "LC_ALL=C", "PS1=" + prompt}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	screen := bufio.NewReader(person)
	until := func(end string) string {
		var seen strings.Builder
		for !strings.HasSuffix(seen.String(), end) {
			b, err := screen.ReadByte()
			if err != nil {
				t.Fatalf("%s: %v, after %q", command[0], err, seen.String())
			}
			seen.WriteByte(b)
		}
		return strings.TrimSuffix(seen.String(), end)
	}
	enter := func(keys string) {
		if _, err := person.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	until(prompt)
	enter(before + "\r")
	until(prompt)
	const toBegin, toEnd = "\x01", "\x05"
	for _, line := range lines {
		enter(line + "\t." + toBegin + "echo '>''>" + toEnd + "'\r")
		until(">>") // what was typed has quotes between
		become = append(become, until(".\r\n"))
		until(prompt)
	}
	enter("exit\r")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return become
}

// tabFish asks fish what it would offer, and completes the line as far as all of that
// agrees.
func tabFish(t *testing.T, dir string, lines []string) (become []string) {
	t.Helper()
	ask := "source ./fish\n"
	for _, line := range lines {
		ask += "complete --do-complete '" + line + "'; echo .\n"
	}
	cmd := exec.Command("fish", "--no-config")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.Stdin = strings.NewReader(ask)
	out, err := cmd.CombinedOutput()
	answers := strings.Split(string(out), ".\n")
	if err != nil || len(answers) != len(lines)+1 {
		t.Fatalf("fish: %v\n%s", err, out)
	}
	for i, line := range lines {
		become = append(become, agreed(line, strings.Fields(regexp.MustCompile(`\t.*`).ReplaceAllString(answers[i], ""))))
	}
	return become
}

// agreed is the line with its last word completed, as far as all words agree that are
// offered for it. Where no word begins so, fish offers some that have its letters.
func agreed(line string, offered []string) string {
	last := line[strings.LastIndex(line, " ")+1:]
	offered = slices.DeleteFunc(offered, func(o string) bool { return !strings.HasPrefix(o, last) })
	if len(offered) == 0 {
		return line
	}
	word := offered[0]
	for _, o := range offered {
		for !strings.HasPrefix(o, word) {
			word = word[:len(word)-1]
		}
	}
	if len(offered) == 1 && !strings.HasSuffix(word, "=") {
		word += " "
	}
	return strings.TrimSuffix(line, last) + word
}
