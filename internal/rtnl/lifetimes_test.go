package rtnl

import (
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lives are the lifetimes of an address: preferred, valid.
func lives(preferred, valid uint32) Msg {
	body := append([]byte{2, 24, 0, 0, 1, 0, 0, 0}, attr(unix.IFA_LOCAL, []byte{10, 0, 0, 1})...)
	ci := append(append(U32Bytes(preferred), U32Bytes(valid)...), make([]byte, 8)...)
	return Msg{unix.RTM_NEWADDR, create, append(body, attr(unix.IFA_CACHEINFO, ci)...)}
}

func TestAged(t *testing.T) {
	const forever = Infinity
	expiring := route(1).With(RtaExpires, U32Bytes(60))
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
		{"route that expires", expiring, 20 * time.Second, ptr(route(1).With(RtaExpires, U32Bytes(40)))},
		{"route that has expired", expiring, time.Minute, nil},
		{"removal", lives(100, 200).As(unix.RTM_DELADDR, 0), time.Hour, ptr(lives(100, 200).As(unix.RTM_DELADDR, 0))},
	} {
		before := c.in.Clone()
		got := Pack(c.in).Aged(c.passed).Msgs()
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

// TestAgedAsItIs has nothing copied if nothing has a lifetime that ends: there may be
// very many routes beside an address.
func TestAgedAsItIs(t *testing.T) {
	w := Pack(route(1), lives(Infinity, Infinity), route(2))
	if aged := w.Aged(time.Hour); &aged[0] != &w[0] || len(aged) != len(w) {
		t.Error("it was copied")
	}
}

func ptr[T any](v T) *T { return &v }
