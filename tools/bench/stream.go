package main

import (
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	streamPort  = "9"
	streamChunk = 1000
	streamEvery = time.Millisecond
)

// A stream is a TCP session under steady load: a kilobyte a millisecond, one
// way. Its counters are the kernel's own.
type stream struct {
	name       string
	client     net.Conn
	server     net.Conn
	listener   net.Listener
	stop       atomic.Bool
	longest    atomic.Int64 // the longest time between two reads, since it was asked
	bytes      atomic.Int64
	clientFail atomic.Bool
}

// newStream connects client to an address in server, and sends.
func newStream(name string, client, server *netns, address string) (*stream, error) {
	s := &stream{name: name}
	at := net.JoinHostPort(address, streamPort)
	if err := server.try(func() (err error) { s.listener, err = net.Listen("tcp", at); return err }); err != nil {
		return nil, err
	}
	if err := client.try(func() (err error) { s.client, err = net.DialTimeout("tcp", at, 5*time.Second); return err }); err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	var err error
	if s.server, err = s.listener.Accept(); err != nil {
		return nil, err
	}
	go s.send()
	go s.receive()
	return s, nil
}

func (s *stream) send() {
	chunk := make([]byte, streamChunk)
	for next := time.Now(); !s.stop.Load(); next = next.Add(streamEvery) {
		time.Sleep(time.Until(next))
		if time.Since(next) > 10*streamEvery {
			next = time.Now()
		}
		if _, err := s.client.Write(chunk); err != nil {
			s.clientFail.Store(!s.stop.Load())
			return
		}
	}
}

func (s *stream) receive() {
	buf := make([]byte, 1<<16)
	last := time.Now()
	for {
		n, err := s.server.Read(buf)
		now := time.Now()
		if err != nil {
			return
		}
		s.bytes.Add(int64(n))
		if d := int64(now.Sub(last)); d > s.longest.Load() {
			s.longest.Store(d)
		}
		last = now
	}
}

// counters are the segments that either end has sent again so far.
func (s *stream) counters() (int, error) {
	total := 0
	for _, c := range []net.Conn{s.client, s.server} {
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			return 0, err
		}
		var info *unix.TCPInfo
		var failed error
		if err := raw.Control(func(fd uintptr) {
			info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		}); err != nil {
			return 0, err
		}
		if failed != nil {
			return 0, failed
		}
		total += int(info.Total_retrans)
	}
	if s.clientFail.Load() {
		return 0, fmt.Errorf("the TCP session %s has died", s.name)
	}
	return total, nil
}

// stall is the longest time between two reads since the last call, in
// milliseconds.
func (s *stream) stall() float64 { return float64(s.longest.Swap(0)) / 1e6 }

func (s *stream) close() {
	s.stop.Store(true)
	_ = s.client.Close()
	_ = s.server.Close()
	_ = s.listener.Close()
}
