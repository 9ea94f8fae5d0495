// Package syslog writes lines to the system's log. It never waits for it for long: a log
// that is stuck must not hold up a change of the network, nor a shutdown. (The standard
// library's log/syslog waits without end.)
package syslog

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"xbr-script/internal/shell"
)

// Severity is how much a line matters, as in RFC 5424.
type Severity int

// The severities that are used.
const (
	Warning Severity = 4
	Notice  Severity = 5
)

// daemon is the facility (LOG_DAEMON).
const daemon = 3 << 3

// patience is how long a line may take altogether.
const patience = 200 * time.Millisecond

// sockets are where logs listen.
var sockets = []string{"/dev/log", "/var/run/syslog"}

// Send writes each line of a text to the log. If nobody listens, or takes it in time, it
// is lost.
func Send(severity Severity, text string) {
	deadline := time.Now().Add(patience)
	conn := dial()
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(deadline); err != nil {
		return
	}
	end := "" // a datagram ends itself
	if conn.RemoteAddr().Network() == "unix" {
		end = "\n"
	}
	for line := range strings.Lines(text) {
		message := fmt.Sprintf("<%d>%s xbr-script[%d]: %s%s", int(severity)|daemon, time.Now().Format(time.Stamp), os.Getpid(),
			shell.Visible(strings.TrimSuffix(line, "\n")), end)
		if _, err := conn.Write([]byte(message)); err != nil {
			return
		}
	}
}

// dial connects to the first log that listens.
func dial() net.Conn {
	for _, path := range sockets {
		for _, network := range []string{"unixgram", "unix"} {
			if conn, err := net.DialTimeout(network, path, patience); err == nil {
				return conn
			}
		}
	}
	return nil
}
