package operate

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"xbr-script/bridge"
	"xbr-script/internal/holders"
	"xbr-script/internal/testing/nstest"
)

// behind is a host behind dom0.
const behind = `
	netns con
	ip link add con0 type veth peer name eth0 netns con
	ip link set con0 up
	ip addr add 172.17.0.1/24 dev con0
	ip -n con link set eth0 up
	ip -n con addr add 172.17.0.2/24 dev eth0
	ip -n con route add default via 172.17.0.1
`

// container is one whose port 80 dom0 publishes as 8080, where bridged packets pass
// iptables.
const container = lan + behind + `
	sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1` + published

// published is what Docker does.
const published = `
	sysctl -qw net.bridge.bridge-nf-call-iptables=1
	iptables-nft -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport 8080 -j DNAT --to-destination 172.17.0.2:80`

// TestHoldersPublished publishes a port, and has the host itself masqueraded. Where dom0
// has a port of its own, what is bridged for it is not tracked; elsewhere, and with
// antispoof, that is not needed.
func TestHoldersPublished(t *testing.T) {
	for words, untracked := range map[string]bool{"": true, " dom0=bridge": false, " antispoof=yes": false} {
		t.Run("start"+words, func(t *testing.T) {
			newHost(t, container+`
			iptables-nft -t nat -A POSTROUTING -o eth0 -j MASQUERADE`)
			tables := nstest.Run(t, "nft", "list", "tables")
			reached := reaches(t)
			try := func(when string) {
				t.Helper()
				if !reached() {
					t.Error("a published port is not reached", when)
				}
				nstest.Run(t, "ping", "-qc1", "-W2", "192.168.0.1")
				nstest.Run(t, "ping", "-qc1", "-W2", "2001:db8::1")
			}
			try("before start")
			if outcome := kindOf(t, "check netdev=eth0"+words, "published ports"); (outcome == holders.Moves) != untracked || outcome == holders.Breaks {
				t.Errorf("it is said that it %q", outcome)
			}
			must(t, "start netdev=eth0"+words)
			try("after start")
			if has := strings.Contains(nstest.Run(t, "nft", "list", "tables"), "table inet xbr-script-xenbr0"); has != untracked {
				t.Errorf("there is a table for that: %v, want %v", has, untracked)
			}
			must(t, "stop check=no")
			try("after stop")
			if now := nstest.Run(t, "nft", "list", "tables"); words != " antispoof=yes" && now != tables {
				t.Errorf("before\n%s\nafter stop\n%s", tables, now)
			}
		})
	}
}

// TestHoldersPublishedLater has the rules come when the network is up, as they do where Docker
// starts after it: ports that are published then are reached, and what is masqueraded goes
// on after stop.
func TestHoldersPublishedLater(t *testing.T) {
	newHost(t, lan+behind+`
		sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1 net.bridge.bridge-nf-call-iptables=1`)
	before := nstest.Run(t, "nft", "list", "ruleset")
	must(t, "start netdev=eth0")
	nstest.Script(t, published+`
		iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/24 ! -o con0 -j MASQUERADE`)
	reached, goesOn := reaches(t), masked(t)
	try := func(when string) {
		t.Helper()
		if !reached() {
			t.Error("a published port is not reached", when)
		}
		if !goesOn() {
			t.Error("a masqueraded connection has ended", when)
		}
	}
	try("when the network is up")
	must(t, "stop check=no")
	try("after stop")
	nstest.Script(t, "nft delete table ip nat")
	if now := nstest.Run(t, "nft", "list", "ruleset"); now != before {
		t.Errorf("before\n%s\nafter stop\n%s", before, now)
	}
}

// TestTableMended has somebody flush all rules while the network is up, or damage the table: status
// says what does not work then, and another start mends it. A connection that was tracked
// twice meanwhile goes on.
func TestTableMended(t *testing.T) {
	const rules = published + `
		iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/24 ! -o con0 -j MASQUERADE`
	newHost(t, container)
	nstest.Run(t, "nft", "flush", "ruleset")
	must(t, "start netdev=eth0")
	reached := reaches(t)
	for _, damage := range []string{"nft flush ruleset", "nft flush table inet xbr-script-xenbr0", "ip link set eth0 address 00:16:3e:00:00:77"} {
		nstest.Script(t, damage)
		if st := statusOf(t); st.State != bridge.Up || !strings.Contains(strings.Join(st.Notes, "\n"), "ports that are published later") {
			t.Errorf("%s: nothing is published, and it is %s, %q", damage, st.State, st.Notes)
		}
		nstest.Script(t, rules)
		goesOn := masked(t)
		st := statusOf(t)
		if st.State != bridge.Differ || len(st.Wrong) != 1 || !strings.Contains(st.Wrong[0].What, "tracked twice") || st.Wrong[0].Mend != "xbr-script start bridge=xenbr0 netdev=eth0" {
			t.Errorf("%s: it is %s, %+v", damage, st.State, st.Wrong)
		}
		if reached() {
			t.Errorf("%s: the published port is reached all the same", damage)
		}
		if !goesOn() {
			t.Errorf("%s: there is no masqueraded connection", damage)
		}
		r := doCall(t.Context(), t, "start", nil)
		if r.ok() != nil || !strings.Contains(strings.Join(r.Lines, "\n"), "what is bridged for dom0 on xenbr0 is not tracked twice any more") {
			t.Fatalf("%s: %v, %s, %q", damage, r.ok(), r.stderr, r.Lines)
		}
		if !reached() {
			t.Errorf("%s: the published port is not reached", damage)
		}
		for range 3 {
			if !goesOn() {
				t.Errorf("%s: the masqueraded connection has ended", damage)
			}
		}
		must(t, "status")
		if r := doCall(t.Context(), t, "start", nil); r.err != nil || len(r.Lines) != 1 {
			t.Errorf("%s: once more: %v, %q", damage, r.err, r.Lines)
		}
		nstest.Script(t, "nft delete table ip nat")
	}
	nstest.Run(t, "nft", "flush", "ruleset")
	if r := doCall(t.Context(), t, "stop check=no", nil); r.err != nil || r.stderr != "" {
		t.Errorf("stop without the table: %v, %s", r.err, r.stderr)
	}
	if left := nstest.Run(t, "nft", "list", "ruleset"); left != "" {
		t.Errorf("after stop there is %s", left)
	}
}

// TestTableLater has bridged packets come to the rules when the network is up, because that was
// switched on, or because what saw to dom0's connections before goes.
func TestTableLater(t *testing.T) {
	for _, words := range []string{"", " antispoof=yes"} {
		newHost(t, container+`
		sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0`)
		reached := reaches(t)
		must(t, "start netdev=eth0"+words)
		if st := statusOf(t); st.State != bridge.Up || len(st.Notes) > 0 {
			t.Fatalf("start%s: %s %q", words, st.State, st.Notes)
		}
		nstest.Script(t, "sysctl -qw net.bridge.bridge-nf-call-iptables=1")
		if works := statusOf(t).State == bridge.Up; works != reached() || works != (words != "") {
			t.Errorf("start%s: status is wrong about the published port: it works: %v", words, works)
		}
		must(t, "start netdev=eth0 antispoof=no")
		if statusOf(t).State != bridge.Up || !reached() {
			t.Errorf("start%s: the published port is not reached after another start", words)
		}
		must(t, "stop check=no")
	}
}

// statusOf is the state of the only network.
func statusOf(t *testing.T) Entry {
	t.Helper()
	r := doCall(t.Context(), t, "status", nil)
	must0(t, r.err)
	return r.Report.Bridges[0]
}

// TestHoldersAsked leaves what bridged packets are asked for as it is: rules let through
// what belongs to a connection of dom0's, and there is nothing to translate.
func TestHoldersAsked(t *testing.T) {
	newHost(t, lan+`
		sysctl -qw net.bridge.bridge-nf-call-iptables=1
		iptables-nft -P FORWARD DROP
		iptables-nft -A FORWARD -d 192.168.0.2 -p tcp --dport 22 -j ACCEPT
		iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT`)
	l, err := net.Listen("tcp4", "192.168.0.2:22")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	must(t, "start netdev=eth0 check=no")
	nstest.Inside(t, "lan", func() error {
		c, err := net.DialTimeout("tcp4", "192.168.0.2:22", time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// TestHoldersHalfClosed has a container wait for an answer when it has said all that it has to
// say: its connection is no less in use.
func TestHoldersHalfClosed(t *testing.T) {
	newHost(t, lan+behind+`
		sysctl -qw net.ipv4.ip_forward=1
		iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/24 ! -o con0 -j MASQUERADE`)
	var server net.Listener
	var client net.Conn
	nstest.Inside(t, "lan", func() (err error) {
		server, err = net.Listen("tcp4", "192.168.0.1:4016")
		return err
	})
	nstest.Inside(t, "con", func() (err error) {
		client, err = net.Dial("tcp4", "192.168.0.1:4016")
		return err
	})
	peer, err := server.Accept()
	must0(t, err)
	t.Cleanup(func() { _, _, _ = server.Close(), client.Close(), peer.Close() })
	must0(t, client.(*net.TCPConn).CloseWrite())
	if n, err := peer.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatal(n, err)
	}
	for _, line := range []string{"start netdev=eth0 check=no", "stop check=no"} {
		must(t, line)
		_, err := peer.Write([]byte("x"))
		must0(t, err)
		_ = client.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := client.Read(make([]byte, 1)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// TestHoldersZone has the LAN send all the time, on a masqueraded connection that is in a zone of
// connection tracking for what comes by eth0: while the NIC is called otherwise, and its packets
// are in no zone, the host does not end it.
func TestHoldersZone(t *testing.T) {
	for _, words := range []string{"", " dom0=bridge"} {
		t.Run("start"+words, func(t *testing.T) {
			newHost(t, lan+behind+`
				sysctl -qw net.ipv4.ip_forward=1
				iptables-nft -t raw -A PREROUTING -i con0 -j CT --zone 5
				iptables-nft -t raw -A PREROUTING -i eth0 -j CT --zone 5
				iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/24 ! -o con0 -j MASQUERADE`)
			var server net.Listener
			var client net.Conn
			nstest.Inside(t, "lan", func() (err error) {
				server, err = net.Listen("tcp4", "192.168.0.1:4017")
				return err
			})
			nstest.Inside(t, "con", func() (err error) {
				client, err = net.Dial("tcp4", "192.168.0.1:4017")
				return err
			})
			peer, err := server.Accept()
			must0(t, err)
			t.Cleanup(func() { _, _, _ = server.Close(), client.Close(), peer.Close() })
			ended := make(chan error, 1)
			go func() {
				for {
					if _, err := peer.Write(make([]byte, 100)); err != nil {
						ended <- err
						return
					}
					time.Sleep(100 * time.Microsecond)
				}
			}()
			go func() { _, _ = io.Copy(io.Discard, client) }()
			for range 3 {
				must(t, "start netdev=eth0 check=no"+words)
				must(t, "stop check=no")
			}
			select {
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(time.Second):
			}
		})
	}
}

// reaches says whether the LAN gets through to a container's published port.
func reaches(t *testing.T) func() bool {
	nstest.Inside(t, "con", func() error {
		l, err := net.Listen("tcp4", "172.17.0.2:80")
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return err
	})
	return func() (ok bool) {
		nstest.Inside(t, "lan", func() error {
			c, err := net.DialTimeout("tcp4", "192.168.0.2:8080", time.Second)
			if ok = err == nil; ok {
				_ = c.Close()
			}
			return nil
		})
		return ok
	}
}

// dropping are firewalls that see bridged packets, and what helps: "" if they let them pass.
var dropping = []struct{ name, script, helps string }{
	{"by its policy", "iptables-nft -P FORWARD DROP", physdev},
	{"by its last rule", `
	iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	iptables-nft -A FORWARD -j REJECT`, physdev},
	{"in a chain of its own", `
	iptables-nft -N last
	iptables-nft -A FORWARD -p tcp -j ACCEPT
	iptables-nft -A FORWARD -m comment --comment all -j last
	iptables-nft -A last -i con0 -j RETURN
	iptables-nft -A last -j DROP`, physdev},
	{"by the policy of iptables-legacy", "iptables-legacy -P FORWARD DROP", legacyPhysdev},
	{"by the last rule of iptables-legacy", `
	iptables-legacy -N last
	iptables-legacy -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	iptables-legacy -A FORWARD -i con0 -j ACCEPT
	iptables-legacy -A FORWARD -j last
	iptables-legacy -A last -p tcp -j ACCEPT
	iptables-legacy -A last -m comment --comment all -j REJECT`, legacyPhysdev},
	{"not by the policy of iptables-legacy", `
	iptables-legacy -P FORWARD DROP
	iptables-legacy -N last
	iptables-legacy -N empty
	iptables-legacy -A FORWARD -j empty
	iptables-legacy -A FORWARD -g last
	iptables-legacy -A last -j ACCEPT`, ""},
	{"not by its policy", `
	iptables-nft -P FORWARD DROP
	iptables-nft -N last
	iptables-nft -A FORWARD -j last
	iptables-nft -A last -j ACCEPT`, ""},
	{"not what was thought of", `
	iptables-nft -P FORWARD DROP
	iptables-nft -N own
	iptables-nft -A FORWARD -j own
	iptables-nft -A own -m physdev --physdev-is-bridged -j ACCEPT`, ""},
	{"not what returns", `
	iptables-nft -A FORWARD -j RETURN
	iptables-nft -A FORWARD -j DROP`, ""},
}

const legacyPhysdev = "iptables-legacy -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"

const physdev = "iptables-nft -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"

// TestHoldersDrop has a chain drop what is bridged: dom0's own packets, or if the
// bridge is dom0's interface those of guests. A rule about bridged packets helps.
func TestHoldersDrop(t *testing.T) {
	for _, words := range []string{"", " dom0=bridge bridge=eth0"} {
		for i, d := range dropping {
			if testing.Short() && (i%2 == 0) != (words == "") {
				continue // each in one shape
			}
			t.Run("start"+words+" "+d.name, func(t *testing.T) {
				newHost(t, lan+`
				sysctl -qw net.bridge.bridge-nf-call-iptables=1
				`+d.script)
				line := " netdev=eth0" + words
				named := kindOf(t, "check"+line, "bridged packets") == holders.Breaks
				must(t, "start check=no"+line)
				from, to := "lan", "192.168.0.2"
				if words != "" {
					from, to = "guest", "192.168.0.1"
					nstest.Script(t, `
					netns guest
					ip link add vif5.0 type veth peer name eth0 netns guest
					ip link set vif5.0 up master eth0
					ip -n guest link set eth0 up
					ip -n guest addr add 192.168.0.5/24 dev eth0`)
				}
				pings := func() bool {
					_, err := nstest.Try(t, "ip", "netns", "exec", from, "ping", "-qc1", "-W1", to)
					return err == nil
				}
				if breaks := d.helps != ""; named != breaks || pings() == breaks {
					t.Errorf("it is said that it breaks: %v, and it works: %v", named, pings())
				}
				nstest.Script(t, d.helps)
				if !pings() {
					t.Error("accepting what is bridged does not help")
				}
				must(t, "stop check=no")
				if kindOf(t, "check"+line, "bridged packets") != "" {
					t.Error("it is still said that it breaks")
				}
			})
		}
	}
}

// own is a firewall of nftables as firewalld makes it.
const own = `
	table inet own {
		chain back {
			type filter hook prerouting priority 10
			icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
			meta nfproto ipv6 fib saddr . mark . iif oif missing drop
		}
		chain forward {
			type filter hook forward priority 10
			ct state { established, related } accept
			iifname "lo" accept
			reject with icmpx admin-prohibited
		}
	}`

// TestHoldersOwn has a firewall beside iptables drop what is bridged for dom0: that is said, for
// antispoof=yes too, which has bridged packets pass it; and what is said to help does.
func TestHoldersOwn(t *testing.T) {
	const back = "nftables: 1 rule about the way back (rpfilter, fib saddr) in table inet own, chain back"
	for words, want := range map[string][]string{
		" netdev=eth0": {
			"bridged packets: net.bridge.bridge-nf-call-iptables=1, and the last rule of table inet own, chain forward drops or rejects",
			"bridged packets: net.bridge.bridge-nf-call-ip6tables=1, and the last rule of table inet own, chain forward drops or rejects", back},
		" netdev=eth0 antispoof=yes guests=allow": {
			"bridged packets: antispoof=yes has them pass the packet filter, and the last rule of table inet own, chain forward drops or rejects",
			"bridged packets: antispoof=yes has them pass the packet filter, and the last rule of table inet own, chain forward drops or rejects", back},
	} {
		t.Run("start"+words, func(t *testing.T) {
			value := "1"
			if strings.Contains(words, "antispoof") {
				value = "0"
			}
			newHost(t, lan+`
			sysctl -qw net.bridge.bridge-nf-call-iptables=`+value+` net.bridge.bridge-nf-call-ip6tables=`+value+`
			printf '%b' '`+strings.ReplaceAll(own, "\n", `\n`)+`' | nft -f -`)
			broken := func() (all []string) {
				r := doCall(t.Context(), t, "check"+words, nil)
				if r.err != nil {
					t.Fatal(r.err)
				}
				for _, h := range r.Check.Holders {
					if h.Outcome == holders.Breaks {
						all = append(all, h.Kind+": "+h.What)
					}
				}
				return all
			}
			if said := broken(); !slices.Equal(said, want) {
				t.Errorf("it is said that these break: %q", said)
			}
			pings := func() (works [2]bool) {
				for i, to := range []string{"192.168.0.2", "2001:db8::2"} {
					_, err := nstest.Try(t, "ip", "netns", "exec", "lan", "ping", "-qc1", "-W1", to)
					works[i] = err == nil
				}
				return works
			}
			must(t, "start check=no"+words)
			if works := pings(); works != [2]bool{} {
				t.Errorf("IPv4 and IPv6 work: %v", works)
			}
			nstest.Script(t, `nft insert rule inet own forward iifname xenbr0 oifname xenbr0 accept`)
			if works := pings(); works != [2]bool{true, false} {
				t.Errorf("where what is bridged is accepted, IPv4 and IPv6 work: %v", works)
			}
			nstest.Script(t, `nft insert rule inet own back iifname xenbr0 accept`)
			if works := pings(); works != [2]bool{true, true} {
				t.Errorf("where what comes in by the bridge is let pass, IPv4 and IPv6 work: %v", works)
			}
			must(t, "stop check=no")
			if said := broken(); said != nil {
				t.Errorf("it is still said that these break: %q", said)
			}
		})
	}
}

// kindOf is what becomes of something of a kind, as check says; "" if it names nothing of it.
func kindOf(t *testing.T, line, kind string) holders.Outcome {
	t.Helper()
	r := doCall(t.Context(), t, line, nil)
	if r.err != nil || !r.Check.GoesThrough || len(r.Check.Unknown) > 0 {
		t.Fatalf("%s: %v, %+v", line, r.err, r.Check)
	}
	for _, h := range r.Check.Holders {
		if strings.HasPrefix(h.String(), kind+": net.bridge.bridge-nf-call-iptables=1") {
			return h.Outcome
		}
	}
	return ""
}
