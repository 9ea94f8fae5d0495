// Package xenstored stands in for Xen's daemon: what it knows is files, so that a test's
// shell scripts can read and write the same.
package xenstored

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Socket is where it listens, as the real one does.
const Socket = "/run/xenstored/socket"

// maxPayload is the greatest length of a message's content (XENSTORE_PAYLOAD_MAX).
const maxPayload = 4096

// Start lets it answer at Socket until the test ends. The socket is made in the calling
// thread's namespaces, but files are read by other threads: dir has to be the same folder
// for all of them, such as one of the test's own.
func Start(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(Socket), 0o755); err != nil {
		t.Fatal(err)
	}
	stop, err := Serve(Socket, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
}

// Serve answers at that socket with what is in dir, until stop is called.
func Serve(socket, dir string) (stop func(), err error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // whoever closes it may be in another namespace, that of a real dom0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				Talk(c, dir)
			}()
		}
	}()
	return func() { _ = l.Close(); <-done }, nil
}

// Talk answers requests until the other side ends, or says what nobody says.
func Talk(c io.ReadWriter, dir string) {
	for {
		var head [16]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		op, size := binary.NativeEndian.Uint32(head[0:]), binary.NativeEndian.Uint32(head[12:])
		body := make([]byte, min(size, maxPayload))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		path, more, _ := strings.Cut(string(body), "\x00")
		answer, errno := answer(op, file(dir, path), more)
		if errno != "" {
			binary.NativeEndian.PutUint32(head[0:], 16) // XS_ERROR
			answer = errno + "\x00"
		}
		binary.NativeEndian.PutUint32(head[12:], uint32(len(answer)))
		if _, err := c.Write(append(head[:], answer...)); err != nil {
			return
		}
	}
}

// file is where the value at a path is. Dom0 asks by paths from its own folder.
func file(dir, path string) string {
	if !strings.HasPrefix(path, "/") {
		path = "/local/domain/0/" + path
	}
	return filepath.Join(dir, filepath.Clean(path))
}

// answer carries out one request.
func answer(op uint32, file, more string) (text, errno string) {
	switch op {
	case 1: // XS_DIRECTORY
		if text, errno = names(file); len(text) > maxPayload {
			return "", "E2BIG"
		}
		return text, errno
	case 22: // XS_DIRECTORY_PART
		return part(file, more)
	case 2: // XS_READ
		data, err := os.ReadFile(file)
		if info, statErr := os.Stat(file); statErr == nil && info.IsDir() {
			return "", ""
		}
		return string(data), errnoOf(err)
	case 11: // XS_WRITE
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(more), 0o644)
		}
		return "OK\x00", errnoOf(err)
	}
	return "", "ENOSYS"
}

// names are those below a path.
func names(file string) (text, errno string) {
	entries, err := os.ReadDir(file)
	for _, e := range entries {
		text += e.Name() + "\x00"
	}
	return text, errnoOf(err)
}

// part is as much of the names as one message has room for.
func part(file, offset string) (text, errno string) {
	all, errno := names(file)
	at, err := strconv.Atoi(strings.TrimRight(offset, "\x00"))
	if err != nil || at > len(all) {
		return "", "EINVAL"
	}
	const room = maxPayload - 8
	rest := all[at:]
	if len(rest) <= room {
		return "7\x00" + rest + "\x00", errno
	}
	return "7\x00" + rest[:strings.LastIndexByte(rest[:room], 0)+1], errno
}

func errnoOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "ENOENT"
	}
	return "EINVAL"
}
