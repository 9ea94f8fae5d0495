package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"xbr-script/antispoof"
	"xbr-script/bridge"
	"xbr-script/internal/config"
	"xbr-script/internal/plan"
)

// plan makes the whole plan and the lines that tell of it when it is done.
func (c *call) plan() (*plan.Plan, []string, error) {
	planner := &bridge.Planner{Conn: c.conn, Host: c.host, Store: c.store, Switched: c.antispoof.Switched}
	if err := cmp.Or(c.refuseHotplug(), c.refuseDhcpcd()); err != nil {
		return nil, nil, err
	}
	planned := c.planStop
	if c.req.Command == config.Start {
		planned = c.planStart
	}
	p, lines, err := planned(planner)
	if err == nil {
		err = c.follow(p)
	}
	return p, lines, err
}

// planStart joins the steps of all parts.
func (c *call) planStart(planner *bridge.Planner) (*plan.Plan, []string, error) {
	var notes []string
	planner.Rules = func() (steps []plan.Step, err error) {
		steps, notes, err = c.antispoof.Start(c.guarded(planner))
		return steps, err
	}
	p, outcomes, err := planner.Start(c.wants)
	if err != nil {
		return nil, nil, err
	}
	if c.req.IPForward != nil {
		steps, err := c.forward.Start(c.host, *c.req.IPForward)
		if err != nil {
			return nil, nil, err
		}
		p.Add(steps...)
	}
	if len(p.Steps) > 0 {
		p.Add(c.rulesStep(planner))
	}
	return p, append(texts(outcomes, true), folded(notes)...), nil
}

// rulesStep is the look at the rules that were asked for: somebody may have
// flushed them since they were made.
func (c *call) rulesStep(planner *bridge.Planner) plan.Step {
	bridges := slices.DeleteFunc(c.guarded(planner), func(b antispoof.Bridge) bool { return b.Want == nil || !*b.Want })
	if len(bridges) == 0 {
		return plan.Step{}
	}
	return plan.Step{Title: "find the rules as planned", Check: func(ctx context.Context) error {
		now := &antispoof.Planner{Records: plan.Records{Dir: runDir}, Scripts: c.antispoof.Scripts, Ctx: ctx}
		for _, b := range bridges {
			st, err := now.Status(b)
			if err != nil {
				return err
			}
			if !st.InForce {
				return errors.New(strings.Join(append([]string{"antispoof is not in force on " + b.Name}, st.Wrong...), "; "))
			}
		}
		return nil
	}}
}

// planStop is the reverse of planStart.
func (c *call) planStop(planner *bridge.Planner) (*plan.Plan, []string, error) {
	var notes []string
	planner.Rules = func() (steps []plan.Step, err error) {
		steps, notes, err = c.antispoof.Stop(c.guarded(planner))
		return steps, err
	}
	p, outcomes, err := planner.Stop(c.wants)
	if err != nil {
		return nil, nil, err
	}
	lines := append(texts(outcomes, false), folded(notes)...)
	last, err := c.lastStop()
	if err != nil || !last {
		return p, lines, err
	}
	steps, note, err := c.forward.Stop(c.host)
	p.Add(steps...)
	if note != "" {
		lines = append(lines, note)
	}
	return p, lines, err
}

// folded breaks long notes into lines that fit a terminal.
func folded(notes []string) []string {
	var lines []string
	for _, n := range notes {
		line := ""
		for word := range strings.FieldsSeq(n) {
			if line != "" && len(line)+1+len(word) > width {
				lines, line = append(lines, line), " "
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}

// guarded is the wanted bridges as antispoof sees them.
func (c *call) guarded(planner *bridge.Planner) []antispoof.Bridge {
	var bridges []antispoof.Bridge
	for _, w := range c.wants {
		mac, addrs := planner.Dom0(w)
		bridges = append(bridges, antispoof.Bridge{
			Name: w.Bridge, NIC: w.PDev, Port: w.VIF, MAC: mac, Addrs: addrs,
			Index: planner.Index(w.Bridge), PortIndex: planner.Index(w.VIF),
			Want: w.AntiSpoof, GuestsAllow: w.GuestsAllow,
		})
	}
	return bridges
}

// lastStop says whether no bridge is left after this stop, with or without a
// record.
func (c *call) lastStop() (bool, error) {
	records, err := c.store.All()
	left := bridge.Standing(c.host, records)
	for _, r := range records {
		left = append(left, r.Want)
	}
	return len(bridge.Others(left, c.wants)) == 0, err
}
