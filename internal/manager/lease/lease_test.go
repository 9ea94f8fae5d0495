package lease

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/manager"
	"xbr-script/internal/refusal"
	"xbr-script/internal/rtnl"
)

// process is one of a host: its name, its command line, and the network namespace that
// it is in, if it is another.
type process struct{ comm, args, ns string }

// fakeHost makes a folder with the files of a host.
func fakeHost(t *testing.T, processes []process, files ...string) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as on a host
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inNS := func(dir, ns string) {
		write(dir+"/ns/x", "")
		if err := os.Symlink("net:["+ns+"]", filepath.Join(root, dir)+"/ns/net"); err != nil {
			t.Fatal(err)
		}
	}
	inNS("proc/thread-self", "1")
	for i, p := range processes {
		dir := "proc/" + string(rune('1'+i)) + "0"
		write(dir+"/comm", p.comm+"\n")
		write(dir+"/cmdline", strings.ReplaceAll(p.args, " ", "\x00")+"\x00")
		inNS(dir, "1"+p.ns)
	}
	for _, name := range files {
		write(name, "")
	}
	return root
}

// addr is an address that expires.
func addr(family uint8) rtnl.Msg {
	m := rtnl.Msg{Type: unix.RTM_NEWADDR, Body: []byte{family, 24, 0, 0, 2, 0, 0, 0}}
	ip := net.IPv4(192, 0, 2, 9).To4()
	if family == unix.AF_INET6 {
		ip = net.ParseIP("2001:db8::9")
	}
	info := make([]byte, 16)
	binary.NativeEndian.PutUint32(info[4:], 300)
	return m.With(unix.IFA_ADDRESS, ip).With(unix.IFA_CACHEINFO, info)
}

// leaving is a start that moves eth0's addresses to an interface of that name.
func leaving(to string, expiring ...rtnl.Msg) manager.Move {
	nic := &host.Link{Index: 2, Name: "eth0", MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}}
	return manager.Move{Undertaking: "start xenbr0", From: nic, NIC: nic, To: manager.Interface{Name: to}, Expiring: expiring}
}

// TestAround has each keeper of a lease that is known and others, and none.
func TestAround(t *testing.T) {
	v4, v6 := addr(unix.AF_INET), addr(unix.AF_INET6)
	const nobody4, nobody6 = "it is not known who renews 192.0.2.9/24 of eth0, which expires in 300 s", "it is not known who renews 2001:db8::9/24 of eth0, which expires in 300 s"
	for name, c := range map[string]struct {
		running []process
		move    manager.Move
		any     bool
		kept    bool
		refused string // part of the error; "": it is not refused
	}{
		"no lease":                     {move: leaving("eth0")},
		"nobody":                       {move: leaving("eth0", v4), refused: nobody4},
		"nobody, IPv6":                 {move: leaving("eth0", v6), refused: nobody6},
		"nobody, and none has to":      {move: leaving("eth0", v4, v6), any: true},
		"a manager":                    {move: leaving("eth0", v4, v6), kept: true},
		"dhclient":                     {running: []process{{"dhclient", "/sbin/dhclient -4 -v -pf /run/x.pid eth0", ""}}, move: leaving("eth0", v4)},
		"dhclient, IPv6 by nobody":     {running: []process{{"dhclient", "dhclient eth0", ""}}, move: leaving("eth0", v4, v6), refused: nobody6},
		"dhclient for both":            {running: []process{{"dhclient", "dhclient eth0", ""}, {"dhclient", "dhclient -6 eth0", ""}}, move: leaving("eth0", v4, v6)},
		"dhclient for all":             {running: []process{{"dhclient", "dhclient -q", ""}}, move: leaving("eth0", v4)},
		"dhclient for another":         {running: []process{{"dhclient", "dhclient eth1", ""}}, move: leaving("eth0", v4), refused: nobody4},
		"dhclient elsewhere":           {running: []process{{"dhclient", "dhclient eth0", "7"}}, move: leaving("eth0", v4), refused: nobody4},
		"udhcpc":                       {running: []process{{"udhcpc", "udhcpc -b -i eth0", ""}}, move: leaving("eth0", v4)},
		"udhcpc of busybox":            {running: []process{{"busybox", "busybox udhcpc -ieth0", ""}}, move: leaving("eth0", v4)},
		"udhcpc, not told of any":      {running: []process{{"udhcpc", "udhcpc", ""}}, move: leaving("eth0", v4)},
		"udhcpc6":                      {running: []process{{"udhcpc6", "udhcpc6 --interface=eth0", ""}}, move: leaving("eth0", v6)},
		"udhcpc of IPv4":               {running: []process{{"udhcpc", "udhcpc -i eth0", ""}}, move: leaving("eth0", v6), refused: nobody6},
		"busybox does something else":  {running: []process{{"busybox", "busybox sh eth0", ""}}, move: leaving("eth0", v4), refused: nobody4},
		"busybox, by another name":     {running: []process{{"busybox", "-sh", ""}}, move: leaving("eth0", v4), refused: nobody4},
		"it has ended":                 {running: []process{{"dhclient", "", ""}}, move: leaving("eth0")},
		"by a name that goes away":     {running: []process{{"dhclient", "dhclient eth0", ""}}, move: leaving("xenbr0", v4), refused: "dhclient (pid 10) renews a lease by the name eth0, which no interface has then"},
		"so, without an address of it": {running: []process{{"udhcpc", "udhcpc -i eth0", ""}}, move: leaving("xenbr0"), refused: "udhcpc (pid 10) renews a lease by the name eth0"},
		"another's, by that name":      {running: []process{{"dhclient", "dhclient eth1", ""}}, move: leaving("xenbr0")},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{
				Call: "xbr-script start", Root: fakeHost(t, c.running), Links: []string{"lo", "eth0", "eth1"},
				Kept: func(manager.Move) (bool, error) { return c.kept, nil },
			}
			c.move.AnyLease = c.any
			before, after, err := m.Around([]manager.Move{c.move})
			bound := slices.ContainsFunc(c.running, func(p process) bool { return p.args == "dhclient -6 eth0" })
			if len(before) > 0 || (len(after) == 1) != bound {
				t.Errorf("steps: %v, %v", before, after)
			}
			if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.HasPrefix(err.Error(), "cannot start xenbr0: "+c.refused)) {
				t.Errorf("%v", err)
			}
			if strings.HasPrefix(c.refused, "it is not known") && !strings.HasSuffix(refusal.Text(err), "give: xbr-script start lease=any\n") {
				t.Errorf("the hint: %s", refusal.Text(err))
			}
		})
	}
}

// TestOthers refuses a start, and no stop, of what connman or wicked look after.
func TestOthers(t *testing.T) {
	told := func(args string) []process { return []process{{"connmand", args, ""}} }
	connman, wicked := told("connmand -n"), []process{{"wickedd", "/usr/sbin/wickedd", ""}}
	const service, info = "var/lib/connman/ethernet_00163e000001_cable/settings", "run/wicked/leaseinfo.eth0.dhcp.ipv4"
	for name, c := range map[string]struct {
		running []process
		file    string
		refused string
	}{
		"connman":             {connman, service, "connman"},
		"of another NIC":      {told("connmand -i eth1"), "var/lib/connman/ethernet_00163e000002_cable/settings", ""},
		"told since":          {told("connmand -I eth0,peth*,vif*"), service, ""},
		"connman has ended":   {nil, service, ""},
		"wicked":              {wicked, info, "wicked"},
		"wicked of another":   {wicked, "run/wicked/leaseinfo.eth1.dhcp.ipv4", ""},
		"wicked, elsewhere":   {[]process{{"wickedd", "wickedd", "7"}}, info, ""},
		"of the other's file": {told("connmand --device=eth1"), info, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Root: fakeHost(t, c.running, c.file)}
			move := leaving("eth0")
			move.Port = "peth0"
			_, _, err := m.Around([]manager.Move{move})
			if (err == nil) != (c.refused == "") || err != nil &&
				err.Error() != "cannot start xenbr0: "+c.refused+" looks after eth0, and does not follow to another interface" {
				t.Errorf("%v", err)
			}
			move.From = &host.Link{Index: 7, Name: "eth0", MAC: move.NIC.MAC}
			if _, _, err := m.Around([]manager.Move{move}); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

// TestByKernel tells addresses that the kernel renews from others.
func TestByKernel(t *testing.T) {
	v6 := addr(unix.AF_INET6)
	v6.Body[1] = 64
	proto := func(p byte) rtnl.Msg { return v6.With(ifaProto, []byte{p}) }
	flag := func(f byte) rtnl.Msg {
		m := rtnl.Msg{Type: v6.Type, Body: append([]byte(nil), v6.Body...)}
		m.Body[2] = f
		return m
	}
	wide := addr(unix.AF_INET6)
	wide.Body[1] = 128
	for name, c := range map[string]struct {
		addr             rtnl.Msg
		telling, guessed bool // what is found on a kernel that tells, and on another
	}{
		"IPv4":          {addr(unix.AF_INET), false, false},
		"by hand":       {v6, false, true},
		"by a router":   {proto(2), true, true},
		"temporary":     {flag(unix.IFA_F_TEMPORARY), true, true},
		"was temporary": {proto(host.TemporaryProto), true, true},
		"makes them":    {v6.With(unix.IFA_FLAGS, rtnl.U32Bytes(unix.IFA_F_MANAGETEMPADDR)), true, true},
		"by dhcpcd":     {v6.With(unix.IFA_FLAGS, rtnl.U32Bytes(unix.IFA_F_MANAGETEMPADDR|unix.IFA_F_NOPREFIXROUTE)), false, true},
		"was moved":     {proto(2).With(unix.IFA_FLAGS, rtnl.U32Bytes(unix.IFA_F_MANAGETEMPADDR|unix.IFA_F_NOPREFIXROUTE)), true, true},
		"by DHCPv6":     {wide, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if is := ByKernel(c.addr, true, true); is != c.telling {
				t.Errorf("it tells: %t", is)
			}
			if is := ByKernel(c.addr, false, true); is != c.guessed {
				t.Errorf("it does not: %t", is)
			}
		})
	}
	if ByKernel(v6, false, false) {
		t.Error("no routers are heard")
	}
}

// TestKeeper names the DHCP clients that look after eth0.
func TestKeeper(t *testing.T) {
	for name, c := range map[string]struct {
		processes []process
		want      string
	}{
		"none":             {nil, ""},
		"another program":  {[]process{{"sh", "sh eth0", ""}}, ""},
		"dhclient":         {[]process{{"dhclient", "dhclient -4 eth0", ""}}, "dhclient, eth0"},
		"of both families": {[]process{{"dhclient", "dhclient -6 eth0", ""}, {"dhclient", "dhclient eth0", ""}}, "dhclient and dhclient -6, eth0"},
		"of another":       {[]process{{"udhcpc", "udhcpc -i eth1", ""}}, ""},
		"elsewhere":        {[]process{{"udhcpc", "udhcpc -i eth0", "7"}}, ""},
		"connman":          {[]process{{"connmand", "connmand -n", ""}}, "connman, eth0"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Manager{Root: fakeHost(t, c.processes, "var/lib/connman/ethernet_00163e000001_cable/settings"), Links: []string{"eth0", "eth1"}}
			keeper, err := m.Keeper(t.Context(), manager.AtRest(manager.Move{From: &host.Link{Index: 2, Name: "eth0", MAC: net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 1}}}))
			got := ""
			if keeper != nil {
				got = keeper.String()
			}
			if err != nil || got != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}
