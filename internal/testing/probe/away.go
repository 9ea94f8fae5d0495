package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// away prints "ready", and when stdin ends for how many seconds no interface of this
// network namespace had the address meanwhile.
func away(address string, stdin io.Reader, stdout io.Writer) error {
	ip := net.ParseIP(address)
	if ip == nil {
		return fmt.Errorf("%q is no IP address", address)
	}
	updates, done := make(chan netlink.AddrUpdate, 1000), make(chan struct{})
	defer close(done)
	var failed atomic.Pointer[error]
	err := netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{
		ListExisting:           true,
		ReceiveBufferSize:      8 << 20,
		ReceiveBufferForceSize: true,
		ErrorCallback:          func(err error) { failed.Store(&err) },
	})
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		close(ended)
	}()
	var h holders
	for ready := false; ; {
		select {
		case u, more := <-updates:
			if !more {
				if err := failed.Load(); err != nil {
					return *err
				}
				return fmt.Errorf("the kernel tells no more of addresses")
			}
			if !u.LinkAddress.IP.Equal(ip) {
				continue
			}
			h.note(u.LinkIndex, u.NewAddr, time.Now())
			if !ready {
				ready = true
				fmt.Fprintln(stdout, "ready")
			}
		case <-ended:
			fmt.Fprintf(stdout, "%.2f\n", h.total(time.Now()).Seconds())
			return nil
		}
	}
}

// holders are the interfaces that have the address, and how long there was none.
type holders struct {
	indexes map[int]bool
	since   time.Time // when the last one lost it; zero while there is one
	without time.Duration
}

func (h *holders) note(index int, has bool, at time.Time) {
	if h.indexes == nil {
		h.indexes = map[int]bool{}
	}
	if has {
		h.indexes[index] = true
	} else {
		delete(h.indexes, index)
	}
	switch {
	case len(h.indexes) == 0 && h.since.IsZero():
		h.since = at
	case len(h.indexes) > 0:
		h.without = h.total(at)
		h.since = time.Time{}
	}
}

func (h *holders) total(at time.Time) time.Duration {
	if h.since.IsZero() {
		return h.without
	}
	return h.without + at.Sub(h.since)
}

// ping sends the address an ICMP echo request each so often until stdin ends, and
// prints, after "ready", how many were sent and how many were lost, and the longest gap
// in milliseconds. The kernel answers these, whichever address goes and comes.
func ping(address, each string, stdin io.Reader, stdout io.Writer) error {
	every, err := time.ParseDuration(each)
	if err != nil {
		return err
	}
	host, err := net.ResolveIPAddr("ip4", address)
	if err != nil {
		return err
	}
	conn, err := net.DialIP("ip4:icmp", nil, host)
	if err != nil {
		return err
	}
	s := &series{name: "ICMP", conn: &echo{IPConn: conn, id: uint16(unix.Getpid())}}
	var phase atomic.Pointer[string]
	phase.Store(new(string))
	go s.receive()
	go s.sendAll(&phase, every)
	if err := answered([]*series{s}); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "ready")
	now := "now"
	phase.Store(&now)
	follow(stdin, new(atomic.Pointer[string]))
	phase.Store(nil)
	time.Sleep(grace)
	for _, r := range s.tally(time.Now()) {
		fmt.Fprintln(stdout, r.sent, r.lost, r.millis())
	}
	return nil
}

// An echo has each message travel as the data of an ICMP echo request (RFC 792).
type echo struct {
	*net.IPConn
	id uint16
}

func (e *echo) Write(data []byte) (int, error) {
	packet := binary.BigEndian.AppendUint16([]byte{8, 0, 0, 0}, e.id)
	packet = append(append(packet, 0, 0), data...)
	binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	_, err := e.IPConn.Write(packet)
	return len(data), err
}

// Read waits for the next answer to one of these; a raw socket hears all ICMP.
func (e *echo) Read(data []byte) (int, error) {
	packet := make([]byte, 1500)
	for {
		n, _, err := e.ReadFrom(packet) // it leaves out the IP header, unlike Read
		if err != nil {
			return 0, err
		}
		answer := binary.BigEndian.AppendUint16(nil, e.id)
		if n >= 8+len(data) && packet[0] == 0 && bytes.Equal(packet[4:6], answer) {
			return copy(data, packet[8:n]), nil
		}
	}
}

// checksum is the Internet's (RFC 1071), of an even number of bytes.
func checksum(packet []byte) uint16 {
	var sum uint32
	for i := 0; i < len(packet); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(packet[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
