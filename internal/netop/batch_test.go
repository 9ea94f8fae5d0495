package netop

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/boottime"
	"xbr-script/internal/ipcmd"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// toNowhere is a route over an interface that does not exist.
func toNowhere() rtnl.Msg {
	body := []byte{unix.AF_INET, 32, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0}
	m := rtnl.Msg{Type: unix.RTM_NEWROUTE, Flags: rtnl.Add, Body: body}
	return m.With(unix.RTA_DST, []byte{192, 0, 2, 1}).With(unix.RTA_OIF, rtnl.U32Bytes(9999))
}

// route is one through lo that the kernel takes.
func route(last byte) rtnl.Msg {
	m := toNowhere().With(unix.RTA_OIF, rtnl.U32Bytes(1))
	return m.With(unix.RTA_DST, []byte{192, 0, 2, last})
}

// set is a message about an interface, named one that renames it.
func set(index byte) rtnl.Msg {
	return rtnl.Msg{Type: unix.RTM_NEWLINK, Body: []byte{0, 0, 0, 0, index, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
}

func named(index byte, name string) rtnl.Msg {
	return set(index).With(unix.IFLA_IFNAME, append([]byte(name), 0))
}

func TestBatchJSON(t *testing.T) {
	b := &Batch{Wire: rtnl.Pack(named(1, "lo9"), toNowhere(), rtnl.Msg{Type: 7, Body: []byte{1, 2, 3, 4, 5}}),
		Names: ipcmd.Names{10: "eth0"}, At: 5 * time.Second}
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	got := &Batch{Wire: rtnl.Pack(toNowhere())} // what it had before must go
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

func TestBatchDo(t *testing.T) {
	nstest.New(t)
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b := &Batch{Wire: rtnl.Pack(route(1), route(2)), Names: ipcmd.Names{1: "lo"}, At: boottime.Now(), Conn: c}
	for range 2 { // what exists already counts as done
		if err := b.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	away := &Batch{Wire: rtnl.Pack(route(1).As(unix.RTM_DELROUTE, 0), route(2).As(unix.RTM_DELROUTE, 0)), Names: b.Names, At: boottime.Now(), Conn: c}
	for range 2 {
		if err := away.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	b.Wire = rtnl.Pack(named(1, "lo9"), route(1), toNowhere(), toNowhere())
	err = b.Do(t.Context(), false)
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
	renamed := &Batch{Wire: rtnl.Pack(named(1, "lo8"), set(1).With(unix.IFLA_MASTER, rtnl.U32Bytes(1))), Names: ipcmd.Names{1: "lo9"}, At: boottime.Now(), Conn: c}
	if err := renamed.Do(t.Context(), true); err == nil || !strings.Contains(err.Error(), "dev lo8 master lo8: ") {
		t.Errorf("a refusal after a rename: %v", err)
	}
	if err := (&Batch{Conn: c}).Do(t.Context(), false); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
	nstest.Script(t, "ip link add v0 index 77 type veth")
	entry := rtnl.Msg{Type: unix.RTM_DELNEIGH, Body: []byte{unix.AF_BRIDGE, 0, 0, 0, 77, 0, 0, 0, unix.NUD_NOARP, 0, unix.NTF_MASTER, 0}}
	entry = entry.With(unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 1})
	if err := (&Batch{Wire: rtnl.Pack(entry), Names: b.Names, Conn: c}).Do(t.Context(), true); err != nil {
		t.Errorf("the forwarding entry of what is no port any more: %v", err)
	}
}
