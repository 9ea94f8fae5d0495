package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holds are ways to hold on to an interface. Each gives a function that waits for the
// next frame that comes in by that.
var holds = map[string]func(link *net.Interface) (next func() error, err error){
	"pppoe": holdPPPoE,
	"xdp":   holdXDP,
}

// hold holds on to an interface until it is ended.
func hold(kind, name string, stdout io.Writer) error {
	begin := holds[kind]
	if begin == nil {
		return fmt.Errorf("cannot hold an interface by %q", kind)
	}
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	next, err := begin(link)
	if err != nil {
		return fmt.Errorf("cannot hold %s by %s: %w", name, kind, err)
	}
	for said := "holding"; ; said = "got" {
		if _, err := fmt.Fprintln(stdout, said); err != nil {
			return err
		}
		if err := next(); err != nil {
			return fmt.Errorf("%s is not held any more: %w", name, err)
		}
	}
}

// Session and peer of the PPPoE session: what a concentrator would have given out.
const (
	session = 7
	peer    = "\x52\x54\x00\x12\x01\x0f"
)

// holdPPPoE has a PPPoE session (struct sockaddr_pppox, linux/if_pppox.h) with somebody
// at the interface. No PPP runs in it: what comes in is read as it is.
func holdPPPoE(link *net.Interface) (func() error, error) {
	const pppox, sizeofAddr = 24, 30 // AF_PPPOX
	fd, err := unix.Socket(pppox, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	addr := make([]byte, sizeofAddr) // family, protocol (PX_PROTO_OE, 0), session, peer, interface
	addr[0] = pppox
	addr[7] = session // in network order, after two bytes of the family and four of the protocol
	copy(addr[8:], peer)
	copy(addr[14:], link.Name)
	if _, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&addr[0])), sizeofAddr); errno != 0 {
		return nil, errno
	}
	frame := make([]byte, 2048)
	return func() error {
		// When the session ends, the kernel wakes up nobody: such a socket just stays silent.
		_, err := unix.Read(fd, frame)
		return err
	}, nil
}

// send sends one frame to a MAC address: its protocol and what follows, in hex.
func send(name, to, content string) error {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(to)
	if err != nil {
		return err
	}
	rest, err := hex.DecodeString(content)
	if err != nil {
		return err
	}
	fd, err := packetSocket(link.Index)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	from := link.HardwareAddr
	if content[:4] == "8864" {
		from = net.HardwareAddr(peer)
	}
	frame := append(append(append([]byte{}, mac...), from...), rest...)
	_, err = unix.Write(fd, append(frame, make([]byte, max(0, 60-len(frame)))...))
	return err
}

// wait waits until there is something to read.
func wait(fd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Minute/time.Millisecond))
		if err != nil && err != unix.EINTR || n > 0 {
			return err
		}
	}
}
