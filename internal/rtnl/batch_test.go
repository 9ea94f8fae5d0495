package rtnl

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/nstest"
)

func TestBatchJSON(t *testing.T) {
	b := &Batch{Wire: Pack(append(linkMessages(), toNowhere(), Msg{Type: 7, Body: []byte{1, 2, 3, 4, 5}})...),
		Names: Names{10: "eth0"}, At: 5 * time.Second}
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	got := &Batch{Wire: Pack(toNowhere())} // what it had must go
	if err := json.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, b) {
		t.Errorf("got %+v\nwant %+v", got, b)
	}
	if again, _ := json.Marshal(got); string(again) != string(data) {
		t.Errorf("JSON of the JSON differs")
	}
	for _, broken := range []string{`{"Wire":"AAAA"}`, `{"Wire":"/////wAAAAAAAAAAAAAAAA=="}`, `{"Wire":7}`} {
		if err := json.Unmarshal([]byte(broken), &Batch{}); err == nil {
			t.Errorf("%s: no error", broken)
		}
	}
}

// lives is the lifetimes of an address: preferred, valid.
func lives(preferred, valid uint32) Msg {
	body := append([]byte{2, 24, 0, 0, 1, 0, 0, 0}, attr(unix.IFA_LOCAL, []byte{10, 0, 0, 1})...)
	ci := append(append(U32Bytes(preferred), U32Bytes(valid)...), make([]byte, 8)...)
	return Msg{unix.RTM_NEWADDR, create, append(body, attr(unix.IFA_CACHEINFO, ci)...)}
}

func TestAged(t *testing.T) {
	const forever = infinity
	expiring := route(1).With(rtaExpires, U32Bytes(60))
	for _, c := range []struct {
		name   string
		in     Msg
		passed time.Duration
		want   *Msg
	}{
		{"lasting", lives(forever, forever), time.Hour, ptr(lives(forever, forever))},
		{"limited", lives(100, 200), 30 * time.Second, ptr(lives(70, 170))},
		{"less than a second", lives(100, 200), 999 * time.Millisecond, ptr(lives(100, 200))},
		{"no more preferred", lives(100, 200), 150 * time.Second, ptr(lives(0, 50))},
		{"expired", lives(100, 200), 200 * time.Second, nil},
		{"valid for ever", lives(100, forever), 30 * time.Second, ptr(lives(70, forever))},
		{"deprecated for ever", lives(0, forever), 30 * time.Second, ptr(lives(0, forever))},
		{"route", route(1), time.Hour, ptr(route(1))},
		{"route that expires", expiring, 20 * time.Second, ptr(route(1).With(rtaExpires, U32Bytes(40)))},
		{"route that has expired", expiring, time.Minute, nil},
		{"removal", lives(100, 200).As(unix.RTM_DELADDR, 0), time.Hour, ptr(lives(100, 200).As(unix.RTM_DELADDR, 0))},
	} {
		before := c.in.Clone()
		got := aged(Pack(c.in), c.passed).Msgs()
		switch {
		case c.want == nil && len(got) > 0:
			t.Errorf("%s: still there", c.name)
		case c.want != nil && (len(got) != 1 || !reflect.DeepEqual(got[0], *c.want)):
			t.Errorf("%s: %x, want %x", c.name, got, *c.want)
		}
		if !reflect.DeepEqual(c.in, before) {
			t.Errorf("%s: the message itself was changed", c.name)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestBatchDo(t *testing.T) {
	nstest.New(t)
	c := dial(t)
	b := &Batch{Wire: Pack(route(1), route(2)), Names: Names{1: "lo"}, At: boottime.Now(), Conn: c}
	for range 2 { // what is there already counts as done
		if err := b.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	away := &Batch{Wire: Pack(route(1).Removal(), route(2).Removal()), Names: b.Names, At: boottime.Now(), Conn: c}
	for range 2 {
		if err := away.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	b.Wire = Pack(set(1, str(unix.IFLA_IFNAME, "lo9")), route(1), toNowhere(), toNowhere())
	err := b.Do(t.Context(), false)
	var refused *Refused
	if !errors.As(err, &refused) || !errors.Is(err, unix.ENODEV) {
		t.Fatalf("a refused batch: %v", err)
	}
	if want := "ip route add 192.0.2.1/32 dev if9999 proto static: "; !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("%q does not begin with %q, or says more than the first refusal", err, want)
	}
	if err := b.Do(t.Context(), true); err != nil {
		t.Errorf("undoing what is on an interface that is gone: %v", err)
	}
	named := &Batch{Wire: Pack(set(1, str(unix.IFLA_IFNAME, "lo8")), set(1, num(unix.IFLA_MASTER, 1))), Names: Names{1: "lo9"}, At: boottime.Now(), Conn: c}
	if err := named.Do(t.Context(), true); err == nil || !strings.Contains(err.Error(), "dev lo8 master lo8: ") {
		t.Errorf("a refusal after a rename: %v", err)
	}
	if err := (&Batch{Conn: c}).Do(t.Context(), false); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	nstest.Script(t, "ip link add v0 index 77 type veth")
	entry := Msg{Type: unix.RTM_DELNEIGH, Body: []byte{unix.AF_BRIDGE, 0, 0, 0, 77, 0, 0, 0, unix.NUD_NOARP, 0, unix.NTF_MASTER, 0}}
	entry = entry.With(unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1})
	if err := (&Batch{Wire: Pack(entry), Names: b.Names, Conn: c}).Do(t.Context(), true); err != nil {
		t.Errorf("the forwarding entry of what is no port any more: %v", err)
	}
}
