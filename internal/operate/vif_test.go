package operate

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xbr-script/internal/config"
	"xbr-script/internal/testing/nstest"
	"xbr-script/internal/testing/xenstored"
	"xbr-script/internal/vif"
)

// hotplugLab is a dom0 with one bridge and a guest's port, which xenstore knows.
type hotplugLab struct {
	*testing.T
	notes, trace []string
}

func newHotplugLab(t *testing.T, antispoof string) *hotplugLab {
	t.Helper()
	nstest.New(t)
	nstest.IPTables(t, "nft")
	nstest.Script(t, matrixHost)
	dir := t.TempDir()
	for name, value := range map[string]string{"bridge": "xenbr0", "mac": "00:16:3e:00:00:11", "ip": "192.168.0.11 2001:db8::11", "vifname": "web", "mtu": "1400"} {
		file := dir + "/local/domain/0/backend/vif/1/0/" + name
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	xenstored.Start(t, dir)
	must(t, "start antispoof="+antispoof)
	nstest.Script(t, `
		ip link add vif1.0 address 00:16:3e:00:00:09 type veth peer name g1
		ip link set g1 addrgenmode none
		ip addr add 192.0.2.1/24 dev vif1.0
		ip link set vif1.0 up`)
	nstest.Rest(t)
	return &hotplugLab{T: t}
}

// call calls the script, with a fault at the nth moment; none if there are not so many.
func (h *hotplugLab) call(command string, nth int) error {
	h.Helper()
	env := map[string]string{"vif": "vif1.0", "XENBUS_PATH": "backend/vif/1/0"}
	call, err := vif.Parse([]string{command, "type_if=vif"}, func(name string) string { return env[name] })
	if err != nil {
		h.Fatal(err)
	}
	c := &Call{Request: &config.Request{}, Name: vif.Script, Args: []string{command}}
	c.Note = func(text string) { h.notes = append(h.notes, text) }
	c.Trace = func(line string) { h.trace = append(h.trace, line) }
	moment := 0
	c.hook = func(int, bool) error {
		if moment++; moment == nth {
			return errors.New("the test's fault")
		}
		return nil
	}
	return c.Hotplug(h.Context(), call)
}

// rules are all that decides about packets.
func (h *hotplugLab) rules() string {
	h.Helper()
	return nstest.Rules(h) + nstest.Script(h, "nft list tables; ! nft list table bridge xbr-xenbr0 2>/dev/null | grep -c web") + nstest.Script(h, "ls /run/xbr-script")
}

// TestHotplugFails makes each step of a guest's coming fail: nothing is left of it, and
// without a fault it comes.
func TestHotplugFails(t *testing.T) {
	for _, antispoof := range []string{"strict", "yes"} {
		if testing.Short() && antispoof != "strict" {
			continue
		}
		t.Run(antispoof, func(t *testing.T) {
			h := newHotplugLab(t, antispoof)
			before, rules := nstest.ReadState(h), h.rules()
			cases := 0
			for nth := 1; ; nth++ {
				err := h.call("online", nth)
				if err == nil {
					break
				}
				cases++
				if diff := nstest.Settled(h, before, nstest.Whole); diff != "" || !strings.Contains(err.Error(), "the test's fault") {
					t.Fatalf("after fault %d: %v\n%s", nth, err, diff)
				}
				if now := h.rules(); now != rules {
					t.Fatalf("after fault %d the rules are\n%s\nand were\n%s", nth, now, rules)
				}
			}
			if cases < 6 || len(h.notes) > 0 {
				t.Errorf("%d cases; %q", cases, h.notes)
			}
			if err := h.call("offline", 0); err != nil {
				t.Error(err)
			}
			if now := h.rules(); now != rules {
				t.Errorf("after it has gone the rules are\n%s\nand were\n%s", now, rules)
			}
		})
	}
}

// TestHotplugOrder has a guest admitted before its port is in the bridge, and up.
func TestHotplugOrder(t *testing.T) {
	h := newHotplugLab(t, "strict")
	if err := h.call("online", 0); err != nil {
		t.Fatal(err)
	}
	at := func(words string) int {
		return slices.IndexFunc(h.trace, func(line string) bool { return strings.Contains(line, words) })
	}
	admitted, joined, up := at(`"web" . 00:16:3e:00:00:11`), at("ip link set dev web master xenbr0"), at("ip link set dev web up")
	if admitted < 0 || joined < admitted || up < admitted {
		t.Errorf("admitted %d, joined %d, up %d:\n%s", admitted, joined, up, strings.Join(h.trace, "\n"))
	}
	h.trace = nil
	if err := h.call("offline", 0); err != nil {
		t.Fatal(err)
	}
	if dismissed, left := at("delete element"), at("ip link set dev web nomaster"); left < 0 || dismissed < left {
		t.Errorf("left %d, dismissed %d:\n%s", left, dismissed, strings.Join(h.trace, "\n"))
	}
}
