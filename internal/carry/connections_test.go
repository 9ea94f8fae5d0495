package carry

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/holders"
	"xbr-script/internal/nfnetlink"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

// router is a host that masquerades a container.
const router = `
	netns lan
	netns con
	ip link add eth0 type veth peer name lan0 netns lan
	ip link add con0 type veth peer name eth0 netns con
	ip link set eth0 up
	ip link set con0 up
	ip addr add 192.168.0.2/24 dev eth0
	ip addr add 2001:db8::2/64 dev eth0 nodad
	ip addr add 172.17.0.1/24 dev con0
	ip addr add fd00::1/64 dev con0 nodad
	ip -n lan addr add 192.168.0.1/24 dev lan0
	ip -n lan addr add 2001:db8::1/64 dev lan0 nodad
	ip -n lan link set lan0 up
	ip -n con link set eth0 up
	ip -n con addr add 172.17.0.2/24 dev eth0
	ip -n con addr add fd00::2/64 dev eth0 nodad
	ip -n con route add default via 172.17.0.1
	ip -n con -6 route add default via fd00::1
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	nft add table inet n
	nft add chain inet n p '{ type nat hook postrouting priority 100; }'
	nft add rule inet n p ip saddr 172.17.0.0/24 oifname eth0 masquerade fully-random
	nft add rule inet n p ip6 saddr fd00::/64 oifname eth0 masquerade fully-random
	until ping -qc1 -W1 192.168.0.1 && ping -qc1 -W1 2001:db8::1; do sleep 0.1; done`

// pair is both ends of a connection.
type pair struct {
	what        string
	con, server net.Conn
	peer        net.Addr       // of the server, if that is not connected
	packets     net.PacketConn // the server's
}

// works sends a byte either way.
func (p *pair) works() error {
	end := time.Now().Add(10 * time.Second)
	buf := make([]byte, 1)
	_ = p.con.SetDeadline(end)
	if p.packets != nil {
		_ = p.packets.SetDeadline(end)
		if _, err := p.packets.WriteTo([]byte("x"), p.peer); err != nil { // the server first
			return err
		}
		_, err := p.con.Read(buf)
		return err
	}
	_ = p.server.SetDeadline(end)
	if _, err := p.server.Write([]byte("x")); err != nil {
		return err
	}
	if _, err := p.con.Read(buf); err != nil {
		return err
	}
	if _, err := p.con.Write([]byte("x")); err != nil {
		return err
	}
	_, err := p.server.Read(buf)
	return err
}

// pairs are connections of the container to the LAN.
func pairs(t *testing.T) (all []*pair) {
	t.Helper()
	dial := func(network, addr string) (c net.Conn) {
		nstest.Inside(t, "con", func() (err error) { c, err = net.DialTimeout(network, addr, 10*time.Second); return err })
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	for _, addr := range []string{"192.168.0.1:80", "[2001:db8::1]:80"} {
		var l net.Listener
		var packets net.PacketConn
		nstest.Inside(t, "lan", func() (err error) {
			if l, err = net.Listen("tcp", addr); err == nil {
				packets, err = net.ListenPacket("udp", addr)
			}
			return err
		})
		t.Cleanup(func() { _, _ = l.Close(), packets.Close() })
		p := &pair{what: "TCP " + addr, con: dial("tcp", addr)}
		var err error
		if p.server, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.server.Close() })
		u := &pair{what: "UDP " + addr, con: dial("udp", addr), packets: packets}
		for range 2 { // so that it counts as in use
			if _, err := u.con.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, u.peer, err = packets.ReadFrom(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := u.works(); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, p, u)
	}
	return all
}

// known are how many connections with a translated source the kernel knows.
func known(t *testing.T) (n int) {
	t.Helper()
	c, err := rtnl.DialNetfilter()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = nfnetlink.EachConnection(c, holders.SourceNAT, func() { n = 0 }, func(attrs []byte) {
		if nfnetlink.Number(attrs, ctaStatus)&holders.SourceNAT != 0 {
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestConnections takes the addresses away that connections are masqueraded as, which ends
// them, but not those that were written anew before. Those go on, by the same ports.
func TestConnections(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, router)
	all := pairs(t)
	if n := known(t); n != len(all) {
		t.Fatalf("%d connections are known, and %d were made", n, len(all))
	}
	op := &Connections{Addrs: []netip.Addr{netip.MustParseAddr("192.168.0.2"), netip.MustParseAddr("2001:db8::2")}}
	try := func(when string) {
		t.Helper()
		for _, p := range all {
			if err := p.works(); err != nil {
				t.Errorf("%s: %s: %v", when, p.what, err)
			}
		}
		if n := known(t); n != len(all) {
			t.Errorf("%s: %d are known, not %d", when, n, len(all))
		}
	}
	for range 2 {
		if err := op.Do(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		try("written anew")
	}
	if left := nstest.Run(t, "nft", "list", "tables"); strings.TrimSpace(left) != "table inet n" {
		t.Errorf("tables: %s", left)
	}
	const again = `
	ip addr del 192.168.0.2/24 dev eth0
	ip addr del 2001:db8::2/64 dev eth0
	ip addr add 192.168.0.2/24 dev eth0
	ip addr add 2001:db8::2/64 dev eth0 nodad
	until ping -qc1 -W1 192.168.0.1 && ping -qc1 -W1 2001:db8::1; do sleep 0.1; done`
	nstest.Script(t, again)
	try("without the addresses for a while")

	// Those that are only masqueraded end so.
	before := known(t)
	nstest.Inside(t, "con", func() error {
		c, err := net.DialTimeout("tcp", "192.168.0.1:80", 10*time.Second)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return err
	})
	if n := known(t); n != before+1 {
		t.Errorf("%d are known, not %d", n, before+1)
	}
	nstest.Script(t, again)
	for end := time.Now().Add(20 * time.Second); known(t) != before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := known(t); n != before {
		t.Errorf("one that is masqueraded is still known: %d, not %d", n, before)
	}
}

// TestConnectionsMany writes very many anew.
func TestConnectionsMany(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, router)
	many := 3000
	if testing.Short() {
		many = 300
	}
	nstest.Inside(t, "con", func() error {
		for i := range many {
			c, err := net.Dial("udp", fmt.Sprintf("192.168.0.1:%d", 1000+i))
			if err != nil {
				return err
			}
			_, _ = c.Write([]byte("x")) // it may be refused
			_ = c.Close()
		}
		return nil
	})
	before := known(t)
	begun := time.Now()
	if err := (&Connections{Addrs: []netip.Addr{netip.MustParseAddr("192.168.0.2")}}).Do(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections: %v", before, time.Since(begun))
	if n := known(t); n != before || n < many {
		t.Errorf("%d are known, and %d were before", n, before)
	}
}
