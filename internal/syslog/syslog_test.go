package syslog

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestSend writes to a log of either kind, to one that nobody reads, and to none. None of
// them holds it up without end.
func TestSend(t *testing.T) {
	former := sockets
	t.Cleanup(func() { sockets = former })
	path := filepath.Join(t.TempDir(), "log")
	sockets = []string{path}
	Send(Notice, "nobody listens")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	Send(Warning, "first\nse\x1bcond")
	for _, want := range []string{`^<28>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} xbr-script\[[0-9]+\]: first$`, `: se.*cond$`} {
		b := make([]byte, 256)
		n, err := l.Read(b)
		if err != nil || !regexp.MustCompile(want).Match(b[:n]) || regexp.MustCompile("\x1b").Match(b[:n]) {
			t.Errorf("%q, %v, want %s", b[:n], err, want)
		}
	}
	// Until the queue is full, and a line is lost after that time.
	for begin := time.Now(); time.Since(begin) < patience; {
		begin = time.Now()
		Send(Notice, "nobody reads")
	}
	_ = l.Close()
}
