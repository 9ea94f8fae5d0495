package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
	"xbr-script/internal/refusal"
	"xbr-script/internal/shell"
	"xbr-script/internal/sockets"
)

// Rebind binds the sockets of a process that are bound to one interface to another one.
// dhclient has one of DHCPv6 and a packet socket, which are bound to the index of its
// interface, while it goes by the name in all else. It need not be run again, which would
// do harm: its script flushes the lasting IPv6 addresses of the interface then (PREINIT6).
type Rebind struct {
	Program string `json:"program"` // its name in /proc/PID/comm
	PID     int    `json:"pid"`
	From    int    `json:"from"` // the indexes
	To      int    `json:"to"`
	Dev     string `json:"dev"` // the name of the latter
}

var _ plan.Prudent = (*Rebind)(nil)

// Kind is its name in the journal.
func (*Rebind) Kind() string { return "lease rebind" }

// Commands say that there are none that do the same.
func (r *Rebind) Commands() []string {
	return []string{shell.Comment(fmt.Sprintf("no command binds the socket of %s (pid %d) to %s", r.Program, r.PID, r.Dev))}
}

// Ready says whether the kernel can do it.
func (r *Rebind) Ready(context.Context) error {
	err := r.each(func(int) error { return nil })
	if err != nil {
		return refusal.Wrap(err, fmt.Sprintf("end it by kill -KILL %d, which leaves its address, and run it again after the change", r.PID),
			"cannot bind the socket of %s (pid %d) to another interface, without which it does not renew the lease", r.Program, r.PID)
	}
	return nil
}

// Do carries it out. A process that has ended has no sockets. The kernel does not ask
// whether there is such an interface (sock_bindtoindex_locked), but for packet sockets:
// those stay as they are if an interface is missing that was to come back.
func (r *Rebind) Do(_ context.Context, undoing bool) error {
	return r.each(func(socket int) error {
		if at, err := unix.Getsockname(socket); err == nil {
			if at, ok := at.(*unix.SockaddrLinklayer); ok {
				err := r.hear(socket, at)
				if undoing && errors.Is(err, unix.ENODEV) {
					return nil
				}
				return err
			}
		}
		return sockets.Rebind(socket, r.To, r.From)
	})
}

// hear binds a packet socket.
func (r *Rebind) hear(socket int, at *unix.SockaddrLinklayer) error {
	if at.Ifindex != r.From {
		return nil
	}
	return unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: at.Protocol, Ifindex: r.To})
}

// each calls f with each socket of the process.
func (r *Rebind) each(f func(socket int) error) error {
	dir := "/proc/" + strconv.Itoa(r.PID)
	pidfd, err := unix.PidfdOpen(r.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	// Only now is it certain that no other process gets the number.
	if comm, err := manager.Content(dir + "/comm"); err != nil || comm != r.Program {
		return err
	}
	files, err := os.ReadDir(dir + "/fd")
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for _, file := range files {
		if target, _ := os.Readlink(filepath.Join(dir, "fd", file.Name())); !strings.HasPrefix(target, "socket:") {
			continue
		}
		if err := with(pidfd, file.Name(), f); err != nil {
			return err
		}
	}
	return nil
}

// with calls f with one socket, if it is still there.
func with(pidfd int, name string, f func(socket int) error) error {
	fd, err := strconv.Atoi(name)
	if err != nil {
		return err
	}
	socket, err := unix.PidfdGetfd(pidfd, fd, 0) // Linux 5.6
	switch {
	case errors.Is(err, unix.EBADF), errors.Is(err, unix.ESRCH):
		return nil
	case err != nil:
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	defer func() { _ = unix.Close(socket) }()
	return f(socket)
}
