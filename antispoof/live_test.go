package antispoof

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// flood sends forged packets without end, in the name of another guest and of
// dom0 in turn, and counts those that arrive at the gateway.
type flood struct {
	sent, leaked int
	stop         chan struct{}
	done         sync.WaitGroup
}

func (s *testbed) flood() *flood {
	s.Helper()
	f := &flood{stop: make(chan struct{})}
	var frames [][]byte
	for _, src := range []netip.Addr{s.victim.v4, dom0IPv4, s.victim.v6, dom0IPv6} {
		dst := s.gw.v4
		if src.Is6() {
			dst = s.gw.v6
		}
		typ, p := datagram(src, dst, "FORGED")
		frames = append(frames, ethernet(s.gw.mac, s.mallory.mac, typ, p))
	}
	to := &unix.SockaddrLinklayer{Ifindex: s.index(s.mallory), Protocol: allFrames}
	came(s.gw.fd)
	f.done.Go(func() {
		for {
			for _, frame := range frames {
				if unix.Sendto(s.mallory.fd, frame, 0, to) == nil {
					f.sent++
				}
			}
			f.leaked += bytes.Count(came(s.gw.fd), []byte("FORGED"))
			select {
			case <-f.stop:
				time.Sleep(settle)
				f.leaked += bytes.Count(came(s.gw.fd), []byte("FORGED"))
				return
			default:
			}
		}
	})
	return f
}

func (f *flood) end() { close(f.stop); f.done.Wait() }

// TestLive changes the rules under load: no forged packet gets through and no
// other is lost while a chain is replaced, and while a bridge comes and goes.
func TestLive(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		s := newTestbed(t, backend, false)
		b := s.bridge(1)
		nstest.Script(t, vifRules("-I", "vif1.0", s.mallory.v4)+vifRules("-I", "vif2.0", s.victim.v4))
		s.start(yes(s.b))

		pings := s.pings(s.victim, s.gw)
		f := s.flood()
		const rounds = 10
		for i := range rounds {
			more := s.b
			more.Addrs = append([]netip.Prefix{prefix(fmt.Sprintf("10.9.%d.1/24", i))}, s.b.Addrs...)
			s.start(yes(more))
			nstest.Script(t, "iptables -A XBR-xenbr0 -s 192.0.2.9 -j DROP\nip6tables -A XBR-xenbr0 -s 2001:db8::9 -j DROP")
			s.start(yes(s.b), yes(b))
			s.stop(b)
		}
		f.end()
		count, ok := pings()
		t.Logf("%d forged packets sent, %d arrived in %d rounds; pings: %s", f.sent, f.leaked, rounds, count)
		if f.leaked > 0 || f.sent < 1000 || !ok {
			t.Error("the rules were not in force all the time")
		}
		if st, err := s.planner.Status(s.b); err != nil || !st.InForce {
			t.Errorf("status: %+v %v", st, err)
		}
	})
}

// pings lets one box ping another without end. The function that it returns
// ends that and tells whether all were answered, except for one that may be on
// its way.
func (s *testbed) pings(from, to *box) (end func() (count string, ok bool)) {
	s.Helper()
	// Without the other's MAC address, the first packets would wait for it.
	nstest.Run(s, "ip", "netns", "exec", from.name, "ping", "-n", "-c1", "-W10", to.v4.String())
	ping := exec.Command("ip", "netns", "exec", from.name, "ping", "-q", "-n", "-i", "0.005", "-W", "5", to.v4.String())
	var out bytes.Buffer
	ping.Stdout = &out
	if err := ping.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = ping.Process.Kill() }) // if the test ends before
	return func() (count string, ok bool) {
		_ = ping.Process.Signal(unix.SIGINT)
		_ = ping.Wait() // an interrupt is no failure
		_, count, _ = strings.Cut(out.String(), "statistics ---\n")
		count, _, _ = strings.Cut(count, "\n")
		sent, answered := 0, 0
		_, err := fmt.Sscanf(count, "%d packets transmitted, %d received", &sent, &answered)
		return count, err == nil && answered > 0 && sent-answered <= 1
	}
}

// TestOnOff switches antispoof on and off on a bridge that is up: no permitted
// packet is lost.
func TestOnOff(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		s := newTestbed(t, backend, false)
		nstest.Script(t, vifRules("-I", "vif1.0", s.mallory.v4)+vifRules("-I", "vif2.0", s.victim.v4))
		dom0 := &box{v4: dom0IPv4}
		ends := map[string]func() (string, bool){
			"guest to gateway": s.pings(s.mallory, s.gw),
			"guest to guest":   s.pings(s.victim, s.mallory),
			"guest to dom0":    s.pings(s.victim, dom0),
			"gateway to dom0":  s.pings(s.gw, dom0),
		}
		for range 10 {
			s.start(yes(s.b))
			s.start(no(s.b))
		}
		for name, end := range ends {
			count, ok := end()
			t.Logf("%s: %s", name, count)
			if !ok {
				t.Errorf("%s: packets were lost", name)
			}
		}
	})
}

// TestBesideVif starts and stops while vif-bridge adds and removes guests: no
// guest's rule is lost, and none is left without effect.
func TestBesideVif(t *testing.T) {
	each(t, func(t *testing.T, backend string) {
		d := newDom0(t, backend)
		d.scripts(newScript)
		a := d.bridge(0)
		if !testing.Short() {
			// With this rule ours are not the last ones any more, and have to
			// be counted.
			nstest.Script(t, "iptables -A FORWARD -s 192.0.2.1 -j DROP")
		}
		var script strings.Builder
		const guests = 25
		for i := range guests {
			script.WriteString(strings.ReplaceAll(vifRules("-I", fmt.Sprintf("vif%d.0", i+1), ip("10.0.0.7")), "iptables", "iptables -w"))
		}
		vif := exec.CommandContext(context.Background(), "sh", "-ec", script.String())
		var out bytes.Buffer
		vif.Stderr = &out
		if err := vif.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- vif.Wait() }()
		for running := true; running; {
			select {
			case err := <-ended:
				running = false
				if err != nil {
					t.Errorf("vif-bridge: %v %s", err, out.String())
				}
			default:
				d.start(yes(a))
				d.stop(a)
			}
		}
		d.start(yes(a))
		d.settled("afterwards", a)
		rules := nstest.Run(t, "iptables", "-S", "FORWARD")
		if n := strings.Count(rules, "ACCEPT\n") - 1; n != 4*guests { // without the policy
			t.Errorf("%d of the guests' %d rules are there:\n%s", n, 4*guests, rules)
		}
	})
}
