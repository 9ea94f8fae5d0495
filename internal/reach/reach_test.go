package reach

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/internal/host"
	"xbr-script/internal/rtnl"
	"xbr-script/internal/testing/nstest"
)

func TestMain(m *testing.M) {
	os.Exit(m.Run())
}

// lan is dom0's eth0 and a neighbour on its link, with a host behind it.
const lan = `
	netns lan
	ip link add eth0 index 10 address 00:16:3e:00:00:01 type veth peer name lan0 netns lan
	ip addr add 10.0.0.2/24 dev eth0
	ip addr add 2001:db8::2/64 dev eth0 nodad
	ip link set eth0 up
	ip -n lan addr add 10.0.0.1/24 dev lan0
	ip -n lan addr add 10.9.9.9/32 dev lo
	ip -n lan addr add 2001:db8::1/64 dev lan0 nodad
	ip -n lan addr add 2001:db8:9::9/128 dev lo
	ip -n lan addr add fe80::1/64 dev lan0 nodad
	ip -n lan link set lo up
	ip -n lan link set lan0 up
	ip route add default via 10.0.0.1
	ip -6 route add default via 2001:db8::1
	until ip -6 route show table local | grep -q 2001:db8::2; do sleep 0.02; done
	until ip -n lan -6 route show table local | grep -q fe80::1; do sleep 0.02; done`

// patience is far more time than an answer takes on a busy machine.
const patience = 20 * time.Second

func never(Answers, time.Duration) bool { return false }

func on(link, addr string) Host { return Host{netip.MustParseAddr(addr), link} }

func TestAsk(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, lan)
	nstest.Rest(t)
	there := []Host{
		on("eth0", "10.0.0.1"), on("eth0", "2001:db8::1"), on("eth0", "fe80::1"),
		on("", "10.9.9.9"), on("", "2001:db8:9::9"), on("", "10.0.0.1"),
	}
	if got := answers(t.Context(), t, there, patience, never); len(got) != len(there) {
		t.Errorf("of %v only these answered: %v", there, got)
	}
	nobody := []Host{
		on("eth0", "10.0.0.77"), on("eth0", "2001:db8::77"), on("eth0", "10.9.9.9"), // not on the link, so it does not answer ARP either
		on("", "10.0.0.77"), on("none", "10.0.0.1"), on("none", "fe80::1"), on("lo", "10.0.0.1"),
	}
	nstest.Run(t, "ip", "netns", "exec", "lan", "sysctl", "-qw", "net.ipv4.conf.lan0.arp_ignore=1")
	asked := time.Duration(0)
	got := answers(t.Context(), t, nobody, time.Second, func(_ Answers, d time.Duration) bool { asked = d; return false })
	if len(got) > 0 || asked == 0 {
		t.Errorf("answers of nobody: %v; asked for %s", got, asked)
	}
	mixed := slices.Concat(nobody, there[:1])
	if got := answers(t.Context(), t, mixed, patience, func(a Answers, _ time.Duration) bool { return len(a) == 1 }); !got[there[0]] {
		t.Errorf("one of all: %v", got)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if got := answers(ended, t, there, patience, never); len(got) > 0 {
		t.Errorf("asked after the end: %v", got)
	}
	if got := answers(t.Context(), t, nil, patience, never); len(got) > 0 {
		t.Errorf("answers to no question: %v", got)
	}
}

// TestAskComesBack asks over a link that is made meanwhile, and over one that
// goes and comes back.
func TestAskComesBack(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, lan+`
		ip -n lan link set lan0 down
		ip link set eth0 name other`)
	nstest.Rest(t)
	hosts := []Host{on("eth0", "10.0.0.1"), on("eth0", "fe80::1")}
	rounds := 0
	got := answers(t.Context(), t, hosts, patience, func(Answers, time.Duration) bool {
		switch rounds++; rounds {
		case 3:
			nstest.Run(t, "ip", "link", "set", "other", "name", "eth0")
		case 6:
			nstest.Run(t, "ip", "link", "del", "eth0")
		case 9:
			nstest.Script(t, `
				ip link add eth0 type veth peer name lan0 netns lan
				ip link set eth0 up
				ip -n lan addr add 10.0.0.1/24 dev lan0
				ip -n lan addr add fe80::1/64 dev lan0 nodad
				ip -n lan link set lan0 up`)
		}
		return false
	})
	if len(got) != len(hosts) {
		t.Errorf("after %d rounds these answered: %v", rounds, got)
	}
}

func TestPeers(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, lan+`
		ip link add eth1 type veth peer name lan1
		ip addr add 10.1.0.2/24 dev eth1
		ip link set eth1 up
		ip link set lan1 up
		ip route add 10.20.0.0/16 nexthop via 10.0.0.5 dev eth0 nexthop via 10.1.0.5 dev eth1
		ip route add 10.21.0.0/16 via inet6 fe80::5 dev eth0
		ip nexthop add id 5 via 10.0.0.6 dev eth0
		ip route add 10.22.0.0/16 nhid 5
		ip route add 10.23.0.0/16 via 10.1.0.7
		ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev eth0 nud stale
		ip neigh add 10.0.0.9 dev eth0 nud failed
		ip neigh add proxy 10.0.0.10 dev eth0
		ip neigh add 10.1.0.8 lladdr 02:00:00:00:00:09 dev eth1 nud permanent`)
	nstest.Rest(t)
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	h, err := host.Read(c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range Peers(h, h.Name("eth0")) {
		if p.Link != "eth0" {
			t.Errorf("on the link of %q: %s", p.Link, p)
		}
		got = append(got, p.String())
	}
	want := []string{"10.0.0.1", "10.0.0.5", "fe80::5", "10.0.0.6", "2001:db8::1", "10.0.0.8"}
	slices.Sort(want[:5])
	if len(got) == len(want) {
		slices.Sort(got[:5])
	}
	if !slices.Equal(got, want) {
		t.Errorf("peers %q, want %q", got, want)
	}
	for i := range 40 {
		nstest.Run(t, "ip", "neigh", "add", netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}).String(), "lladdr", "02:00:00:00:00:08", "dev", "eth0")
	}
	if h, err = host.Read(c); err != nil {
		t.Fatal(err)
	}
	if n := len(Peers(h, h.Name("eth0"))); n != maxPeers {
		t.Errorf("%d peers of many, want %d", n, maxPeers)
	}
}

// answers is Ask, which must not fail here.
func answers(ctx context.Context, t *testing.T, hosts []Host, limit time.Duration, enough func(Answers, time.Duration) bool) Answers {
	t.Helper()
	got, err := Ask(ctx, hosts, limit, enough)
	if err != nil {
		t.Error(err)
	}
	return got
}

// TestCannotAsk: an error says that nobody can be asked, which is not the same
// as that nobody answers.
func TestCannotAsk(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, lan)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, h := range []Host{on("eth0", "10.0.0.1"), on("eth0", "2001:db8::1"), on("", "10.9.9.9"), on("", "2001:db8:9::9")} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		_, err := Ask(t.Context(), []Host{h}, time.Second, never)
		if back := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); back != nil {
			t.Fatal(back)
		}
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%v: %v", h, err)
		}
	}
	if _, err := Ask(t.Context(), []Host{on("none0", "10.0.0.1"), on("none0", "2001:db8::1")}, 100*time.Millisecond, never); err != nil {
		t.Errorf("an interface that is gone: %v", err)
	}
}
