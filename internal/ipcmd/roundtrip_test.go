package ipcmd

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// kinds are the tables that make up a host's state.
var kinds = []struct {
	name string
	get  uint16
	body []byte
}{
	{"addr", unix.RTM_GETADDR, make([]byte, 8)},
	{"route", unix.RTM_GETROUTE, make([]byte, 12)},
	{"neigh", unix.RTM_GETNEIGH, make([]byte, 12)},
	{"neigh proxy", unix.RTM_GETNEIGH, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, unix.NTF_PROXY, 0}},
	{"fdb", unix.RTM_GETNEIGH, []byte{unix.AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"nexthop", unix.RTM_GETNEXTHOP, make([]byte, 8)},
}

// state is what the kernel has, by kind and Key.
type state map[string]rtnl.Msg

func dial(t *testing.T) *rtnl.Conn {
	t.Helper()
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dump(t *testing.T, c *rtnl.Conn) state {
	t.Helper()
	s := state{}
	for _, k := range kinds {
		msgs, err := c.Dump(k.get, k.body)
		if err != nil {
			t.Fatal(k.name, err)
		}
		for _, m := range msgs {
			if !fleeting(m) {
				s[k.name+" "+m.Key()] = m
			}
		}
	}
	return s
}

// fleeting says whether the kernel adds and drops the entry by itself, as it
// does neighbours to which it has sent multicast.
func fleeting(m rtnl.Msg) bool {
	dst, _ := netip.AddrFromSlice(m.Get(unix.NDA_DST))
	return m.Type == unix.RTM_NEWNEIGH && dst.IsMulticast()
}

// settled dumps until nothing changes any more: some of what an IPv6 address
// brings comes a moment later.
func settled(t *testing.T, c *rtnl.Conn) state {
	t.Helper()
	for s, tries := dump(t, c), 0; ; tries++ {
		time.Sleep(5 * time.Millisecond)
		next := dump(t, c)
		if len(minus(s, next))+len(minus(next, s)) == 0 && complete(s) {
			return s
		}
		if s = next; tries > 2000 {
			t.Fatal("the kernel's tables do not come to rest")
		}
	}
}

// complete tells whether every IPv6 address has its local route, which the
// kernel adds in the background; that to the prefix, which may be the address
// alone, is there at once.
func complete(s state) bool {
	local := map[string]bool{}
	for _, m := range s {
		if m.Type == unix.RTM_NEWROUTE && m.Family() == unix.AF_INET6 && m.Fixed()[1] == 128 && m.Table() == unix.RT_TABLE_LOCAL {
			local[string(m.Get(unix.RTA_DST))] = true
		}
	}
	for _, m := range s {
		if m.Type != unix.RTM_NEWADDR || m.Family() != unix.AF_INET6 {
			continue
		}
		addr := m.Get(unix.IFA_LOCAL)
		if addr == nil {
			addr = m.Get(unix.IFA_ADDRESS)
		}
		if !local[string(addr)] {
			return false
		}
	}
	return true
}

// minus is what a has and b does not.
func minus(a, b state) state {
	out := maps.Clone(a)
	maps.DeleteFunc(out, func(key string, _ rtnl.Msg) bool { _, ok := b[key]; return ok })
	return out
}

// mustEqual waits until the kernel has exactly this state.
func mustEqual(t *testing.T, c *rtnl.Conn, n Names, want state) {
	t.Helper()
	var missing, extra state
	for range 2000 {
		got := dump(t, c)
		missing, extra = minus(want, got), minus(got, want)
		if len(missing)+len(extra) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("the host is not as it was.\nmissing:\n%s\ntoo much:\n%s", describe(n, missing), describe(n, extra))
}

func describe(n Names, s state) string {
	var lines []string
	for key, m := range s {
		kind, _, _ := strings.Cut(key, " ")
		lines = append(lines, fmt.Sprintf("  %s: %s\n    %x", kind, n.Command(added(m)), m.Settable().Body))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// added is the message that makes an object which a dump has shown.
func added(m rtnl.Msg) rtnl.Msg {
	m = m.Settable()
	return m.As(m.Type, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
}

// names reads the interfaces' names.
func names(t *testing.T, c *rtnl.Conn) Names {
	t.Helper()
	links, err := c.Dump(unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg))
	if err != nil {
		t.Fatal(err)
	}
	n := Names{}
	for _, m := range links {
		n[linkIndex(m.Fixed())] = rtnl.String(m.Get(unix.IFLA_IFNAME))
	}
	return n
}

// objects are the lines of a file in testdata, without comments.
func objects(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// kindOf is the kind of object that a command of objects.txt makes.
func kindOf(command string) string {
	for _, k := range []string{"neigh add proxy", "addr", "route", "neigh", "fdb", "nexthop"} {
		if strings.Contains(command, " "+k+" ") {
			return strings.Replace(k, " add", "", 1)
		}
	}
	return ""
}

// TestRoundTrip makes every object of objects.txt with ip(8) or bridge(8),
// removes it, and makes it again: first by its rendered commands, then by its
// messages. Each time the kernel's whole state must be as it was.
func TestRoundTrip(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, strings.Join(objects(t, "fixture.txt"), "\n"))
	c := dial(t)
	n := names(t, c)
	base := settled(t, c)
	var record strings.Builder
	made := 0
	for _, command := range objects(t, "objects.txt") {
		if out, err := nstest.Try(t, "sh", "-ec", command); err != nil {
			t.Logf("this host cannot make it: %s\n%s", command, out)
			mustEqual(t, c, n, base)
			continue
		}
		trip(t, c, n, base, command, &record)
		made++
	}
	if made < 150 {
		t.Errorf("only %d objects could be made", made)
	}
	if *update {
		if err := os.WriteFile("testdata/messages.txt", []byte(record.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// trip is the round trip of what the command has made. It runs in the test's
// own goroutine, which t.Run would leave.
func trip(t *testing.T, c *rtnl.Conn, n Names, base state, command string, record *strings.Builder) {
	t.Helper()
	with := settled(t, c)
	var made []rtnl.Msg
	for key, m := range minus(with, base) {
		if strings.HasPrefix(key, kindOf(command)+" ") {
			made = append(made, m)
		}
	}
	slices.SortFunc(made, func(a, b rtnl.Msg) int { return strings.Compare(a.Key(), b.Key()) })
	if len(made) != strings.Count(command, ";")+1 {
		t.Fatalf("%s\nmade %d objects: %s", command, len(made), describe(n, minus(with, base)))
	}
	fmt.Fprintf(record, "# %s\n", command)
	for _, m := range made {
		fmt.Fprintf(record, "%d %x\n", m.Type, m.Settable().Body)
	}
	t.Log(command)
	byCommands(t, c, n, made, base, with)
	byMessages(t, c, n, made, base, with)
}

func byCommands(t *testing.T, c *rtnl.Conn, n Names, made []rtnl.Msg, without, with state) {
	t.Helper()
	for _, m := range removals(made) {
		nstest.Script(t, log(t, n.Command(m)))
	}
	mustEqual(t, c, n, without)
	for _, m := range additions(made) {
		nstest.Script(t, log(t, n.Command(m)))
	}
	mustEqual(t, c, n, with)
}

func byMessages(t *testing.T, c *rtnl.Conn, n Names, made []rtnl.Msg, without, with state) {
	t.Helper()
	for _, step := range []struct {
		msgs []rtnl.Msg
		want state
	}{{removals(made), without}, {additions(made), with}, {removals(made), without}} {
		refused, err := c.Send(rtnl.Pack(step.msgs...))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range refused {
			t.Fatalf("message %d (%s): %v", e.Index, n.Command(step.msgs[e.Index]), e)
		}
		mustEqual(t, c, n, step.want)
	}
}

// removals are the messages that remove the objects, the last one first: the
// primary address of a subnet would take its secondary ones along.
func removals(made []rtnl.Msg) []rtnl.Msg {
	var msgs []rtnl.Msg
	for _, m := range slices.Backward(made) {
		msgs = append(msgs, removal(m.Settable()))
	}
	return msgs
}

// removal is the message that removes what a Settable message makes. It names
// everything about the object, so that it cannot hit another one; only a
// nexthop can be named by its id alone.
func removal(m rtnl.Msg) rtnl.Msg {
	id := m.Get(unix.NHA_ID)
	m = m.As(m.Type+1, 0).Clone() // RTM_DEL… follows RTM_NEW… everywhere
	if m.Type != unix.RTM_DELNEXTHOP || m.Fixed() == nil {
		return m
	}
	m.Body = make([]byte, len(m.Fixed()))
	return m.With(unix.NHA_ID, id)
}

// additions are the messages that make the objects: a second route to the same
// place is appended.
func additions(made []rtnl.Msg) []rtnl.Msg {
	var msgs []rtnl.Msg
	for i, m := range made {
		m = added(m)
		if i > 0 && m.Type == unix.RTM_NEWROUTE {
			m.Flags = unix.NLM_F_CREATE | unix.NLM_F_APPEND
		}
		msgs = append(msgs, m)
	}
	return msgs
}

func log(t *testing.T, line string) string {
	t.Helper()
	t.Log("  " + line)
	return line
}

// TestRoundTripRaw is the round trip of what ip(8) may be unable to express:
// the protocol of an address.
func TestRoundTripRaw(t *testing.T) {
	nstest.New(t)
	c := dial(t)
	base := settled(t, c)
	const ifaProto = 11
	for _, m := range []rtnl.Msg{
		{Type: unix.RTM_NEWADDR, Flags: create, Body: slices.Concat([]byte{unix.AF_INET, 24, 0, 0, 1, 0, 0, 0},
			attr(unix.IFA_LOCAL, []byte{10, 0, 0, 1}), attr(unix.IFA_ADDRESS, []byte{10, 0, 0, 1}), attr(ifaProto, []byte{77}))},
		{Type: unix.RTM_NEWADDR, Flags: create, Body: slices.Concat([]byte{unix.AF_INET6, 64, unix.IFA_F_NODAD, 0, 1, 0, 0, 0},
			attr(unix.IFA_ADDRESS, append([]byte{0xfd}, make([]byte, 15)...)), attr(ifaProto, []byte{78}))},
	} {
		if refused, err := c.Send(rtnl.Pack(m)); err != nil || len(refused) > 0 {
			t.Fatal(err, refused)
		}
		with := settled(t, c)
		var made []rtnl.Msg
		for key, got := range minus(with, base) {
			if strings.HasPrefix(key, "addr ") {
				made = append(made, got)
			}
		}
		if len(made) != 1 || string(made[0].Get(ifaProto)) != string(m.Get(ifaProto)) {
			t.Fatalf("the kernel gives no protocol: %x", made)
		}
		byMessages(t, c, Names{1: "lo"}, made, base, with)
	}
}
