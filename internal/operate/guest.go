package operate

import (
	"context"
	"fmt"
	"slices"

	"xbr-script/antispoof/strict"
	"xbr-script/internal/config"
	"xbr-script/internal/host"
	"xbr-script/internal/plan"
	"xbr-script/internal/xenstore"
)

// changeGuest carries out admit and dismiss. They touch no network, so nobody has to be
// asked afterwards whether it is still there.
func (c *Call) changeGuest(ctx context.Context) (*Result, error) {
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	p, done, err := c.planGuest()
	if err != nil || len(p.Steps) == 0 {
		return done, err
	}
	r := c.runner()
	r.Confirm = 0
	return done, c.ran(r.Run(ctx, p))
}

// planGuest makes the plan.
func (c *Call) planGuest() (*plan.Plan, *Result, error) {
	h, err := host.ReadLinks(c.conn)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the network: %w", err)
	}
	records, err := plan.ReadRecords(runDir)
	if err != nil {
		return nil, nil, err
	}
	planner := &strict.Planner{Records: records, Host: h}
	if err := planner.LookAtAll(false); err != nil {
		return nil, nil, err
	}
	if len(planner.Seen.Tables) > 0 {
		planner.Xen = xenstore.Look()
	}
	change := planner.Admit
	if c.Request.Command == config.Dismiss {
		change = planner.Dismiss
	}
	part, err := change(c.Request.Guests[0])
	if err != nil {
		return nil, nil, err
	}
	p := &plan.Plan{}
	p.Add(slices.Concat(part.Before, part.After)...)
	done := &Result{Lines: part.Lines, Notes: part.Notes}
	if len(p.Steps) == 0 {
		done.Lines = []string{c.Request.Guests[0].Port + " is so already"}
	}
	return p, done, nil
}

// seeStrict reads what antispoof=strict is planned from, if the call or a record is about
// it.
func (c *Call) seeStrict(records plan.Records) (*strict.Seen, error) {
	planner := &strict.Planner{Records: records}
	asked := slices.ContainsFunc(c.Request.Bridges, func(b config.Bridge) bool { return b.AntiSpoof == config.AntiSpoofStrict })
	err := planner.LookAtAll(asked)
	if !asked && planner.Seen != nil && len(planner.Seen.Tables) == 0 {
		return nil, err
	}
	return planner.Seen, err
}

// strictly are the bridges as antispoof=strict sees them.
func (r rules) strictly() (list []strict.Bridge, err error) {
	for i, g := range r.guarded() {
		b := strict.Bridge{Name: g.Name, NIC: g.NIC, Port: g.Port, Index: g.Index, MAC: g.MAC.String(), Addrs: g.Addrs, Want: r.specs[i].AntiSpoof}
		if b.Want == config.AntiSpoofStrict {
			if b.Back, err = r.network.Back(r.specs[i]); err != nil {
				return nil, err
			}
		}
		list = append(list, b)
	}
	return list, nil
}
