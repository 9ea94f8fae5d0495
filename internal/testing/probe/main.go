// Command probe is the meter of the demo and of the virtual machine's
// scenarios: it counts what the network loses while something else happens
// to it.
//
//	probe serve ADDRESS...   answer probes, over UDP and TCP
//	probe watch V4 V6 [EACH] send them a probe each 1ms, or EACH, until stdin ends
//	probe ask ADDRESS        print the address that ADDRESS sees us under
//	probe hear INTERFACE     print each kind of frame that comes in there, once
//	probe hold KIND INTERFACE      hold on to it by a PPPoE session (pppoe), or by an
//	                               XDP program with a socket of AF_XDP (xdp)
//	probe attach DATAPATH INTERFACE  make it a port of a new datapath of Open vSwitch
//	probe send INTERFACE MAC HEX   send a frame with that protocol and content there
//	probe away ADDRESS       print for how many seconds nobody here had it, when stdin ends
//	probe ping ADDRESS EACH  ping it until stdin ends: print sent, lost, longest gap
//
// watch sends to both addresses over UDP and to the first over TCP. It prints
// "ready" once all three answer. Each line of its standard input names the
// phase that begins; when there are no more it prints one line for each phase
// and way: phase, way, probes sent, probes lost, longest gap in milliseconds.
//
// hear takes whatever comes in, for whomever it is (promiscuous mode), but not
// what the machine itself sends by that interface. It prints "hearing" once it
// does, then a line a kind: MAC addresses of source and destination, protocol,
// and for ARP and IPv4 who says what of himself.
//
// hold prints "holding" once it does, and "got" for each frame that comes in by that: in
// the PPPoE session 7, or of the protocol 0x88b5, as send sends them.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	port     = "7" // echo; the demo's namespaces have no other
	interval = "1ms"
	burst    = 10              // sent at once after having been held up
	grace    = time.Second     // for the last answers, and TCP's second attempts
	limit    = 5 * time.Minute // no probe is sent after that, whatever happens
)

// whoami is the question that ask sends. It is no probe's length.
const whoami = "whoami"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := errors.New("usage: probe serve ADDRESS... | watch V4 V6 [EACH] | ask ADDRESS | hear INTERFACE | away ADDRESS | ping ADDRESS EACH | hold KIND INTERFACE | attach DATAPATH INTERFACE | send INTERFACE MAC HEX")
	switch {
	case len(args) >= 2 && args[0] == "serve":
		err = serve(args[1:])
	case len(args) == 3 && args[0] == "watch":
		err = watch(args[1], args[2], interval, stdin, stdout)
	case len(args) == 4 && args[0] == "watch":
		err = watch(args[1], args[2], args[3], stdin, stdout)
	case len(args) == 2 && args[0] == "ask":
		err = ask(args[1], stdout)
	case len(args) == 2 && args[0] == "hear":
		err = hear(args[1], stdout)
	case len(args) == 3 && args[0] == "hold":
		err = hold(args[1], args[2], stdout)
	case len(args) == 3 && args[0] == "attach":
		err = attach(args[1], args[2])
	case len(args) == 4 && args[0] == "send":
		err = send(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "away":
		err = away(args[1], stdin, stdout)
	case len(args) == 3 && args[0] == "ping":
		err = ping(args[1], args[2], stdin, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "probe: "+err.Error())
		return 1
	}
	return 0
}

// watch sends probes until stdin ends, and then reports.
func watch(v4, v6, each string, stdin io.Reader, stdout io.Writer) error {
	every, err := time.ParseDuration(each)
	if err != nil {
		return err
	}
	var phase atomic.Pointer[string]
	phase.Store(new(string))
	ways := []struct{ name, network, host string }{
		{"IPv4", "udp", v4}, {"IPv6", "udp", v6}, {"TCP", "tcp", v4},
	}
	var all []*series
	for _, w := range ways {
		conn, err := dial(w.network, w.host)
		if err != nil {
			return err
		}
		s := &series{name: w.name, conn: conn}
		all = append(all, s)
		go s.receive()
		go s.sendAll(&phase, every)
	}
	if err := answered(all); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "ready")
	follow(stdin, &phase)
	phase.Store(nil)
	time.Sleep(grace)
	for _, s := range all {
		for _, r := range s.tally(time.Now()) {
			fmt.Fprintln(stdout, r.phase, s.name, r.sent, r.lost, r.millis())
		}
	}
	return nil
}

// follow sets the phase to each line of stdin in turn, until the last.
func follow(stdin io.Reader, phase *atomic.Pointer[string]) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	end := time.After(limit)
	for {
		select {
		case line, more := <-lines:
			if !more {
				return
			}
			phase.Store(&line)
		case <-end:
			return
		}
	}
}

// dial connects; the server may still be starting.
func dial(network, host string) (net.Conn, error) {
	var conn net.Conn
	err := retry(func() (err error) {
		conn, err = net.DialTimeout(network, net.JoinHostPort(host, port), time.Second)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, enlarge(conn.(syscall.Conn))
}

// enlarge gives a socket room for the probes of several seconds, each way: a
// program that a busy machine holds up must not be blamed on the network, and
// one that waits for the network must not stop asking.
func enlarge(conn syscall.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for _, option := range []int{syscall.SO_RCVBUFFORCE, syscall.SO_SNDBUFFORCE} {
			failed = errors.Join(failed, syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 8<<20))
		}
	})
	return errors.Join(err, failed)
}

// retry calls f until it succeeds, for some seconds.
func retry(f func() error) error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := f(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// answered waits until each way has had an answer.
func answered(all []*series) error {
	for _, s := range all {
		err := retry(func() error {
			if s.answers() == 0 {
				return fmt.Errorf("no answer over %s from %s", s.name, s.conn.RemoteAddr())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ask prints the address under which host sees this end.
func ask(host string, stdout io.Writer) error {
	conn, err := dial("udp", host)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answer := make([]byte, 100)
	return retry(func() error {
		if _, err := conn.Write([]byte(whoami)); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return err
		}
		n, err := conn.Read(answer)
		if err == nil {
			fmt.Fprintln(stdout, string(answer[:n]))
		}
		return err
	})
}

// serve answers at each address. It binds to them one by one: a wildcard
// would answer from whichever address the kernel likes best.
func serve(hosts []string) error {
	failed := make(chan error, 1)
	for _, host := range hosts {
		address := net.JoinHostPort(host, port)
		packets, err := net.ListenPacket("udp", address)
		if err == nil {
			err = enlarge(packets.(syscall.Conn))
		}
		if err != nil {
			return err
		}
		streams, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() { failed <- echoPackets(packets) }()
		go func() { failed <- echoStreams(streams) }()
	}
	select {
	case err := <-failed:
		return err
	case <-time.After(limit + 10*time.Second): // longer than anybody asks
		return nil
	}
}

func echoPackets(conn net.PacketConn) error {
	buf := make([]byte, 100)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		answer := buf[:n]
		if string(answer) == whoami {
			host, _, _ := net.SplitHostPort(from.String())
			answer = []byte(host)
		}
		// An answer that cannot be sent is a lost probe: the other end counts it.
		_, _ = conn.WriteTo(answer, from)
	}
}

func echoStreams(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(conn, conn) // until the other end has gone
			_ = conn.Close()
		}()
	}
}

// message is what travels: the number of the probe.
type message [8]byte

func number(n int) (m message) {
	binary.BigEndian.PutUint64(m[:], uint64(n))
	return m
}

func (m message) number() uint64 { return binary.BigEndian.Uint64(m[:]) }
