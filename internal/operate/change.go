package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/boottime"
	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/plan"
)

// tries bounds how often a call begins anew because somebody else changed the
// host before it could.
const tries = 5

// fresh is how old a plan may be when it is carried out.
const fresh = 100 * time.Millisecond

// change carries out start or stop.
func (c *Call) change(ctx context.Context) (done *Result, err error) {
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	c.awaitNICs(ctx)
	for try, before := 0, ""; try < tries; try++ {
		var v *view
		if v, done, err = c.attempt(ctx); err == nil || !v.changedMeanwhile(err) || err.Error() == before {
			break // or somebody does the same again and again
		}
		before = err.Error()
	}
	return done, err
}

// changedMeanwhile says whether the error comes from what somebody else has done
// since the host was read, so that a new plan will not meet it again. When the plan
// was made, the names and indexes of new interfaces were free. Any other name may be
// taken in a way that the plan did not see, and a new one would not see either: then
// it makes a difference only if the interfaces are others now. The same holds for one
// that is busy, which the kernel also says of an index that the other end of a pair
// has taken (register_netdevice), and for one that is gone, such as a guest's port.
func (v *view) changedMeanwhile(err error) bool {
	var refused *netop.Refused
	switch {
	case errors.Is(err, bridge.ErrChanged):
		return true
	case !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENODEV):
		return false
	case errors.As(err, &refused) && refused.Taken:
		return true
	case v == nil:
		return false // it was not read
	}
	now, lookErr := host.Look(v.conn)
	return lookErr == nil && !slices.Equal(allNames(v.host), allNames(now))
}

// allNames has the indexes of all interfaces with all their names.
func allNames(h *host.Host) []string {
	var all []string
	for _, l := range h.Links {
		all = append(all, fmt.Sprint(l.Index, l.Name, slices.Sorted(slices.Values(l.AltNames))))
	}
	return all
}

// attempt is one try at start or stop. It also gives what its plan was made for.
func (c *Call) attempt(ctx context.Context) (*view, *Result, error) {
	v, p, done, err := c.readAndPlan(ctx)
	if v != nil && v.awaitManagers(ctx) {
		v, p, done, err = c.readAndPlan(ctx)
	}
	if err != nil || len(p.Steps) == 0 {
		return v, done, err
	}
	if err := c.warnOfNetRoot(); err != nil {
		return v, nil, err
	}
	looked := boottime.Now()
	found, err := v.breaking()
	if err != nil {
		return v, nil, err
	}
	w, err := v.watch(ctx)
	if err != nil {
		return v, nil, err
	}
	asked, err := c.ask(ctx, p, found)
	if err != nil {
		return v, nil, err
	}
	if asked || boottime.Now()-looked > fresh {
		moves := v.holdable()
		if v, p, done, err = c.readAndPlan(ctx); err != nil || len(p.Steps) == 0 {
			return v, done, err
		}
		if asked || !slices.Equal(v.holdable(), moves) {
			if found, err = v.breaking(); err != nil {
				return v, nil, err
			}
		}
	}
	c.warn(p, found)
	c.breaks = found.all
	v.noteKeepers(ctx)
	p.Add(w.step())
	if c.Request.Confirm == 0 {
		return v, done, c.ran(c.runner().Run(ctx, p))
	}
	done.Notes = append(done.Notes, c.waitsText())
	return v, done, c.ran(c.runWatched(ctx, p))
}

// ran notes whether a plan that was carried out has left something changed, and passes
// its error on.
func (c *Call) ran(err error) error {
	failed := (*plan.Failed)(nil)
	c.changed = c.changed || err == nil || errors.As(err, &failed) && len(failed.Left) > 0
	return err
}

// readAndPlan makes the plan for the host as it is now.
func (c *Call) readAndPlan(ctx context.Context) (*view, *plan.Plan, *Result, error) {
	v, err := c.snapshot(ctx)
	if err != nil {
		return v, nil, nil, err
	}
	p, done, err := v.plan()
	return v, p, done, err
}

// runWatched carries out a change that has to be confirmed, with a timer that
// watches it.
func (c *Call) runWatched(ctx context.Context, p *plan.Plan) error {
	t, err := startTimer()
	if err != nil {
		return err
	}
	defer t.leave()
	r := c.runner()
	if err := r.Run(ctx, p); err != nil {
		return err
	}
	if err := t.arm(); err != nil {
		return c.takeBack(ctx, r, err)
	}
	return nil
}
