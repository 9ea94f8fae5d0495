package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"xbr-script/bridge"
	"xbr-script/internal/boottime"
)

// tries bounds how often a call begins anew because somebody else changed the
// host before it could.
const tries = 5

// fresh is how long a plan may lie before it is carried out.
const fresh = 100 * time.Millisecond

// change carries out start or stop.
func (c *call) change(ctx context.Context) error {
	if err := c.settle(); err != nil {
		return err
	}
	var lines []string
	var err error
	for try := 0; try < tries; try++ {
		lines, err = c.attempt(ctx)
		// Who was first to take a name or an index has changed it, too.
		if !errors.Is(err, bridge.ErrChanged) && !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if err != nil {
		return err
	}
	for _, l := range lines {
		say(c.stdout, l)
	}
	return nil
}

// attempt is one try at start or stop.
func (c *call) attempt(ctx context.Context) (lines []string, err error) {
	p, lines, err := c.lookAndPlan()
	if err != nil || len(p.Steps) == 0 {
		return lines, err
	}
	c.warnOfNetRoot()
	asked := boottime.Now()
	w := c.watch(ctx)
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
		return nil, c.takeBack(r, err)
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
		say(c.stdout, "# nothing to do: "+strings.Join(nothing, "; "))
	}
	for _, line := range commands {
		say(c.stdout, line)
	}
	return nil
}
