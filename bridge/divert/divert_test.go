package divert

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"xbr-script/internal/testing/nstest"
)

// TestWaysToDivert sends frames to a NIC. Those that have dom0's MAC address
// and no VLAN tag go to another interface, in each way that a kernel may offer,
// and only as long as they are diverted.
func TestWaysToDivert(t *testing.T) {
	mac, err := net.ParseMAC("00:16:3e:00:00:01")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		into   string // where diverted packets arrive
		divert func(nic, port, into int) (io.Closer, error)
	}{
		"nftables": {"dev0", func(_, port, _ int) (io.Closer, error) { return newNftFwd("nic", mac, port) }},
		"BPF":      {"dev0", func(nic, port, _ int) (io.Closer, error) { return newRedirect(nic, mac, Target{Index: port}) }},
		"BPF into": {"br0", func(nic, _, into int) (io.Closer, error) { return newRedirect(nic, mac, Target{into, true}) }},
	} {
		t.Run(name, func(t *testing.T) {
			nstest.New(t)
			nstest.Script(t, `
sysctl -qw net/ipv6/conf/default/disable_ipv6=1
ip link add nic address 00:16:3e:00:00:01 type veth peer name lan
ip link add dev0 address 00:16:3e:00:00:01 type veth peer name port0
ip link add br0 address 00:16:3e:00:00:01 type bridge
for i in nic lan dev0 port0 br0; do ip link set $i up; done
ip addr add 10.0.0.1/24 dev lan
ip neigh add 10.0.0.2 lladdr 00:16:3e:00:00:01 dev lan
ip neigh add 10.0.0.3 lladdr 00:16:3e:00:00:03 dev lan
`)
			heard := listen(t, index(t, c.into))
			// send sends n packets and says how many were diverted.
			send := func(to string, n int) int {
				_, _ = nstest.Try(t, "ping", "-q", "-c", strconv.Itoa(n), "-i", "0.01", "-W", "0.1", to) // nobody answers
				return heard()
			}
			if got := send("10.0.0.2", 5); got != 0 {
				t.Fatalf("%d of 5 packets were diverted before", got)
			}
			d, err := c.divert(index(t, "nic"), index(t, "port0"), index(t, c.into))
			if err != nil {
				t.Fatal(err)
			}
			if got := send("10.0.0.2", 5); got != 5 {
				t.Errorf("%d of 5 packets were diverted", got)
			}
			if got := send("10.0.0.3", 5); got != 0 {
				t.Errorf("%d of 5 packets for another address were diverted", got)
			}
			sendTagged(t, index(t, "lan"), mac)
			if got := heard(); got != 0 {
				t.Errorf("%d frames of a VLAN were diverted", got)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if got := send("10.0.0.2", 5); got != 0 {
				t.Errorf("%d of 5 packets were diverted after it", got)
			}
		})
	}
}

// index is the index of an interface.
func index(t *testing.T, name string) int {
	t.Helper()
	l, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Index
}

// sendTagged sends an IPv4 packet to that address in VLAN 5.
func sendTagged(t *testing.T, from int, to net.HardwareAddr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	frame := append(append([]byte{}, to...), 2, 0, 0, 0, 0, 9)
	frame = append(frame, 0x81, 0, 0, 5, 8, 0)
	frame = append(frame, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0x66, 0xce, 10, 0, 0, 1, 10, 0, 0, 2)
	if err := unix.Sendto(fd, append(frame, make([]byte, 40)...), 0, &unix.SockaddrLinklayer{Ifindex: from}); err != nil {
		t.Fatal(err)
	}
}

// listen returns a function that says how many IPv4 packets an interface has
// received since its last call.
func listen(t *testing.T, index int) func() int {
	t.Helper()
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index}); err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		for buf := make([]byte, 2048); ; {
			_, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return n
			}
			if from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING {
				n++
			}
		}
	}
}
