// Package networkd makes systemd-networkd follow dom0's addresses to another
// interface. It knows an interface by its index, which stays with the NIC. Left alone,
// it would let a lease run out, and put addresses on the NIC again when the cable is
// pulled and put back. Once restarted, it begins with the interfaces as they are; a
// leased address is gone for a moment then.
package networkd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"xbr-script/internal/keyfile"
	"xbr-script/internal/plan"
	"xbr-script/internal/systemd"
)

const (
	// unit is what is restarted.
	unit = "systemd-networkd.service"
	// restartLimit is how long systemd may take for it.
	restartLimit = 90 * time.Second
	// linksDir is where systemd-networkd says what it does with each interface,
	// in a file named by its index (systemd's networkd-state-file.c).
	linksDir = "/run/systemd/netif/links"
	// pause is the time between two looks at such a file.
	pause = 50 * time.Millisecond
)

// Restart is the operation.
type Restart struct {
	// The operation waits for the Heirs, but no longer than Limit (nanoseconds), if
	// that is not 0: until then the host may have no address.
	Heirs []Heir        `json:"Heirs"`
	Limit time.Duration `json:"Limit"`
	at    time.Time     // when it was done; zero if it was not
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{
		(&Restart{}).Kind(): func() plan.Op { return &Restart{} },
		(&Freeze{}).Kind():  func() plan.Op { return &Freeze{} },
		(&Thaw{}).Kind():    func() plan.Op { return &Thaw{} },
	}
}

// Kind is its name in the journal.
func (*Restart) Kind() string { return "networkd restart" }

// Commands are those that do the same.
func (*Restart) Commands() []string { return []string{"systemctl try-restart " + unit} }

// Ready says whether systemd can be asked.
func (*Restart) Ready(ctx context.Context) error { return ready(ctx) }

// Do restarts it, if it runs and the machine is not being switched off.
func (r *Restart) Do(ctx context.Context, _ bool) error {
	var at time.Time
	err := ask(ctx, restartLimit, func(ctx context.Context, conn systemd.Conn) error {
		ok, err := runs(ctx, conn, unit)
		if err == nil && ok {
			at = time.Now()
			err = restart(ctx, conn)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.at = at
	if r.Limit > 0 {
		_ = await(ctx, r.Heirs, at, r.Limit) // nothing can be done about it
	}
	return context.Cause(ctx)
}

func restart(ctx context.Context, conn systemd.Conn) error {
	done := make(chan string, 1)
	if _, err := conn.TryRestartUnitContext(ctx, unit, "replace", done); err != nil {
		return err
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("systemd says of its restart: %s", result)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// runs says whether a unit is at work and will stay so.
func runs(ctx context.Context, conn systemd.Conn, unit string) (bool, error) {
	if stopping, err := conn.Stopping(ctx); err != nil || stopping {
		return false, err
	}
	return conn.Active(ctx, unit)
}

// Link is what systemd-networkd does with an interface.
type Link struct {
	State string `json:"State"` // ADMIN_STATE: pending, initialized, configuring, configured, unmanaged, failed, linger
	File  string `json:"File"`  // NETWORK_FILE: what it is configured by; empty: by none
	when  time.Time
}

// Configures says whether systemd-networkd configures the interface.
func (l Link) Configures() bool { return l.File != "" && l.State != "unmanaged" }

// LinkOf reads what systemd-networkd does with the interface that has this index. One
// that it does not know is not configured by it.
func LinkOf(index int) (Link, error) {
	name := filepath.Join(linksDir, strconv.Itoa(index))
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Link{}, nil
	}
	if err != nil {
		return Link{}, err
	}
	values, err := keyfile.Read(name)
	return Link{State: values["ADMIN_STATE"], File: values["NETWORK_FILE"], when: info.ModTime()}, err
}
