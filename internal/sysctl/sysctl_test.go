package sysctl_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/nstest"
)

// key is a setting of an interface, from text.
func key(t *testing.T, text string) sysctl.Key {
	t.Helper()
	var k sysctl.Key
	if err := k.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyText(t *testing.T) {
	for _, k := range []sysctl.Key{
		{Dir: "net/ipv4/conf", Name: "arp_notify"}, {Dir: "net/ipv6/neigh", Name: "retrans_time_ms"},
	} {
		text, err := k.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if back := key(t, string(text)); back != k {
			t.Errorf("%v is kept as %q and read as %v", k, text, back)
		}
	}
	k := key(t, "net/ipv4/conf/arp_notify")
	if got, want := k.Of("em1.2"), "net/ipv4/conf/em1.2/arp_notify"; got != want {
		t.Errorf("of a NIC: %q, want %q", got, want)
	}
}

// TestDeviceJSON writes and reads an interface's settings as a record does.
func TestDeviceJSON(t *testing.T) {
	nstest.New(t)
	d := readDevice(t, "lo")
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back sysctl.Device
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if len(d) == 0 || !maps.Equal(d, back) {
		t.Errorf("kept %v\nread %v", d, back)
	}
}

func TestReadDevice(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `
		ip link add em1.2 type veth peer name lan0
		sysctl -qw net/ipv4/conf/em1.2/arp_notify=1 net/ipv4/neigh/em1.2/gc_stale_time=77 net/ipv6/conf/em1.2/hop_limit=33`)
	d := readDevice(t, "em1.2")
	for text, want := range map[string]string{
		"net/ipv4/conf/arp_notify":     "1",
		"net/ipv4/neigh/gc_stale_time": "77",
		"net/ipv6/conf/hop_limit":      "33",
		"net/ipv6/conf/mtu":            "1500",
		"net/ipv6/neigh/gc_stale_time": "60",
	} {
		if got := d[key(t, text)]; got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
	secret := key(t, "net/ipv6/conf/stable_secret")
	for _, text := range []string{
		"net/ipv4/conf/mc_forwarding", "net/ipv6/conf/addr_gen_mode", "net/ipv4/neigh/unres_qlen",
		"net/ipv6/neigh/retrans_time", "net/ipv4/neigh/base_reachable_time", "net/ipv6/conf/stable_secret",
	} {
		if v, ok := d[key(t, text)]; ok {
			t.Errorf("%s is carried, as %q", text, v)
		}
	}
	nstest.Script(t, `sysctl -qw net/ipv6/conf/em1.2/stable_secret=2001:db8::1`)
	if got, want := readDevice(t, "em1.2")[secret], "2001:0db8:0000:0000:0000:0000:0000:0001"; got != want {
		t.Errorf("the secret is %q, want %q", got, want)
	}
	if d := readDevice(t, "none"); len(d) > 0 {
		t.Errorf("an interface that is not there has %v", d)
	}
}

// TestDeviceWritable checks that each setting that is read can be written:
// otherwise every plan would fail.
func TestDeviceWritable(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `ip link add eth0 type veth peer name lan0`)
	w := &sysctl.Write{}
	for k, v := range readDevice(t, "eth0") {
		w.Sets = append(w.Sets, sysctl.Set{Name: k.Of("eth0"), Value: v})
	}
	if err := w.Do(t.Context(), false); err != nil {
		t.Error(err)
	}
}

const (
	first = "net/ipv4/conf/eth0/arp_notify"
	last  = "net/ipv4/conf/eth0/arp_ignore"
	gone  = "net/ipv4/conf/none/arp_notify"
)

func TestWrite(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `ip link add eth0 type veth peer name lan0`)
	for _, c := range []struct {
		name                string
		middle              sysctl.Set
		undoing, fails, all bool
	}{
		{"valid", sysctl.Set{Name: first, Value: "1"}, false, false, true},
		{"valid, undoing", sysctl.Set{Name: first, Value: "1"}, true, false, true},
		{"gone", sysctl.Set{Name: gone, Value: "1"}, false, true, false},
		{"gone, undoing", sysctl.Set{Name: gone, Value: "1"}, true, false, true},
		{"refused", sysctl.Set{Name: first, Value: "much"}, false, true, false},
		{"refused, undoing", sysctl.Set{Name: first, Value: "much"}, true, true, true},
	} {
		nstest.Script(t, `sysctl -qw `+first+`=0 `+last+`=0`)
		w := &sysctl.Write{Sets: []sysctl.Set{{Name: first, Value: "1"}, c.middle, {Name: last, Value: "2"}}}
		err := w.Do(t.Context(), c.undoing)
		if (err != nil) != c.fails || err != nil && !strings.HasPrefix(err.Error(), c.middle.Name+"="+c.middle.Value+": ") {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := get(t, first); got != "1" {
			t.Errorf("%s: the first was not set: %s", c.name, got)
		}
		if got := get(t, last) == "2"; got != c.all {
			t.Errorf("%s: the last was set: %t", c.name, got)
		}
	}
	if err := (&sysctl.Write{Sets: []sysctl.Set{{Name: gone, Value: "1"}}}).Do(t.Context(), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cause is hidden: %v", err)
	}
	if got := get(t, gone); got != "" {
		t.Errorf("a setting that is not there: %q", got)
	}
}

// TestWriteByIndex writes settings of interfaces that have been renamed: the
// index counts.
func TestWriteByIndex(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `ip link add eth0 index 10 type veth peer name lan0 index 11
		ip link set eth0 name peth0
		ip link set lan0 name eth0`)
	const now, other = "net/ipv4/conf/peth0/arp_notify", first
	k := key(t, "net/ipv4/conf/arp_notify")
	for _, undoing := range []bool{false, true} {
		nstest.Script(t, `sysctl -qw `+now+`=0 `+other+`=0`)
		w := &sysctl.Write{Sets: []sysctl.Set{k.Set(10, "eth0", "1")}}
		if err := w.Do(t.Context(), undoing); err != nil {
			t.Error(err)
		}
		if got := get(t, now) + get(t, other); got != "10" {
			t.Errorf("undoing %t: the setting and that of another's with its first name: %s, want 10", undoing, got)
		}
	}
	nstest.Script(t, `ip link del peth0
		ip link add eth0 index 12 type veth peer name lan0`)
	for _, c := range []struct {
		what    string
		set     sysctl.Set
		undoing bool
		want    error
	}{
		{"its interface is gone", k.Set(10, "eth0", "1"), false, unix.ENODEV},
		{"its interface is gone, undoing", k.Set(10, "eth0", "1"), true, nil},
		{"only the setting is not there", sysctl.Key{Dir: k.Dir, Name: "none"}.Set(12, "eth0", "1"), true, fs.ErrNotExist},
	} {
		if err := (&sysctl.Write{Sets: []sysctl.Set{c.set}}).Do(t.Context(), c.undoing); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if got := get(t, first); got != "0" {
		t.Errorf("another interface that has its name has the setting: %q", got)
	}
}

// TestCommands runs the commands: they must set what Do sets, whatever the
// interface is called.
func TestCommands(t *testing.T) {
	nstest.New(t)
	for _, dev := range []string{"eth0", "em1.2", "a+b", "x~y", "$HOME", "a'b", `a"b`, "a;b", "a*b", `a\b`} {
		w := &sysctl.Write{Sets: []sysctl.Set{
			{Name: "net/ipv4/conf/" + dev + "/arp_ignore", Value: "2"},
			{Name: "net/ipv6/conf/" + dev + "/stable_secret", Value: "2001:db8::1"},
			{Name: "net/ipv4/ip_local_port_range", Value: "20000\t30000"},
		}}
		nstest.Run(t, "ip", "link", "add", dev, "type", "veth", "peer", "name", "lan0")
		out, err := nstest.Try(t, "sh", "-ec", strings.Join(w.Commands(), "\n"))
		if err != nil || out != "" {
			t.Errorf("%s: %v %s", dev, err, out)
		}
		for _, s := range w.Sets[:1] {
			if got := get(t, s.Name); got != s.Value {
				t.Errorf("%s: %s is %q, want %q", dev, s.Name, got, s.Value)
			}
		}
		if got := get(t, "net/ipv4/ip_local_port_range"); got != "20000\t30000" {
			t.Errorf("%s: a value with space is %q", dev, got)
		}
		nstest.Run(t, "ip", "link", "del", dev)
	}
}

func TestWriteJSON(t *testing.T) {
	w := &sysctl.Write{Sets: []sysctl.Set{{Name: first, Value: "a\tb"}, {Name: last, Value: ""}}}
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	back := &sysctl.Write{}
	if err := json.Unmarshal(data, back); err != nil || !slices.Equal(back.Sets, w.Sets) {
		t.Errorf("kept %v, read %v, %v", w, back, err)
	}
	if w.Kind() != sysctl.Kind {
		t.Errorf("kind %q", w.Kind())
	}
}

func readDevice(t *testing.T, name string) sysctl.Device {
	t.Helper()
	d, err := sysctl.ReadDevice(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func get(t *testing.T, name string) string {
	t.Helper()
	v, err := sysctl.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestStrange has names that lead to other files: they are refused.
func TestStrange(t *testing.T) {
	nstest.New(t)
	for _, name := range []string{"kernel/hostname", "net/../kernel/hostname", "../../etc/passwd", "/etc/passwd", "", "net/ipv4/conf/../ip_forward", "net//ipv4/ip_forward"} {
		for _, undoing := range []bool{false, true} {
			if err := (&sysctl.Write{Sets: []sysctl.Set{{Name: name, Value: "x"}}}).Do(t.Context(), undoing); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

// TestUnreadable has errors that do not mean that a setting does not exist.
func TestUnreadable(t *testing.T) {
	nstest.New(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, errGet := sysctl.Get("net/ipv4/ip_forward")
	_, errDevice := sysctl.ReadDevice("lo")
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(errGet, unix.EMFILE) || !errors.Is(errDevice, unix.EMFILE) {
		t.Errorf("no more files: %v, %v", errGet, errDevice)
	}
}
