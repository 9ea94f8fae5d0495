package operate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/antispoof"
	"xbr-script/antispoof/strict"
	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/draw"
	"xbr-script/internal/guestname"
	"xbr-script/internal/manager"
	"xbr-script/internal/plan"
)

// Report is the answer of status.
type Report struct {
	Version int `json:"version"`
	// Last is the last change; nil if none was made since the host was booted.
	Last      *Last   `json:"last,omitempty"`
	Bridges   []Entry `json:"bridges"`
	IPForward string  `json:"ip_forward"`
	// Others are up, if something that was asked for is not.
	Others []string `json:"others,omitempty"`
	// Unfinished is the command line of a call that died in a change, or whose change
	// was neither confirmed in time nor put back.
	Unfinished string `json:"unfinished,omitempty"`
	// Waiting is the change that waits to be confirmed.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Picture is the network as it is drawn; only of a call with --draw.
	Picture *draw.Picture `json:"picture,omitempty"`
}

// Entry is one bridge's part of the answer.
type Entry struct {
	bridge.Status
	AntiSpoof antispoof.Status `json:"antispoof"`
	Strict    *strict.Status   `json:"strict,omitempty"` // of antispoof=strict
	// Managers configure dom0's interface, or the NIC if the bridge is not up. Empty:
	// none is known; nil: of this host it cannot be known.
	Managers []manager.Keeper `json:"managers,omitzero"`
	// Wrong is all that is not as asked, of the network and of its rules, with what mends it.
	Wrong []Wrong `json:"wrong,omitempty"`
	// GuestNames are those whose the guests' ports are, as far as that is known; only of a
	// call with -v.
	GuestNames []guestname.Guest `json:"guest_names,omitempty"`
}

// Waiting is a change that waits to be confirmed.
type Waiting struct {
	Command     string `json:"command"`
	SecondsLeft int    `json:"seconds_left"`
}

// statusWait is how long status waits for a call that changes things; after that it
// says how they stand meanwhile.
const statusWait = 20 * time.Second

// status waits for changes to end, and says how the wanted bridges stand.
func (c *Call) status(ctx context.Context) (*Result, error) {
	if os.Geteuid() == 0 && c.Request.Host == "" { // nobody else may touch the lock
		lock, err := c.lock(ctx, statusWait)
		if err == nil {
			defer func() { _ = lock.Release() }()
		}
		if busy := (*plan.Busy)(nil); errors.As(err, &busy) {
			c.Note(busy.Holder + " is still at work: this is how things stand meanwhile")
		} else if err != nil && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.ENOSPC) { // nobody can be at work there
			return nil, err
		}
	}
	v, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	r, err := v.report(ctx)
	return &Result{Report: r}, err
}

// report says how the wanted bridges stand.
func (v *view) report(ctx context.Context) (*Report, error) {
	r := &Report{Version: OutcomeVersion, Bridges: []Entry{}}
	for _, f := range v.features() {
		if err := f.Status(r); err != nil {
			return nil, err
		}
	}
	for i, w := range v.specs {
		keepers, err := v.keepers(ctx, manager.AtRest(v.move(w)))
		switch {
		case errors.Is(err, fs.ErrPermission): // only root may read some files
			v.Note("cannot tell all of what configures " + w.NetDev + ": " + err.Error())
		case err != nil:
			return nil, fmt.Errorf("cannot tell what configures %s: %w", w.NetDev, err)
		}
		r.Bridges[i].Managers = keepers
	}
	if v.Request.Verbose {
		v.nameGuests(r)
	}
	if v.Request.Draw != config.NoDrawing {
		r.Picture = v.picture()
	}
	v.mend(r) // what that asks for besides is not read otherwise
	if slices.ContainsFunc(r.Bridges, func(e Entry) bool { return e.State == bridge.Down }) {
		r.Others = bridge.Others(v.up, v.specs)
	}
	if v.Request.Host != "" {
		return r, nil
	}
	u, err := v.unfinished()
	if err != nil {
		return nil, err
	}
	if u != nil {
		r.tell(u)
	}
	r.Last, err = lastForms.Load(plan.Records(v.store), lastRecord)
	return r, err
}

// tell adds a change that has not ended.
func (r *Report) tell(u *plan.Unfinished) {
	if left, waits := u.Waits(); waits {
		r.Waiting = &Waiting{u.Command, int((left + time.Second - 1) / time.Second)}
	} else {
		r.Unfinished = u.Command
	}
}
