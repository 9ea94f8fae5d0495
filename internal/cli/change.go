package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/boottime"
	"xbr-script/internal/host"
	"xbr-script/internal/netop"
	"xbr-script/internal/shell"
)

// tries bounds how often a call begins anew because somebody else changed the
// host before it could.
const tries = 5

// fresh is how long a plan may lie before it is carried out.
const fresh = 100 * time.Millisecond

// change carries out start or stop.
func (c *call) change(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	var lines []string
	var err error
	for try, before := 0, ""; try < tries; try++ {
		if lines, err = c.attempt(ctx); !c.changedMeanwhile(err) || err.Error() == before {
			break // or somebody does the same again and again
		}
		before = err.Error()
	}
	if err != nil {
		return err
	}
	for _, l := range lines {
		say(c.stdout, l)
	}
	return nil
}

// changedMeanwhile says whether the error comes of what somebody else has done
// since the plan was made, so that a new plan will not meet it again. Of names
// and indexes of new interfaces the plan knew that they were free. Any other name
// may be taken in a way that it did not see, and would be again: then there is a
// difference only if the interfaces are others now. So it is with one that is
// busy, which the kernel also says of an index that is taken by the other end of
// a pair (register_netdevice), and with one that is gone, such as a guest's port.
func (c *call) changedMeanwhile(err error) bool {
	var refused *netop.Refused
	switch {
	case errors.Is(err, bridge.ErrChanged):
		return true
	case !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENODEV):
		return false
	case errors.As(err, &refused) && refused.Taken:
		return true
	}
	now, lookErr := host.Look(c.conn)
	return lookErr == nil && !slices.Equal(allNames(c.host), allNames(now))
}

// allNames are the indexes of all interfaces with all their names.
func allNames(h *host.Host) []string {
	var all []string
	for _, l := range h.Links {
		all = append(all, fmt.Sprint(l.Index, l.Name, slices.Sorted(slices.Values(l.AltNames))))
	}
	return all
}

// attempt is one try at start or stop.
func (c *call) attempt(ctx context.Context) (lines []string, err error) {
	p, lines, err := c.lookAndPlan()
	if err != nil || len(p.Steps) == 0 {
		return lines, err
	}
	if err := c.warnOfNetRoot(); err != nil {
		return nil, err
	}
	asked := boottime.Now()
	w, err := c.watch(ctx)
	if err != nil {
		return nil, err
	}
	if !c.req.NoCheck && boottime.Now()-asked > fresh {
		if p, lines, err = c.lookAndPlan(); err != nil || len(p.Steps) == 0 {
			return lines, err
		}
	}
	for _, text := range p.Warnings {
		say(c.stderr, "xbr-script: "+text)
	}
	p.Add(w.step())
	if c.req.Confirm == 0 {
		return lines, c.runner().Run(ctx, p)
	}
	t, err := startTimer()
	if err != nil {
		return nil, err
	}
	defer t.leave()
	r := c.runner()
	if err := r.Run(ctx, p); err != nil {
		return nil, err
	}
	if err := t.arm(); err != nil {
		return nil, c.takeBack(ctx, r, err)
	}
	return append(lines, c.waitsText()), nil
}

// dryRun prints the plan as a script.
func (c *call) dryRun() error {
	commands, nothing, err := c.commands()
	if err != nil {
		return err
	}
	if len(commands) == 0 {
		say(c.stdout, shell.Comment("nothing to do: "+strings.Join(nothing, "; ")))
	}
	for _, line := range commands {
		say(c.stdout, line)
	}
	return nil
}
