// Package dbustest answers over D-Bus for tests, as systemd or a manager would.
package dbustest

import (
	"bufio"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"xbr-script/internal/testing/nstest"
)

// Error is an answer that is an error of that name.
type Error string

// Peer is who answers.
type Peer struct {
	*testing.T
	// answer gives the body of an answer, or an Error as the only value of it.
	answer func(*dbus.Message) []any
	mu     sync.Mutex
	conns  map[net.Conn]bool
	ended  sync.WaitGroup
}

// Listen has a peer answer on a socket in the test's namespace until the test ends.
func Listen(t *testing.T, path string, answer func(*dbus.Message) []any) *Peer {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &Peer{T: t, answer: answer, conns: map[net.Conn]bool{}}
	accepted := nstest.Beside(t, func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.join(c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		<-accepted
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.ended.Wait()
	})
	return p
}

// join serves one client, besides others.
func (p *Peer) join(c net.Conn) {
	p.mu.Lock()
	p.conns[c] = true
	p.mu.Unlock()
	p.ended.Add(1)
	nstest.Beside(p, func() {
		defer p.ended.Done()
		p.serve(c)
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
		_ = c.Close()
	})
}

// serve lets a client in and answers it.
func (p *Peer) serve(c net.Conn) {
	r := bufio.NewReader(c)
	if !admit(c, r) {
		return
	}
	for {
		msg, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(msg.Serial()), dbus.FieldSender: dbus.MakeVariant("org.freedesktop.DBus"),
		}}
		body := p.answer(msg)
		if name, ok := first(body).(Error); ok {
			reply.Type, body = dbus.TypeError, nil
			reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(string(name))
		}
		p.send(c, reply, body)
	}
}

func first(body []any) any {
	if len(body) == 0 {
		return nil
	}
	return body[0]
}

// admit answers a client that authenticates, in D-Bus's way.
func admit(c net.Conn, r *bufio.Reader) bool {
	for line := ""; line != "BEGIN\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			return false
		}
		switch words := strings.Fields(strings.TrimLeft(line, "\x00")); {
		case words[0] == "AUTH" && len(words) == 1:
			_, _ = c.Write([]byte("REJECTED EXTERNAL\r\n"))
		case words[0] == "AUTH":
			_, _ = c.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
		case words[0] == "NEGOTIATE_UNIX_FD":
			_, _ = c.Write([]byte("ERROR\r\n"))
		}
	}
	return true
}

// Signal sends all clients a signal.
func (p *Peer) Signal(path dbus.ObjectPath, iface, member string, body ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.send(c, &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath: dbus.MakeVariant(path), dbus.FieldInterface: dbus.MakeVariant(iface), dbus.FieldMember: dbus.MakeVariant(member),
		}}, body)
	}
}

// send sends one message; a client that is gone by now misses nothing.
func (p *Peer) send(c net.Conn, msg *dbus.Message, body []any) {
	if msg.Body = body; body != nil {
		msg.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	var data strings.Builder
	if err := msg.EncodeTo(&data, binary.LittleEndian); err != nil {
		p.Errorf("cannot send %v: %v", msg, err)
		return
	}
	_, _ = c.Write([]byte(data.String()))
}
