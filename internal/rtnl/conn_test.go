package rtnl

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// toNowhere is a route over an interface that does not exist.
func toNowhere() Msg {
	body := []byte{unix.AF_INET, 32, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0}
	body = append(body, attr(unix.RTA_DST, []byte{192, 0, 2, 1})...)
	return Msg{unix.RTM_NEWROUTE, create, append(body, num(unix.RTA_OIF, 9999)...)}
}

// route is a route over lo that the kernel accepts.
func route(last byte) Msg {
	m := toNowhere().With(unix.RTA_OIF, U32Bytes(1))
	return m.With(unix.RTA_DST, []byte{192, 0, 2, last})
}

func TestSendRefusals(t *testing.T) {
	nstest.New(t)
	c := dial(t)
	bad := Msg{Type: unix.RTM_NEWROUTE, Flags: create, Body: []byte{unix.AF_INET, 99, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0}}
	refused, err := c.Send(Pack(route(1), bad, route(2), route(1), toNowhere(), route(3)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Error{
		{unix.EINVAL, "Invalid prefix length", 1},
		{unix.EEXIST, "", 3},
		{unix.ENODEV, "", 4},
	}
	if len(refused) != len(want) {
		t.Fatalf("refused: %v", refused)
	}
	for i, e := range refused {
		if e.Errno != want[i].Errno || e.Index != want[i].Index || want[i].Text != "" && e.Text != want[i].Text {
			t.Errorf("refusal %d: %d %v, want %d %v", i, e.Index, e, want[i].Index, &want[i])
		}
		if !errors.Is(e, want[i].Errno) {
			t.Errorf("%v is not %v", e, want[i].Errno)
		}
	}
	if got := (&Error{Errno: unix.EINVAL, Text: "Invalid prefix length"}).Error(); got != "invalid argument (Invalid prefix length)" {
		t.Error(got)
	}
	routes, err := c.Dump(unix.RTM_GETROUTE, []byte{unix.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(routes, func(m Msg) bool { return m.Fixed()[4] == unix.RT_TABLE_MAIN }); n != 3 {
		t.Errorf("%d routes in main, not the three around the refused ones", n)
	}
}

func count(msgs []Msg, f func(Msg) bool) (n int) {
	for _, m := range msgs {
		if f(m) {
			n++
		}
	}
	return n
}

// TestSendAllRefused checks that no answer is lost when there are very many,
// whether messages are short or long.
func TestSendAllRefused(t *testing.T) {
	nstest.New(t)
	c := dial(t)
	for name, m := range map[string]Msg{
		"least": {Type: unix.RTM_DELNEXTHOP, Body: []byte{0}}, // the kernel would pass over less
		"short": {Type: unix.RTM_DELADDR, Body: []byte{unix.AF_INET, 32, 0, 0, 0xff, 0xff, 0, 0}},
		"route": toNowhere(),
		"long":  toNowhere().With(unix.RTA_METRICS, attr(unix.RTAX_CC_ALGO, make([]byte, 1000))),
	} {
		const n = 5000
		msgs := make([]Msg, n)
		for i := range msgs {
			msgs[i] = m
		}
		refused, err := c.Send(Pack(msgs...))
		if err != nil {
			t.Fatal(name, err)
		}
		if len(refused) != n {
			t.Fatalf("%s: %d of %d refusals arrived", name, len(refused), n)
		}
		for i, e := range refused {
			if e.Index != i {
				t.Fatalf("%s: refusal %d is of message %d", name, i, e.Index)
			}
		}
	}
	if refused, err := c.Send(nil); err != nil || refused != nil {
		t.Error("sending nothing:", refused, err)
	}
}

// TestDumpLarge reads many routes that were sent in several system calls.
func TestDumpLarge(t *testing.T) {
	nstest.New(t)
	c := dial(t)
	const n = 5000
	var msgs []Msg
	for i := range n {
		msgs = append(msgs, route(0).With(unix.RTA_DST, []byte{10, 0, byte(i >> 8), byte(i)}))
	}
	refused, err := c.Send(Pack(msgs...))
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	routes, err := c.Dump(unix.RTM_GETROUTE, []byte{unix.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	if got := count(routes, func(m Msg) bool { return m.Fixed()[4] == unix.RT_TABLE_MAIN }); got != n {
		t.Errorf("%d of %d routes read back", got, n)
	}
}

func TestDumpRefused(t *testing.T) {
	nstest.New(t)
	c := dial(t)
	_, err := c.Dump(unix.RTM_GETNEXTHOP, []byte{1, 2, 3})
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("a malformed dump request: %v", err)
	} else if e.Text == "" {
		t.Errorf("a malformed dump request without the kernel's words: %v", err)
	}
	if _, err := c.Dump(unix.RTM_GETLINK, make([]byte, 16)); err != nil {
		t.Errorf("the connection is of no more use after a refused dump: %v", err)
	}
}

func TestParseError(t *testing.T) {
	eperm := native.AppendUint32(nil, ^uint32(0)) // -1
	header := native.AppendUint32(nil, 16)
	header = append(header, make([]byte, 12)...)
	words := str(unix.NLMSGERR_ATTR_MSG, "no")
	for _, c := range []struct {
		flags uint16
		body  []byte
		want  string
	}{
		{0, nil, "bad message"},
		{0, make([]byte, 4), "<nil>"},
		{0, eperm, "operation not permitted"},
		{unix.NLM_F_ACK_TLVS, append(append(append([]byte{}, eperm...), header...), words...), "operation not permitted (no)"},
		{unix.NLM_F_ACK_TLVS | unix.NLM_F_CAPPED, append(append(append([]byte{}, eperm...), header...), words...), "operation not permitted (no)"},
		{unix.NLM_F_ACK_TLVS, append(append([]byte{}, eperm...), 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "operation not permitted"},
	} {
		if got := fmt.Sprint(parseError(unix.NlMsghdr{Flags: c.flags}, c.body)); got != c.want {
			t.Errorf("%x: %s, want %s", c.body, got, c.want)
		}
	}
}
