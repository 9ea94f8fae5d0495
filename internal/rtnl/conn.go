package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Sizes of one exchange. A chunk is what one sendmsg gives to the kernel. If all its
// messages fail, the receive buffer must hold an error for each of them; and it must
// hold one full dump message.
const (
	chunkBytes  = 128 << 10
	bufferBytes = 4 << 20
	readBytes   = 256 << 10
)

// dumpTries bounds how often a dump is repeated that a change of the kernel's tables has
// interrupted.
const dumpTries = 20

// Conn is one rtnetlink socket. It is not for use by several goroutines.
type Conn struct {
	fd       int
	seq      uint32
	buf      []byte
	families map[string]uint16 // of generic netlink; nil until it is asked for one
}

// Dial opens a socket in the calling thread's network namespace.
func Dial() (*Conn, error) { return dialTo(unix.NETLINK_ROUTE) }

// DialDiag opens a socket through which the kernel reports sockets (sock_diag(7)). Of
// a Conn, only Dump works there.
func DialDiag() (*Conn, error) { return dialTo(unix.NETLINK_SOCK_DIAG) }

// DialXFRM opens a socket to IPsec's policies. Of a Conn, only Dump works there.
func DialXFRM() (*Conn, error) { return dialTo(unix.NETLINK_XFRM) }

// DialGeneric opens a socket to the parts of the kernel that have no protocol of their own
// (generic netlink). Of a Conn, only Dump and Send work there.
func DialGeneric() (*Conn, error) { return dialTo(unix.NETLINK_GENERIC) }

// DialNetfilter opens a socket to netfilter. Of a Conn, only Dump and Get work there.
func DialNetfilter() (*Conn, error) { return dialTo(unix.NETLINK_NETFILTER) }

func dialTo(protocol int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	c := &Conn{fd: fd, buf: make([]byte, readBytes)}
	// The kernel's own words with an error (Linux 4.12), and headers only of
	// the message it refers to (4.3); older kernels do without.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	for _, opt := range []int{unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, bufferBytes); errors.Is(err, unix.EPERM) {
			continue // an ordinary user may read; nothing large is sent then
		} else if err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("netlink socket: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	return c, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// Error is the kernel's refusal of one message.
type Error struct {
	Errno unix.Errno
	Text  string // the kernel's own words, "" on kernels and paths without
	Index int    // which message of the batch, from 0
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Errno.Error()
	}
	return fmt.Sprintf("%s (%s)", e.Errno.Error(), e.Text)
}

// Unwrap lets errors.Is compare with a unix.Errno.
func (e *Error) Unwrap() error { return e.Errno }

// Send gives the messages to the kernel in as few system calls as possible, and returns
// every refusal, in order. Messages after a refused one are carried out all the same:
// the kernel works through everything that it was given. err is a failure of the socket
// itself, after which nobody knows what was done.
func (c *Conn) Send(w Wire) (refused []*Error, err error) {
	for sent := 0; ; sent++ {
		at, count := w.ownRoute()
		errs, err := c.send(w[:at], sent)
		if refused = append(refused, errs...); err != nil || at == len(w) {
			return refused, err
		}
		w, sent = w[at:], sent+count
		size := int(native.Uint32(w))
		var errno unix.Errno
		if err := addOwn(Msg{Type: unix.RTM_NEWROUTE, Body: w[unix.SizeofNlMsghdr:size]}); errors.As(err, &errno) {
			refused = append(refused, &Error{Errno: errno, Index: sent})
		} else if err != nil {
			return refused, err
		}
		w = w[align(size):]
	}
}

// send is Send for messages that go by netlink; sent is how many went before
// them.
func (c *Conn) send(w Wire, sent int) (refused []*Error, err error) {
	var buf []byte
	for len(w) > 0 {
		n := chunk(w)
		buf = append(buf[:0], w[:n]...)
		first := c.seq + 1
		count := c.address(buf)
		if err := c.write(buf); err != nil {
			return refused, err
		}
		errs, err := c.acks(first, sent)
		refused = append(refused, errs...)
		if err != nil {
			return refused, err
		}
		w, sent = w[n:], sent+count
	}
	return refused, nil
}

// address turns messages into requests and says how many there are. Errors come
// unasked, so one answer, to the last request, shows that all are done.
func (c *Conn) address(b []byte) (count int) {
	for last := []byte(nil); ; count++ {
		if len(b) == 0 {
			last[6] |= unix.NLM_F_ACK // nlmsg_flags
			return count
		}
		last = b
		size := int(native.Uint32(b))
		if m := (Msg{Type: native.Uint16(b[4:]), Body: b[unix.SizeofNlMsghdr:size]}); m.Own() != 0 {
			m.disown()
		}
		b = b[align(size):]
		c.seq++
		last[6] |= unix.NLM_F_REQUEST
		native.PutUint32(last[8:], c.seq) // nlmsg_seq
	}
}

// chunk is how many bytes of the messages, at least one message, go into one
// system call.
func chunk(w Wire) int {
	for size := 0; ; {
		if size == len(w) {
			return size
		}
		n := align(int(native.Uint32(w[size:])))
		if size > 0 && size+n > chunkBytes {
			return size
		}
		size += n
	}
}

func (c *Conn) write(b []byte) error {
	if err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink send: %w", err)
	}
	return nil
}

// acks reads answers until that of the last message sent; first is the
// sequence number of message number base.
func (c *Conn) acks(first uint32, base int) (refused []*Error, err error) {
	for {
		b, err := c.read()
		if err != nil {
			return refused, err
		}
		for h, body := range split(b) {
			if h.Type != unix.NLMSG_ERROR || h.Seq < first || h.Seq > c.seq {
				continue
			}
			if e := parseError(h, body); e != nil {
				e.Index = base + int(h.Seq-first)
				refused = append(refused, e)
			}
			if h.Seq == c.seq {
				return refused, nil
			}
		}
	}
}

// read receives one datagram.
func (c *Conn) read() ([]byte, error) {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("netlink receive: %w", err)
		}
		return c.buf[:n], nil
	}
}

// parseError is nil for an acknowledgement.
func parseError(h unix.NlMsghdr, body []byte) *Error {
	if len(body) < 4 {
		return &Error{Errno: unix.EBADMSG}
	}
	code := int32(native.Uint32(body))
	if code == 0 {
		return nil
	}
	e := &Error{Errno: unix.Errno(-code)}
	for a := range ParseAttrs(extAck(h, body)) {
		if a.Type == unix.NLMSGERR_ATTR_MSG {
			e.Text = String(a.Value)
		}
	}
	return e
}

// extAck is the attributes of an answer: after the error code, and except at
// the end of a dump after the message that the answer refers to, or its
// header.
func extAck(h unix.NlMsghdr, body []byte) []byte {
	off := 4
	switch {
	case h.Flags&unix.NLM_F_ACK_TLVS == 0:
		return nil
	case h.Type == unix.NLMSG_DONE:
	case h.Flags&unix.NLM_F_CAPPED != 0:
		off += unix.SizeofNlMsghdr
	case len(body) >= 4+unix.SizeofNlMsghdr:
		off += align(int(native.Uint32(body[4:])))
	}
	return body[min(off, len(body)):]
}

// Get asks for one object: typ is an RTM_GET… type, body the request.
func (c *Conn) Get(typ uint16, body []byte) (Msg, error) {
	c.seq++
	if err := c.write(Msg{Type: typ, Body: body}.append(nil, c.seq, unix.NLM_F_REQUEST)); err != nil {
		return Msg{}, err
	}
	for {
		b, err := c.read()
		if err != nil {
			return Msg{}, err
		}
		for h, body := range split(b) {
			switch {
			case h.Seq != c.seq:
			case h.Type == unix.NLMSG_ERROR:
				return Msg{}, fmt.Errorf("netlink get: %w", parseError(h, body))
			default:
				return Msg{Type: h.Type, Body: body}.Clone(), nil
			}
		}
	}
}

// Link asks for the interface with that index.
func (c *Conn) Link(index int) (Msg, error) {
	req := make([]byte, unix.SizeofIfInfomsg)
	native.PutUint32(req[4:8], uint32(index)) // ifi_index
	return c.Get(unix.RTM_GETLINK, req)
}

// Dump asks for all objects of a kind: typ is an RTM_GET… type, body the request's fixed
// struct. A dump that a concurrent change has interrupted is repeated, so that what comes
// back was in the kernel at one time.
func (c *Conn) Dump(typ uint16, body []byte) ([]Msg, error) {
	var msgs []Msg
	err := c.dump(typ, body, bytes.Clone, func() { msgs = nil }, func(m Msg) { msgs = append(msgs, m) })
	if err != nil {
		return nil, err
	}
	return msgs, nil
}

// DumpEach is a Dump that calls f with each object, which f must not keep, and calls
// begin before the first one, each time that the dump is asked for.
func (c *Conn) DumpEach(typ uint16, body []byte, begin func(), f func(Msg)) error {
	return c.dump(typ, body, func(b []byte) []byte { return b }, begin, f)
}

// dump hands the objects in own(answer) to f, for each part of the answer.
func (c *Conn) dump(typ uint16, body []byte, own func([]byte) []byte, begin func(), f func(Msg)) error {
	for try := range dumpTries {
		begin()
		if err := c.dumpOnce(typ, body, own, f); !errors.Is(err, unix.EINTR) {
			return err
		}
		time.Sleep(time.Duration(try) * time.Millisecond)
	}
	return fmt.Errorf("netlink dump: the kernel's tables changed during each of %d tries: %w", dumpTries, unix.EINTR)
}

// DumpOnly is a Dump of only what the request names (a table, an interface). The kernel
// leaves out the rest if it can (Linux 4.20), and the caller has to do so, too.
func (c *Conn) DumpOnly(typ uint16, body []byte) ([]Msg, error) {
	const strict = 12 // NETLINK_GET_STRICT_CHK
	_ = unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, strict, 1)
	defer func() { _ = unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, strict, 0) }()
	return c.Dump(typ, body)
}

func (c *Conn) dumpOnce(typ uint16, body []byte, own func([]byte) []byte, f func(Msg)) error {
	c.seq++
	req := Msg{Type: typ, Body: body}.append(nil, c.seq, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := c.write(req); err != nil {
		return err
	}
	interrupted := false
	for {
		b, err := c.read()
		if err != nil {
			return err
		}
		for h, body := range split(own(b)) {
			if h.Seq != c.seq {
				continue
			}
			interrupted = interrupted || h.Flags&unix.NLM_F_DUMP_INTR != 0
			switch h.Type {
			case unix.NLMSG_DONE:
				return dumpEnd(h, body, interrupted)
			case unix.NLMSG_ERROR:
				if e := parseError(h, body); e != nil {
					return fmt.Errorf("netlink dump: %w", e)
				}
			default:
				f(Msg{Type: h.Type, Body: body})
			}
		}
	}
}

// dumpEnd is the verdict that NLMSG_DONE carries.
func dumpEnd(h unix.NlMsghdr, body []byte, interrupted bool) error {
	if interrupted {
		return unix.EINTR
	}
	if len(body) >= 4 && int32(native.Uint32(body)) < 0 {
		return fmt.Errorf("netlink dump: %w", parseError(h, body))
	}
	return nil
}

// Events is a socket on which the kernel reports changes.
type Events struct {
	fd  int
	buf []byte
}

// Subscribe opens a socket for the changes of one group (RTNLGRP_…).
func Subscribe(group int) (*Events, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	e := &Events{fd, make([]byte, readBytes)}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
	}
	if err != nil {
		_ = e.Close()
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	return e, nil
}

// Close ends the subscription.
func (e *Events) Close() error { return unix.Close(e.fd) }

// Wait returns when something has changed since the last call, or the limit is over: the
// caller has to find out what it was. Lost events count as a change.
func (e *Events) Wait(limit time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, int(limit/time.Millisecond)+1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("netlink poll: %w", err)
	}
	for {
		_, _, err := unix.Recvfrom(e.fd, e.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS):
			return fmt.Errorf("netlink receive: %w", err)
		}
	}
}
