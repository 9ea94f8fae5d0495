package rtnl

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/shell"
)

// leg is a struct rtnexthop with attributes.
func leg(index int, attrs ...[]byte) []byte {
	value := slices.Concat(attrs...)
	b := native.AppendUint16(nil, uint16(unix.SizeofRtNexthop+len(value)))
	b = append(b, 0, 0)
	return append(native.AppendUint32(b, uint32(index)), value...)
}

func multipath(legs ...[]byte) Msg {
	body := []byte{unix.AF_INET, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0}
	body = append(body, attr(unix.RTA_DST, []byte{10, 9, 0, 0})...)
	return Msg{unix.RTM_NEWROUTE, create, append(body, attr(unix.RTA_MULTIPATH, legs...)...)}
}

func TestRetarget(t *testing.T) {
	gw := attr(unix.RTA_GATEWAY, []byte{10, 0, 0, 9})
	oif := num(unix.RTA_OIF, 5)
	neigh := func(index byte) Msg {
		return Msg{Type: unix.RTM_NEWNEIGH, Body: []byte{2, 0, 0, 0, index, 0, 0, 0, 0, 0, 0, 0}}
	}
	nexthop := func(index uint32) Msg {
		return Msg{Type: unix.RTM_NEWNEXTHOP, Body: append(make([]byte, 8), num(unix.NHA_OIF, index)...)}
	}
	for _, c := range []struct {
		name     string
		in, want Msg
	}{
		{"multipath", multipath(leg(5, gw), leg(6, gw), leg(5)), multipath(leg(7, gw), leg(6, gw), leg(7))},
		// An RTA_OIF within a leg is not the kernel's.
		{"within a leg", multipath(leg(5, oif)), multipath(leg(7, oif))},
		{"other", multipath(leg(6)), multipath(leg(6))},
		{"route", route(1).With(unix.RTA_OIF, U32Bytes(5)), route(1).With(unix.RTA_OIF, U32Bytes(7))},
		{"neighbour", neigh(5), neigh(7)},
		{"nexthop", nexthop(5), nexthop(7)},
		{"link", set(5), set(7)},
		{"too short", Msg{Type: unix.RTM_NEWADDR, Body: []byte{2, 0}}, Msg{Type: unix.RTM_NEWADDR, Body: []byte{2, 0}}},
	} {
		before := c.in.Clone()
		got := c.in.Retarget(5, 7)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %x, want %x", c.name, got.Body, c.want.Body)
		}
		if !reflect.DeepEqual(c.in, before) {
			t.Errorf("%s: the message itself was changed", c.name)
		}
		if was := !reflect.DeepEqual(got, c.in); c.in.Uses(5) != was || got.Uses(5) || got.Uses(7) != was {
			t.Errorf("%s: Uses(5) %v, after that %v and Uses(7) %v", c.name, c.in.Uses(5), got.Uses(5), got.Uses(7))
		}
	}
}

func TestWith(t *testing.T) {
	m := set(5, num(unix.IFLA_MTU, 1), str(unix.IFLA_IFNAME, "a"), num(unix.IFLA_MTU, 2))
	if got, want := m.With(unix.IFLA_MTU, U32Bytes(3)), set(5, str(unix.IFLA_IFNAME, "a"), num(unix.IFLA_MTU, 3)); !reflect.DeepEqual(got, want) {
		t.Errorf("With: %x, want %x", got.Body, want.Body)
	}
	if got, want := m.Without(unix.IFLA_MTU, unix.IFLA_IFNAME), set(5); !reflect.DeepEqual(got, want) {
		t.Errorf("Without: %x, want %x", got.Body, want.Body)
	}
	nested := m.With(unix.NLA_F_NESTED|unix.IFLA_PROP_LIST, nil).With(unix.NLA_F_NESTED|unix.IFLA_PROP_LIST, nil)
	if n := strings.Count(string(nested.Body), string([]byte{unix.IFLA_PROP_LIST, 0x80})); n != 1 {
		t.Errorf("a nested attribute stands there %d times", n)
	}
	if got := m.U32(unix.IFLA_MTU); got != 1 {
		t.Errorf("U32 of the first of two attributes: %d", got)
	}
	if got := String(m.Get(unix.IFLA_IFNAME)); got != "a" {
		t.Errorf("String: %q", got)
	}
}

// TestKey checks that a message as it is sent has the key of the one that was
// read, for everything the kernel gave in TestRoundTrip, and that objects that
// differ have different keys.
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
	reachable := Msg{Type: unix.RTM_NEWNEIGH, Body: []byte{2, 0, 0, 0, 1, 0, 0, 0, unix.NUD_REACHABLE, 0, 0, 0}}
	stale := Msg{Type: unix.RTM_NEWNEIGH, Body: []byte{2, 0, 0, 0, 1, 0, 0, 0, unix.NUD_STALE, 0, 0, 0}}
	if reachable.Key() != stale.Key() {
		t.Error("a neighbour's key changes with time")
	}
	address := func(family byte, flags uint32) string {
		return Msg{Type: unix.RTM_NEWADDR, Body: slices.Concat([]byte{family, 0, byte(flags), 0, 1, 0, 0, 0}, num(unix.IFA_FLAGS, flags))}.Key()
	}
	if address(10, unix.IFA_F_TENTATIVE|unix.IFA_F_NODAD) != address(10, unix.IFA_F_NODAD) {
		t.Error("an address's key changes with time")
	}
	if address(2, unix.IFA_F_SECONDARY) == address(2, 0) {
		t.Error("a secondary address has the key of a primary one")
	}
}

// FuzzMsg feeds arbitrary bytes to all that reads a message.
func FuzzMsg(f *testing.F) {
	_, msgs := recorded(f)
	for _, made := range msgs {
		for _, m := range made {
			f.Add(m.Type, uint16(create), m.Body)
		}
	}
	for _, m := range slices.Concat(linkMessages(), portMessages(), vlanMessages(), oddMessages(), []Msg{toNowhere(), multipath(leg(5)), lives(5, 6)}) {
		f.Add(m.Type, m.Flags, m.Body)
		f.Add(m.Type+1, m.Flags, m.Body)
	}
	f.Add(uint16(unix.RTM_NEWROUTE), uint16(0x600), []byte("000000000000")) // flags that Settable has to take off
	f.Fuzz(func(t *testing.T, typ, flags uint16, body []byte) {
		m := Msg{typ, flags, body}
		before := m.Clone()
		n := fixtureNames()
		runShell(t, n.Command(m))
		n.follow(m)
		runShell(t, n.Command(m.Removal()))
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
		aged(Pack(m), 1e12)
		wire := m.append(nil, 1, 0)
		read := 0
		for h, b := range split(wire) {
			read++
			if got := (Msg{h.Type, h.Flags, b}); got.Type != typ || got.Flags != flags || string(got.Body) != string(body) {
				t.Errorf("%x came back as %x", m, got)
			}
		}
		if read != 1 {
			t.Errorf("one message came back as %d", read)
		}
		if !reflect.DeepEqual(m, before) {
			t.Errorf("the message itself was changed")
		}
	})
}

// printed is a word of which a byte must not reach a terminal: see shell.Quote.
var printed = regexp.MustCompile(`"\$\(printf '([a-zA-Z0-9_@+=:,./-]|\\[0-3][0-7][0-7])*'\)"`)

// standsIn is what is said behind the command for a route of the kernel's own.
var standsIn = regexp.MustCompile(`   # stands in until the next router advertisement: [a-z ',]+$`)

// runShell checks that nothing in a command means anything to a shell but quotes
// and blanks, and words that printf makes.
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

// TestSameRoute compares routes with ones that differ in one thing.
func TestSameRoute(t *testing.T) {
	a := route(1).With(unix.RTA_GATEWAY, []byte{192, 0, 2, 9})
	moved := a.Retarget(1, 7)
	for name, c := range map[string]struct {
		b    Msg
		want bool
	}{
		"moved":            {moved, true},
		"expiring":         {moved.With(rtaExpires, U32Bytes(5)), false}, // one attribute more
		"not moved":        {a, false},
		"elsewhere":        {a.Retarget(1, 8), false},
		"another gateway":  {a.Retarget(1, 7).With(unix.RTA_GATEWAY, []byte{192, 0, 2, 8}), false},
		"without gateway":  {route(1).Retarget(1, 7), false},
		"with more":        {moved.With(unix.RTA_PRIORITY, U32Bytes(1)), false},
		"in another table": {table(moved, 100), false},
		"another message":  {moved.As(unix.RTM_DELROUTE, 0), false},
		"several paths":    {route(1).With(unix.RTA_MULTIPATH, make([]byte, 8)), false},
	} {
		if got := SameRoute(a, c.b, map[int]int{1: 7}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	soon, later := a.With(rtaExpires, U32Bytes(5)), moved.With(rtaExpires, U32Bytes(4))
	if !SameRoute(soon, later, map[int]int{1: 7}) {
		t.Error("that time has passed makes another route of it")
	}
	legs := route(1).With(unix.RTA_MULTIPATH, make([]byte, 8))
	if SameRoute(legs, legs, nil) {
		t.Error("routes with several paths are compared as if they had one")
	}
}

// table is a copy of a route in another table.
func table(m Msg, n byte) Msg {
	m = m.Clone()
	m.Body[4] = n
	return m
}

// TestNamesJSON keeps names as a journal does.
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
