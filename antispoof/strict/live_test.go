package strict

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/config"
	"xbr-script/internal/plan"
	"xbr-script/internal/testing/faults"
	"xbr-script/internal/testing/nstest"
)

// traffic sends numbered frames of one guest to another, and between each two a forged
// one, until it is ended.
type traffic struct {
	sent, lost, leaked int // lost by the rules: not because the machine dropped them
	stop               chan struct{}
	done               sync.WaitGroup
}

// flood begins it. Each frame has come, or has been dropped, when the next is sent: all
// that a veth does with it happens in the sender's system call, or soon after it.
func (l *lab) flood() *traffic {
	f := &traffic{stop: make(chan struct{})}
	before := l.overflown()
	m, v := l.mallory, l.victim
	to := &unix.SockaddrLinklayer{Ifindex: m.index, Protocol: allFrames}
	right := frame(v.mac, m.mac, 0x0800, udp4Packet(m.v4, v.v4, 4242, 4243), []byte("RIGHT"))
	forged := [][]byte{
		frame(v.mac, m.mac, 0x0800, udp4Packet(l.gw.v4, v.v4, 4242, 4243), []byte("FORGED")),
		frame(v.mac, l.gw.mac, 0x0800, udp4Packet(m.v4, v.v4, 4242, 4243), []byte("FORGED")),
		frame(v.mac, m.mac, 0x0806, arpPacket(2, m.mac, l.gw.v4, v.mac, v.v4), []byte("FORGED")),
	}
	_ = came(v)
	f.done.Go(func() {
		received := 0
		count := func() {
			all := came(v)
			received += bytes.Count(all, []byte("RIGHT"))
			f.leaked += bytes.Count(all, []byte("FORGED"))
		}
		for running := true; running; {
			for _, bad := range forged {
				_ = unix.Sendto(m.fd, bad, 0, to)
			}
			if unix.Sendto(m.fd, right, 0, to) == nil {
				f.sent++
			}
			count()
			for range 1000 { // not more than can wait
				if f.sent-received < 50 {
					break
				}
				_ = unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
				count()
			}
			select {
			case <-f.stop:
				running = false
			default:
			}
		}
		for range 1000 { // the last ones may be on their way
			if count(); received >= f.sent {
				break
			}
			_ = unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil)
		}
		f.lost = max(0, f.sent-received-(l.overflown()-before))
	})
	return f
}

// TestLive admits and dismisses guests and changes addresses under traffic, and mends what
// others have changed: no forged frame passes, and none that is right is lost.
func TestLive(t *testing.T) {
	t.Parallel()
	l := newLab(t, false)
	l.start()
	f := l.flood()
	rounds := 6
	if !testing.Short() {
		rounds = 50
	}
	for i := range rounds {
		g := guestFor(l.x, nil, fmt.Sprintf("10.0.3.%d/32", i%250+1), "10.3.4.0/24")
		l.carryOut(l.planner().Admit(g))
		g = guestFor(l.mallory, nil, "10.0.0.11/32", "fd00::11/128", fmt.Sprintf("10.4.%d.0/24", i%250))
		l.carryOut(l.planner().Admit(g))
		l.carryOut(l.planner().Dismiss(config.Guest{Port: l.x.port}))
	}
	for range rounds / 3 {
		for _, harm := range []string{
			"add chain bridge xbr-xenbr0 more",
			"insert rule bridge xbr-xenbr0 guest counter",
			"insert rule bridge xbr-xenbr0 prerouting counter",
			"add rule bridge xbr-xenbr0 ip4-source counter",
			`add element bridge xbr-xenbr0 ports { "vif77.0" : accept }`,
			"flush chain bridge xbr-xenbr0 nd-probe",
		} {
			nstest.Run(t, "nft", harm)
			l.carryOut(l.planner().Start([]Bridge{l.b}, nil))
		}
	}
	close(f.stop)
	f.done.Wait()
	t.Logf("%d frames of its own and %d forged ones in %d rounds: %d lost, %d leaked", f.sent, 3*f.sent, rounds, f.lost, f.leaked)
	if f.leaked > 0 || f.lost > 0 || f.sent < 100 {
		t.Error("the rules were not the same all the time")
	}
}

// TestUpAndDown switches strict on and off on a bridge that is up, under traffic.
func TestUpAndDown(t *testing.T) {
	t.Parallel()
	l := newLab(t, true)
	nstest.Script(t, "ip link set vif9.0 nomaster")
	l.start()
	l.stop()
	nstest.Script(t, "ip link set vif9.0 nomaster")
	before := l.state()
	f := l.flood()
	for range 2 {
		l.start()
		l.stop()
		nstest.Script(t, "ip link set vif9.0 nomaster")
	}
	close(f.stop)
	f.done.Wait()
	if f.lost > 0 || f.leaked == 0 {
		t.Errorf("%d frames lost of %d; %d forged ones passed while strict was off", f.lost, f.sent, f.leaked)
	}
	if now := l.state(); now != before {
		t.Errorf("left:\n%s\nwas\n%s", now, before)
	}
}

// state is all that the package changes, without what was counted.
func (l *lab) state() string {
	l.Helper()
	var out strings.Builder
	t, err := readTable(tableName("xenbr0"))
	if err != nil {
		l.Fatal(err)
	}
	if t != nil {
		for _, name := range slices.Sorted(maps.Keys(t.Elements)) {
			fmt.Fprintf(&out, "set %s\n%s\n", name, strings.Join(t.Elements[name], "\n"))
		}
		for _, name := range slices.Sorted(maps.Keys(t.Rules)) {
			fmt.Fprintf(&out, "chain %s %x\n", name, t.Rules[name])
		}
		fmt.Fprintln(&out, slices.Sorted(maps.Keys(t.Counters)))
	}
	return out.String() + nstest.Run(l, "sh", "-c", "nft list tables; ip -d link show xenbr0 | grep -o 'no_linklocal_learn .'; cat "+runDir+"/*.json 2>/dev/null; true")
}

// TestEveryStepFails makes each step of a start, an admission, a mending and a stop go
// wrong in each way: afterwards all is as before.
func TestEveryStepFails(t *testing.T) {
	shapes(t, func(t *testing.T, onBridge bool) {
		if onBridge && testing.Short() {
			return // the steps are the same
		}
		l := newLab(t, onBridge)
		l.admit(l.mallory, nil, "10.0.0.11/32")
		l.admit(l.victim, nil)
		nstest.Script(t, "for p in vif3.0 vif4.0 vif9.0; do ip link set $p nomaster; done")
		total := &faults.Matrix{}
		every := func(verb string, part func() (Part, error)) {
			before := l.state()
			m := &faults.Matrix{T: t, Runner: *l.runner, Same: func(what string) bool {
				now := l.state()
				if now != before {
					t.Errorf("%s: %s", what, lineDiff(before, now))
				}
				return now == before
			}}
			m.Try(verb, func() *plan.Plan {
				p, err := part()
				if err != nil {
					t.Fatal(verb, err)
				}
				return stepsOf(p)
			})
			if m.Steps == 0 {
				t.Errorf("%s has no steps", verb)
			}
			total.Steps, total.Cases = total.Steps+m.Steps, total.Cases+m.Cases
			l.carryOut(part())
		}
		every("start", func() (Part, error) { return l.planner().Start([]Bridge{l.b}, nil) })
		every("admit", func() (Part, error) { return l.planner().Admit(guestFor(l.loose, nil, "10.9.9.0/24")) })
		every("admit again", func() (Part, error) { return l.planner().Admit(guestFor(l.mallory, nil, "10.0.0.99/32")) })
		every("dismiss", func() (Part, error) { return l.planner().Dismiss(config.Guest{Port: "vif3.0"}) })
		every("stop", func() (Part, error) { return l.planner().Stop([]Bridge{l.b}) })
		t.Log(total)
	})
}

// TestAddressAdded gives a guest that is up another address of each family, and takes both
// away again: only meanwhile they are its own.
func TestAddressAdded(t *testing.T) {
	t.Parallel()
	l := newLab(t, true)
	l.start()
	l.announce()
	m, v, four, six := l.mallory, l.victim, ip("10.0.0.99"), ip("2001:db8::99")
	has := []string{m.v4.String() + "/32", m.v6.String() + "/128"}
	flows := []flow{
		{"ARP", "", m, v, frame(broadcast, m.mac, 0x0806, arpPacket(1, m.mac, four, zeros(6), four))},
		{"IPv4", "", m, v, frame(v.mac, m.mac, 0x0800, udp4Packet(four, v.v4, 4242, 4243))},
		{"ND", "", m, v, frame(v.mac, m.mac, 0x86dd, icmp6Packet(six, v.v6, 136, []byte{0x20, 0, 0, 0}, six.AsSlice(), lladdr(2, m.mac)))},
		{"IPv6", "", m, v, frame(v.mac, m.mac, 0x86dd, udp6Packet(six, v.v6, 4242, 4243))},
	}
	always := []flow{{"its first address", "", m, v, frame(v.mac, m.mac, 0x0800, udp4Packet(m.v4, v.v4, 4242, 4243))}}
	for _, more := range [][]string{nil, {four.String() + "/32", six.String() + "/128"}, nil} {
		l.admit(m, nil, append(slices.Clone(has), more...)...)
		for range 2 { // whoever admits it again changes nothing
			want := 0
			if more == nil {
				want = len(flows)
			}
			lost := l.undisturbed(func() []string { return l.deliver(always) })
			if refused := l.deliver(flows); len(refused) != want || len(lost) > 0 {
				t.Errorf("with %q: %q do not arrive, and %q", more, refused, lost)
			}
			l.admit(m, nil, append(slices.Clone(has), more...)...)
		}
	}
}

// TestLinkLocal sends frames that no hook of the bridge sees, in the gateway's name: the
// bridge learns from them only without strict.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	l := newLab(t, false)
	at := func() string {
		for line := range strings.Lines(nstest.Run(t, "bridge", "fdb", "show", "br", "xenbr0")) {
			if strings.HasPrefix(line, l.gw.mac.String()) {
				return strings.Fields(line)[2]
			}
		}
		return ""
	}
	// The gateway speaks on its own, too (it reports its multicast groups), and a frame may
	// be overtaken by one that is sent from another processor.
	until := func(port string, send func()) {
		t.Helper()
		for begin := time.Now(); ; {
			if send(); at() == port {
				return
			}
			if time.Since(begin) > prompt {
				t.Fatalf("the gateway is at %s, not at %s", at(), port)
			}
		}
	}
	for _, strict := range []bool{false, true} {
		if strict {
			l.start()
		}
		for _, last := range []byte{0, 2, 3, 0x0e} {
			until("peth0", l.announce)
			pretend := func() {
				l.send(l.mallory, frame(append(mac("01:80:c2:00:00:00")[:5:5], last), l.gw.mac, 0x88cc, zeros(46)))
				l.passes(l.mallory, l.victim)
			}
			if !strict {
				until("vif1.0", pretend)
				continue
			}
			if pretend(); at() == "vif1.0" {
				t.Errorf("strict, to 01:80:c2:00:00:%02x: the gateway is where the guest is", last)
			}
		}
	}
}

// passes lets a box send to another until that has got something.
func (l *lab) passes(from, to *box) {
	l.Helper()
	behind := frame(to.mac, from.mac, 0x0800, udp4Packet(from.v4, to.v4, 1, 2), []byte("BEHIND"))
	for begin, round := time.Now(), 0; ; round++ {
		if round%200 == 0 { // it may have been dropped where others send very much
			l.send(from, behind)
		}
		if bytes.Contains(came(to), []byte("BEHIND")) {
			return
		}
		if time.Since(begin) > prompt {
			l.Fatalf("what %s sends to %s does not arrive", from.name, to.name)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestMany has 500 guests: the table is made in one transaction, and what a guest costs
// does not depend on the others.
func TestMany(t *testing.T) {
	t.Parallel()
	nstest.New(t)
	s := &State{Bridge: "xenbr0", NIC: "peth0"}
	for i := range 500 {
		s.Guests = append(s.Guests, Guest{
			Port: fmt.Sprintf("vif%d.0", i+1), MAC: fmt.Sprintf("00:16:3e:00:%02x:%02x", i/256, i%256),
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 256), byte(i)}), 32), netip.MustParsePrefix(fmt.Sprintf("fd00:%x::/64", i))},
		})
	}
	do(t, &table{Bridge: "xenbr0", To: s})
	same(t, "new", s)
	rules := 0
	for _, c := range chains(s) {
		rules += len(c.rules)
	}
	one := 0
	for _, c := range chains(&State{Bridge: "xenbr0", NIC: "peth0", Guests: s.Guests[:1]}) {
		one += len(c.rules)
	}
	if rules != one {
		t.Errorf("%d rules for 500 guests, %d for one", rules, one)
	}
	now := *s
	now.Guests = s.Guests[:499]
	table, err := readTable("xbr-xenbr0")
	if err != nil {
		t.Fatal(err)
	}
	if d := now.differences(table, s); len(d.shape)+len(d.extra) > 0 || len(d.del["ports"]) != 1 {
		t.Errorf("to dismiss one of them changes %q", d.texts())
	}
}

// lineDiff is the lines that only one of two texts has.
func lineDiff(a, b string) string {
	var out strings.Builder
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, l := range as {
		if !slices.Contains(bs, l) {
			out.WriteString("- " + l + "\n")
		}
	}
	for _, l := range bs {
		if !slices.Contains(as, l) {
			out.WriteString("+ " + l + "\n")
		}
	}
	return out.String()
}
