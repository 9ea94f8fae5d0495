package xenstore

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"xbr-script/internal/testing/nstest"
	"xbr-script/internal/testing/xenstored"
)

// TestLook asks where the daemon of a real dom0 listens.
func TestLook(t *testing.T) {
	nstest.New(t)
	if _, err := Open(); !errors.Is(err, ErrAbsent) {
		t.Fatalf("without Xen: %v", err)
	}
	if s := Look(); s.Err != nil || len(s.VIFs) != 0 {
		t.Errorf("without Xen: %+v", s)
	}
	dir := t.TempDir()
	t.Run("dead", func(t *testing.T) {
		nstest.New(t)
		if err := os.MkdirAll(filepath.Dir(xenstored.Socket), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: xenstored.Socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if s := Look(); s.Err == nil {
			t.Errorf("from a dead daemon: %+v", s)
		}
	})
	xenstored.Start(t, dir)
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Write("backend/vif/1/0/mac", "00:16:3e:00:00:11"); err != nil {
		t.Fatal(err)
	}
	if s := Look(); s.Err != nil || len(s.VIFs) != 1 || s.VIFs[0].MAC != "00:16:3e:00:00:11" {
		t.Errorf("%+v", s)
	}
}
