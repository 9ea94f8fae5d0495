package bridge_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/plan"
	"xbr-script/internal/testing/nstest"
)

// TestWire listens at the far end of the NIC's cable while dom0 and its neighbour send to
// each other before each operation of start and stop, and while these are taken back,
// from their last step on or, in a long run, from each: every frame comes from dom0's MAC
// address. A switch may shut a port from which others come.
func TestWire(t *testing.T) {
	for _, n := range shapes(reachable) {
		for _, live := range []bool{true, false} {
			t.Run(n.name+" "+renaming(live), func(t *testing.T) {
				t.Parallel()
				w := newWire(newLab(t, n, live))
				for _, start := range []bool{true, false} {
					last := len(w.plan(start).Steps) - 1
					first := 0
					if testing.Short() {
						first = last
					}
					for step := first; step <= last; step++ {
						w.run(start, step)
					}
					w.run(start, never)
				}
			})
		}
	}
}

const never = -1

// wire is a lab with traffic on its cable.
type wire struct {
	*lab
	tap, dom0, lan int    // sockets: what hears all, and a UDP port on each side
	doing          string // what is done at the moment
	heard, foreign int    // frames, of what is done
}

func newWire(l *lab) *wire {
	l.t.Helper()
	// The LAN has nothing to ask, so it sends as soon as there is a link.
	nstest.Script(l.t, "sysctl -qw net/ipv4/conf/all/rp_filter=0\nip -n lan neigh replace 10.0.0.2 lladdr 00:16:3e:00:00:01 dev lan0 nud permanent\n")
	w := &wire{lab: l, dom0: udpPort(l.t)}
	nstest.Inside(l.t, "lan", func() error {
		w.lan, w.tap = udpPort(l.t), socket(l.t, unix.AF_PACKET, unix.SOCK_RAW)
		lan0 := must(net.InterfaceByName("lan0"))
		all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
		return unix.Bind(w.tap, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lan0.Index})
	})
	return w
}

// udpPort is port 7 of the namespace, for both families.
func udpPort(t *testing.T) int {
	t.Helper()
	fd := socket(t, unix.AF_INET6, unix.SOCK_DGRAM)
	must(0, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0))
	must(0, unix.Bind(fd, &unix.SockaddrInet6{Port: 7}))
	return fd
}

// socket is one that does not wait.
func socket(t *testing.T, family, kind int) int {
	t.Helper()
	fd := must(unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

var errTakeBack = errors.New("injected")

// run carries start or stop out, and has it taken back after that step.
func (w *wire) run(start bool, fails int) {
	w.t.Helper()
	nstest.Rest(w.t)
	pl := w.plan(start)
	w.doing, w.heard, w.foreign = verb(start), 0, 0
	r := w.runner()
	r.Trace = func(string) { w.talk() }
	r.Hook = func(step int, after bool) error {
		if step != fails || !after {
			return nil
		}
		w.doing, w.foreign = fmt.Sprintf("%s undone from step %d on (%s)", verb(start), step, pl.Steps[step].Title), 0
		return errTakeBack
	}
	r.UndoHook = func(int, bool) error { w.talk(); return nil }
	err := r.Run(w.t.Context(), pl)
	var failed *plan.Failed
	switch {
	case fails == never && err != nil,
		fails != never && (!errors.Is(err, errTakeBack) || !errors.As(err, &failed) || len(failed.Left) > 0):
		w.t.Fatalf("%s: %v", w.doing, err)
	}
	nstest.Script(w.t, "for i in $(seq 30); do ping -qc1 -W1 10.9.0.1 && exit; done; exit 1\n")
	w.talk()
	if w.heard == 0 {
		w.t.Errorf("%s: nothing was heard", w.doing)
	}
}

// talk lets both sides send, dom0 also answer, and listens. What cannot be sent at the
// moment is lost.
func (w *wire) talk() {
	w.t.Helper()
	for _, to := range []string{"10.0.0.2", "10.0.0.3", "2001:db8::2"} {
		_ = unix.Sendto(w.lan, []byte("to dom0"), 0, port7(to))
	}
	// Nobody has the last address of each family.
	for _, to := range []string{"10.0.0.1", "10.9.0.1", "10.0.0.99", "2001:db8::1", "2001:db8::99"} {
		_ = unix.Sendto(w.dom0, []byte("from dom0"), 0, port7(to))
	}
	arrived(w.dom0, func(data []byte, from unix.Sockaddr) { _ = unix.Sendto(w.dom0, data, 0, from) })
	arrived(w.tap, func(frame []byte, from unix.Sockaddr) {
		if ll, ok := from.(*unix.SockaddrLinklayer); !ok || ll.Pkttype == unix.PACKET_OUTGOING || len(frame) < 14 {
			return
		}
		w.heard++
		if mac := net.HardwareAddr(frame[6:12]).String(); mac != "00:16:3e:00:00:01" {
			if w.foreign++; w.foreign == 1 {
				w.t.Errorf("%s: a frame is from %s: %x", w.doing, mac, frame[:min(len(frame), 64)])
			}
		}
	})
}

// port7 is where udpPort listens.
func port7(ip string) unix.Sockaddr {
	return &unix.SockaddrInet6{Port: 7, Addr: [16]byte(net.ParseIP(ip).To16())}
}

// arrived hands over what has come to a socket. Other errors than that there is no more
// are about what was sent, or about the link, and are told once.
func arrived(fd int, each func(data []byte, from unix.Sockaddr)) {
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case err == nil:
			each(buf[:n], from)
		}
	}
}
