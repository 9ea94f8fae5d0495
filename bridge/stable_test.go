package bridge

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge/divert"
	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/sysctl"
	"xbr-script/internal/testing/nstest"
)

const stableHost = `sysctl -qw net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
ip link add dev eth0 address 00:16:3e:00:00:01 type veth peer name lan0
sysctl -qw net/ipv6/conf/lan0/disable_ipv6=1
sysctl -qw net/ipv6/conf/eth0/stable_secret=2001:db8::5ec
ip link set lan0 up
ip link set eth0 up
ip addr add 192.0.2.2/24 brd + dev eth0
`

var stableRA = nstest.Advert{Lifetime: time.Hour, Prefixes: []nstest.AdvertPrefix{
	{Prefix: "2001:db8:1::/64", Valid: time.Hour, Preferred: time.Hour}, {Prefix: "2001:db8:2::/64", Valid: time.Hour, Preferred: time.Hour},
}}

// TestStableAsKernel compares the kernel's stable addresses with those that
// this package works out.
func TestStableAsKernel(t *testing.T) {
	l := newStableLab(t)
	nstest.Advertise(t, "lan0", stableRA)
	nstest.Rest(t)
	h := l.read()
	k := (&builder{h: h}).makerOn(h.Name("eth0"), h.Settings("eth0"))
	n := 0
	for _, m := range h.State(h.Name("eth0").Index).Addrs6 {
		addr, _ := netip.AddrFromSlice(m.Get(unix.IFA_ADDRESS))
		if m.MakesTemporary() {
			n++
			if !k.makes(addr) {
				t.Errorf("%s is not one that the kernel makes", addr)
			}
		}
	}
	if k.perm = (net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 9}); n != 2 || k.makes(netip.MustParseAddr("2001:db8:1::1")) {
		t.Errorf("%d addresses", n)
	}
}

// TestStandIn moves the stable addresses of a NIC that has a permanent MAC
// address. No virtual NIC has one, so the snapshot is made to say so.
func TestStandIn(t *testing.T) {
	for _, c := range []struct {
		name     string
		prefixes []string
	}{{"one prefix", []string{"2001:db8:1::"}}, {"two prefixes", []string{"2001:db8:1::", "2001:db8:2::"}}} {
		for _, onBridge := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", dom0=bridge"}[onBridge], func(t *testing.T) {
				t.Parallel()
				l := newStableLab(t)
				if onBridge {
					l.want = Spec{Bridge: "eth0", NetDev: "eth0", PDev: "peth0", VDev: "beth0", Shape: OnBridge}
				}
				var had []string
				for _, p := range c.prefixes {
					addr := l.born(p)
					had = append(had, addr)
					nstest.Run(t, "ip", "addr", "add", addr+"/64", "dev", "eth0", "valid_lft", "3000", "preferred_lft", "2000", "mngtmpaddr")
				}
				pl := l.run(true)
				token := strings.TrimSpace(nstest.Run(t, "ip", "token", "get", "dev", "eth0"))
				nstest.Advertise(t, "lan0", nstest.Advert{Lifetime: time.Hour, Prefixes: stableRA.Prefixes[:len(c.prefixes)]})
				time.Sleep(300 * time.Millisecond)
				addrs := nstest.Run(t, "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global")
				if len(had) == 1 {
					if len(pl.Warnings) != 0 || token == "token :: dev eth0" || strings.Count(addrs, "\n") != 1 ||
						!strings.Contains(addrs, had[0]) || !strings.Contains(addrs, "preferred_lft 359") && !strings.Contains(addrs, "preferred_lft 3600") {
						t.Errorf("%q, %s\n%s", pl.Warnings, token, addrs)
					}
				} else if len(pl.Warnings) != 1 || !strings.Contains(pl.Warnings[0], had[0]+", "+had[1]) || !strings.HasPrefix(pl.Commands()[0], "# warning: ") {
					t.Errorf("%q", pl.Warnings)
				}
				for _, addr := range had {
					if !strings.Contains(addrs, addr) {
						t.Errorf("%s is gone:\n%s", addr, addrs)
					}
				}
				l.run(false)
				if token := nstest.Run(t, "ip", "token", "get", "dev", "eth0"); token != "token :: dev eth0\n" {
					t.Errorf("after stop: %s", token)
				}
			})
		}
	}
}

type stableLab struct {
	t     *testing.T
	conn  *rtnl.Conn
	store Store
	want  Spec
}

func newStableLab(t *testing.T) *stableLab {
	t.Helper()
	nstest.New(t)
	nstest.Script(t, stableHost)
	nstest.Rest(t)
	conn, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := Spec{Bridge: "xenbr0", NetDev: "eth0", PDev: "peth0", VDev: "veth0", VIF: "vif0.0"}
	return &stableLab{t, conn, Store{Dir: t.TempDir()}, w}
}

var nicPerm = net.HardwareAddr{0, 0x16, 0x3e, 0, 0, 9}

// read is a snapshot in which the NIC has a permanent MAC address.
func (l *stableLab) read() *host.Host {
	l.t.Helper()
	h, err := host.Read(l.conn)
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

// born is the stable address that such a NIC would have.
func (l *stableLab) born(prefix string) string {
	l.t.Helper()
	h := l.read()
	nic := *h.Name("eth0")
	nic.Perm = nicPerm
	a := netip.MustParseAddr(prefix).As16()
	k := (&builder{h: h}).makerOn(&nic, h.Settings("eth0"))
	id := k.stable([8]byte(a[:8]), 0)
	copy(a[8:], id[:])
	return netip.AddrFrom16(a).String()
}

func (l *stableLab) run(start bool) *plan.Plan {
	l.t.Helper()
	h := l.read()
	for _, l := range h.Links {
		if l.MAC.String() == "00:16:3e:00:00:01" && l.Name == "eth0" && l.Index < 4 || l.Name == "peth0" {
			l.Perm = nicPerm
		}
	}
	p := &Planner{Conn: l.conn, Host: h, Store: l.store}
	do, join := p.Stop, plan.Down
	if start {
		do, join = p.Start, plan.Up
	}
	part, err := do([]Spec{l.want})
	pl := join(part)
	if err == nil {
		r := &plan.Runner{Dir: l.store.Dir, Kinds: plan.Merge(netop.Kinds(l.conn), sysctl.Kinds(), divert.Kinds(), Kinds(l.conn)), Command: "test"}
		err = r.Run(context.Background(), &plan.Plan{Steps: pl.Steps})
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return pl
}
