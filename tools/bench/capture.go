package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A capture counts which MAC addresses the LAN sees, and which kinds of frames,
// except the probes and streams of the addresses that may be there: their
// number is known, and they would be most of the work.
type capture struct {
	fd      int
	allowed map[string]bool
	done    sync.WaitGroup

	mu    sync.Mutex
	macs  map[string]int // frames by a MAC address that should not be there
	kinds map[string]int // other frames, by kind
	drops int
	ended bool
}

// newCapture listens at the LAN's end of the wire.
func newCapture(lan *netns, device string, allowed ...string) (*capture, error) {
	c := &capture{allowed: map[string]bool{}, macs: map[string]int{}, kinds: map[string]int{}}
	var macs []net.HardwareAddr
	for _, a := range allowed {
		mac, err := net.ParseMAC(a)
		if err != nil {
			return nil, err
		}
		c.allowed[mac.String()] = true
		macs = append(macs, mac)
	}
	filter, err := filterFor(macs)
	if err != nil {
		return nil, err
	}
	if err := lan.try(func() error { return c.open(device, filter) }); err != nil {
		return nil, fmt.Errorf("capture on %s: %w", device, err)
	}
	c.done.Add(1)
	go c.read()
	return c, nil
}

func (c *capture) open(device string, filter []bpf.RawInstruction) error {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		program[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	if err := unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20); err != nil {
		return err
	}
	// So that the reader regularly looks whether it should end.
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
		return err
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
}

// filterFor passes everything that arrives except UDP and TCP from these
// addresses.
func filterFor(macs []net.HardwareAddr) ([]bpf.RawInstruction, error) {
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	const pass = 128
	for _, mac := range macs {
		program = append(program,
			bpf.LoadAbsolute{Off: 6, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(mac), SkipTrue: 12},
			bpf.LoadAbsolute{Off: 10, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(binary.BigEndian.Uint16(mac[4:])), SkipTrue: 10},
			bpf.LoadAbsolute{Off: 12, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 2},
			bpf.LoadAbsolute{Off: 23, Size: 1}, // IPv4: protocol
			bpf.Jump{Skip: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IPV6, SkipTrue: 3},
			bpf.LoadAbsolute{Off: 20, Size: 1}, // IPv6: next header
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_TCP, SkipTrue: 1},
			bpf.RetConstant{Val: pass},
			bpf.RetConstant{Val: 0})
	}
	return bpf.Assemble(append(program, bpf.RetConstant{Val: pass}))
}

func (c *capture) read() {
	defer c.done.Done()
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			c.mu.Lock()
			end := c.ended
			c.mu.Unlock()
			if end {
				return
			}
		case err != nil:
			return
		case n >= 14:
			c.note(buf[:n])
		}
	}
}

func (c *capture) note(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mac := net.HardwareAddr(frame[6:12]).String(); !c.allowed[mac] {
		c.macs[mac+" "+kind(frame)]++
	}
	c.kinds[kind(frame)]++
}

// kind is the name of a kind of frame.
func kind(f []byte) string {
	switch typ := binary.BigEndian.Uint16(f[12:]); {
	case typ == unix.ETH_P_ARP && len(f) >= 42:
		if string(f[28:32]) == string(f[38:42]) {
			return "gratuitous ARP"
		}
		return []string{"ARP", "ARP request", "ARP reply"}[min(f[21], 2)%3]
	case typ == unix.ETH_P_IP && len(f) >= 34:
		if f[23] == 2 {
			return "IGMP"
		}
		return fmt.Sprintf("IPv4 protocol %d", f[23])
	case typ == unix.ETH_P_IPV6 && len(f) >= 55:
		if f[20] == 0 { // hop-by-hop options: a multicast listener report
			return "MLD"
		}
		if f[20] == unix.IPPROTO_ICMPV6 {
			return fmt.Sprintf("ICMPv6 type %d", f[54])
		}
		return fmt.Sprintf("IPv6 protocol %d", f[20])
	default:
		return fmt.Sprintf("type %#04x", typ)
	}
}

// take returns what was noted since the last call.
func (c *capture) take() (macs, kinds map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	macs, kinds = maps.Clone(c.macs), maps.Clone(c.kinds)
	clear(c.macs)
	clear(c.kinds)
	if s, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		c.drops += int(s.Drops)
	}
	return macs, kinds
}

func (c *capture) close() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.done.Wait()
	_ = unix.Close(c.fd)
}
