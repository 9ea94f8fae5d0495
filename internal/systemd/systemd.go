// Package systemd asks process 1, over its own socket: while the machine starts
// there may be no bus.
package systemd

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"
)

// Up tells whether a unit is: systemd has a link for each that is.
func Up(unit string) (bool, error) {
	_, err := os.Lstat("/run/systemd/units/invocation:" + unit)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENAMETOOLONG) {
		return false, nil
	}
	return err == nil, err
}

// Conn is a connection to systemd.
type Conn struct{ *dbus.Conn }

// Dial connects. It fails where there is no systemd, and for who is not root.
func Dial(ctx context.Context) (Conn, error) {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	return Conn{conn}, err
}

// Stopping tells whether the machine is being switched off: all that could
// follow dom0's addresses will end, too, and must not be waited for.
func (c Conn) Stopping(ctx context.Context) (bool, error) {
	state, err := c.SystemStateContext(ctx)
	return err == nil && state.Value.Value() == "stopping", err
}

// Active tells whether a unit is up.
func (c Conn) Active(ctx context.Context, unit string) (bool, error) {
	state, err := c.GetUnitPropertyContext(ctx, unit, "ActiveState")
	return err == nil && state.Value.Value() == "active", err
}
