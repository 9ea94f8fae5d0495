// Package reach finds out which hosts answer: those on an interface's link by
// ARP (RFC 826) and neighbour discovery (RFC 4861), others by an ICMP echo.
// As far as possible both ask below any firewall: a host that answers nothing
// else has to answer these to be on the network at all.
package reach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Host is a host to be asked.
type Host struct {
	Addr netip.Addr // with a zone only if it is link-local and asked by echo
	Link string     // the interface on whose link it is; "" for one that is asked by echo, wherever the routes lead
}

func (h Host) String() string { return h.Addr.String() }

// Answers are the hosts that have answered.
type Answers map[Host]bool

// pauses are the times between the rounds of questions; the last one repeats.
var pauses = []time.Duration{
	20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
}

// Ask asks the hosts that have not answered yet, again and again, until all have
// answered, enough says that it is enough, the limit is over or ctx is done. It
// tells enough how long it has been asking. A host that cannot be asked (IPv6
// where there is none, an interface that is gone) counts as not answering. If
// nobody at all can be asked, that is an error.
func Ask(ctx context.Context, hosts []Host, limit time.Duration, enough func(Answers, time.Duration) bool) (Answers, error) {
	a := asker{answers: Answers{}, open: map[question]socket{}}
	defer a.close()
	begin := time.Now()
	next := begin
	for round := 0; ctx.Err() == nil; {
		passed := time.Since(begin)
		if len(a.answers) == len(hosts) || passed >= limit || enough(a.answers, passed) {
			break
		}
		if !time.Now().Before(next) {
			if err := a.ask(hosts); err != nil {
				return nil, err
			}
			next = time.Now().Add(pauses[min(round, len(pauses)-1)])
			round++
		}
		a.listen(hosts, min(time.Until(next), limit-passed, tick))
	}
	return a.answers, nil
}

// tick is how often Ask checks whether it is to end.
const tick = 20 * time.Millisecond

// question is one way to ask on one interface.
type question struct {
	link string
	ipv6 bool
}

// socket asks in one of the ways.
type socket interface {
	ask(netip.Addr) error
	// answer is the host whose answer a received packet is; not ok if the packet
	// is no answer.
	answer(packet []byte, from unix.Sockaddr) (addr netip.Addr, ok bool)
	fd() int
}

// asker is one Ask.
type asker struct {
	answers Answers
	open    map[question]socket
}

func (a *asker) close() {
	for _, s := range a.open {
		_ = unix.Close(s.fd())
	}
}

// ask is one round. An interface may come and go meanwhile, so a socket that
// cannot send is opened again in the next round.
func (a *asker) ask(hosts []Host) error {
	for _, h := range hosts {
		if a.answers[h] {
			continue
		}
		q := question{h.Link, h.Addr.Is6()}
		s := a.open[q]
		if s == nil {
			var err error
			s, err = dial(q)
			if cannotAnswer(err) {
				continue
			}
			if err != nil {
				return fmt.Errorf("cannot ask %s: %w", h, err)
			}
			a.open[q] = s
		}
		if s.ask(h.Addr) != nil {
			_ = unix.Close(s.fd())
			delete(a.open, q)
		}
	}
	return nil
}

// cannotAnswer says whether a failure to open a socket means that nobody can be
// reached through it: there is no IPv6, or the interface is gone or off.
func cannotAnswer(err error) bool {
	for _, e := range []error{unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ENODEV, unix.ENXIO, unix.ENETDOWN, unix.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func dial(q question) (socket, error) {
	switch {
	case q.link == "":
		return dialEcho(q.ipv6)
	case q.ipv6:
		return dialND(q.link)
	}
	return dialARP(q.link)
}

// listen notes the answers that come within the time given.
func (a *asker) listen(hosts []Host, wait time.Duration) {
	var fds []unix.PollFd
	var asked []question
	for q, s := range a.open {
		fds = append(fds, unix.PollFd{Fd: int32(s.fd()), Events: unix.POLLIN})
		asked = append(asked, q)
	}
	if wait > 0 {
		_, _ = unix.Poll(fds, int(wait/time.Millisecond)+1) // an interrupted call is only a shorter one
	} else {
		_, _ = unix.Poll(fds, 0)
	}
	for i, fd := range fds {
		if fd.Revents != 0 {
			a.read(asked[i], hosts)
		}
	}
}

// read takes what has arrived on one socket.
func (a *asker) read(q question, hosts []Host) {
	s := a.open[q]
	b := make([]byte, 2048)
	for range 1000 { // a flood of other packets must not hold it up
		n, from, err := unix.Recvfrom(s.fd(), b, unix.MSG_DONTWAIT)
		if err != nil {
			return // there is no more, or the interface is gone
		}
		addr, ok := s.answer(b[:n], from)
		if !ok {
			continue
		}
		for _, h := range hosts {
			if h.Addr == addr && h.Link == q.link {
				a.answers[h] = true
			}
		}
	}
}
