package xenstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xbr-script/internal/testing/xenstored"
)

// serve begins a conversation with a daemon that knows these values.
func serve(t *testing.T, values map[string]string) *Client {
	t.Helper()
	dir := t.TempDir()
	for path, value := range values {
		file := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := net.Pipe()
	go xenstored.Talk(theirs, dir)
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	return &Client{conn: ours}
}

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	c := serve(t, map[string]string{"/local/domain/1/name": "web1"})
	if got, err := c.Read("/local/domain/1/name"); got != "web1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Read("/local/domain/2/name"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is %v", err)
	}
	if err := c.Write("backend/vif/1/0/hotplug-status", "connected"); err != nil {
		t.Error(err)
	}
	// What is relative is below dom0's folder.
	if got, err := c.Read("/local/domain/0/backend/vif/1/0/hotplug-status"); got != "connected" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, path := range []string{"a\x00b", strings.Repeat("a", maxPath+1)} {
		if _, err := c.Read(path); err == nil {
			t.Errorf("%.10q can be read", path)
		}
	}
	if err := c.Write("a", strings.Repeat("b", maxPayload)); err == nil {
		t.Error("what does not fit is written")
	}
}

// TestVIFs reads guests in order, and takes what is missing as not said.
func TestVIFs(t *testing.T) {
	t.Parallel()
	c := serve(t, map[string]string{
		"/local/domain/0/backend/vif/10/0/mac": "00:16:3e:00:00:10", "/local/domain/10/name": "ten",
		"/local/domain/0/backend/vif/2/1/mac": "00:16:3e:00:00:21", "/local/domain/0/backend/vif/2/1/ip": "10.9.0.11  2001:db8::5",
		"/local/domain/0/backend/vif/2/1/vifname": "web", "/local/domain/0/backend/vif/2/1/bridge": "xenbr1",
		"/local/domain/0/backend/vif/2/x/mac": "", "/local/domain/0/backend/vif/-3/1/mac": "",
	})
	list, err := c.VIFs()
	if err != nil {
		t.Fatal(err)
	}
	want := []VIF{
		{Domain: 2, Device: 1, Port: "web", MAC: "00:16:3e:00:00:21", IP: "10.9.0.11  2001:db8::5", Bridge: "xenbr1"},
		{Domain: 10, Device: 0, Name: "ten", Port: "vif10.0", MAC: "00:16:3e:00:00:10"},
	}
	if fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("%+v", list)
	}
	s := &Seen{VIFs: list}
	if v := s.Of("web-emu"); v == nil || v.Domain != 2 {
		t.Errorf("web-emu is of %+v", v)
	}
	if v := s.Of("vif10.0"); v == nil || v.Name != "ten" {
		t.Errorf("vif10.0 is of %+v", v)
	}
	if v := (*Seen)(nil).Of("web"); v != nil || s.Of("vif2.1") != nil {
		t.Errorf("nobody's is of %+v", v)
	}
	if list, err := serve(t, nil).VIFs(); len(list) != 0 || err != nil {
		t.Errorf("without guests: %+v, %v", list, err)
	}
}

// TestLongDirectory reads one that has no room in a message.
func TestLongDirectory(t *testing.T) {
	t.Parallel()
	values := map[string]string{}
	for i := range 900 {
		values[fmt.Sprintf("/local/domain/0/backend/vif/%d/0/mac", 10000+i)] = ""
	}
	c := serve(t, values)
	names, err := c.Directory("backend/vif")
	if err != nil || len(names) != 900 || names[0] != "10000" || names[899] != "10899" {
		t.Errorf("%d names, %v", len(names), err)
	}
}

// liar is a daemon that says whatever it was told to say.
type liar struct {
	io.Reader
	asked bytes.Buffer
}

func (l *liar) Write(b []byte) (int, error)   { return l.asked.Write(b) }
func (*liar) Close() error                    { return nil }
func (*liar) SetDeadline(time.Time) error     { return nil }
func message(typ, id uint32, b string) []byte { return rawMessage(typ, id, uint32(len(b)), b) }

func rawMessage(typ, id, size uint32, b string) (msg []byte) {
	for _, v := range []uint32{typ, id, 0, size} {
		msg = binary.NativeEndian.AppendUint32(msg, v)
	}
	return append(msg, b...)
}

func TestWhatNoDaemonSays(t *testing.T) {
	t.Parallel()
	good := append(message(opWatchEvent, 0, "a\x00b\x00"), message(opRead, 1, "yes")...)
	c := &Client{conn: &liar{Reader: bytes.NewReader(good)}}
	if got, err := c.Read("a"); got != "yes" || err != nil {
		t.Errorf("after an event: %q, %v", got, err)
	}
	for name, said := range map[string][]byte{
		"nothing":        nil,
		"half a message": message(opRead, 1, "yes")[:17],
		"another's":      message(opRead, 2, "no"),
		"of another op":  message(opDirectory, 1, "no"),
		"too long":       rawMessage(opRead, 1, maxPayload+1, strings.Repeat("a", maxPayload+1)),
		"an error":       message(opError, 1, "EINVAL\x00"),
	} {
		c := &Client{conn: &liar{Reader: bytes.NewReader(said)}}
		if got, err := c.Read("a"); err == nil {
			t.Errorf("%s is read as %q", name, got)
		}
	}
}

// TestSilence ends a conversation with a daemon that does not answer.
func TestSilence(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	c := &Client{conn: ours}
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	if err := ours.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read("a"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzAnswers reads whatever a daemon may say: each of these calls ends.
func FuzzAnswers(f *testing.F) {
	f.Add(message(opRead, 1, "yes"))
	f.Add(message(opError, 1, "E2BIG\x00"))
	f.Add(append(message(opError, 1, "E2BIG\x00"), message(opDirectoryPart, 2, "7\x00a\x00\x00")...))
	f.Add(message(opDirectory, 1, "1\x002\x00"))
	f.Fuzz(func(_ *testing.T, said []byte) {
		_, _ = (&Client{conn: &liar{Reader: bytes.NewReader(said)}}).Read("a")
		_, _ = (&Client{conn: &liar{Reader: bytes.NewReader(said)}}).Directory("a")
		_, _ = (&Client{conn: &liar{Reader: bytes.NewReader(said)}}).VIFs()
	})
}
