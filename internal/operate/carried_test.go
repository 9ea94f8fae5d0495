package operate

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/holders"
	"xbr-script/internal/testing/nstest"
)

// firewall lets in and out only what comes and goes by eth0, which it knows by its index,
// in each way that nftables has.
const firewall = `
	table inet f {
		set ports { type iface_index . inet_service; elements = { "eth0" . 23 comment "telnet" }; }
		map what { type iface_index : verdict; elements = { "eth0" : jump known }; }
		chain known { tcp dport 24 accept; }
		chain input {
			type filter hook input priority 0; policy drop;
			iif "lo" accept
			iif != { "lo", "eth0" } drop
			ct state established accept
			iif != "eth0" drop
			iif "eth0" tcp dport 22 counter packets 1000 bytes 2000 accept comment "ssh"
			iif . tcp dport @ports accept
			iif vmap @what
			icmpv6 type { 134, 135, 136 } accept
		}
		chain output {
			type filter hook output priority 0; policy drop;
			oif "lo" accept
			oif . meta l4proto { "eth0" . tcp, "eth0" . icmp, "eth0" . ipv6-icmp } accept
		}
	}
	table ip n {
		chain p { type filter hook prerouting priority -300; iif vmap { "eth0" : accept, "lo" : accept }; drop; }
		chain s { type nat hook postrouting priority 100; oif "eth0" ip saddr 10.9.0.0/24 masquerade; }
	}`

// tracked has bridged packets pass the rules.
const tracked = `
	sysctl -qw net.bridge.bridge-nf-call-iptables=1`

// ruleset is the rules as nft tells them, without what counters have counted, and
// without the program's own.
func ruleset(t *testing.T) string {
	t.Helper()
	all, _, _ := strings.Cut(nstest.Run(t, "nft", "list", "ruleset"), "table netdev xbr-script ")
	all, _, _ = strings.Cut(all, "table inet xbr-script-")
	return regexp.MustCompile(`packets \d+ bytes \d+`).ReplaceAllString(all, "")
}

// calls makes the calls of a test: live says whether this kernel renames an interface
// that is up.
type calls struct {
	*testing.T
	live bool
}

// do carries out a call, on a kernel as it was said.
func (c calls) do(line string) error {
	c.Helper()
	if c.live {
		return doCall(c.Context(), c.T, line, nil).err
	}
	return c.run(line, func(v *view) { v.host.LiveRename = false })
}

// run carries out the plan for a host that is not quite as this one.
func (c calls) run(line string, other func(v *view)) error {
	c.Helper()
	v, err := look(c.T, line)
	if err != nil {
		return err
	}
	other(v)
	p, _, err := v.plan()
	if err != nil {
		return err
	}
	nstest.Run(c, "mkdir", "-p", runDir)
	return v.runner().Run(c.Context(), p)
}

// TestCarried has both ends of the link make connections all the time, under a firewall
// that knows eth0 by its index: they get through before, while and after start and stop,
// and the rules come back as they were, with those that were added meanwhile.
func TestCarried(t *testing.T) {
	for i, shape := range []string{"", " dom0=bridge"} {
		for _, live := range []bool{true, false} {
			if testing.Short() && live != (i == 0) {
				continue // each once is enough
			}
			t.Run(fmt.Sprintf("start%s, live %v", shape, live), func(t *testing.T) {
				t.Parallel()
				newHost(t, lan+`
				sysctl -qw net.bridge.bridge-nf-call-iptables=0`)
				c := calls{t, live}
				nstest.Run(t, "nft", "-f", file(t, firewall))
				before := ruleset(t)
				traffic := talk(t, live)
				traffic.goesOn("before start")
				must0(t, c.do("start netdev=eth0 check=no"+shape))
				traffic.goesOn("after start")
				if up := ruleset(t); up != before { // it has the name, and so the rules are as they were
					t.Errorf("before\n%s\nup\n%s", before, up)
				}
				nstest.Run(t, "nft", "add", "rule", "inet", "f", "known", "iif", "eth0", "tcp", "dport", "25", "accept")
				with := ruleset(t)
				must0(t, c.do("stop check=no"))
				traffic.goesOn("after stop")
				if now := ruleset(t); now != with || with == before {
					t.Errorf("with another rule\n%s\nafter stop\n%s", with, now)
				}
				if counted := nstest.Run(t, "nft", "list", "chain", "inet", "f", "input"); !regexp.MustCompile(`packets 1\d\d\d bytes`).MatchString(counted) {
					t.Errorf("what was counted is lost:\n%s", counted)
				}
				traffic.end()
			})
		}
	}
}

// traffic is connections that are made one after another until it ends, and one that stays.
type traffic struct {
	*testing.T
	made  map[string]*atomic.Int64 // by who makes them
	ended chan struct{}
	errs  chan error // one from each
}

// talk has the LAN and the host connect to each other.
func talk(t *testing.T, live bool) *traffic {
	t.Helper()
	tr := &traffic{T: t, made: map[string]*atomic.Int64{}, ended: make(chan struct{}), errs: make(chan error, 3)}
	for _, port := range []string{"22", "23", "24"} {
		tr.serve("192.168.0.2:" + port)
	}
	nstest.Inside(t, "lan", func() error { tr.serve("192.168.0.1:80"); return nil })
	var lan, host *os.File
	own := func(f **os.File) func() error {
		return func() (err error) { *f, err = os.Open("/proc/thread-self/ns/net"); return err }
	}
	nstest.Inside(t, "lan", own(&lan))
	must0(t, own(&host)())
	tr.each("the LAN, new", lan, func(n int) error { return connect(fmt.Sprint("192.168.0.2:", 22+n%3)) })
	tr.each("the host, new", host, func(int) error {
		err := connect("192.168.0.1:80")
		if !live && errors.Is(err, unix.ENETUNREACH) {
			return nil // there is no route while the NIC is down
		}
		return err
	})
	var stays net.Conn
	tr.each("the LAN, one that stays", lan, func(int) (err error) {
		if stays == nil {
			if stays, err = net.DialTimeout("tcp4", "192.168.0.2:22", patience); err != nil {
				return err
			}
			t.Cleanup(func() { _ = stays.Close() })
		}
		return echo(stays)
	})
	return tr
}

// patience is how long a connection may take: a frame that is lost is sent again.
const patience = 20 * time.Second

// serve says on that address what it hears.
func (tr *traffic) serve(addr string) {
	l, err := net.Listen("tcp4", addr)
	must0(tr.T, err)
	tr.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
}

// connect makes a connection, and uses it.
func connect(addr string) error {
	c, err := net.DialTimeout("tcp4", addr, patience)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return echo(c)
}

func echo(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// each does something again and again in a namespace.
func (tr *traffic) each(who string, ns *os.File, do func(n int) error) {
	made := &atomic.Int64{}
	tr.made[who] = made
	go func() {
		runtime.LockOSThread() // never unlocked
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		for n := 0; err == nil; n++ {
			select {
			case <-tr.ended:
				tr.errs <- nil
				return
			default:
			}
			if err = do(n); err == nil {
				made.Add(1)
				time.Sleep(5 * time.Millisecond) // so that it leaves the processor to others
			}
		}
		tr.errs <- fmt.Errorf("%s: %w", who, err)
	}()
}

// goesOn waits until everybody has got through a few times more.
func (tr *traffic) goesOn(when string) {
	tr.Helper()
	for who, made := range tr.made {
		for end, want := time.Now().Add(2*patience), made.Load()+4; made.Load() < want; time.Sleep(time.Millisecond) {
			select {
			case err := <-tr.errs:
				tr.Fatalf("%s: %v", when, err)
			default:
			}
			if time.Now().After(end) {
				tr.Fatalf("%s: %s does not get through", when, who)
			}
		}
	}
}

// end ends it: nobody has failed.
func (tr *traffic) end() {
	tr.Helper()
	close(tr.ended)
	for range tr.made {
		if err := <-tr.errs; err != nil {
			tr.Error(err)
		}
	}
}

// TestCarriedDeaths lets start and stop die at each step: whatever comes next puts the
// rules back, too. In a short run only at every third.
func TestCarriedDeaths(t *testing.T) {
	newHost(t, quiet+tracked+`
	ip addrlabel add prefix 2001:db8:7::/48 dev eth0 label 99
	ip mptcp endpoint add 192.168.0.2 id 7 subflow backup dev eth0`)
	const named = "ip addrlabel; ip mptcp endpoint"
	labels := nstest.Script(t, named)
	nstest.Run(t, "nft", "-f", file(t, firewall))
	d := &deaths{T: t}
	const line = " netdev=eth0 check=no"
	for _, command := range []string{"start", "stop"} {
		nstest.Rest(t)
		state, rules := nstest.ReadState(t), ruleset(t)
		tables := nstest.Run(t, "nft", "list", "tables")
		for step, total := 0, 1; step < total; step++ {
			if testing.Short() && step%3 != 0 && step > 0 {
				continue
			}
			after := step%2 == 0
			total = d.die(command+line, step, after)
			d.next(fmt.Sprintf("%s, step %d, after %t", command, step, after), next[d.cases%len(next)])
			if now := ruleset(t); now != rules {
				t.Fatalf("%s, step %d: before\n%s\nnow\n%s", command, step, rules, now)
			}
			if now := nstest.Run(t, "nft", "list", "tables"); strings.ReplaceAll(now, "table netdev xbr-script\n", "") != tables {
				t.Fatalf("%s, step %d: before\n%s\nnow\n%s", command, step, tables, now)
			}
			if now := nstest.Script(t, named); now != labels {
				t.Fatalf("%s, step %d: before\n%s\nnow\n%s", command, step, labels, now)
			}
			if diff := nstest.Settled(t, state, nstest.Whole); diff != "" {
				t.Fatalf("%s, step %d: the network is not as before:\n%s", command, step, diff)
			}
			d.cases++
		}
		must(t, command+line)
		if now := ruleset(t); now != rules { // by the name it has, they are the same
			t.Fatalf("%s: before\n%s\nnow\n%s", command, rules, now)
		}
	}
	t.Logf("%d cases", d.cases)
}

// TestCarriedConfirm has a change that is not confirmed turn the rules back, with one
// that somebody has added meanwhile.
func TestCarriedConfirm(t *testing.T) {
	newHost(t, quiet)
	nstest.Run(t, "nft", "-f", file(t, firewall))
	must0(t, calls{T: t}.run("start netdev=eth0 check=no confirm=600", func(*view) {})) // without a timer
	nstest.Run(t, "nft", "add", "rule", "inet", "f", "known", "iif", "eth0", "tcp", "dport", "25", "accept")
	with := ruleset(t)
	must(t, "recover")
	if now := ruleset(t); now != with || !strings.Contains(now, `iif "eth0" tcp dport 25 accept`) {
		t.Errorf("with another rule\n%s\nnow\n%s", with, now)
	}
}

// TestCarriedTwo has two NICs move in one call, and in two, with rules that name both: each
// goes on naming each where it did.
func TestCarriedTwo(t *testing.T) {
	newHost(t, quiet)
	nstest.Run(t, "nft", "-f", file(t, `
	table inet f {
		set both { type iface_index; elements = { "eth0", "eth1" }; }
		chain routed {
			type filter hook forward priority 0;
			iif "eth0" oif "eth1" accept
			iif "eth1" oif != "eth0" tcp dport 80 accept
			iif != "eth1" oif { "eth0", "lo" } drop
			iif . oif { "eth0" . "eth1", "eth1" . "eth0" } accept
			iif vmap { "eth0" : accept, "eth1" : drop }
			iif @both oif "eth1" drop
		}
	}`))
	before := sortedRules(t)
	for _, lines := range [][]string{
		{"start netdev=eth0 --next netdev=eth1 check=no", "stop check=no"},
		{"start netdev=eth0 --next dom0=bridge netdev=eth1 check=no", "stop netdev=eth1 check=no", "stop netdev=eth0 check=no"},
		{"start dom0=bridge netdev=eth0 check=no", "start netdev=eth1 check=no", "stop check=no"},
	} {
		for _, line := range lines {
			must(t, line)
			if now := sortedRules(t); now != before {
				t.Fatalf("%s: before\n%s\nnow\n%s", line, before, now)
			}
		}
	}
	must0(t, calls{T: t}.run("start netdev=eth0 --next netdev=eth1 check=no confirm=600", func(*view) {})) // without a timer
	must(t, "recover")
	if now := sortedRules(t); now != before {
		t.Errorf("recover: before\n%s\nnow\n%s", before, now)
	}
}

// sortedRules are the rules with the elements of each set by their text: nft sorts them by the
// indexes.
func sortedRules(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`\{ [^{}]* \}`).ReplaceAllStringFunc(ruleset(t), func(set string) string {
		elems := strings.Split(set[2:len(set)-2], ", ")
		slices.Sort(elems)
		return "{ " + strings.Join(elems, ", ") + " }"
	})
}

// TestCarriedNot has rules that cannot be changed: check and start say so, and they are
// left alone.
func TestCarriedNot(t *testing.T) {
	newHost(t, lan+`
	ip link add br7 type bridge`)
	nstest.Run(t, "nft", "-f", file(t, `
	table inet a {
		chain c { iif "eth0" jump { accept; }; }
		chain e { iif "eth0" accept; }
	}
	table bridge b { chain c { iif "eth0" accept; }; }`))
	before := ruleset(t)
	c := doCall(t.Context(), t, "check netdev=eth0 dom0=bridge bridge=br7 check=no", nil)
	if c.err != nil || !c.Check.GoesThrough {
		t.Fatalf("%v %+v", c.err, c.Result)
	}
	var lines []string
	for _, h := range c.Check.Holders {
		lines = append(lines, string(h.Outcome)+" "+h.String())
	}
	for _, want := range []string{
		string(holders.Breaks) + " nftables: 1 rule by the index of eth0 (iif, oif) in table inet a, chain c: they cannot be changed to mean dom0's br7 (it has a chain of its own)",
		string(holders.Moves) + " nftables: 1 rule by the index of eth0 (iif, oif) in table inet a, chain e",
		string(holders.Stays) + " nftables: 1 rule by the index of eth0 (iif, oif) in table bridge b, chain c",
	} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("nobody says %q, but\n%s", want, strings.Join(lines, "\n"))
		}
	}
	must(t, "start netdev=eth0 dom0=bridge bridge=br7 check=no")
	want := strings.ReplaceAll(before, `"eth0"`, `"peth0"`)
	want = strings.ReplaceAll(want, "chain e {\n\t\tiif \"peth0\"", "chain e {\n\t\tiif \"br7\"")
	if up := ruleset(t); up != want {
		t.Errorf("want\n%s\nup\n%s", want, up)
	}
	must(t, "stop check=no")
	if now := ruleset(t); now != before {
		t.Errorf("before\n%s\nafter stop\n%s", before, now)
	}

	// What is about br7 already stays so: TestOwn.
	nstest.Run(t, "nft", "add", "rule", "inet", "a", "e", "iif", "br7", "drop")
	if r := doCall(t.Context(), t, "start netdev=eth0 dom0=bridge bridge=br7 check=no", nil); r.err != nil {
		t.Errorf("start: %v, %s", r.err, r.stderr)
	}
	want = strings.ReplaceAll(want, "iif \"br7\" accept\n", "iif \"br7\" accept\n\t\tiif \"br7\" drop\n")
	if up := ruleset(t); up != want {
		t.Errorf("want\n%s\nup\n%s", want, up)
	}
	must(t, "stop check=no")
	if now := ruleset(t); now != strings.ReplaceAll(before, "iif \"eth0\" accept\n\t}\n}\ntable b", "iif \"eth0\" accept\n\t\tiif \"br7\" drop\n\t}\n}\ntable b") {
		t.Errorf("before\n%s\nafter stop\n%s", before, now)
	}
}
