package networkd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
	"xbr-script/internal/testing/nstest"
)

// nic is dom0's interface before a start.
var nic = &host.Link{Index: 2, Name: "eth0"}

// start and stop are the moves of a NIC, and back.
func start(to string, others ...string) manager.Move {
	m := manager.Move{Undertaking: "start xenbr0", From: nic, NIC: nic, NetDev: "eth0", Port: "peth0", To: manager.Interface{Name: to, Index: 9}}
	for _, o := range others {
		m.New = append(m.New, manager.Interface{Name: o})
	}
	return m
}

func stop(from string) manager.Move {
	port := &host.Link{Index: 2, Name: "peth0"}
	return manager.Move{
		Undertaking: "stop xenbr0", From: &host.Link{Index: 9, Name: from}, NIC: port, NetDev: "eth0", Port: "peth0",
		To: manager.Interface{Name: "eth0", Index: 2},
	}
}

// text is what becomes of the files: a "+" before the path of each new one, with its
// text, and a "-" before each that is removed.
func text(changes []change) string {
	var b strings.Builder
	for _, c := range changes {
		sign := map[bool]string{true: "-", false: "+"}[c.to == nil]
		if c.to != nil && c.from != nil {
			sign = "="
		}
		fmt.Fprintln(&b, sign, c.path)
		if c.to != nil {
			b.WriteString(c.to.text)
		}
	}
	return b.String()
}

const (
	byMAC     = "[Match]\nPermanentMACAddress=52:54:00:12:00:00\nName=eth0\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=ipv6\n\n[DHCP]\nRouteMetric=100\nUseMTU=true\n"
	byName    = "[Match]\nName=eth0\n[Network]\nDHCP=yes\n"
	byPattern = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
	allEther  = "[Match]\nType=ether\n[Network]\nDHCP=yes\n"

	netplans = "/run/systemd/network/10-netplan-eth0.network"
	own      = "/etc/systemd/network/50-wan.network"
	why0     = "as long as eth0 is the port peth0 of a bridge (xbr-script)\n"
	others0  = "+ /run/systemd/network/0-xbr-script-peth0.network\n# Left alone, " + why0 + "[Match]\nName=peth0 vif0.0 xenbr0\n\n[Link]\nUnmanaged=yes\n"
)

// TestChanges plans the files for hosts as they are.
func TestChanges(t *testing.T) {
	veth, bridge := start("eth0", "peth0", "vif0.0", "xenbr0"), start("xenbr0", "peth0")
	for name, c := range map[string]struct {
		move  manager.Move
		was   Link
		files []file
		want  string
	}{
		"netplan by MAC": {veth, Link{File: netplans, iaid4: "77"}, []file{{path: netplans, text: byMAC}},
			"+ /run/systemd/network/10-netplan-eth0.network.d/xbr-script-eth0.conf\n# By its name, " + why0 +
				"[Match]\nName=\nPermanentMACAddress=\nName=eth0\n[DHCPv4]\nIAID=77\n" + others0},
		"netplan by MAC, left over": {veth, Link{File: netplans}, []file{{path: netplans, text: byMAC, dropins: []file{
			{path: "/run/systemd/network/10-netplan-eth0.network.d/xbr-script-eth0.conf", text: "[Match]\nName=\nPermanentMACAddress=\nName=eth0\n"},
		}}},
			"= /run/systemd/network/10-netplan-eth0.network.d/xbr-script-eth0.conf\n# By its name, " + why0 + "[Match]\nName=\nPermanentMACAddress=\nName=eth0\n" + others0},
		"by MAC, and the bridge is dom0's": {bridge, Link{File: own}, []file{{path: own, text: "[Match]\nMACAddress=52:54:00:12:00:00\nType=ether\n[Network]\nDHCP=yes\n"}},
			"+ /run/systemd/network/50-wan.network.d/xbr-script-xenbr0.conf\n# By its name, " + why0 + "[Match]\nMACAddress=\nType=\nName=xenbr0\n" +
				"+ /run/systemd/network/0-xbr-script-peth0.network\n# Left alone, " + why0 + "[Match]\nName=peth0\n\n[Link]\nUnmanaged=yes\n"},
		"by MAC, with virtual functions": {veth, Link{File: own}, []file{{path: own, text: "[Match]\nMACAddress=52:54:00:12:00:00\n[Network]\nDHCP=yes\n[SR-IOV]\nVirtualFunction=0\n"}},
			"+ /run/systemd/network/0-xbr-script-eth0.network\n# Of " + own + ", " + why0 + "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n" + others0},
		"by two MACs": {veth, Link{File: own}, []file{{path: own, text: "[Match]\nMACAddress=52:54:00:12:00:00 52:54:00:12:00:01\n[Network]\nDHCP=yes\n"}},
			"+ /run/systemd/network/0-xbr-script-eth0.network\n# Of " + own + ", " + why0 + "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n" + others0},
		"by name, static":    {veth, Link{File: own}, []file{{path: own, text: byName}}, others0},
		"by name, a pattern": {veth, Link{File: own}, []file{{path: own, text: byPattern}}, others0},
		"by name, with leases": {veth, Link{File: own, iaid4: "77", iaid6: "78"}, []file{{path: own, text: byName}},
			"+ /run/systemd/network/50-wan.network.d/xbr-script-eth0.conf\n# The same DHCP client, " + why0 + "[DHCPv4]\nIAID=77\n[DHCPv6]\nIAID=78\n" + others0},
		"a pattern, with a lease": {veth, Link{File: own, iaid4: "77"}, []file{{path: own, text: byPattern}},
			"+ /run/systemd/network/0-xbr-script-eth0.network\n# Of " + own + ", " + why0 + "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n[DHCPv4]\nIAID=77\n" + others0},
		"the bridge is dom0's": {bridge, Link{File: own}, []file{{path: own, text: byName}},
			"+ /run/systemd/network/0-xbr-script-xenbr0.network\n# Of " + own + ", " + why0 + "[Match]\nName=xenbr0\n\n[Network]\nDHCP=yes\n" +
				"+ /run/systemd/network/0-xbr-script-peth0.network\n# Left alone, " + why0 + "[Match]\nName=peth0\n\n[Link]\nUnmanaged=yes\n"},
		"all that is Ethernet": {veth, Link{File: own}, []file{{path: own, text: allEther}},
			"+ /run/systemd/network/0-xbr-script-eth0.network\n# Of " + own + ", " + why0 + "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n" + others0 +
				"+ /run/systemd/network/50-wan-xbr-script-peth0.network\n# Left alone, " + why0 + "[Match]\nName=vif*\n\n[Link]\nUnmanaged=yes\n"},
		"guests' ports are meant": {veth, Link{File: own}, []file{{path: "/etc/systemd/network/40-vif.network", text: "[Match]\nName=vif*\n[Network]\nBridge=xenbr1\n"}, {path: own, text: byName}, {path: "/z/99-all.network", text: allEther}},
			others0},
		"drop-ins": {veth, Link{File: own}, []file{{path: own, text: "# A comment\n[Match]\nName=\\\n  eth0 \\\n# [Match]\n  eth1\nType=ether\n[Network]\nDescription=a \\\n[Match] b\nDNS=192.168.0.1\n[SR-IOV]\nVirtualFunction=0\n", dropins: []file{
			{path: own + ".d/a.conf", text: "[Match]\nHost=here\n[Network]\nKeepConfiguration=yes\n"}, {path: own + ".d/b.conf", text: "[Address]\nAddress=192.168.0.2/24"},
		}}},
			"+ /run/systemd/network/0-xbr-script-eth0.network\n# Of " + own + ", " + why0 + "[Match]\nName=eth0\n\n# A comment\n" +
				"[Network]\nDescription=a \\\n[Match] b\nDNS=192.168.0.1\n[Network]\nKeepConfiguration=yes\n[Address]\nAddress=192.168.0.2/24\n" + others0},
		"its file is gone":     {veth, Link{File: own}, nil, others0},
		"a name that is a joy": {start("eth[0]", "peth0"), Link{File: own}, []file{{path: own, text: byMAC}}, ""},
		"left over": {veth, Link{File: own}, []file{{path: "/run/systemd/network/0-xbr-script-eth0.network", text: "x"}, {path: "/run/systemd/network/0-xbr-script-peth0.network", text: "y"}, {path: own, text: byName}},
			"=" + others0[1:] + "- /run/systemd/network/0-xbr-script-eth0.network\n"},
		"stop": {stop("eth0"), Link{File: own}, []file{
			{path: "/run/systemd/network/0-xbr-script-eth0.network"}, {path: "/run/systemd/network/0-xbr-script-peth0.network"},
			{path: "/run/systemd/network/50-wan-xbr-script-peth0.network"}, {path: "/run/systemd/network/50-wan-xbr-script-peth1.network"},
			{path: own, text: byName, dropins: []file{{path: "/run/systemd/network/50-wan.network.d/xbr-script-eth0.conf"}, {path: "/run/systemd/network/50-wan.network.d/xbr-script-eth1.conf"}}},
		}, "- /run/systemd/network/0-xbr-script-eth0.network\n- /run/systemd/network/0-xbr-script-peth0.network\n" +
			"- /run/systemd/network/50-wan-xbr-script-peth0.network\n- /run/systemd/network/50-wan.network.d/xbr-script-eth0.conf\n"},
		"stop of the bridge": {stop("xenbr0"), Link{File: own}, []file{{path: "/run/systemd/network/0-xbr-script-xenbr0.network"}}, "- /run/systemd/network/0-xbr-script-xenbr0.network\n"},
		"stop, and the NIC has the addresses": {
			manager.Move{From: nic, NIC: nic, NetDev: "eth0", Port: "peth0", To: manager.Interface{Name: "eth0", Index: 2}}, Link{File: own},
			[]file{{path: "/run/systemd/network/0-xbr-script-eth0.network"}, {path: own, text: byMAC}}, "- /run/systemd/network/0-xbr-script-eth0.network\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := &known{files: c.files}
			for _, f := range c.files {
				for _, o := range append([]file{f}, f.dropins...) {
					if strings.Contains(o.path, mark) {
						k.ours = append(k.ours, o)
					}
				}
			}
			if got := text(k.changes(c.move, c.was)); got != c.want {
				t.Errorf("%s\nand not\n%s", got, c.want)
			}
		})
	}
}

// TestMatch holds conditions against a guest's port.
func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                false, // such a file is ignored
		"[Network]\nDHCP=yes":             false,
		"[Match]\nName=eth0":              false,
		"[Match]\nName=eth0 vif*":         true,
		"[Match]\nName=!eth0":             true,
		"[Match]\nName=!vif* eth0":        false,
		"[Match]\nName=v[!a]f?.0":         true,
		"[Match]\nName=v[!i]f?.0":         false,
		"[Match]\nName=[":                 false,
		"[Match]\nName=eth0\nName=*":      true,
		"[Match]\nName=vif*\nName=\n":     false,
		"[Match]\nType=ether":             true,
		"[Match]\nType=ether\nKind=!*":    true,
		"[Match]\nType=ether\nKind=veth":  false,
		"[Match]\nType=wlan":              false,
		"[Match]\nDriver=e1000":           false,
		"[Match]\nDriver=\"vif\"":         true,
		"[Match]\nMACAddress=00:16:3e:0":  false,
		"[Match]\nPermanentMACAddress=*":  false,
		"[Match]\nHost=xen1":              true,
		"[Match]\n;Name=vif*\n#x\nPath=*": true,
	} {
		if got := matchOf(text).fits(aGuests); got != want {
			t.Errorf("%q fits: %t", text, got)
		}
	}
}

// TestKnown reads files in the order in which systemd-networkd does.
func TestKnown(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		own: byName, "/run/systemd/network/50-wan.network": "hidden", netplans: byMAC,
		"/usr/lib/systemd/network/80-x.network": "hidden", "/lib/systemd/network/90-last.network": "last",
		"/etc/systemd/network/50-wan.network.d/b.conf": "b", "/run/systemd/network/50-wan.network.d/a.conf": "a",
		"/run/systemd/network/50-wan.network.d/xbr-script-eth0.conf": "mine", "/run/systemd/network/0-xbr-script-peth0.network": "mine, too",
		"/etc/systemd/network/a.netdev": "no", "/etc/systemd/network/.b.network": "no", "/etc/systemd/network/50-wan.network.d/c.txt": "no",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"80-x.network": "/dev/null", "85-x.network": "nowhere"} {
		if err := os.Symlink(to, root+"/etc/systemd/network/"+name); err != nil {
			t.Fatal(err)
		}
	}
	k := &known{}
	if err := k.readFiles(root); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range k.files {
		got = append(got, f.path, fmt.Sprint(f.mode, f.group == os.Getgid()))
		for _, d := range f.dropins {
			got = append(got, d.path)
		}
	}
	for _, f := range k.ours {
		got = append(got, f.path+" is ours")
	}
	want := "/run/systemd/network/0-xbr-script-peth0.network -rw------- true " + netplans + " -rw------- true " + own + " -rw------- true " +
		"/run/systemd/network/50-wan.network.d/a.conf /etc/systemd/network/50-wan.network.d/b.conf /run/systemd/network/50-wan.network.d/xbr-script-eth0.conf " +
		"/lib/systemd/network/90-last.network -rw------- true " +
		"/run/systemd/network/0-xbr-script-peth0.network is ours /run/systemd/network/50-wan.network.d/xbr-script-eth0.conf is ours"
	if strings.Join(got, " ") != want {
		t.Errorf("%s\nand not\n%s", strings.Join(got, " "), want)
	}
	if k.find(own) == nil || k.find("/nowhere") != nil || k.find(own).text != byName {
		t.Error("it does not find a file by its path")
	}
}

// TestHidden refuses a plan for which a file would have to be read that is hidden.
func TestHidden(t *testing.T) {
	k := &known{
		links: map[int]Link{2: {State: "configured", File: own}},
		files: []file{{path: netplans, hidden: true}, {path: own, text: byName, dropins: []file{{path: own + ".d/a.conf"}}}},
	}
	if err := k.readable(); err != nil {
		t.Error(err)
	}
	k.files[1].dropins[0].hidden = true
	err := k.readable()
	if hidden, ok := errors.AsType[*manager.Hidden](err); !ok || hidden.Path != own+".d/a.conf" || refusal.Advice(err) != "run it with sudo" {
		t.Error(err)
	}
}

// TestIdentities reads by what a DHCP server knows the NIC.
func TestIdentities(t *testing.T) {
	for name, c := range map[string]struct{ lease, state, iaid4, iaid6 string }{
		"none":        {"", "", "", ""},
		"both":        {"CLIENTID=ff9ac3e7b900020000ab11d6a8a3", "DHCP6_CLIENT_IAID=0x9ac3e7b9", "2596530105", "2596530105"},
		"by MAC":      {"CLIENTID=01525400120000", "", "", ""},
		"no identity": {"CLIENTID=", "DHCP6_CLIENT_IAID=", "", ""},
		"short":       {"CLIENTID=ff9ac3e7", "DHCP6_CLIENT_IAID=0x19ac3e7b9", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t)
			index := s.index("eth0")
			nstest.Script(t, "mkdir -p "+leasesDir)
			if err := os.WriteFile(filepath.Join(leasesDir, fmt.Sprint(index)), []byte(c.lease+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(linksDir, fmt.Sprint(index))
			if err := os.WriteFile(path, []byte("ADMIN_STATE=configured\n"+c.state+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if l := linkOf(t, index); l.iaid4 != c.iaid4 || l.iaid6 != c.iaid6 {
				t.Errorf("%+v", l)
			}
		})
	}
}

// TestFile writes files and removes them, and nothing else, whatever the umask is.
func TestFile(t *testing.T) {
	newStates(t)
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	content, next := "[Match]\nName=eth0\n", "next"
	in := func(path string, content *string) *File {
		return &File{Path: path, Content: content, Mode: 0o640, Group: 0}
	}
	const dropin = runConfig + "/50-wan.network.d/xbr-script-eth0.conf"
	for _, f := range []*File{in(runConfig+"/0-xbr-script-eth0.network", &content), in(runConfig+"/0-xbr-script-eth0.network", &next), in(dropin, &content)} {
		if err := f.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := os.Stat(filepath.Dir(f.Path))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(f.Path); string(got) != *f.Content || info.Mode() != 0o640 || dir.Mode().Perm() != 0o755 {
			t.Errorf("%s: %q, %v, in %v", f.Path, got, info.Mode(), dir.Mode())
		}
	}
	for _, path := range []string{runConfig + "/0-xbr-script-eth0.network", dropin, dropin, runConfig + "/0-xbr-script-none.network"} {
		if err := in(path, nil).Do(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	if left := strings.TrimSpace(nstest.Run(t, "find", runConfig)); left != runConfig {
		t.Errorf("left: %s", left)
	}
	for _, path := range []string{"/etc/passwd", runConfig + "/10-netplan-eth0.network", "/etc/xbr-script-x", runConfig + "/../xbr-script-x", runConfig + "/a/b/xbr-script-x"} {
		if err := in(path, &content).Do(t.Context(), true); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if got, want := strings.Join(in(dropin, &content).Commands(), "\n"), "mkdir -p /run/systemd/network/50-wan.network.d\n"+
		`printf '%s\n' '[Match]' Name=eth0 >/run/systemd/network/50-wan.network.d/xbr-script-eth0.conf`+
		"\nchmod 640 "+dropin+"\nchgrp 0 "+dropin; got != want {
		t.Errorf("%s\nand not\n%s", got, want)
	}
}

// TestFind: systemd-networkd may name the folder of its file otherwise.
func TestFind(t *testing.T) {
	k := &known{files: []file{{path: "/usr/lib/systemd/network/80-wired.network"}, {path: own}}}
	for path, want := range map[string]string{
		"/lib/systemd/network/80-wired.network": "/usr/lib/systemd/network/80-wired.network", own: own, "/lib/systemd/network/x.network": "",
	} {
		got := ""
		if f := k.find(path); f != nil {
			got = f.path
		}
		if got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
