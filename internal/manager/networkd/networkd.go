// Package networkd makes systemd-networkd follow dom0's addresses to another
// interface. It knows an interface by its index, which stays with the NIC. Left alone,
// it would let a lease run out, and put addresses on the NIC again when the cable is
// pulled and put back. Once restarted, it begins with the interfaces as they are. A leased
// address would be gone for a moment then, or for good if no server answers: see Keep.
package networkd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"xbr-script/internal/idle"
	"xbr-script/internal/keyfile"
	"xbr-script/internal/plan"
	"xbr-script/internal/systemd"
)

const (
	// unit is what is restarted.
	unit = "systemd-networkd.service"
	// sockets are the units of the sockets that systemd holds for it.
	sockets = "'systemd-networkd*.socket'"
	// restartLimit is how long systemd may take for it.
	restartLimit = 90 * time.Second
	// linksDir is where systemd-networkd says what it does with each interface,
	// in a file named by its index (systemd's networkd-state-file.c).
	linksDir = "/run/systemd/netif/links"
	// leasesDir is where it has the leases of DHCPv4, in files named alike.
	leasesDir = "/run/systemd/netif/leases"
	// pause is the time between two looks at such a file.
	pause = 50 * time.Millisecond
)

// decideLimit is how long it may take at least, after it was restarted, to decide about an
// interface. udev must have seen that before. Tests wait less.
var decideLimit = 30 * time.Second

// Restart is in journals of earlier versions, which did not hold it still.
type Restart struct {
	Heirs []Heir        `json:"Heirs"`
	Limit time.Duration `json:"Limit"`
}

// Kinds are its operations.
func (Manager) Kinds() plan.Kinds {
	return plan.Kinds{
		(&Restart{}).Kind(): func() plan.Op { return &Restart{} },
		(&Freeze{}).Kind():  func() plan.Op { return &Freeze{} },
		(&Resume{}).Kind():  func() plan.Op { return &Resume{} },
		(&File{}).Kind():    func() plan.Op { return &File{} },
		(&Keep{}).Kind():    func() plan.Op { return &Keep{} },
		(&Lasting{}).Kind(): func() plan.Op { return &Lasting{} },
		(&Passing{}).Kind(): func() plan.Op { return &Passing{} },
	}
}

// Kind is its name in the journal.
func (*Restart) Kind() string { return "networkd restart" }

// Commands are those that do the same.
func (*Restart) Commands() []string { return []string{"systemctl try-restart " + unit} }

// Await is what it waits for.
func (r *Restart) Await() plan.Wait { return (&Resume{Heirs: r.Heirs, Limit: r.Limit}).Await() }

// Do restarts it, if it runs and the machine is not being switched off.
func (r *Restart) Do(ctx context.Context, undoing bool) error {
	return (&Resume{Unit: unit, Heirs: r.Heirs, Limit: r.Limit}).Do(ctx, undoing)
}

// job has systemd do something with a unit, and waits until it is done.
func job(ctx context.Context, unit string, begin func(ctx context.Context, name, mode string, done chan<- string) (int, error)) error {
	done := make(chan string, 1)
	if _, err := begin(ctx, unit, "replace", done); err != nil {
		return err
	}
	return systemd.Result(ctx, done)
}

// paused waits until it is time for another look; false if the call has ended by then.
func paused(ctx context.Context) bool { return idle.For(ctx, pause) == nil }

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

	leased       bool   // by DHCPv4
	iaid4, iaid6 string // see identities
}

// Configures says whether systemd-networkd configures the interface.
func (l Link) Configures() bool { return l.File != "" && l.State != "unmanaged" }

// LinkOf reads what systemd-networkd does with the interface that has this index. One
// that it does not know is not configured by it.
func (m Manager) LinkOf(index int) (Link, error) {
	name := filepath.Join(m.Root+linksDir, strconv.Itoa(index))
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Link{}, nil
	}
	if err != nil {
		return Link{}, err
	}
	values, err := keyfile.Read(name)
	if err != nil {
		return Link{}, err
	}
	l := Link{State: values["ADMIN_STATE"], File: values["NETWORK_FILE"], when: info.ModTime()}
	l.leased, l.iaid4, l.iaid6, err = identities(m.Root, index, values)
	return l, err
}
