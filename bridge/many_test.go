package bridge_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/nstest"
	"xbr-script/internal/plan"
)

// many is a host with so many addresses of each family, in one network each.
func many(n4, n6 int) network {
	lines := []string{"cat >/run/addresses <<'END'; ip -batch /run/addresses"}
	for i := range n4 {
		lines = append(lines, fmt.Sprintf("addr add 10.1.%d.%d/16 dev eth0", i>>8, i&255))
	}
	for i := range n6 {
		lines = append(lines, fmt.Sprintf("addr add 2001:db8::1:%x/64 dev eth0 nodad", i))
	}
	return network{fmt.Sprintf("%d and %d addresses", n4, n6), strings.Join(lines, "\n") + "\nEND", []bridge.Want{want(0, "eth0")}}
}

// TestManyAddresses moves thousands of addresses there and back, and back again
// in mid-move. That it ends is what counts: where the kernel still has the list
// of the groups that were left with IPv6 addresses, each move of 4,000 takes it
// minutes. The fewer there are the less that shows, but what is moved is the
// same.
func TestManyAddresses(t *testing.T) {
	hosts := []network{many(300, 300), many(100, 300).shaped(true)}
	if !testing.Short() {
		hosts = append(hosts, many(0, 4000), many(4000, 500).shaped(true))
	}
	const limit = 20 * time.Minute // and an hour for one of those minutes
	for _, n := range hosts {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			l := emptyLab(t, n, true)
			nstest.Script(t, quick+cable("eth0", "lan0", "00:16:3e:00:00:01"))
			nstest.Run(t, "sh", "-ec", n.script)
			nstest.Rest(t)
			before := nstest.ReadState(t)
			for _, start := range []bool{true, false} {
				at := nstest.ReadState(t)
				l.undone(start)
				l.settled("an undone "+verb(start), at)
				l.mustRun(start)
				if time.Since(begin) > limit {
					t.Fatalf("%s came to an end after %s", verb(start), time.Since(begin))
				}
			}
			l.settled("stop", before)
		})
	}
}

func (l *lab) settled(after string, want nstest.State) {
	l.t.Helper()
	if d := nstest.Settled(l.t, want, nstest.Whole); d != "" {
		l.t.Errorf("not as before after %s:\n%.2000s", after, d)
	}
}

// undone carries a plan out of which the last step fails.
func (l *lab) undone(start bool) {
	l.t.Helper()
	pl, r := l.plan(start), l.runner()
	late := errors.New("too late")
	r.Hook = func(step int, after bool) error {
		if after && step == len(pl.Steps)-1 {
			return late
		}
		return nil
	}
	var failed *plan.Failed
	if err := r.Run(l.t.Context(), pl); !errors.As(err, &failed) || !errors.Is(err, late) || len(failed.Left) > 0 {
		l.t.Fatalf("%s: %v", verb(start), err)
	}
}

// TestGroupsStay listens on the LAN to start and stop: dom0 stays in the
// solicited-node groups of its addresses, so nobody may hear that one is left,
// upon which a switch would keep it from dom0.
func TestGroupsStay(t *testing.T) {
	for _, n := range shapes(many(1, 3)) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			l := emptyLab(t, n, true)
			nstest.Script(t, quick+cable("eth0", "lan0", "00:16:3e:00:00:01"))
			nstest.Run(t, "sh", "-ec", n.script)
			nstest.Rest(t)
			ear := listen(t, "lan0")
			l.mustRun(true)
			const reported = 2500 * time.Millisecond // twice, within a second each
			time.Sleep(reported)
			l.mustRun(false)
			time.Sleep(reported)
			joined, left := reports(ear)
			if len(joined) == 0 {
				t.Error("no report at all was heard")
			}
			for group := range left {
				t.Errorf("%s was left", group)
			}
		})
	}
}

// listen opens a socket for IPv6 frames on an interface.
func listen(t *testing.T, name string) int {
	t.Helper()
	proto := binary.BigEndian.Uint16([]byte{unix.ETH_P_IPV6 & 0xff, unix.ETH_P_IPV6 >> 8})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(proto))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	var index int
	if _, err := fmt.Sscan(nstest.Run(t, "cat", "/sys/class/net/"+name+"/ifindex"), &index); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: index}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// reports are the groups that MLD version 2 reports (RFC 3810, 5.2) in what a
// socket has heard said that somebody has joined, and has left.
func reports(fd int) (joined, left map[netip.Addr]bool) {
	const (
		report                   = 62 // after the headers of Ethernet, IPv6 and its router alert
		typeReport               = 143
		toInclude, toExclude     = 3, 4 // from or to no source
		recordHeader, recordAddr = 4, 16
	)
	joined, left = map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for buf := make([]byte, 65536); ; {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return joined, left
		}
		frame := buf[:n]
		if n < report+8 || frame[report] != typeReport {
			continue
		}
		for rest := frame[report+8:]; len(rest) >= recordHeader+recordAddr; {
			group := netip.AddrFrom16([16]byte(rest[recordHeader:]))
			switch rest[0] {
			case toInclude:
				left[group] = true
			case toExclude:
				joined[group] = true
			}
			size := recordHeader + recordAddr*(1+int(binary.BigEndian.Uint16(rest[2:]))) + 4*int(rest[1])
			rest = rest[min(size, len(rest)):]
		}
	}
}
