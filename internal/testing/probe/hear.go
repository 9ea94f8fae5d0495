package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// hear prints each kind of frame that comes in on an interface, once, until
// the interface goes away.
func hear(name string, stdout io.Writer) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := packetSocket(link.Index)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if _, err := fmt.Fprintln(stdout, "hearing"); err != nil {
		return err
	}
	heard := map[string]bool{}
	frame := make([]byte, 65536)
	for {
		n, from, err := unix.Recvfrom(fd, frame, 0)
		if err != nil {
			return fmt.Errorf("cannot hear %s: %w", name, err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		kind := describe(frame[:n])
		if heard[kind] {
			continue
		}
		heard[kind] = true
		if _, err := fmt.Fprintln(stdout, kind); err != nil {
			return err
		}
	}
}

// packetSocket is a socket that gets every frame of the interface, also those
// for others (packet(7)).
func packetSocket(index int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
	if err == nil {
		err = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC})
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// describe says what kind of frame an Ethernet frame is.
func describe(frame []byte) string {
	if len(frame) < 14 {
		return fmt.Sprintf("short %x", frame)
	}
	mac := func(at int) net.HardwareAddr { return net.HardwareAddr(frame[at : at+6]) }
	ip := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(frame[at : at+4])) }
	kind := fmt.Sprintf("%s %s ", mac(6), mac(0))
	switch proto := binary.BigEndian.Uint16(frame[12:]); {
	case proto == unix.ETH_P_ARP && len(frame) >= 42:
		return kind + fmt.Sprintf("ARP %d %s is %s, to %s", binary.BigEndian.Uint16(frame[20:]), ip(28), mac(22), ip(38))
	case proto == unix.ETH_P_IP && len(frame) >= 34:
		return kind + fmt.Sprintf("IPv4 %s to %s proto %d", ip(26), ip(30), frame[23])
	default:
		return kind + fmt.Sprintf("%04x", proto)
	}
}
