package dhcpcd

import (
	"reflect"
	"strings"
	"testing"

	"xbr-script/internal/manager"
)

// TestScope says which of eth0, eth1, peth0, and the bridge br0 a dhcpcd looks after.
func TestScope(t *testing.T) {
	for _, c := range []struct{ words, conf, want string }{
		{"", "", "eth0 eth1 peth0"},
		{"-b -q -f /etc/x", "", "eth0 eth1 peth0"},
		{"eth0 eth1", "", "eth0 eth1"},
		{"-h eth1 -M eth0", "", "eth0"}, // eth1 is the host's name
		{"-bheth1 --metric 7 --vendor=x eth0", "", "eth0"},
		{"--background -- eth0 -x", "", "eth0"},
		{"eth0 br0", "", "eth0 br0"},
		{"-Z eth0,eth1", "", "peth0"},
		{"--denyinterfaces=xbr-script@peth0,peth0,vif* --denyinterfaces eth1", "", "eth0"},
		{"-z eth*", "", "eth0 eth1"},
		{"-z br0", "", "br0"},
		{"-f /etc/else", "denyinterfaces *", "eth0 eth1 peth0"},
		{"", "# x\ndenyinterfaces peth* vif*\n", "eth0 eth1"},
		{"", "denyinterfaces eth1,\\\npeth*", "eth0"},
		{"", "allowinterfaces\teth[!1]", "eth0"},
		{"", "denyinterfaces wlan0\ninterface br0\nstatic x\ndenyinterfaces eth0\n", "eth0 eth1 peth0 br0"},
	} {
		client := &client{path: "/sbin/dhcpcd", pid: 77, all: true}
		client.root = files{"proc/77/cmdline": "dhcpcd\x00" + strings.ReplaceAll(c.words, " ", "\x00") + "\x00", "etc/dhcpcd.conf": c.conf}.root(t)
		if c.words == "" {
			client.root = files{"proc/77/cmdline": "dhcpcd\x00", "etc/dhcpcd.conf": c.conf}.root(t)
		}
		s, err := client.scope()
		var got []string
		for _, dev := range []string{"eth0", "eth1", "peth0", "br0"} {
			if s.has(dev, dev == "br0") {
				got = append(got, dev)
			}
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%q, %q: %q, %v, want %q", c.words, c.conf, got, err, c.want)
		}
	}
}

// TestWarns says what comes of it if somebody runs one for all anew, unless it is a
// service or keeps away from the NIC anyway.
func TestWarns(t *testing.T) {
	for name, c := range map[string]struct {
		files files
		unit  string
		want  int
	}{
		"for all":            {files{"run/dhcpcd/pid": "77"}, "", 1},
		"for all, a service": {files{"run/dhcpcd/pid": "77"}, "dhcpcd.service", 0},
		"for all but such":   {files{"run/dhcpcd/pid": "77", "etc/dhcpcd.conf": "denyinterfaces peth*"}, "", 0},
		"for it alone":       {files{"run/dhcpcd/eth0.pid": "77"}, "", 0},
	} {
		c.files["proc/77/cmdline"] = "dhcpcd\x00"
		m := Manager{Root: c.files.root(t), UnitOf: func(int, string) (string, error) { return c.unit, nil }}
		texts, err := m.Warnings([]manager.Move{move(false)})
		if err != nil || len(texts) != c.want {
			t.Errorf("%s: %q, %v", name, texts, err)
		}
	}
}

// TestToldOf: of its configuration a file that stands for the host has what is read, and
// no secret.
func TestToldOf(t *testing.T) {
	const text = "authtoken 1 x forever secret\ndenyinterfaces eth1 \\\n peth*\ninterface eth0\nstatic ip_address=192.0.2.1/24\nallowinterfaces x\n"
	told := toldOf(configFile, text)
	if told != "denyinterfaces eth1   peth*\ninterface eth0\n" {
		t.Errorf("%q", told)
	}
	var all, some scope
	all.read(text)
	some.read(told)
	if !reflect.DeepEqual(all, some) {
		t.Errorf("%+v, but by what is told %+v", all, some)
	}
	if pid := toldOf("/run/dhcpcd/pid", "77\n"); pid != "77\n" {
		t.Errorf("%q", pid)
	}
}
