package sockets

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

func udp(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWith finds a socket where it was, or at another descriptor of the process, and no
// other one; it is no error if it is gone.
func TestWith(t *testing.T) {
	first, other := udp(t), udp(t)
	cookie, err := Cookie(first)
	must(t, err)
	stop := errors.New("found")
	for _, c := range []struct {
		what   string
		cookie uint64
		places []Place
		want   error
	}{
		{"where it was", cookie, []Place{{os.Getpid(), first}}, stop},
		{"at another descriptor", cookie, []Place{{os.Getpid(), other}}, stop},
		{"in the second process", cookie, []Place{{1 << 22, 3}, {os.Getpid(), first}}, stop},
		{"in none", cookie, []Place{{1 << 22, 3}}, nil},
		{"gone", cookie + 1<<40, []Place{{os.Getpid(), first}}, nil},
		{"at no descriptor", cookie + 1<<40, []Place{{os.Getpid(), 1 << 20}}, nil},
	} {
		if err := With(c.cookie, c.places, func(socket int) error {
			if is, _ := Cookie(socket); is != cookie || socket == first {
				t.Errorf("%s: it is another one, or no copy", c.what)
			}
			return stop
		}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestRejoin lets a socket with as many groups as it may have join elsewhere, and one that
// is a member there already, or no longer here.
func TestRejoin(t *testing.T) {
	nstest.New(t)
	nstest.Script(t, `
	ip link add v1 type veth peer name v2
	ip addr add 192.0.2.1/24 dev v1
	ip link set v1 up
	ip link set v2 up
	sysctl -qw net.ipv4.igmp_max_memberships=4`)
	index := func(name string) int {
		r, err := unix.NewIfreq(name)
		must(t, err)
		must(t, unix.IoctlIfreq(udp(t), unix.SIOCGIFINDEX, r))
		return int(r.Uint32())
	}
	a, b := index("v1"), index("v2")
	s := udp(t)
	var groups []netip.Addr
	for i := range 4 {
		g := netip.AddrFrom4([4]byte{239, 1, 1, byte(i)})
		groups = append(groups, g)
		must(t, join(s, a, g, netip.Addr{}))
	}
	back := func(from, to int) {
		t.Helper()
		for range 2 { // the second time there is nothing to do
			for _, g := range groups {
				must(t, Rejoin(s, from, to, g, netip.MustParseAddr("192.0.2.1")))
				if IsMember(s, from, g) || !IsMember(s, to, g) {
					t.Errorf("from %d to %d: %v", from, to, g)
				}
			}
		}
	}
	back(a, b)
	back(b, a)
	must(t, leave(s, a, groups[3]))
	must(t, join(s, b, groups[0], netip.Addr{}))
	must(t, Rejoin(s, a, b, groups[0], netip.Addr{}))
	if IsMember(s, a, groups[0]) || !IsMember(s, b, groups[0]) {
		t.Error("it has joined there before, and did not leave here")
	}
}

// TestRebind binds only a socket that is bound to one of those interfaces.
func TestRebind(t *testing.T) {
	nstest.New(t)
	s := udp(t)
	for _, c := range []struct {
		to   int
		from []int
		want int
	}{{7, []int{5}, 0}, {7, []int{5, 0}, 7}, {0, []int{7}, 0}, {9, []int{0}, 9}, {3, []int{7, 0}, 9}} {
		must(t, Rebind(s, c.to, c.from...))
		if is, err := unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX); err != nil || is != c.want {
			t.Errorf("%+v: %d, %v", c, is, err)
		}
	}
}
