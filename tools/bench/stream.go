package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	streamPort  = "9"
	streamChunk = 1000
	streamEvery = time.Millisecond
)

// A stream is a TCP session under steady load in one direction: a kilobyte a
// millisecond. The kernel itself keeps its counters.
type stream struct {
	name     string
	client   net.Conn
	server   net.Conn
	listener net.Listener
	stop     atomic.Bool
	longest  atomic.Int64 // the longest time between two reads since stall was called
	dead     atomic.Bool
	fds      [2]int
	workers  sync.WaitGroup
}

// newStream connects client to an address in server, and starts to send.
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
	for i, c := range []net.Conn{s.client, s.server} {
		if s.fds[i], err = own(c); err != nil {
			return nil, err
		}
	}
	background(&s.workers, s.send)
	background(&s.workers, s.receive)
	return s, nil
}

// own gives the sender's and the receiver's thread a blocking socket: like the
// probes they must not wait for Go's scheduler.
func own(c net.Conn) (int, error) {
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	timeout := unix.Timeval{Usec: 100000}
	return fd, errors.Join(unix.SetNonblock(fd, false),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout))
}

func (s *stream) send() {
	chunk := make([]byte, streamChunk)
	for next := monotonic(); !s.stop.Load(); next += int64(streamEvery) {
		sleepUntil(next)
		if now := monotonic(); now-next > 10*int64(streamEvery) {
			next = now
		}
		_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(s.fds[0]), uintptr(unsafe.Pointer(&chunk[0])), uintptr(len(chunk)))
		if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
			s.dead.Store(!s.stop.Load())
			return
		}
	}
}

func (s *stream) receive() {
	buf := make([]byte, 1<<16)
	last := monotonic()
	for !s.stop.Load() {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(s.fds[1]), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		now := monotonic()
		if errno == 0 && n == 0 {
			return
		}
		if d := now - last; d > s.longest.Load() {
			s.longest.Store(d)
		}
		if errno == 0 {
			last = now
		}
	}
}

// steady tells whether the session has recovered from whatever happened.
func (s *stream) steady() bool {
	info, err := tcpInfo(s.client)
	return err == nil && info.Ca_state == 0 && info.Backoff == 0 && info.Unacked < 16 && info.Notsent_bytes == 0
}

func tcpInfo(c net.Conn) (info *unix.TCPInfo, err error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return info, errors.Join(err, failed)
}

// counters are the segments that either end has had to send again so far.
func (s *stream) counters() (int, error) {
	total := 0
	for _, c := range []net.Conn{s.client, s.server} {
		info, err := tcpInfo(c)
		if err != nil {
			return 0, err
		}
		total += int(info.Total_retrans)
	}
	if s.dead.Load() {
		return 0, fmt.Errorf("the TCP session %s has died", s.name)
	}
	return total, nil
}

// stall is the longest time between two reads since the last call, in
// milliseconds.
func (s *stream) stall() float64 { return float64(s.longest.Swap(0)) / 1e6 }

func (s *stream) close() {
	s.stop.Store(true)
	s.workers.Wait()
	for _, fd := range s.fds {
		_ = unix.Close(fd)
	}
	_ = s.client.Close()
	_ = s.server.Close()
	_ = s.listener.Close()
}
