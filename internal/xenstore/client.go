package xenstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What a message is about (enum xsd_sockmsg_type).
const (
	opDirectory     = 1
	opRead          = 2
	opWrite         = 11
	opWatchEvent    = 15
	opError         = 16
	opDirectoryPart = 22 // since Xen 4.9
)

// The greatest sizes, in bytes.
const (
	headerSize = 16
	maxPayload = 4096    // XENSTORE_PAYLOAD_MAX
	maxPath    = 3072    // XENSTORE_ABS_PATH_MAX
	maxList    = 1 << 20 // of the names in a directory: more than a host has domains
)

// Limit is how long all of a conversation may take. The daemon answers in less than a
// millisecond.
const Limit = 10 * time.Second

// ErrAbsent says that there is no xenstore, so that this is not Xen.
var ErrAbsent = errors.New("there is no xenstore")

// sockets are where the daemon listens in dom0, and devices what the kernel has instead
// in a driver domain, or where the daemon is a domain of its own.
var (
	sockets = []string{"/run/xenstored/socket", "/var/run/xenstored/socket"}
	devices = []string{"/dev/xen/xenbus", "/proc/xen/xenbus"}
)

// stream carries messages in both directions.
type stream interface {
	io.ReadWriteCloser
	SetDeadline(t time.Time) error
}

// Client is one conversation with xenstore. A path without a slash before it is below
// the folder of the domain that asks, such as /local/domain/0.
type Client struct {
	conn stream
	id   uint32 // of the last request
}

// Open begins a conversation.
func Open() (*Client, error) {
	var conn stream
	err := ErrAbsent
	for _, path := range sockets {
		if conn, err = dial(path); conn != nil || !absent(err) {
			break
		}
	}
	for _, path := range devices {
		if conn != nil || !absent(err) {
			break
		}
		conn, err = openDevice(path)
	}
	switch {
	case absent(err):
		return nil, ErrAbsent
	case err != nil:
		return nil, fmt.Errorf("cannot ask xenstore: %w", err)
	}
	if err := conn.SetDeadline(time.Now().Add(Limit)); err != nil {
		return nil, fmt.Errorf("cannot ask xenstore: %w", errors.Join(err, conn.Close()))
	}
	return &Client{conn: conn}, nil
}

func absent(err error) bool {
	return errors.Is(err, ErrAbsent) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO)
}

func dial(path string) (stream, error) {
	c, err := net.DialTimeout("unix", path, Limit)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// openDevice opens a device so that what is read there has a time limit (the kernel's
// xenbus_file_poll).
func openDevice(path string) (stream, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Close ends the conversation.
func (c *Client) Close() error { return c.conn.Close() }

// Error is xenstore's own answer that something cannot be done.
type Error struct {
	Path  string
	Errno string // such as ENOENT
}

func (e *Error) Error() string { return fmt.Sprintf("xenstore: %s: %s", e.Path, e.Errno) }

// Is makes the answer that there is nothing match fs.ErrNotExist, and the answer that one
// may not know match fs.ErrPermission.
func (e *Error) Is(target error) bool {
	return e.Errno == "ENOENT" && target == fs.ErrNotExist || e.Errno == "EACCES" && target == fs.ErrPermission
}

// Read is the value at a path.
func (c *Client) Read(path string) (string, error) {
	b, err := c.talk(opRead, path, "")
	return string(b), err
}

// Write gives a path a value. The path is made if need be.
func (c *Client) Write(path, value string) error {
	_, err := c.talk(opWrite, path, value)
	return err
}

// Directory are the names below a path.
func (c *Client) Directory(path string) ([]string, error) {
	b, err := c.talk(opDirectory, path, "")
	var refused *Error
	if errors.As(err, &refused) && refused.Errno == "E2BIG" {
		b, err = c.parts(path)
	}
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == 0 }), nil
}

// parts reads a directory that does not fit into one message. Each part begins with a
// number that tells whether somebody has changed the directory meanwhile; the last
// part ends with one NUL more.
func (c *Client) parts(path string) ([]byte, error) {
	var all []byte
	generation := ""
	for rounds := 0; rounds < maxList/maxPayload; rounds++ {
		b, err := c.talk(opDirectoryPart, path, strconv.Itoa(len(all))+"\x00")
		if err != nil {
			return nil, err
		}
		now, part, _ := strings.Cut(string(b), "\x00")
		if len(all) > 0 && now != generation {
			all, generation = nil, ""
			continue
		}
		generation = now
		if len(part) < 2 || strings.HasSuffix(part, "\x00\x00") {
			return append(all, part...), nil
		}
		all = append(all, part...)
	}
	return nil, fmt.Errorf("xenstore: %s has no end", path)
}

// talk sends a request and returns the answer to it.
func (c *Client) talk(op uint32, path, more string) ([]byte, error) {
	body := path + "\x00" + more
	if len(path) > maxPath || len(body) > maxPayload || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("xenstore: %.40q cannot be asked for", path)
	}
	c.id++
	msg := make([]byte, headerSize, headerSize+len(body))
	for i, v := range []uint32{op, c.id, 0, uint32(len(body))} { // struct xsd_sockmsg
		binary.NativeEndian.PutUint32(msg[4*i:], v)
	}
	if _, err := c.conn.Write(append(msg, body...)); err != nil {
		return nil, fmt.Errorf("cannot ask xenstore for %s: %w", path, err)
	}
	for {
		typ, id, answer, err := readMessage(c.conn)
		switch {
		case err != nil:
			return nil, fmt.Errorf("xenstore does not tell %s: %w", path, err)
		case typ == opWatchEvent:
			continue // nobody asked for one
		case id != c.id || typ != op && typ != opError:
			return nil, fmt.Errorf("xenstore answers something else than %s", path)
		case typ == opError:
			return nil, &Error{path, strings.TrimRight(string(answer), "\x00")}
		}
		return answer, nil
	}
}

// readMessage reads one message.
func readMessage(r io.Reader) (typ, id uint32, body []byte, err error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	field := func(i int) uint32 { return binary.NativeEndian.Uint32(head[4*i:]) }
	size := field(3)
	if size > maxPayload {
		return 0, 0, nil, fmt.Errorf("a message of %d bytes", size)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(r, body)
	return field(0), field(1), body, err
}
