package ipcmd

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/shell"

	"golang.org/x/sys/unix"
)

// TestKey checks, for everything that the kernel gave in TestRoundTrip, that a
// message to be sent has the same key as the one that was read, and that
// different objects have different keys.
func TestKey(t *testing.T) {
	commands, msgs := recorded(t)
	keys := map[string][]string{}
	for i, made := range msgs {
		for _, m := range made {
			if s := m.Settable(); m.Key() != s.Key() || !reflect.DeepEqual(s, s.Settable()) {
				t.Errorf("%s: Settable of Settable differs", commands[i])
			}
			keys[m.Key()] = append(keys[m.Key()], commands[i])
		}
	}
	if len(keys) < 150 {
		t.Errorf("only %d keys", len(keys))
	}
}

// FuzzMsg feeds arbitrary bytes to everything that reads a message.
func FuzzMsg(f *testing.F) {
	_, msgs := recorded(f)
	for _, made := range msgs {
		for _, m := range made {
			f.Add(m.Type, uint16(create), m.Body)
		}
	}
	for _, m := range slices.Concat(linkMessages(), portMessages(), vlanMessages(), oddMessages(), []rtnl.Msg{
		{Type: unix.RTM_NEWROUTE, Flags: create, Body: slices.Concat([]byte{2, 32, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0}, attr(unix.RTA_DST, []byte{192, 0, 2, 1}), num(unix.RTA_OIF, 9999))},
		{Type: unix.RTM_NEWROUTE, Flags: create, Body: slices.Concat([]byte{2, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0}, attr(unix.RTA_MULTIPATH, []byte{8, 0, 0, 0, 5, 0, 0, 0}))},
		{Type: unix.RTM_NEWADDR, Flags: create, Body: slices.Concat([]byte{2, 24, 0, 0, 1, 0, 0, 0}, attr(unix.IFA_CACHEINFO, []byte{5, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))},
	}) {
		f.Add(m.Type, m.Flags, m.Body)
		f.Add(m.Type+1, m.Flags, m.Body)
	}
	f.Add(uint16(unix.RTM_NEWROUTE), uint16(0x600), []byte("000000000000")) // flags that Settable has to remove
	f.Fuzz(func(t *testing.T, typ, flags uint16, body []byte) {
		m := rtnl.Msg{Type: typ, Flags: flags, Body: body}
		before := m.Clone()
		n := fixtureNames()
		runShell(t, n.Command(m))
		n.follow(m)
		runShell(t, n.Command(removal(m)))
		s := m.Settable()
		runShell(t, n.Command(s))
		if s.Key() != m.Key() {
			t.Errorf("the key of Settable differs")
		}
		if !reflect.DeepEqual(s, s.Settable()) {
			t.Errorf("Settable of Settable differs")
		}
		if r := m.Retarget(10, 1<<30); r.Uses(10) || (m.Uses(10) || m.Uses(1<<30)) != r.Uses(1<<30) {
			t.Errorf("Retarget left something behind")
		}
		if w := m.With(200, []byte{1}).Without(200); m.Fixed() != nil && w.Get(200) != nil {
			t.Errorf("Without left something behind")
		}
		rtnl.Pack(m).Aged(1e12)
		wire := rtnl.Pack(m)
		if back := wire.Msgs(); wire.Check() != nil || len(back) != 1 || back[0].Type != typ || back[0].Flags != flags || string(back[0].Body) != string(body) {
			t.Errorf("%x came back as %x", m, back)
		}
		if !reflect.DeepEqual(m, before) {
			t.Errorf("the message itself was changed")
		}
	})
}

// printed is a word with a byte that must not reach a terminal: see
// shell.Quote.
var printed = regexp.MustCompile(`"\$\(printf '([a-zA-Z0-9_@+=:,./-]|\\[0-3][0-7][0-7])*'\)"`)

// standsIn is the comment after the command for one of the kernel's own routes.
var standsIn = regexp.MustCompile(`   # stands in until the next router advertisement: [a-z ',]+$`)

// runShell checks that nothing in a command means anything to a shell except
// quotes and blanks, and words that printf makes.
func runShell(t *testing.T, command string) {
	t.Helper()
	if strings.HasPrefix(command, "# ") && !strings.Contains(command, "\n") {
		return
	}
	quoted := false
	rest := strings.ReplaceAll(printed.ReplaceAllString(standsIn.ReplaceAllString(command, ""), ""), `'\''`, "")
	for _, r := range rest {
		if r == '\'' {
			quoted = !quoted
		} else if !quoted && r != ' ' && shell.Quote(string(r)) != string(r) {
			t.Fatalf("%q has %q outside quotes", command, r)
		}
	}
	if quoted || !strings.HasPrefix(command, "ip ") && !strings.HasPrefix(command, "bridge ") {
		t.Fatalf("not a command: %q", command)
	}
}

// TestNamesJSON writes and reads names as a journal does.
func TestNamesJSON(t *testing.T) {
	n := Names{1: "lo", 2: "\xff", 3: "é", 4: "\x1b[31m", 5: ""}
	data, err := json.Marshal(n)
	var back Names
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || !reflect.DeepEqual(back, n) {
		t.Errorf("%v\nas %s\ncame back as %v (%v)", n, data, back, err)
	}
}
