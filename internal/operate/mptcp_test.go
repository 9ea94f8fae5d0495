package operate

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/holders"
	"xbr-script/internal/mptcp"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// multipath is a host with a second NIC, and an endpoint at the first one's address.
const multipath = lan + `
	sysctl -qw net.ipv4.conf.all.rp_filter=2
	ip addr add 10.1.0.2/24 dev eth1
	ip -n lan addr add 10.1.0.1/24 dev lan1
	ip mptcp limits set subflow 4
	ip -n lan mptcp limits set subflow 4
	ip mptcp endpoint add 192.168.0.2 id 7 subflow dev eth0`

// talks is a connection of MPTCP from the host to the LAN, or from there to the host.
func talks(t *testing.T, in bool, addr string) (works func() bool) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(true)
	var d net.Dialer
	d.SetMultipathTCP(true)
	var l net.Listener
	var from net.Conn
	listen := func() (err error) { l, err = lc.Listen(t.Context(), "tcp4", addr); return err }
	dial := func() (err error) { from, err = d.Dial("tcp4", addr); return err }
	if in {
		must0(t, listen())
		nstest.Inside(t, "lan", dial)
	} else {
		nstest.Inside(t, "lan", listen)
		must0(t, dial())
	}
	to := accepts(t, l)
	t.Cleanup(func() { _, _ = from.Close(), to.Close() })
	for _, c := range []net.Conn{from, to} {
		if is, err := c.(*net.TCPConn).MultipathTCP(); err != nil || !is {
			t.Fatalf("this is no connection of MPTCP: %v", err)
		}
	}
	works = func() bool {
		for _, ends := range [][2]net.Conn{{from, to}, {to, from}, {from, to}} {
			end, buf := time.Now().Add(patience), make([]byte, 1)
			_, _ = ends[0].SetDeadline(end), ends[1].SetDeadline(end)
			if _, err := ends[0].Write([]byte("x")); err != nil {
				return false
			}
			if _, err := ends[1].Read(buf); err != nil {
				return false
			}
		}
		return true
	}
	if !works() {
		t.Fatal("it has never worked")
	}
	return works
}

// begins says whether a subflow begins at the endpoint's address which is bound to an
// interface, or does so soon.
func begins(t *testing.T, index int) bool {
	t.Helper()
	c, err := rtnl.DialDiag()
	must0(t, err)
	defer func() { _ = c.Close() }()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all, err := mptcp.Subflows(c)
		must0(t, err)
		for _, s := range all {
			if s.Index == index && s.Local == netip.MustParseAddr("192.168.0.2") {
				return true
			}
		}
	}
	return false
}

// TestMultipath has connections of MPTCP go on at start and stop, and when these are taken
// back, and begin subflows by the interface that has the address then.
func TestMultipath(t *testing.T) {
	for _, shape := range []string{"", " dom0=bridge"} {
		newHost(t, multipath)
		works := talks(t, false, "10.1.0.1:4050")
		if !begins(t, nicIndex(t)) {
			t.Fatal("the kernel has begun no subflow at the endpoint")
		}
		for _, line := range []string{"start netdev=eth0" + shape, "stop"} {
			found := doCall(t.Context(), t, "check "+line, nil)
			(&holding{name: "MPTCP", find: "MPTCP: endpoint 192.168.0.2, id 7: it is made anew for dom0's eth0", outcome: holders.Moves}).named(t, found.Check.Holders)
			if breaks := holders.Breaking(found.Check.Holders); len(breaks) > 0 {
				t.Errorf("%s: %v", line, breaks)
			}
			must0(t, calls{T: t}.run(line+" check=no confirm=600", func(*view) {})) // without a timer
			for _, next := range []string{"recover", line + " check=no"} {
				if !works() || !begins(t, nicIndex(t)) {
					t.Fatalf("%s: the connection works: %v, and subflows by %d", line, works(), nicIndex(t))
				}
				must(t, next)
			}
			if !works() || !begins(t, nicIndex(t)) {
				t.Fatalf("%s, once more: the connection works: %v", line, works())
			}
		}
	}
}

// TestMultipathServer has a connection go on that somebody has begun at the endpoint's
// address, which its deletion would end; then the endpoint stays as it is.
func TestMultipathServer(t *testing.T) {
	for _, shape := range []string{"", " dom0=bridge"} {
		newHost(t, multipath)
		endpoint := func() string { return nstest.Run(t, "ip", "mptcp", "endpoint") }
		was := endpoint()
		works := talks(t, true, "192.168.0.2:4051")
		found := doCall(t.Context(), t, "check start netdev=eth0"+shape, nil)
		(&holding{name: "MPTCP", find: "MPTCP: endpoint 192.168.0.2, id 7: nothing new begins there, and to make it anew would end 1 connection; once that is no matter: " +
			"ip mptcp endpoint delete id 7; ip mptcp endpoint add 192.168.0.2 id 7 subflow dev eth0", outcome: holders.Breaks}).named(t, found.Check.Holders)
		must(t, "start netdev=eth0 check=no"+shape)
		if now := endpoint(); !strings.Contains(now, "dev peth0") || !works() {
			t.Fatalf("the connection works: %v, with %s", works(), now)
		}
		must(t, "stop check=no")
		if now := endpoint(); now != was || !works() {
			t.Fatalf("after stop the connection works: %v, with %s", works(), now)
		}
	}
}
