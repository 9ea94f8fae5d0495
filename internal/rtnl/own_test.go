package rtnl

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// byRouter is a default route by fe80::n over an interface.
func byRouter(n byte, index int) Msg {
	fixed := make([]byte, unix.SizeofRtMsg)
	fixed[0], fixed[4], fixed[5], fixed[7] = unix.AF_INET6, unix.RT_TABLE_MAIN, unix.RTPROT_RA, unix.RTN_UNICAST
	router := netip.MustParseAddr("fe80::").As16()
	router[15] = n
	m := Msg{Type: unix.RTM_NEWROUTE, Flags: unix.NLM_F_CREATE, Body: fixed}
	return m.With(unix.RTA_GATEWAY, router[:]).With(unix.RTA_OIF, U32Bytes(uint32(index))).
		With(unix.RTA_PRIORITY, U32Bytes(1024)).With(unix.RTA_PREF, []byte{1}).With(23, U32Bytes(900))
}

// TestOwnRoute adds routes among others, all in one go, and checks their order,
// their flags, and which message is reported as refused.
func TestOwnRoute(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `ip link add dev va type veth peer name vb
ip link set va up
ip link set vb up`)
	c := dial(t)
	link, err := net.InterfaceByName("va")
	if err != nil {
		t.Fatal(err)
	}
	index := link.Index
	own := byRouter(1, index).AsOwn(OwnAnnounce | OwnDefault)
	refused, err := c.Send(Pack(
		byRouter(1, index).As(unix.RTM_DELROUTE, 0), // it does not exist yet
		own,
		own,
		byRouter(2, index),
		byRouter(3, index).AsOwn(OwnAnnounce|OwnDefault),
		byRouter(4, 1<<20).AsOwn(OwnAnnounce|OwnDefault),
	))
	if err != nil || len(refused) != 3 || refused[0].Index != 0 || refused[1].Index != 2 || refused[2].Index != 5 ||
		!errors.Is(refused[1], unix.EEXIST) || !errors.Is(refused[2], unix.ENODEV) {
		t.Fatalf("refused %v, %v", refused, err)
	}
	lines := 0
	table, _ := os.ReadFile("/proc/thread-self/net/ipv6_route") // if it is empty, the test fails below
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, strings.Repeat("0", 32)+" 00") && strings.Contains(line, " 00000400 ") {
			lines++
			// RTF_UP, RTF_GATEWAY, RTF_EXPIRES and preference 1, without or
			// with RTF_ADDRCONF and RTF_DEFAULT.
			want := " 08450003 "
			if strings.Contains(line, "fe800000000000000000000000000002 ") {
				want = " 08400003 "
			}
			if !strings.Contains(line, want) {
				t.Errorf("flags: %s", line)
			}
		}
	}
	if lines != 3 {
		t.Errorf("%d routes:\n%s", lines, table)
	}
	if out := nstest.Run(t, "ip", "-6", "route"); strings.Contains(out, "nexthop") {
		t.Errorf("routers have become paths of one route:\n%s", out)
	}
	// The same message removes what the kernel or an ioctl has made.
	if refused, err := c.Send(Pack(own.As(unix.RTM_DELROUTE, 0))); err != nil || len(refused) > 0 {
		t.Errorf("removed: %v, %v", refused, err)
	}
}
