package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	echoPort  = 7
	probeSize = 16 // the probe's number, and a mark for its direction
	pairs     = 2  // so many probes are sent at once, as waking up costs the most
	burst     = 8  // so many overdue probes are sent at once, no more
	schedFIFO = 1
	room      = 64 // messages that one system call receives
)

// A direction is the probes that one namespace sends to another, which echoes
// them: one after the other, over several flows. Everything known about a probe
// is kept, so that a loss can be told from a delay, and the way there from the
// way back.
type direction struct {
	Name         string
	client, echo *netns
	flows        []flow
	mark         uint64
	period       time.Duration

	n       atomic.Int64 // probes sent
	probes  []probe
	refused atomic.Int64 // what the sender's own kernel did not send
	strange atomic.Int64 // what was received and never sent

	stop    atomic.Bool
	workers sync.WaitGroup
	fds     []int
}

// A flow is one pair of addresses.
type flow struct {
	to     netip.Addr
	client int // sockets
	server int
}

// Three threads fill in a probe. Times are those of CLOCK_REALTIME, in
// nanoseconds; the kernel stamps arrivals, so a program that has to wait for
// the processor does not count as the network.
type probe struct {
	sent  atomic.Int64
	there atomic.Int64
	again atomic.Int64 // when the answer was sent
	back  atomic.Int64
	count atomic.Uint32 // arrivals: on the way there in the lower half, back in the upper
}

// newDirection opens the sockets and starts the echo.
func newDirection(name string, client, echo *netns, rate, most int, targets ...string) (*direction, error) {
	d := &direction{
		Name: name, client: client, echo: echo, mark: uint64(time.Now().UnixNano()),
		period: time.Second / time.Duration(rate), probes: make([]probe, most),
	}
	for _, target := range targets {
		f := flow{to: netip.MustParseAddr(target)}
		if err := echo.try(func() (err error) { f.server, err = d.listen(f.to); return err }); err != nil {
			return nil, fmt.Errorf("echo at %s: %w", target, err)
		}
		if err := client.try(func() (err error) { f.client, err = d.connect(f.to); return err }); err != nil {
			return nil, fmt.Errorf("probe to %s: %w", target, err)
		}
		d.flows = append(d.flows, f)
	}
	background(&d.workers, d.echoAll)
	background(&d.workers, d.receiveAll)
	background(&d.workers, d.sendAll)
	return d, nil
}

// background runs f on a thread of its own with the highest priority: what is
// measured is the network, not the machine's other work. The system calls in f
// are raw ones, as Go's scheduler must not take part either.
func background(workers *sync.WaitGroup, f func()) {
	workers.Add(1)
	go func() {
		defer workers.Done()
		runtime.LockOSThread()
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: schedFIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}, 0); err != nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
		}
		// 1 ns: the kernel must not delay timers to handle several at once.
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		f()
	}()
}

// close ends the probes. The threads are still locked and end with f.
func (d *direction) close() {
	d.stop.Store(true)
	d.workers.Wait()
	for _, fd := range d.fds {
		_ = unix.Close(fd)
	}
}

func (d *direction) socket(to netip.Addr) (int, unix.Sockaddr, error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.As16(), Port: echoPort})
	if to.Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Addr: to.As4(), Port: echoPort}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, nil, err
	}
	d.fds = append(d.fds, fd)
	// If the program has to wait, the kernel must not drop what arrives
	// meanwhile.
	for _, option := range []int{unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 32<<20); err != nil {
			return 0, nil, err
		}
	}
	return fd, sa, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
}

// listen binds to one address: a socket bound to a wildcard would answer from
// whichever address the kernel prefers.
func (d *direction) listen(at netip.Addr) (int, error) {
	fd, sa, err := d.socket(at)
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, sa)
}

func (d *direction) connect(to netip.Addr) (int, error) {
	fd, sa, err := d.socket(to)
	if err != nil {
		return 0, err
	}
	return fd, unix.Connect(fd, sa)
}

// sendAll sends probes, one a period on average.
func (d *direction) sendAll() {
	message := make([]byte, probeSize)
	binary.LittleEndian.PutUint64(message[8:], d.mark)
	next := monotonic()
	for !d.stop.Load() {
		sleepUntil(next + int64(d.period)*(pairs-1))
		now := monotonic()
		for sent := 0; next <= now; sent++ {
			if sent == burst {
				next = now + int64(d.period)
				break
			}
			if !d.send(message) {
				return
			}
			next += int64(d.period)
		}
	}
}

// send sends the next probe, if there is room for it.
func (d *direction) send(message []byte) bool {
	i := d.n.Load()
	if i == int64(len(d.probes)) {
		return false
	}
	binary.LittleEndian.PutUint64(message, uint64(i))
	d.probes[i].sent.Store(time.Now().UnixNano())
	d.n.Store(i + 1)
	f := &d.flows[int(i)%len(d.flows)]
	// What cannot be sent gets no answer, so it counts as lost, too.
	if _, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(f.client), uintptr(unsafe.Pointer(&message[0])), uintptr(len(message))); errno != 0 {
		d.refused.Add(1)
	}
	return true
}

// echoAll sends back everything that arrives.
func (d *direction) echoAll() {
	var fds []unix.PollFd
	for _, f := range d.flows {
		fds = append(fds, unix.PollFd{Fd: int32(f.server), Events: unix.POLLIN})
	}
	m := newMessages()
	for !d.stop.Load() {
		n, _, errno := unix.RawSyscall(unix.SYS_POLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), 100)
		if errno != 0 || n == 0 {
			continue
		}
		for _, p := range fds {
			if p.Revents == 0 {
				continue
			}
			n := m.receive(int(p.Fd))
			now := time.Now().UnixNano()
			for i := range n {
				if pr := d.noted(m.payload(i)); pr != nil {
					pr.there.CompareAndSwap(0, m.stamp(i))
					pr.again.CompareAndSwap(0, now)
					pr.count.Add(1)
				}
			}
			m.sendBack(int(p.Fd), n)
		}
	}
}

// receiveAll fills in the answers. It need not hurry: the kernel stamps them.
func (d *direction) receiveAll() {
	m := newMessages()
	for last := false; !last; {
		last = d.stop.Load()
		sleepUntil(monotonic() + int64(time.Millisecond))
		for _, f := range d.flows {
			for n := room; n == room; {
				n = m.receive(f.client)
				for i := range n {
					if pr := d.noted(m.payload(i)); pr != nil {
						pr.back.CompareAndSwap(0, m.stamp(i))
						pr.count.Add(1 << 16)
					}
				}
			}
		}
	}
}

// noted is the probe that a message belongs to.
func (d *direction) noted(payload []byte) *probe {
	if len(payload) == probeSize && binary.LittleEndian.Uint64(payload[8:]) == d.mark {
		if i := binary.LittleEndian.Uint64(payload); i < uint64(d.n.Load()) {
			return &d.probes[i]
		}
	}
	d.strange.Add(1)
	return nil
}

// messages is room for what recvmmsg receives.
type messages struct {
	headers  [room]mmsghdr
	iovecs   [room]unix.Iovec
	payloads [room][64]byte
	names    [room]unix.RawSockaddrInet6
	controls [room][64]byte
}

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	unix.Msghdr
	len uint32
	_   [4]byte
}

func newMessages() *messages { return &messages{} }

// receive takes what has arrived, and does not wait for more.
func (m *messages) receive(fd int) int {
	for i := range m.headers {
		m.iovecs[i].Base = &m.payloads[i][0]
		m.iovecs[i].SetLen(len(m.payloads[i]))
		h := &m.headers[i]
		h.Iov, h.Iovlen = &m.iovecs[i], 1
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&m.names[i])), uint32(unsafe.Sizeof(m.names[i]))
		h.Control = &m.controls[i][0]
		h.SetControllen(len(m.controls[i]))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[0])), room, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0 // nothing, or an ICMP error about a probe that is lost
	}
	return int(n)
}

func (m *messages) payload(i int) []byte { return m.payloads[i][:m.headers[i].len] }

// stamp is when the kernel received message i.
func (m *messages) stamp(i int) int64 {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&m.controls[i][0]))
	if m.headers[i].Controllen < unix.SizeofCmsghdr+16 || h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS {
		return time.Now().UnixNano()
	}
	return (*unix.Timespec)(unsafe.Pointer(&m.controls[i][unix.SizeofCmsghdr])).Nano()
}

// sendBack sends the first n messages back to where they came from. One that
// cannot be sent must not hold up the others.
func (m *messages) sendBack(fd, n int) {
	for i := range n {
		m.headers[i].Control, m.headers[i].Controllen = nil, 0
		m.iovecs[i].SetLen(int(m.headers[i].len))
	}
	for i := 0; i < n; {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[i])), uintptr(n-i), unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			sent = 1
		}
		i += int(sent)
	}
}

func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

func sleepUntil(at int64) {
	t := unix.NsecToTimespec(at)
	for errno := unix.EINTR; errno == unix.EINTR; {
		_, _, errno = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&t)), 0, 0, 0)
	}
}
